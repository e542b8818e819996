"""A cluster whose nodes share nothing but the object store: each has a cache of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweep.config.study_config import StudyConfig
from sweep.driver.run import run_study
from sweep.folder.study_folder import StudyFolder
from sweep.storage.open_storage import open_storage
from sweep.study.units import State
from tests.studies import tiny_study

STUDY = tiny_study(
    epochs=2,
    search={"patch_mix.temperature": {"type": "categorical", "choices": [0.06, 0.2]}},
    sampler={"name": "grid"},
    budget={"configurations": 2},
)


@pytest.fixture
def cluster(s3: Any, ray_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A head that runs nothing, and two nodes that take one unit each."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "head"))
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for node in ("first", "second"):
            monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / node))
            made.add_node(num_cpus=1)
        monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "head"))
        yield made
    finally:
        made.shutdown()


@pytest.mark.slow
def test_each_node_copies_the_features_once_and_leaves_no_checkpoints(
    cluster: Any, s3: Any, tmp_path: Path
) -> None:
    config = StudyConfig.model_validate(STUDY)
    folder = run_study(config, StudyFolder.find(s3.place("lab"), "one"), cluster.address)
    units = folder.board().units()
    assert [unit.state for unit in units] == [State.FINISHED] * 4
    assert {unit.failures for unit in units} == {0}
    copies = {
        node: sorted((tmp_path / node / "features").glob("train-*/features.npy"))
        for node in ("first", "second")
    }
    assert [len(found) for found in copies.values()] == [1, 1]
    assert not [path for node in copies for path in (tmp_path / node / "units").glob("*/*")]
    (best, *_) = folder.board().ranking()
    kept = {f"{unit.id}/weights.safetensors" for unit in best.units.values()}
    assert set(open_storage(s3.place("lab/one")).sizes("units")) == kept
