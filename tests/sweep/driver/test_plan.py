"""What a study would cost, on small studies whose cost is plain."""

import os
from pathlib import Path
from typing import Any

import pytest

from data.synthetic import write_breaths
from sweep.config.study_config import StudyConfig
from sweep.driver.plan import Plan, plan_study
from sweep.execution import ray_session
from sweep.simulation import simulate
from tests.studies import tiny_study


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(ray_session, "machine_resources", lambda: {"CPU": 2.0})


def planned(
    epochs: int = 3,
    workers: int = 1,
    epoch_seconds: float | None = None,
    address: str = "local",
    **other: Any,
) -> Plan:
    config = StudyConfig.model_validate(tiny_study(epochs, budget={"configurations": 4}, **other))
    return plan_study(config, workers, epoch_seconds=epoch_seconds, repeats=2, address=address)


def test_every_seed_of_every_configuration_is_counted() -> None:
    plan = planned()
    assert (plan.configurations, plan.units, plan.epochs) == (4, 8, 24)
    assert plan.hours is None
    assert "time: not known without epoch_seconds" in str(plan)
    assert "an epoch is taken to last" not in str(plan)
    assert "an epoch is taken to last 150 s" in str(planned(epoch_seconds=150))


def test_a_plan_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(simulate, "ProcessPoolExecutor")
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert planned().units == 8


def test_hours_follow_from_the_time_of_an_epoch_and_the_workers() -> None:
    assert planned(epoch_seconds=150).hours == pytest.approx(1.0)
    assert planned(epoch_seconds=150, workers=2).hours == pytest.approx(0.5)
    assert "time: 0:48\n" in str(planned(epoch_seconds=2))


def test_features_take_as_much_as_the_training_cycles_do(tmp_path: Path) -> None:
    write_breaths(tmp_path / "breaths", patients=12, seed=0)
    plan = planned(data=str(tmp_path / "breaths"))
    assert plan.feature_bytes is not None
    # 124 frames of 64 ms in 8 s, 32 bands, 4 bytes.
    assert plan.feature_bytes % (125 * 32 * 4) == 0
    assert plan.free_bytes > 0
    assert plan.missing == ()
    assert not (tmp_path / "cache").exists()


def test_synthetic_features_take_as_much_as_the_breaths_that_will_be_written(tmp_path: Path) -> None:
    write_breaths(tmp_path / "breaths", patients=13, seed=4)
    written = planned(data=str(tmp_path / "breaths"))
    assert planned(data={"patients": 13, "seed": 4}).feature_bytes == written.feature_bytes
    assert planned(data={"patients": 18, "seed": 4}).feature_bytes != written.feature_bytes


def test_a_machine_without_room_for_a_unit_is_missing_unless_a_cluster_is_to_run_it() -> None:
    resources = {"cpu": 4, "gpu": 1}
    assert planned(resources=resources).missing == (
        "a unit needs 4 CPU and 1 GPU on one machine; this machine has 2 CPU and 0 GPU: "
        "--set resources.cpu=2 --set resources.gpu=0, or change resources in the study file",
    )
    assert planned(resources=resources, address="auto").missing == ()
    assert planned(resources={"cpu": 2}).missing == ()


@pytest.mark.parametrize("written", [True, False])
def test_patients_that_are_too_few_for_the_folds_are_missing(tmp_path: Path, written: bool) -> None:
    data: Any = {"patients": 8, "seed": 0}
    if written:
        write_breaths(tmp_path / "breaths", **data)
        data = str(tmp_path / "breaths")
    recipe = {**tiny_study(1)["recipe"], "folds": {"folds": 7}}
    (line,) = planned(data=data, recipe=recipe).missing
    assert line.startswith("folds: ")
    assert line.endswith("patients may validate; expected at least as many as folds (7)")


def test_a_subset_is_told_in_the_plan_and_nowhere_else(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    write_breaths(tmp_path / "breaths", patients=12, seed=0)
    for file in (tmp_path / "breaths").glob("301_1b1_*"):
        file.unlink()
    plan = planned(data=str(tmp_path / "breaths"))
    assert plan.warnings == (
        f"{tmp_path / 'breaths'}: a subset: 35 of the 36 recordings in official_split.txt",
    )
    assert f"\nwarning: {plan.warnings[0]}\n" in str(plan)
    assert len(recwarn) == 0


def test_what_is_missing_is_listed_and_nothing_refused(tmp_path: Path) -> None:
    recipe = {"backbone": {"variant": "tiny", "pretrained": "gone.pth"}}
    plan = planned(data=str(tmp_path / "nowhere"), recipe=recipe)
    assert [line.partition(": ")[0] for line in plan.missing] == [str(tmp_path / "nowhere"), "gone.pth"]
    assert plan.feature_bytes is None
    assert planned(data=None).missing[0].startswith("no recordings: give --data DIR (in Python: data=DIR)")


def test_weights_of_a_hub_are_not_fetched_for_a_plan() -> None:
    assert planned(recipe={"backbone": {"variant": "tiny", "pretrained": "author/name"}}).missing == ()
