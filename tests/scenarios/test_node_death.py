"""A node that dies in the middle of a sweep: its units go on elsewhere, and the scores are as if it had lived.

Head and nodes are Ray's own processes on this machine, each node with a raylet and workers of its own.
"""

import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sweep.config.study_config import StudyConfig
from sweep.driver.run import run_study
from sweep.execution.ray_session import RaySession
from sweep.folder.study_folder import StudyFolder
from sweep.study.events import UnitLost
from sweep.study.units import State
from sweep.worker.step_result import StepResult
from sweep.worker.trainable import UnitTrainable
from tests.studies import curves, tiny_study

EPOCHS = 6
HELD = 3
"""The epoch after which units wait until a node is gone."""
STUDY = tiny_study(
    EPOCHS,
    search={"patch_mix.temperature": {"type": "categorical", "choices": [0.06, 0.2]}},
    sampler={"name": "grid"},
    budget={"configurations": 2},
)


@pytest.fixture
def cluster(ray_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A head that runs nothing, and two nodes that take one unit each."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(2):
            made.add_node(num_cpus=1)
        yield made
    finally:
        made.shutdown()


def telling(log: Path, gone: Path) -> type[UnitTrainable]:
    """The unit's trainable, which writes a line for each step: node, configuration, seed, epochs that it reports.

    It holds at epoch `HELD`, saved and not yet reported, until the folder `gone` names a node that is not its own.
    """

    class Telling(UnitTrainable):
        def step(self) -> dict[str, Any]:
            import ray

            result = super().step()
            node = ray.get_runtime_context().get_node_id()
            line = {
                "node": node,
                "unit": [self.config["configuration"], self.config["seed"]],
                "epochs": [report["epoch"] for report in StepResult.from_tune(result).reports],
            }
            with log.open("a") as file:
                file.write(json.dumps(line) + "\n")
            deadline = time.monotonic() + 300
            while line["epochs"][-1:] == [HELD] and not any(other.name != node for other in gone.iterdir()):
                assert time.monotonic() < deadline, f"no other node than {node} is gone"
                time.sleep(0.02)
            return result

    return Telling


def steps_in(log: Path) -> list[dict[str, Any]]:
    whole = log.read_text().rpartition("\n")[0] if log.exists() else ""
    return [json.loads(line) for line in whole.splitlines()]


def remove_one_that_trains(cluster: Any, log: Path, gone: Path, over: threading.Event) -> None:
    """Kill a node whose unit holds, and name it in the folder `gone`."""
    while not over.wait(0.02):
        holding = {step["node"] for step in steps_in(log) if step["epochs"][-1:] == [HELD]}
        for node in cluster.worker_nodes:
            if node.node_id in holding:
                cluster.remove_node(node, allow_graceful=False)
                (gone / node.node_id).touch()
                return


@pytest.mark.long
def test_a_sweep_that_loses_a_node_ends_with_the_scores_of_one_that_did_not(
    cluster: Any, tmp_path: Path
) -> None:
    def sweep(studies: Path, trainable: type[UnitTrainable] = UnitTrainable) -> StudyFolder:
        config = StudyConfig.model_validate(STUDY)
        start = partial(RaySession.start, trainable=trainable)
        return run_study(config, StudyFolder.find(studies, "one"), cluster.address, start_executor=start)

    whole = sweep(tmp_path / "whole").board()

    log, gone = tmp_path / "steps.jsonl", tmp_path / "gone"
    gone.mkdir()
    over = threading.Event()
    killer = threading.Thread(target=remove_one_that_trains, args=(cluster, log, gone, over), daemon=True)
    killer.start()
    try:
        folder = sweep(tmp_path / "cut", telling(log, gone))
    finally:
        over.set()
        killer.join(60)
    (dead,) = (node.name for node in gone.iterdir())
    board = folder.board()

    assert [unit.state for unit in board.units()] == [State.FINISHED] * 4
    assert curves(board) == curves(whole)

    lost = [event for event in folder.events() if isinstance(event, UnitLost)]
    assert all(event.reason for event in lost)
    (unit,) = {(event.configuration, event.seed) for event in lost}
    before, after = (
        [
            step["epochs"]
            for step in steps_in(log)
            if step["unit"] == list(unit) and (step["node"] == dead) is on_dead
        ]
        for on_dead in (True, False)
    )
    # A new process tells at once what the checkpoint holds, and the epoch that it trained itself.
    assert before == [[1], [2], [3]]
    assert after == [[1, 2, 3, 4], [5], [6]]
