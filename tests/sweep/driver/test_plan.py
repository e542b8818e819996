"""What a study would cost, on small studies whose cost is plain."""

import os
from pathlib import Path
from typing import Any

import pytest

from data.synthetic import write_breaths
from sweep.config.study_config import StudyConfig
from sweep.driver.plan import Plan, plan_study
from sweep.simulation import simulate
from tests.studies import tiny_study


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))


def planned(epochs: int = 3, workers: int = 1, epoch_seconds: float | None = None, **other: Any) -> Plan:
    config = StudyConfig.model_validate(tiny_study(epochs, budget={"configurations": 4}, **other))
    return plan_study(config, workers, epoch_seconds=epoch_seconds, repeats=2)


def test_every_seed_of_every_configuration_is_counted() -> None:
    plan = planned()
    assert (plan.configurations, plan.units, plan.epochs) == (4, 8, 24)
    assert plan.hours is None
    assert "hours: not known without epoch_seconds" in str(plan)
    assert "an epoch is taken to last" not in str(plan)
    assert "an epoch is taken to last 150 s" in str(planned(epoch_seconds=150))


def test_a_plan_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(simulate, "ProcessPoolExecutor")
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert planned().units == 8


def test_hours_follow_from_the_time_of_an_epoch_and_the_workers() -> None:
    assert planned(epoch_seconds=150).hours == pytest.approx(1.0)
    assert planned(epoch_seconds=150, workers=2).hours == pytest.approx(0.5)


def test_features_take_as_much_as_the_training_cycles_do(tmp_path: Path) -> None:
    write_breaths(tmp_path / "breaths", patients=12, seed=0)
    plan = planned(data=str(tmp_path / "breaths"))
    assert plan.feature_bytes is not None
    # 124 frames of 64 ms in 8 s, 32 bands, 4 bytes.
    assert plan.feature_bytes % (125 * 32 * 4) == 0
    assert plan.free_bytes > 0
    assert plan.missing == ()
    assert not (tmp_path / "cache").exists()


def test_what_is_missing_is_listed_and_nothing_refused(tmp_path: Path) -> None:
    recipe = {"backbone": {"variant": "tiny", "pretrained": "gone.pth"}}
    plan = planned(data=str(tmp_path / "nowhere"), recipe=recipe)
    assert [line.partition(": ")[0] for line in plan.missing] == [str(tmp_path / "nowhere"), "gone.pth"]
    assert plan.feature_bytes is None
    assert planned(data=None).missing[0].startswith("no recordings: give --data DIR (in Python: data=DIR)")


def test_weights_of_a_hub_are_not_fetched_for_a_plan() -> None:
    assert planned(recipe={"backbone": {"variant": "tiny", "pretrained": "author/name"}}).missing == ()
