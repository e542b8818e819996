"""A SLURM of three nodes on this machine, and a host to submit from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenarios.slurm.slurm import SlurmLab, running_slurm


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmLab]:
    """Hosts that are switched on, and nodes that are idle."""
    with running_slurm(tmp_path_factory.mktemp("slurm")) as slurm:
        yield slurm
