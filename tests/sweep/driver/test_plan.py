"""What a study would cost, on small studies whose cost is plain."""

import os
from pathlib import Path
from typing import Any

import pytest

from data.settings import ConfigError
from data.synthetic import write_breaths
from model.registry import build_backbone
from model.training.checkpoint import save_checkpoint
from sweep.config.study_config import StudyConfig
from sweep.machine import step_times
from sweep.machine.step_times import StepTimes
from sweep.simulation import simulate
from tests.studies import TINY_RECIPE, tiny_study
from tests.sweep.driver.planning import planned

pytestmark = pytest.mark.usefixtures("planning_machine")


def test_every_seed_of_every_configuration_is_counted() -> None:
    plan = planned()
    assert (plan.cost.configurations, plan.cost.units, plan.cost.epochs) == (4, 8, 24)
    assert plan.cost.hours is None
    assert "time: not known without a probe" in str(plan)
    assert "an epoch is taken to last" not in str(plan)
    assert "an epoch is taken to last 150 s" in " ".join(str(planned(epoch_seconds=150)).split())


def test_a_race_and_a_pruner_are_counted_beside_the_study_that_stops_nothing() -> None:
    plan = planned(epochs=9, budget={"configurations": 12}, racing="contenders", pruner="median")
    assert (plan.cost_to_the_end.units, plan.cost_to_the_end.epochs) == (24, 24 * 9)
    assert plan.cost.units < 24
    assert plan.cost.epochs < 9 * plan.cost.units


def test_a_plan_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(simulate, "ProcessPoolExecutor")
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert planned().cost.units == 8


def test_hours_follow_from_the_time_of_an_epoch_and_the_workers() -> None:
    assert planned(epoch_seconds=150).cost.hours == pytest.approx(1.0)
    assert planned(epoch_seconds=150, workers=2).cost.hours == pytest.approx(0.5)
    (line,) = (line for line in str(planned(epoch_seconds=2)).splitlines() if " time " in line)
    assert "0:48" in line


@pytest.mark.parametrize(
    ("resources", "workers", "devices"),
    [
        ({"gpu": 0.5}, 4, 2),
        ({"gpu": 0.4}, 3, 2),
        # Three fit on a GPU, and no tenth one on the rest of three GPUs.
        ({"gpu": 0.3}, 10, 4),
        ({"gpu": 0}, 3, 3),
        ({"gpu": 2}, 2, 4),
        ({"gpu": 2.2}, 25, 55),
    ],
)
def test_money_is_that_of_whole_devices_from_the_first_unit_to_the_last(
    resources: dict[str, float], workers: int, devices: int
) -> None:
    cost = planned(epoch_seconds=150, workers=workers, resources=resources, price=2.5, address="auto").cost
    assert cost.hours is not None
    assert cost.device_hours == pytest.approx(devices * cost.hours)
    assert cost.money == pytest.approx(2.5 * devices * cost.hours)
    assert planned(price=2.5).cost.money is None


def test_an_epoch_is_what_its_steps_its_cycles_and_its_checkpoint_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def time_steps(recipe: Any, device: str, threads: int, cuda_graphs: bool) -> StepTimes:
        asked.append((recipe.patch_mix.temperature, device, threads))
        return StepTimes(device, threads, 0.5, 0.01, 0.25, checkpoint_bytes=3_000, weights_bytes=1_000)

    monkeypatch.setattr(step_times, "time_steps", time_steps)
    saved = {"checkpoint_minutes": 0}
    plan = planned(probe=True, resources={"cpu": 2, **saved}, workers=2)
    assert asked == [(plan.proposals[0]["patch_mix.temperature"], "cpu", 2)]
    data = plan.data
    assert data is not None
    # Five folds, of which one is held out.
    assert data.scored == round(data.cycles / 5)
    assert data.trained == data.cycles - data.scored
    # The last batch is left out unless it is whole.
    steps = data.trained // 16
    assert plan.epoch_seconds == pytest.approx(0.5 * steps + 0.01 * data.scored + 0.25, rel=5e-3)
    assert plan.cost.hours is not None
    # Of 2 units under way the last checkpoint and the one before; float16 answers of 4 classes.
    assert plan.cost.study_bytes == 2 * 2 * 3_000 + 8 * (1_000 + 2 * 4 * data.scored)
    assert planned(probe=True, epoch_seconds=150).steps is None
    assert len(asked) == 1
    # Saved by time, an epoch does not wait for its checkpoint.
    timed = planned(probe=True, resources={"cpu": 2, "checkpoint_minutes": 5}, workers=2)
    assert timed.epoch_seconds == pytest.approx(0.5 * steps + 0.01 * data.scored, rel=5e-3)


