"""Optuna in earnest: what it proposes, and what its own storage holds afterwards."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from data.config import ConfigError, parse
from sweep.board import Board
from sweep.config import StudyConfig
from sweep.search_optuna import OptunaSearch
from sweep.study import Study

TEMPERATURE = {"type": "float", "low": 0.02, "high": 0.5, "log": True}
BETA = {"type": "float", "low": 0.2, "high": 2.0}
KERNELS = {"type": "categorical", "choices": [3, 5, 7]}
STAGES = {"type": "categorical", "choices": [None, 0, 1]}
SAMPLERS = ["tpe", "random", "gp", "qmc"]


def config_of(search: dict[str, Any], **settings: Any) -> StudyConfig:
    content = {"recipe": {"backbone": {"variant": "tiny"}, "epochs": 9}, "search": search, **settings}
    return parse(StudyConfig, content, "study")


def search_in(folder: Path, config: StudyConfig) -> OptunaSearch:
    return OptunaSearch(config, folder, "study")


def proposals(search: OptunaSearch, most: int) -> list[dict[str, Any]]:
    """Points proposed one after the other; each is told a score, the better the less it is smoothed."""
    points = []
    while len(points) < most and (values := search.propose()) is not None:
        search.tell_complete(len(points), 1 / (1 + (values.get("smoothing.kernel_size") or 0)))
        points.append(values)
    return points


def stored_trials(folder: Path) -> list[FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))
    return optuna.load_study(study_name="study", storage=storage).trials


def states(folder: Path) -> list[str]:
    return [trial.state.name for trial in stored_trials(folder)]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_known_points_come_first_and_then_new_ones(tmp_path: Path, sampler: str) -> None:
    known = [
        {"patch_mix.temperature": 0.2, "patch_mix.beta": 1.0},
        {"patch_mix.temperature": 0.06, "patch_mix.beta": 0.5},
    ]
    search = {"patch_mix.temperature": TEMPERATURE, "patch_mix.beta": BETA}
    config = config_of(search, enqueue=known, sampler={"name": sampler})
    points = proposals(search_in(tmp_path, config), 6)
    assert points[:2] == known
    assert len({tuple(point.items()) for point in points}) == 6
    for point in points:
        assert 0.02 <= point["patch_mix.temperature"] <= 0.5
        assert 0.2 <= point["patch_mix.beta"] <= 2.0


def test_a_known_point_written_twice_is_tried_once(tmp_path: Path) -> None:
    config = config_of({"patch_mix.beta": BETA}, enqueue=[{"patch_mix.beta": 1.0}, {"patch_mix.beta": 1.0}])
    points = proposals(search_in(tmp_path, config), 3)
    assert [point == {"patch_mix.beta": 1.0} for point in points] == [True, False, False]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_conditions_are_kept_in_every_point(tmp_path: Path, sampler: str) -> None:
    search = {
        "smoothing.kernel_size": {**KERNELS, "when": "smoothing.stage"},
        "smoothing.stage": STAGES,
        "smoothing.sigma": {"type": "float", "low": 1.0, "high": 5.0, "when": {"smoothing.stage": [1]}},
    }
    points = proposals(search_in(tmp_path, config_of(search, sampler={"name": sampler, "seed": 1})), 14)
    assert {point["smoothing.stage"] for point in points} == {None, 0, 1}
    for point in points:
        assert ("smoothing.kernel_size" in point) == (point["smoothing.stage"] is not None)
        assert ("smoothing.sigma" in point) == (point["smoothing.stage"] == 1)
    stored = [trial for trial in stored_trials(tmp_path) if trial.state.name == "COMPLETE"]
    assert [set(trial.params) for trial in stored] == [set(point) for point in points]


def test_values_come_in_the_types_of_their_fields(tmp_path: Path) -> None:
    axes = {"type": "categorical", "choices": [["time"], ["time", "frequency"]]}
    search = {
        "patch_mix.axes": axes,
        "patch_mix.temperature": {"type": "float", "low": 0.1, "high": 0.5, "step": 0.1},
        "batch_size": {"type": "int", "low": 8, "high": 64, "log": True},
        "patch_mix.train_projector": {"type": "categorical", "choices": [True, False]},
        "optimiser.clip_norm": {"type": "categorical", "choices": [None, 1.0]},
    }
    config = config_of(search, sampler={"name": "random"})
    points = proposals(search_in(tmp_path, config), 30)
    assert {point["patch_mix.axes"] for point in points} == {("time",), ("time", "frequency")}
    assert {point["patch_mix.temperature"] for point in points} <= {0.1, 0.2, 0.3, 0.4, 0.5}
    assert all(type(point["batch_size"]) is int for point in points)
    assert {str(point["patch_mix.train_projector"]) for point in points} == {"True", "False"}
    assert {str(point["optimiser.clip_norm"]) for point in points} == {"None", "1.0"}
    for point in points:
        config.space.recipe(point)


def test_the_same_seed_proposes_the_same_points(tmp_path: Path) -> None:
    search = {"patch_mix.temperature": TEMPERATURE, "smoothing.kernel_size": KERNELS}
    runs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        config = config_of(search, sampler={"name": "tpe", "seed": 5, "arguments": {"n_startup_trials": 3}})
        runs.append(proposals(search_in(tmp_path / name, config), 8))
    assert runs[0] == runs[1]


GRID = {
    "smoothing.stage": STAGES,
    "smoothing.kernel_size": {**KERNELS, "when": "smoothing.stage"},
    "patch_mix.temperature": {"type": "float", "low": 0.1, "high": 0.3, "step": 0.1},
}


def test_a_grid_goes_through_every_combination_once_and_ends(tmp_path: Path) -> None:
    config = config_of(GRID, sampler={"name": "grid"})
    points = proposals(search_in(tmp_path, config), 99)
    assert points == config.space.grid_points()
    assert len(points) == (1 + 2 * 3) * 3
    assert states(tmp_path) == ["COMPLETE"] * len(points)


def test_a_grid_takes_up_known_points_without_repeating_them(tmp_path: Path) -> None:
    axes = {"type": "categorical", "choices": [["time"], ["time", "frequency"]]}
    known = {"patch_mix.axes": ["time", "frequency"], "smoothing.kernel_size": 7}
    search = {"patch_mix.axes": axes, "smoothing.kernel_size": KERNELS}
    points = proposals(search_in(tmp_path, config_of(search, sampler={"name": "grid"}, enqueue=[known])), 99)
    assert points[0] == {"patch_mix.axes": ("time", "frequency"), "smoothing.kernel_size": 7}
    assert len(points) == len({tuple(point.items()) for point in points}) == 6


def test_one_at_a_time_goes_through_each_field_once_and_ends(tmp_path: Path) -> None:
    search = {
        "patch_mix.temperature": {"type": "categorical", "choices": [0.1, 0.2, 0.3]},
        "smoothing.kernel_size": KERNELS,
    }
    points = proposals(search_in(tmp_path, config_of(search, sampler={"name": "one_at_a_time"})), 99)
    assert [tuple(point.values()) for point in points] == [(0.2, 5), (0.1, 5), (0.3, 5), (0.2, 3), (0.2, 7)]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_small_space_is_searched_to_its_end_without_repeats(tmp_path: Path, sampler: str) -> None:
    # Left alone, TPE and the Gaussian process ask for the best point of a small space again and again.
    search = {
        "smoothing.kernel_size": KERNELS,
        "patch_mix.temperature": {"type": "float", "low": 0.1, "high": 0.4, "step": 0.1},
    }
    settings = {"name": sampler, "arguments": {} if sampler in ("random", "qmc") else {"n_startup_trials": 3}}
    points = proposals(search_in(tmp_path, config_of(search, sampler=settings)), 99)
    assert len(points) == len({tuple(point.items()) for point in points}) == 12
    assert "RUNNING" not in states(tmp_path)


def test_a_repeated_best_point_does_not_end_an_endless_search(tmp_path: Path) -> None:
    # One branch is a single point, and the best one; the other is a range.
    search = {
        "smoothing.stage": {"type": "categorical", "choices": [None, 1]},
        "smoothing.sigma": {"type": "float", "low": 1.0, "high": 5.0, "when": "smoothing.stage"},
    }
    study = search_in(
        tmp_path, config_of(search, sampler={"name": "tpe", "arguments": {"n_startup_trials": 2}})
    )
    points = []
    for number in range(12):
        values = study.propose()
        assert values is not None
        study.tell_complete(number, 0.1 if values["smoothing.stage"] else 0.9)
        points.append(values)
    assert sum(point["smoothing.stage"] is None for point in points) == 1


def test_the_store_says_how_every_configuration_ended(tmp_path: Path) -> None:
    known = [{"patch_mix.beta": beta} for beta in (0.5, 1.0, 1.5)]
    pruner = {"name": "threshold", "arguments": {"lower": 0.3}}
    config = config_of({"patch_mix.beta": BETA}, enqueue=known, pruner=pruner, seeds=[1, 2])
    study = Study(Board(config.seeds), search_in(tmp_path, config), configurations=3)
    for _ in range(3):
        study.next_unit()
    for number, score in ((0, 0.4), (1, 0.1)):
        study.report(number, 1, {"epoch": 1, "score": score})
    study.failed(2, 1, "the loss is NaN")
    study.finished(0, 1, 1)
    study.next_unit()
    study.report(0, 2, {"epoch": 1, "score": 0.6})
    assert states(tmp_path) == ["RUNNING", "PRUNED", "FAIL"]
    study.finished(0, 2, 1)
    assert study.over

    complete, pruned, failed = stored_trials(tmp_path)
    assert [trial.state.name for trial in (complete, pruned, failed)] == ["COMPLETE", "PRUNED", "FAIL"]
    assert complete.value == pytest.approx(0.5)
    assert complete.intermediate_values == {1: 0.4}
    assert pruned.intermediate_values == {1: 0.1}
    assert [trial.params for trial in (complete, pruned, failed)] == known


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (
            {"sampler": {"name": "tpe", "arguments": {"n_startup": 3}}},
            "sampler.arguments: Optuna's TPESampler refuses them: .*n_startup",
        ),
        (
            {"sampler": {"name": "tpe", "arguments": {"seed": 3}}},
            "sampler.arguments: Optuna's TPESampler refuses them: .*seed",
        ),
        (
            {"sampler": {"name": "qmc", "arguments": {"qmc_type": "dice"}}},
            "sampler.arguments: Optuna's QMCSampler refuses them: .*dice",
        ),
        (
            {"pruner": {"name": "median", "arguments": {"patience": 3}}},
            "pruner.arguments: Optuna's MedianPruner refuses them: .*patience",
        ),
    ],
)
def test_arguments_that_optuna_refuses_are_told(
    tmp_path: Path, settings: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        search_in(tmp_path, config_of({"patch_mix.beta": BETA}, **settings))
