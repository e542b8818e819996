"""`respsweep ui`."""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.commands.console import console, say
from sweep.commands.options import STUDIES, StudiesOption, study_names


def ui(
    name: Annotated[
        str | None,
        typer.Argument(help="A study: open the UI on its runs.", autocompletion=study_names),
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the runs of all studies that have --tracking-uri.")
    ] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the UI or the server listens.")] = 5000,
    host: Annotated[
        str, typer.Option(help="With --serve: the address to listen on, loopback or private.")
    ] = "127.0.0.1",
    backend: Annotated[
        str | None,
        typer.Option(
            help="With --serve: postgresql://user@host/database (password: PGPASSWORD or ~/.pgpass) or "
            "sqlite:////disk/mlflow.db; default: STUDIES/.mlflow/mlflow.db."
        ),
    ] = None,
    artifacts: Annotated[
        str | None,
        typer.Option(
            help="With --serve: folder or URI of the runs' files; default: STUDIES/.mlflow/artifacts."
        ),
    ] = None,
    auth: Annotated[
        bool,
        typer.Option(
            "--auth",
            help="With --serve: only for users who log in; the first is MLFLOW_TRACKING_USERNAME (default: admin) with "
            "MLFLOW_TRACKING_PASSWORD.",
        ),
    ] = False,
    with_ray: Annotated[
        bool, typer.Option("--with-ray", help="With --serve: end when the Ray head on this machine ends.")
    ] = False,
    studies: StudiesOption = STUDIES,
) -> None:
    """Open the MLflow UI on a study, or serve the runs of all studies, at http://127.0.0.1:PORT, until interrupted.

    Of a study whose runs are on a server, say at which addresses that shows them.
    """
    from data.settings import ConfigError

    if serve:
        from sweep.tracking.server import ServerStorage
        from sweep.tracking.server import serve as serve_all

        if name is not None:
            raise ConfigError(f"{name}: --serve is for all studies; leave the name or --serve out")
        storage = ServerStorage.choose(studies, backend, artifacts)
        serve_all(storage, host, port, auth, say, terminal=console().is_terminal, with_ray=with_ray)
        return
    if name is None:
        raise ConfigError("no study: name one, or give --serve for a server")
    if auth or backend or artifacts or with_ray or host != "127.0.0.1":
        raise ConfigError(
            "--host, --backend, --artifacts, --auth and --with-ray are for a server; give --serve too"
        )
    from sweep.folder.study_folder import StudyFolder

    folder = StudyFolder.open(studies, name, runs=True)
    uri = folder.config().tracking_uri
    if uri is None:
        # MLflow alone takes seconds to import.
        say("starting MLflow's page, up to a minute")
    from sweep.tracking.server import say_where, serve_study
    from sweep.tracking.tracker import database_uri

    if uri is not None:
        # A study that never ran has none.
        study_id = folder.provenance()["study_id"] if folder.provenance_file.exists() else None
        say_where(uri, folder.name, study_id, say)
    else:
        serve_study(database_uri(folder.path), folder.name, port, say, terminal=console().is_terminal)
