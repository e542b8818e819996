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
    """Find whether the server listens where it should, lasts, and gets what is sent."""
    servers = [(command, call) for command, call in file.calls if _is_server(call)]
    for command, call in servers:
        yield from _listens(command, call)
        if command.on_workers:
            yield error(command.where, "an MLflow server on every worker", "one, in head_start_ray_commands")
        if file.kind == "launcher" and call.program != "systemd-run":
            if not call.background:
                wanted = "& behind it: ray up waits for each command"
                yield error(command.where, "an MLflow server in the foreground", wanted)
            elif not call.detached:
                found = "an MLflow server that may end with ray up's ssh"
                yield warning(command.where, found, "setsid nohup before it")
    for command, call in file.calls_of("respsweep"):
        if address := call.option("--tracking-uri"):
            yield from _reached(command, address, [server for place, server in servers if place.on_head])


def _is_server(call: Call) -> bool:
    if call.program == "mlflow":
        return call.words[1:2] in (("server",), ("ui",))
    return "respsweep ui" in " ".join(call.words) and "--serve" in call.words


def _listens(command: Command, call: Call) -> Iterator[Finding]:
    host = call.option("--host") or HOST
    if host in EVERYWHERE:
        wanted = f"--host {HOST}, and from your desk: ray attach -p {PORT}, or kubectl port-forward"
        yield error(command.where, f"MLflow listens on {host}, every address of the head", wanted)
    elif not is_loopback(host) and not {"--auth", "basic-auth"} & set(call.words):
        yield warning(command.where, f"MLflow listens on {host} without --auth", f"--host {HOST}, or --auth")
    if call.option("--allowed-hosts") == "*":
        wanted = "nothing: its own names are set already"
        yield error(command.where, "MLflow answers to any Host header", wanted)


def _reached(command: Command, address: str, servers: list[Call]) -> Iterator[Finding]:
    try:
        target = urlsplit(address)
        host, port = target.hostname or "", str(target.port or 80)
    except ValueError:
        yield error(command.where, "--tracking-uri that is no address", f"http://{HOST}:{PORT}")
        return
    listening = {server.option("--port") or PORT for server in servers}
    # Another machine's server, or a database, cannot be judged from here.
    if target.scheme in ("http", "https") and is_loopback(host) and port not in listening:
        wanted = f"a server there: {', '.join(sorted(listening)) or 'none is started'}"
        yield error(command.where, f"--tracking-uri to port {port} of the head", wanted)
