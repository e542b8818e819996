"""The command line. Heavy modules are imported by the command that needs them, so that `--help` is instant."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from data.errors import UserError

app = typer.Typer(
    help="Find, and be able to prove, the best hyperparameters of a lung-sound classifier.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Studies = Annotated[
    str,
    typer.Option(
        "--studies", help="Folder that holds the studies, or a place on an object store: s3://bucket/lab."
    ),
]
DataOption = Annotated[str | None, typer.Option("--data", help="Recordings in ICBHI layout.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="FIELD=VALUE of the study file, e.g. budget.gpu_hours=8. Repeatable."),
]
STUDIES = "studies"


@app.command()
def run(
    space: Annotated[
        Path | None, typer.Argument(help="Study file, e.g. search_spaces/quickstart.yaml.")
    ] = None,
    data: DataOption = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the study; default: that of the file. One that exists goes on."),
    ] = None,
    resume: Annotated[
        str | None, typer.Option(help="Name of a study to go on with, as it was but for what is given.")
    ] = None,
    configurations: Annotated[
        int | None, typer.Option(min=1, help="Points to try at most; the file's other limits stay.")
    ] = None,
    settings: Settings = None,
    address: Annotated[
        str, typer.Option(help="local: this machine; auto: the Ray cluster it belongs to.")
    ] = "local",
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow server; default: a database in the study.")
    ] = None,
    studies: Studies = STUDIES,
) -> None:
    """Search: train configurations over the seeds they deserve, and export the best. Goes on where it stopped."""
    from sweep.driver.which_study import choose_study, overrides

    changes = overrides(settings or [])
    changes |= {"data": data} if data is not None else {}
    changes |= {"budget.configurations": configurations} if configurations is not None else {}
    changes |= {"tracking_uri": tracking_uri} if tracking_uri is not None else {}
    folder, config = choose_study(studies, space, name, resume, changes)

    from sweep.driver.display import ConsoleDisplay
    from sweep.driver.run import run_study

    run_study(config, folder, address, ConsoleDisplay(_console()))
    runs = config.tracking_uri or f"respsweep ui {folder.arguments}"
    _console().print(
        f"best configuration: {folder.place}/{folder.best.name}\n"
        f"again: respsweep leaderboard {folder.arguments}   runs and curves: {runs}",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def status(
    name: str,
    units: Annotated[bool, typer.Option("--units", help="An account of each unit.")] = False,
    studies: Studies = STUDIES,
) -> None:
    """Show who runs a study, what it has done, and what it has spent."""
    from sweep.folder.study_folder import StudyFolder
    from sweep.report.status import study_status

    _console().print(study_status(StudyFolder.open(studies, name), units=units), highlight=False)


@app.command("simulate")
def play_study(
    space: Annotated[Path | None, typer.Argument(help="Study file to play.")] = None,
    recorded: Annotated[
        str | None, typer.Option("--from", help="Take the learning curves that this study recorded.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Units at a time.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Simulated studies.")] = 20,
    settings: Settings = None,
    world: Annotated[
        list[str] | None,
        typer.Option("--world", help="FIELD=VALUE of the made-up curves, e.g. seed_sd=0.008. Repeatable."),
    ] = None,
    studies: Studies = STUDIES,
) -> None:
    """Play a study on made-up or recorded learning curves: what would it cost, what would it find?"""
    from functools import partial

    from data.settings import ConfigError, parse
    from sweep.driver.which_study import overrides, read_settings
    from sweep.folder.study_folder import StudyFolder
    from sweep.simulation.made_up_curves import SyntheticCurves, WorldConfig
    from sweep.simulation.recorded_curves import RecordedCurves, RecordedStudy
    from sweep.simulation.simulate import simulate, simulation_table

    if recorded is not None and world:
        raise ConfigError("--world makes curves up and --from takes recorded ones; give one of them")
    source = StudyFolder.open(studies, recorded) if recorded is not None else None
    config = read_settings(space or (source and source.study_file), overrides(settings or []))
    if source is not None:
        past = source.config().space
        recording = RecordedStudy(
            source.board(), lambda values: past.recipe(values).epochs, source.name, config.seeds
        )
        curves = partial(RecordedCurves, recording)
    else:
        made_up = parse(WorldConfig, overrides(world or []), "--world")
        curves = partial(SyntheticCurves, made_up, config.space)
    _console().print(simulation_table(simulate(config, curves, workers, repeats)), highlight=False)


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe file, or an exported best.yaml.")],
    data: Annotated[Path, typer.Option("--data", help="Recordings in ICBHI layout.")],
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 1,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Save each epoch here, and go on from it if it is there.")
    ] = None,
) -> None:
    """Train one recipe with one seed; print its confusion matrix and score on held-out patients."""
    from model.training.epoch_metrics import select_epoch
    from model.training.fit import fit
    from model.training.recipe import read_recipe
    from sweep.report.confusion_table import confusion_table
    from sweep.worker.prepared_data import DataPreparation, load_examples

    settings = read_recipe(recipe)
    material = DataPreparation(data).prepare(settings)
    training, validation = load_examples(material, settings.folds.fold)
    console = _console()
    console.print(f"{len(training)} training and {len(validation)} validation cycles", highlight=False)
    history = []
    for metrics in fit(settings, seed, training, validation, checkpoint=checkpoint):
        history.append(metrics)
        console.print(
            f"epoch {metrics.epoch}/{settings.epochs}  loss {metrics.train_loss:.4f}  score {metrics.score:.3f}  "
            f"{metrics.seconds:.1f} s",
            highlight=False,
        )
    console.print(confusion_table(select_epoch(history, settings)))


@app.command("data")
def census(directory: Annotated[Path, typer.Argument(help="Recordings in ICBHI layout.")]) -> None:
    """Read a data set, count it, and say what is missing."""
    from data.dataset import census as take_census
    from data.icbhi import read_icbhi
    from sweep.report.dataset_table import dataset_table

    _console().print(dataset_table(take_census(read_icbhi(directory))))


@app.command()
def synth(
    directory: Annotated[Path, typer.Argument(help="Folder to write; must not exist.")],
    patients: Annotated[int, typer.Option(min=8, help="How many.")] = 24,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Write synthetic breaths in ICBHI layout."""
    from data.synthetic import write_breaths

    write_breaths(directory, patients=patients, seed=seed)