def test_nothing_is_timed_for_a_study_that_would_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(step_times, "time_steps")
    assert planned(probe=True, data=None).steps is None


def test_the_first_proposals_are_those_that_a_study_tries_first() -> None:
    known = {"patch_mix.temperature": 0.123}
    plan = planned(enqueue=[known], sampler={"name": "tpe", "seed": 7})
    assert plan.proposals[0] == known
    assert len({values["patch_mix.temperature"] for values in plan.proposals}) == 3
    assert planned(enqueue=[known], sampler={"name": "tpe", "seed": 7}).proposals == plan.proposals
    assert plan.points is None


def test_points_are_counted_where_there_is_an_end_of_them() -> None:
    search = {
        "patch_mix.temperature": {"type": "float", "low": 0.1, "high": 0.4, "step": 0.1},
        "smoothing.stage": {"type": "categorical", "choices": [None, 0]},
        "smoothing.kernel_size": {"type": "categorical", "choices": [3, 5], "when": "smoothing.stage"},
    }
    assert planned(search=search).points == 4 * (1 + 2)
    assert planned(search=search, sampler="grid", budget={}).cost.configurations == 12


def test_a_sampler_or_a_pruner_that_refuses_the_study_refuses_the_plan() -> None:
    lists = {"smoothing.stage": {"type": "categorical", "choices": [0, 1]}}
    with pytest.raises(ConfigError, match="sampler: cmaes needs a range"):
        planned(search=lists, sampler="cmaes")
    with pytest.raises(ConfigError, match=r"pruner\.arguments: Optuna's ThresholdPruner refuses them"):
        planned(pruner={"name": "threshold", "arguments": {"lower": 1, "upper": 0}})


def test_units_on_the_other_folds_come_on_top() -> None:
    recipe = {**tiny_study(3)["recipe"], "folds": {"folds": 4}}
    plan = planned(folds="all", finalists=2, recipe=recipe, epoch_seconds=100, workers=2)
    # 2 finalists, 3 other folds, 2 seeds; 3 epochs each.
    assert plan.further_units == 12
    assert plan.further_hours == pytest.approx(0.5)
    assert "at most 12 units, 30:00 more" in str(plan)
    assert planned().further_units == 0


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


def test_what_is_missing_is_listed_and_nothing_refused(tmp_path: Path) -> None:
    recipe = {"backbone": {"variant": "tiny", "pretrained": "gone.pth"}}
    plan = planned(data=str(tmp_path / "nowhere"), recipe=recipe)
    assert [line.partition(": ")[0] for line in plan.missing] == [str(tmp_path / "nowhere"), "gone.pth"]
    assert plan.feature_bytes is None
    assert planned(data=None).missing[0].startswith("no recordings: give --data DIR (in Python: data=DIR)")


def test_an_own_network_that_cannot_be_had_is_missing() -> None:
    recipe = {**TINY_RECIPE, "backbone": {"name": "nowhere:Net"}, "smoothing": {"stage": None}}
    (missing,) = planned(recipe=recipe).missing
    assert missing.startswith("nowhere:Net: module nowhere cannot be imported")


def test_weights_that_are_those_of_another_network_are_missing(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    config = StudyConfig.model_validate(tiny_study(1))
    recipe = config.any_recipe()
    network = build_backbone(recipe.backbone, recipe.smoothing, 4, recipe.features.input_shape)
    save_checkpoint(weights, {"modules": {f"model.{n}": v for n, v in network.state_dict().items()}})
    own = {**tiny_study(1)["recipe"], "backbone": {"variant": "tiny", "pretrained": str(weights)}}
    assert planned(recipe=own).missing == ()
    other = {
        **own,
        "backbone": {"name": "cnn_tsa", "variant": "tiny", "pretrained": str(weights)},
        "smoothing": {"stage": None},
    }
    (line,) = planned(recipe=other).missing
    assert line.startswith(f"{weights}: ")


def test_weights_of_a_hub_are_not_fetched_for_a_plan() -> None:
    assert planned(recipe={"backbone": {"variant": "tiny", "pretrained": "author/name"}}).missing == ()
