"""The MLflow server: on the head, reached by the driver there and by nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from sweep.cluster.cluster_file import ClusterFile, Command
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.rules.ports import is_loopback
from sweep.cluster.shell import Call
from sweep.cluster.surroundings import Surroundings

PORT = "5000"
HOST = "127.0.0.1"
EVERYWHERE = "0.0.0.0", "::", "[::]", "*"


def mlflow(file: ClusterFile, _: Surroundings) -> Iterator[Finding]:
    """Where the server listens, and whether what is sent arrives there."""
    servers = _servers(file)
    for command, call in servers:
        yield from _listens(command, call)
        if command.on_workers:
            yield error(command.where, "an MLflow server on every worker", "one, in head_start_ray_commands")
        if file.kind == "launcher" and not (call.background or call.program == "systemd-run"):
            yield error(
                command.where,
                "an MLflow server in the foreground",
                "& behind it: ray up waits for each command",
            )
        elif file.kind == "launcher" and not (call.detached or call.program == "systemd-run"):
            yield warning(
                command.where, "an MLflow server that may end with ray up's ssh", "setsid nohup before it"
            )
    addresses = [
        (command, address)
        for command, call in file.calls_of("respsweep")
        if (address := call.option("--tracking-uri"))
    ]
    for command, address in addresses:
        yield from _reached(command, address, [call for place, call in servers if place.on_head])
    if not servers and not addresses:
        yield warning(
            "head_start_ray_commands" if file.kind == "launcher" else f"{file.root}headGroupSpec",
            "no MLflow server, so that each study keeps its runs in a database of its own",
            "setsid nohup respsweep ui --serve ... &",
        )


def _servers(file: ClusterFile) -> list[tuple[Command, Call]]:
    return [(command, call) for command in file.commands for call in command.calls if _is_server(call)]


def _is_server(call: Call) -> bool:
    if call.program == "mlflow":
        return call.words[1:2] in (("server",), ("ui",))
    return "respsweep ui" in " ".join(call.words) and "--serve" in call.words


def _listens(command: Command, call: Call) -> Iterator[Finding]:
    host = call.option("--host") or HOST
    if host in EVERYWHERE:
        wanted = f"--host {HOST}, and from your desk: ray attach -p {PORT}, or kubectl port-forward"
        yield error(command.where, f"MLflow listens on {host}, every address of the head", wanted)
    elif not is_loopback(host) and "--auth" not in call.words and "basic-auth" not in call.words:
        yield warning(command.where, f"MLflow listens on {host} without --auth", f"--host {HOST}, or --auth")
    if call.option("--allowed-hosts") == "*":
        yield error(
            command.where, "MLflow answers to any Host header", "nothing: its own names are set already"
        )


def _reached(command: Command, address: str, servers: list[Call]) -> Iterator[Finding]:
    try:
        target = urlsplit(address)
        host, port = target.hostname or "", str(target.port or "")
    except ValueError:
        yield error(command.where, "--tracking-uri that is no address", f"http://{HOST}:{PORT}")
        return
    if target.scheme not in ("http", "https"):
        return
    # Another machine's server cannot be judged from here.
    if not is_loopback(host):
        if any(is_loopback(server.option("--host") or HOST) for server in servers):
            yield error(
                command.where,
                f"--tracking-uri to {host}",
                f"the server of this file listens on {HOST} of the head",
            )
        return
    listening = {server.option("--port") or PORT for server in servers}
    if port not in listening:
        found = f"--tracking-uri to port {port or 80} of the head"
        wanted = (
            f"a server there: {'port ' + ', '.join(sorted(listening)) if listening else 'none is started'}"
        )
        yield error(command.where, found, wanted)
