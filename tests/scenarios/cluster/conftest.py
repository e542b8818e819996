"""A lab of hosts on this machine: a laptop, a head and two workers, with a real Ray cluster on the last three."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.scenarios.cluster.hosts import (
    HOME,
    REPOSITORY,
    Host,
    HostsError,
    Lab,
    install_python,
    install_what_hosts_need,
)

RESPSWEEP = f"{HOME}/respsweep/.venv/bin/respsweep"
RAY = f"{HOME}/respsweep/.venv/bin/ray"
WORKERS = ("one", "two")


def wait_for(what: str, look: Callable[[], Any], seconds: float = 240) -> Any:
    """What `look` finds, once that is true. Fails the test when it does not come."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.5)
    return found


@dataclass
class LabCluster:
    """The shipped on-premise file, with these hosts filled in, and what `ray` does with it from the laptop."""

    lab: Lab
    file: str = "~/cluster.yaml"

    def __getattr__(self, name: str) -> Host:
        return self.lab.hosts[name]

    def write_file(self) -> None:
        """Fill the marked places in; a worker has a GPU that is none."""
        content = yaml.safe_load((REPOSITORY / "docs" / "cluster" / "on-premise.yaml").read_text())
        workers = [self.lab.hosts[name].address for name in WORKERS]
        content["provider"] |= {"head_ip": self.head.address, "worker_ips": workers}
        content["auth"] = {"ssh_user": "root", "ssh_private_key": "~/.ssh/lab"}
        start = content["worker_start_ray_commands"]
        start[-1] = start[-1].replace("--block", """--block --num-cpus=1 --resources='{"fake_gpu": 1}'""")
        (self.laptop.home / "cluster.yaml").write_text(yaml.safe_dump(content))

    def up(self) -> None:
        self.from_laptop(f"{RAY} up --yes {self.file}")

    def down(self) -> None:
        self.from_laptop(f"{RAY} down --yes {self.file}")

    def from_laptop(self, command: str) -> str:
        """Run a command in the clone, as its user would."""
        return self.laptop.run(f"cd {REPOSITORY} && {command}", timeout=300, check=True).stdout

    def joined(self) -> int:
        """How many nodes Ray says are there."""
        status = self.head.run(f"RAY_AUTH_MODE=token {RAY} status")
        active = status.stdout.partition("Active:")[2].partition("Pending:")[0]
        return sum(int(line.split()[0]) for line in active.splitlines() if "local.cluster.node" in line)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    """The hosts, switched on, with respsweep's libraries and a token; Ray is not up."""
    try:
        install_what_hosts_need()
    except HostsError as error:
        pytest.skip(str(error))
    folder: Path = tmp_path_factory.mktemp("lab")
    lab = Lab(folder)
    try:
        lab.start("laptop", "head", *WORKERS)
        install_python(lab.hosts["laptop"], str(REPOSITORY))
        for name in ("head", *WORKERS):
            install_python(lab.hosts[name])
        cluster = LabCluster(lab)
        cluster.write_file()
        cluster.laptop.run(f"{RAY} get-auth-token --generate > /dev/null", check=True)
        yield cluster
    finally:
        lab.stop()
