"""A SLURM of three nodes on this machine, and a host to submit from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenarios.cluster.hosts import HostsError, install_what_hosts_need
from tests.scenarios.slurm.packages import NoSlurm, unpacked_slurm
from tests.scenarios.slurm.slurm import SlurmLab


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmLab]:
    """Hosts that are switched on, and nodes that are idle."""
    try:
        install_what_hosts_need()
        unpacked_slurm()
    except (HostsError, NoSlurm) as error:
        pytest.skip(str(error))
    slurm = SlurmLab(tmp_path_factory.mktemp("slurm"))
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()
