"""What a study would cost, on small studies whose cost is plain."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data import synthetic
from data.settings import ConfigError
from data.synthetic import write_breaths
from model.registry import build_backbone
from model.training.checkpoint import save_checkpoint
from model.training.recipe import Recipe
from sweep.config.study_config import StudyConfig
from sweep.driver.plan import plan_study
from sweep.execution import ray_session
from sweep.machine import step_times
from sweep.machine.gpu_sharing import GpuSharingError
from sweep.machine.step_times import StepTimes
from sweep.report.study_plan import Plan
from sweep.simulation import simulate
from sweep.worker import gpu_facts
from sweep.worker.gpu_facts import GpuFacts
from tests.studies import TINY_RECIPE, tiny_study


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(ray_session, "machine_resources", lambda: {"CPU": 2.0})


def planned(
    epochs: int = 3,
    workers: int = 1,
    epoch_seconds: float | None = None,
    address: str = "local",
    price: float | None = None,
    probe: bool = False,
    **other: Any,
) -> Plan:
    content = tiny_study(epochs, **{"budget": {"configurations": 4}, **other})
    return plan_study(
        StudyConfig.model_validate(content),
        workers,
        epoch_seconds=epoch_seconds,
        repeats=2,
        address=address,
        price=price,
        probe=probe,
    )


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

    def time_steps(recipe: Any, device: str, threads: int) -> StepTimes:
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


def test_a_step_on_a_gpu_is_not_timed_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    plan = planned(probe=True, resources={"gpu": 1}, address="auto")
    assert plan.steps is None
    assert plan.warnings == ("no step was timed: units train on a GPU, and this machine has none",)


@pytest.fixture
def shared_gpu(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A machine with a GPU, of which the driver says that it may be shared; notes how many units are timed on it."""
    asked: list[int] = []

    def measure(recipe: Recipe, device: str, threads: int, units: int) -> StepTimes:
        asked.append(units)
        return StepTimes(
            device, threads, 0.5 * units, 0.01, 0.25, checkpoint_bytes=1, weights_bytes=1, units=units
        )

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr(gpu_facts, "gpu_facts", lambda: [GpuFacts(0, "A100", 2**35, "shared", None)])
    monkeypatch.setattr(step_times, "time_shared_steps", measure)
    return asked


@pytest.mark.parametrize(("gpu", "workers", "units"), [(0.25, 8, 4), (0.25, 3, 3), (1, 8, 1), (0.3333, 8, 3)])
def test_units_that_share_a_gpu_are_timed_beside_each_other(
    shared_gpu: list[int], gpu: float, workers: int, units: int
) -> None:
    plan = planned(probe=True, resources={"gpu": gpu}, workers=workers, address="auto")
    assert shared_gpu == [units]
    assert plan.warnings == ()
    assert (f"timed here on a GPU that {units} units share, " in str(plan)) is (units > 1)