@app.command("leaderboard")
def show_leaderboard(name: str, studies: Studies = STUDIES) -> None:
    """Show a study's configurations, best first."""
    from sweep.folder.study_folder import StudyFolder
    from sweep.report.leaderboard import failures, leaderboard

    folder = StudyFolder.open(studies, name)
    board = folder.board()
    table = leaderboard(board, objectives=folder.config().objectives)
    _console().print(table, *failures(board), sep="\n", markup=False)


@app.command()
def export(
    name: str,
    output: Annotated[
        Path | None, typer.Option(help="File to write; default: best.yaml in the study.")
    ] = None,
    configuration: Annotated[
        int | None, typer.Option(min=0, help="Another than the best one, by its number.")
    ] = None,
    studies: Studies = STUDIES,
) -> None:
    """Write a study's best configuration as a recipe with its provenance."""
    from sweep.driver.run import export as write_best
    from sweep.folder.study_folder import StudyFolder

    _console().print(
        str(write_best(StudyFolder.open(studies, name), output, configuration)),
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def ui(
    name: Annotated[
        str | None, typer.Argument(help="A study that keeps its runs itself: open the UI on these.")
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the runs of all studies that have --tracking-uri.")
    ] = False,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
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
    studies: Studies = STUDIES,
) -> None:
    """Open the MLflow UI on a study, or serve the runs of all studies, at http://127.0.0.1:PORT, until interrupted."""
    from data.settings import ConfigError

    if serve:
        from sweep.tracking.server import ServerStorage
        from sweep.tracking.server import serve as serve_all

        if name is not None:
            raise ConfigError(f"{name}: --serve is for all studies; leave the name or --serve out")
        places = ServerStorage.choose(studies, backend, artifacts)
        serve_all(places, host, port, auth, _console(), with_ray=with_ray)
        return
    if name is None:
        raise ConfigError("no study: name one that keeps its runs itself, or give --serve for a server")
    if auth or backend or artifacts or with_ray or host != "127.0.0.1":
        raise ConfigError(
            "--host, --backend, --artifacts, --auth and --with-ray are for a server; give --serve too"
        )
    from sweep.folder.study_folder import StudyFolder
    from sweep.tracking.server import serve_study
    from sweep.tracking.tracker import database_uri

    folder = StudyFolder.open(studies, name, runs=True)
    serve_study(folder.config().tracking_uri, database_uri(folder.path), port)


@app.command()
def doctor(
    pack: Annotated[
        Path | None,
        typer.Option(
            "--pack", help="Recipe or study file: measure how many units of it train best at a time."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="With --pack: train on these recordings, not on noise.")
    ] = None,
    studies: Studies = STUDIES,
) -> None:
    """Say what works on this machine; exit status 1 if something that is needed does not."""
    from data.settings import ConfigError

    console = _console()
    if pack is not None:
        from sweep.machine.gpu_sharing_processes import gpu_sharing_report

        console.print(gpu_sharing_report(pack, data, console), highlight=False)
        return
    if data is not None:
        raise ConfigError("--data is what --pack trains on; give --pack RECIPE too")
    from sweep.machine.doctor import doctor_table, examine

    findings = examine(studies)
    console.print(doctor_table(findings), highlight=False)
    if any(finding.broken for finding in findings):
        raise typer.Exit(1)


cluster_app = typer.Typer(help="Clusters: the files that describe them.", no_args_is_help=True)
app.add_typer(cluster_app, name="cluster")


@cluster_app.command("check")
def check_cluster(
    file: Annotated[
        Path, typer.Argument(help="For ray up (cluster.yaml), or KubeRay's RayJob or RayCluster.")
    ],
    space: Annotated[
        Path | None, typer.Option("--space", help="Study file: do its units fit on a worker?")
    ] = None,
) -> None:
    """Say what is wrong with a cluster file before machines are paid for; exit status 1 if there is an error."""
    from sweep.cluster.check import check_cluster_file
    from sweep.cluster.surroundings import Surroundings, UnitNeeds
    from sweep.report.cluster_findings import findings_table

    unit = None
    if space is not None:
        from sweep.config.study_config import read_study

        needs = read_study(space).resources
        unit = UnitNeeds(str(space), needs.cpu, needs.gpu)
    report = check_cluster_file(file, Surroundings.here(unit))
    if report.findings:
        _console().print(findings_table(report.findings))
    _console().print(f"{file}: {report.summary}", highlight=False, soft_wrap=True)
    if report.errors:
        raise typer.Exit(1)


@cluster_app.command("watch")
def watch_for_notice() -> None:
    """Wait, on a spot machine of AWS or GCP, until it is to be taken back; then let its units save and move."""
    from sweep.execution.drain import drain_this_node
    from sweep.execution.spot_notice import await_notice, cloud_here, sole_watcher

    with sole_watcher():
        cloud = cloud_here()
        _console().print(f"waiting for {cloud.name} to take this machine back")
        notice = await_notice(cloud)
        address = drain_this_node(notice.seconds, notice.why, insist=True)
    _console().print(f"{notice.why}; {address} is drained", highlight=False)


@cluster_app.command("drain")
def drain_node(
    seconds: Annotated[float, typer.Option(min=0, help="When this machine goes away.")] = 120.0,
) -> None:
    """Let the units on this machine save where they are and move to others; nothing new comes to it."""
    from sweep.execution.drain import drain_this_node

    address = drain_this_node(seconds, "asked for by respsweep cluster drain")
    _console().print(f"{address} is drained", highlight=False)


def main() -> None:
    """Entry point: what a user can mend is one line on stderr and exit status 1, anything else a traceback."""
    warnings.showwarning = _show_warning
    try:
        app()
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        raise SystemExit(1) from None
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None


def _show_warning(message: Warning | str, category: type[Warning], *_: object) -> None:
    if category is UserWarning:
        print(f"warning: {message}", file=sys.stderr)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 160)
