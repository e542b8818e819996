from mlflow.entities import Metric

from sweep.board import (
    ConfigurationAdded,
    EpochReported,
    Event,
    UnitFailed,
    UnitFinished,
    UnitPruned,
    UnitStarted,
)
from sweep.tracking_runs import RunUpdate, RunUpdates


def epoch(number: int, score: float) -> dict[str, object]:
    rates = {"score": score, "sensitivity": 0.2, "specificity": 0.8, "any_abnormal_score": 0.6}
    return {
        "epoch": number,
        **rates,
        "train_loss": 1.5,
        "contrast_time": 0.5,
        "confusion": [[1]],
        "skipped_steps": 0,
    }


def updates_of(events: list[Event], seeds: tuple[int, ...] = (1, 2)) -> dict[str, RunUpdate]:
    """Updates by run, of events that happen a millisecond apart."""
    updates = RunUpdates(seeds)
    for when, event in enumerate(events):
        updates.hear(when, event)
    return {update.name: update for update in updates.take()}


def values(metrics: list[Metric], name: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in metrics if metric.key == name]


ADDED = ConfigurationAdded(0, {"patch_mix.beta": 0.5, "smoothing.stage": None})
TRAINED = [
    *[UnitStarted(0, 1), EpochReported(0, 1, epoch(1, 0.4)), EpochReported(0, 1, epoch(2, 0.5))],
    UnitFinished(0, 1, 2),
]


def test_a_configuration_comes_before_its_units() -> None:
    assert list(updates_of([ADDED, *TRAINED])) == ["configuration 0", "0000-seed1"]


def test_both_runs_carry_what_was_searched() -> None:
    updates = updates_of([ADDED, *TRAINED])
    params = {name: {param.key: param.value for param in update.params} for name, update in updates.items()}
    assert params["configuration 0"] == {"patch_mix.beta": "0.5", "smoothing.stage": "None"}
    assert params["0000-seed1"] == {**params["configuration 0"], "seed": "1"}
    assert updates["0000-seed1"].parent == "configuration 0"
    assert updates["configuration 0"].parent is None


def test_a_units_run_holds_its_curves_by_epoch() -> None:
    metrics = updates_of([ADDED, *TRAINED])["0000-seed1"].metrics
    assert values(metrics, "score") == [(1, 0.4), (2, 0.5)]
    assert values(metrics, "contrast_time") == [(1, 0.5), (2, 0.5)]
    assert not values(metrics, "confusion")
    assert not values(metrics, "skipped_steps")


def test_a_configurations_run_holds_means_by_number_of_seeds() -> None:
    second = [UnitStarted(0, 2), EpochReported(0, 2, epoch(1, 0.7)), UnitFinished(0, 2, 1)]
    one, two = updates_of([ADDED, *TRAINED]), updates_of([ADDED, *TRAINED, *second])
    assert values(one["configuration 0"].metrics, "score_mean") == [(1, 0.5)]
    assert not values(one["configuration 0"].metrics, "score_sd")
    assert one["configuration 0"].status is None
    metrics = two["configuration 0"].metrics
    assert values(metrics, "score_mean") == [(1, 0.5), (2, 0.6)]
    assert [(step, round(sd, 6)) for step, sd in values(metrics, "score_sd")] == [(2, round(0.02**0.5, 6))]
    assert values(metrics, "seeds") == [(1, 1), (2, 2)]
    assert values(metrics, "specificity_mean") == [(1, 0.8), (2, 0.8)]
    assert two["configuration 0"].status == "FINISHED"


def test_a_stopped_unit_says_why_and_so_does_its_configuration() -> None:
    for end, status in ((UnitPruned(0, 1, "low\nvery"), "KILLED"), (UnitFailed(0, 1, "low\nvery"), "FAILED")):
        updates = updates_of([ADDED, UnitStarted(0, 1), end])
        assert {update.status for update in updates.values()} == {status}
        assert updates["0000-seed1"].tags["respsweep.reason"] == "low\nvery"
        assert updates["configuration 0"].tags["respsweep.reason"] == "low"


def test_times_are_those_of_the_events() -> None:
    unit = updates_of([ADDED, *TRAINED])["0000-seed1"]
    assert (unit.since, unit.changed) == (1, 4)
    assert [metric.timestamp for metric in unit.metrics if metric.key == "score"] == [2, 3]


def test_an_update_is_handed_over_once() -> None:
    updates = RunUpdates((1,))
    updates.hear(0, ADDED)
    assert [update.name for update in updates.take()] == ["configuration 0"]
    assert updates.take() == []
    updates.hear(1, UnitStarted(0, 1))
    assert [update.name for update in updates.take()] == ["0000-seed1"]