def test_a_gpu_that_lets_one_process_in_is_told_and_timed_with_one(
    shared_gpu: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, open_to_all = (GpuFacts(number, "A100", 2**35, "exclusive", None) for number in (0, 1))
    open_to_all = replace(open_to_all, mode="shared")
    monkeypatch.setattr(gpu_facts, "gpu_facts", lambda: [alone, open_to_all])
    # The other one is not for this study.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    plan = planned(probe=True, resources={"gpu": 0.25}, workers=8, address="auto")
    assert shared_gpu == [1]
    assert plan.warnings[0].startswith("GPU 0 (A100) lets one process in (compute mode exclusive)")


def test_units_that_do_not_fit_on_a_gpu_together_are_told_and_timed_with_one(
    shared_gpu: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many(*_: object) -> StepTimes:
        raise GpuSharingError("4 units at a time on one device: CUDA out of memory")

    alone = StepTimes("cuda", 1, 0.5, 0.01, 0.25, checkpoint_bytes=1, weights_bytes=1)
    monkeypatch.setattr(step_times, "time_shared_steps", too_many)
    monkeypatch.setattr(step_times, "time_steps", lambda *_: alone)
    plan = planned(probe=True, resources={"gpu": 0.25}, workers=8, address="auto")
    assert plan.steps == alone
    assert plan.warnings == (
        "timed with one unit alone: 4 units at a time on one device: CUDA out of memory",
    )


def test_a_batch_that_does_not_fit_here_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> StepTimes:
        raise MemoryError

    monkeypatch.setattr(step_times, "time_steps", full)
    (line,) = planned(probe=True).warnings
    assert line.startswith("no step was timed: a batch of 16 does not fit the memory of this machine")


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


def test_what_is_scored_follows_the_protocol() -> None:
    honest, published = planned().data, planned(protocol="published").data
    leaking = planned(leak=True).data
    assert honest is not None
    assert published is not None
    assert leaking is not None
    assert published.trained == published.cycles == honest.cycles
    assert published.scored > honest.scored
    assert leaking.scored == honest.scored + published.scored


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


def test_devices_that_a_fold_does_not_have_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, *_ = synthetic.DEVICES
    monkeypatch.setattr(synthetic, "DEVICES", (one, one, synthetic.DEVICES[1], *[one] * 9))
    write_breaths(tmp_path / "breaths", patients=12, seed=0)
    recipe = {**TINY_RECIPE, "epochs": 3, "folds": {"folds": 2}, "device_contrast": {"weight": 1.0}}
    (missing,) = planned(data=str(tmp_path / "breaths"), recipe=recipe, folds="all").missing
    assert "device_contrast.weight: tells devices apart, and all cycles of the training part" in missing
    assert f"of 2 come from one device ({one.name})" in missing
    recipe["device_contrast"] = {}
    assert not planned(data=str(tmp_path / "breaths"), recipe=recipe, folds="all").missing


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


@pytest.mark.parametrize("searched", [True, False])
def test_a_contrast_over_devices_of_which_there_is_one_is_missing(tmp_path: Path, searched: bool) -> None:
    breaths = tmp_path / "breaths"
    write_breaths(breaths, patients=12, seed=0)
    split = breaths / "official_split.txt"
    lines = split.read_text().splitlines()
    for name in (line.split()[0] for line in lines):
        for file in breaths.glob(f"{name}.*"):
            file.rename(breaths / f"{name.rpartition('_')[0]}_Meditron{file.suffix}")
    split.write_text(
        "".join(f"{line.split()[0].rpartition('_')[0]}_Meditron {line.split()[1]}\n" for line in lines)
    )
    weights = {"device_contrast.weight": {"type": "categorical", "choices": [0.0, 1.0]}}
    recipe = {**tiny_study(1)["recipe"], **({} if searched else {"device_contrast": {"weight": 1.0}})}
    search = {**tiny_study(1)["search"], **(weights if searched else {})}
    (line,) = planned(data=str(breaths), recipe=recipe, search=search).missing
    assert line.startswith("device_contrast.weight: tells devices apart, and all cycles of the training part")


@pytest.mark.filterwarnings("default")
def test_a_population_without_a_training_cycle_is_missing_and_another_is_counted(tmp_path: Path) -> None:
    breaths = tmp_path / "breaths"
    write_breaths(breaths, patients=12, seed=0)
    whole = planned(data=str(breaths)).data
    assert whole is not None
    patients = sorted({int(file.name.partition("_")[0]) for file in breaths.glob("*.wav")})
    ages = [f"{patient} {4 if place % 2 else 60} F NA NA NA\n" for place, patient in enumerate(patients)]
    (breaths / "demographic_info.txt").write_text("".join(ages))

    def of_ages(population: list[int]) -> Plan:
        recipe = {**tiny_study(1)["recipe"], "folds": {"population": population}}
        return planned(data=str(breaths), recipe=recipe)

    children = of_ages([0, 18]).data
    assert children is not None
    assert (children.cycles, children.patients, children.trained) == (
        whole.cycles,
        whole.patients,
        whole.trained,
    )
    assert 0 < children.scored < whole.scored
    (line,) = of_ages([20, 40]).missing
    assert line.startswith(f"population [20, 40]: no training cycle in {breaths} is of patients of 20 to")
    (breaths / "demographic_info.txt").write_text("".join(ages[:-1]))
    told = [line for line in of_ages([0, 18]).warnings if "without an age" in line]
    assert told == [f"{breaths}: 1 patient without an age ({patients[-1]}) belong to population all alone"]
    for file in (breaths / "demographic_info.txt", *breaths.glob("*diagnosis*")):
        file.unlink()
    (line,) = of_ages([0, 18]).missing
    assert "of no patient an age is known" in line


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
    assert str(plan).splitlines()[-1] == f"warning: {plan.warnings[0]}"
    assert len(recwarn) == 0


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
