from typing import Any

import pytest
from mlflow.entities import Metric

from sweep.study.events import (
    ConfigurationAdded,
    ConfigurationDropped,
    EpochReported,
    Event,
    StudyStarted,
    StudyStopped,
    UnitFailed,
    UnitFinished,
    UnitForgiven,
    UnitLost,
    UnitPruned,
    UnitStarted,
)
from sweep.tracking.run_updates import RunUpdate, RunUpdates
from tests.sweep import histories
from tests.sweep.histories import timed


def epoch(number: int, score: float, **more: object) -> dict[str, Any]:
    logged = {
        "train_loss": 1.5,
        "contrast_time": 0.5,
        "patient_cohesion": 2.0,
        "confusion": [[1]],
        "skipped_steps": 0,
    }
    return histories.epoch(number, score, **{"specificity": 0.8, **logged, **more})


def updates_of(events: list[Event]) -> dict[str, RunUpdate]:
    return {update.name: update for update in RunUpdates(events).take()}


def statuses_of(events: list[Event]) -> dict[str, str]:
    return {name: update.status for name, update in updates_of(events).items()}


def values(metrics: list[Metric], name: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in metrics if metric.key == name]


STARTED = StudyStarted((1, 2), at=0.5)
ADDED = ConfigurationAdded(0, {"patch_mix.beta": 0.5, "smoothing.stage": None}, at=1.0)
RUNS: list[Event] = [
    *[STARTED, ADDED, UnitStarted(0, 1, at=2.0)],
    *[EpochReported(0, 1, epoch(1, 0.4), at=3.0), EpochReported(0, 1, epoch(2, 0.5), at=4.25)],
]
TRAINED: list[Event] = [*RUNS, UnitFinished(0, 1, 2, at=5.5)]
SECOND: list[Event] = [
    *[UnitStarted(0, 2, at=6), EpochReported(0, 2, epoch(1, 0.7), at=7), UnitFinished(0, 2, 1, at=8)],
]
BOTH = ("configuration 0", "0000-seed1")


def test_a_configuration_comes_before_its_units() -> None:
    assert list(updates_of(TRAINED)) == ["configuration 0", "0000-seed1"]


def test_both_runs_carry_what_was_searched() -> None:
    configuration, unit = (updates_of(TRAINED)[name] for name in BOTH)
    assert configuration.params == {"patch_mix.beta": "0.5", "smoothing.stage": "None"}
    assert unit.params == {**configuration.params, "seed": "1"}
    assert (configuration.parent, unit.parent) == (None, "configuration 0")


def test_odd_keys_and_long_values_of_an_own_network_come_as_mlflow_takes_them() -> None:
    values = {"backbone.config.(1,5)": 2}
    odd = [STARTED, ConfigurationAdded(0, values, at=1.0), UnitStarted(0, 1, at=2.0)]
    told = RunUpdates(odd, fixed={"backbone.config.long": "x" * 7000}).take()
    configuration, unit = (update.params for update in told)
    assert set(configuration) == {"backbone.config.long", "backbone.config._1_5_"}
    assert len(configuration["backbone.config.long"]) == 6000
    assert unit == {"backbone.config._1_5_": "2", "seed": "1"}


def test_a_units_run_holds_its_curves_by_epoch() -> None:
    metrics = updates_of(TRAINED)["0000-seed1"].metrics
    assert values(metrics, "score") == [(1, 0.4), (2, 0.5)]
    assert values(metrics, "contrast_time") == [(1, 0.5), (2, 0.5)]
    assert values(metrics, "patient_cohesion") == [(1, 2.0), (2, 2.0)]
    assert not values(metrics, "confusion")
    assert not values(metrics, "skipped_steps")


def test_a_configurations_run_holds_means_by_number_of_seeds() -> None:
    one, two = (updates_of(events)["configuration 0"] for events in (TRAINED, [*TRAINED, *SECOND]))
    assert values(one.metrics, "score_mean") == [(1, 0.5)]
    assert not values(one.metrics, "score_sd")
    assert one.status == "RUNNING"
    assert values(two.metrics, "score_mean") == [(1, 0.5), (2, 0.6)]
    deviations = [(step, round(sd, 6)) for step, sd in values(two.metrics, "score_sd")]
    assert deviations == [(2, round(0.02**0.5, 6))]
    assert values(two.metrics, "seeds") == [(1, 1), (2, 2)]
    assert values(two.metrics, "specificity_mean") == [(1, 0.8), (2, 0.8)]
    assert two.status == "FINISHED"


def test_sharpness_is_a_metric_of_the_unit_and_its_mean_one_of_the_configuration() -> None:
    first, second = epoch(1, 0.4, sharpness=0.25), epoch(1, 0.7, sharpness=1.75)
    events: list[Event] = [STARTED, ADDED]
    for seed, report in ((1, first), (2, second)):
        events += [
            UnitStarted(0, seed, at=2.0),
            EpochReported(0, seed, report, at=3.0),
            UnitFinished(0, seed, 1, at=4.0),
        ]
    configuration, unit = (updates_of(events)[name].metrics for name in BOTH)
    assert values(unit, "sharpness") == [(1, 0.25)]
    assert values(configuration, "sharpness_mean") == [(1, 0.25), (2, 1.0)]
    assert [step for step, _ in values(configuration, "sharpness_sd")] == [2]
    # It is no rate, so the interval of one would be wrong.
    assert not values(configuration, "sharpness_ci95_low")


def test_an_interval_is_there_from_three_seeds_on_and_within_0_and_1() -> None:
    third: list[Event] = [
        *[UnitStarted(0, 3, at=9), EpochReported(0, 3, epoch(1, 0.9), at=10), UnitFinished(0, 3, 1, at=11)]
    ]
    study: list[Event] = [StudyStarted((1, 2, 3), at=0.5), *TRAINED[1:], *SECOND, *third]
    metrics = updates_of(study)["configuration 0"].metrics
    ((seeds, low),), ((_, high),) = (values(metrics, f"score_ci95_{end}") for end in ("low", "high"))
    assert seeds == 3
    assert 0 <= low < 0.5
    assert 0.9 < high <= 1


def test_a_stopped_unit_says_why_and_so_does_its_configuration() -> None:
    pruned, failed = UnitPruned(0, 1, "low\nvery"), UnitFailed(0, 1, "low\nvery")
    for end, statuses in ((pruned, ["FINISHED", "KILLED"]), (failed, ["FAILED", "FAILED"])):
        updates = updates_of([*RUNS, end])
        assert [updates[name].status for name in BOTH] == statuses
        assert updates["0000-seed1"].tags["respsweep.reason"] == "low\nvery"
        assert updates["configuration 0"].tags["respsweep.reason"] == "low"


@pytest.mark.parametrize("kind", [UnitPruned, UnitFailed])
def test_a_seed_that_goes_with_its_configuration_is_not_why_that_was_given_up(
    kind: type[UnitPruned] | type[UnitFailed],
) -> None:
    ends: list[Event] = [UnitStarted(0, 2), kind(0, 1, "low"), kind(0, 2, "given up, as another seed was")]
    updates = updates_of([*RUNS, *ends])
    assert updates["0000-seed2"].tags["respsweep.reason"] == "given up, as another seed was"
    assert updates["configuration 0"].tags["respsweep.reason"] == "low"


def test_a_configuration_given_up_in_its_first_seed_has_the_score_of_its_last_epoch() -> None:
    run = updates_of([*RUNS, UnitPruned(0, 1, "low")])["configuration 0"]
    assert run.tags["respsweep.state"] == "pruned"
    assert values(run.metrics, "score_mean") == [(0, 0.5)]
    assert values(run.metrics, "seeds") == [(0, 0)]
    before_an_epoch = updates_of(
        [STARTED, ADDED, UnitStarted(0, 1, at=2.0), UnitFailed(0, 1, "none", at=3.0)]
    )
    assert {metric.key for metric in before_an_epoch["configuration 0"].metrics} == {"device_seconds"}


def test_a_configurations_run_has_what_is_fixed_as_well() -> None:
    (run, unit) = RunUpdates(RUNS, fixed={"epochs": "2"}).take()
    assert run.params == {"epochs": "2", "patch_mix.beta": "0.5", "smoothing.stage": "None"}
    assert "epochs" not in unit.params


def test_a_dropped_configuration_says_why_and_its_units_stay_finished() -> None:
    updates = updates_of([*TRAINED, ConfigurationDropped(0, "P(better) 0.01", at=6)])
    assert [updates[name].status for name in BOTH] == ["FINISHED", "FINISHED"]
    assert updates["configuration 0"].tags["respsweep.state"] == "dropped"
    assert values(updates["configuration 0"].metrics, "score_mean") == [(1, 0.5)]
    assert updates["configuration 0"].tags["respsweep.reason"] == "P(better) 0.01"


def test_a_unit_without_a_worker_is_scheduled_until_it_goes_on() -> None:
    lost: list[Event] = [*RUNS, UnitLost(0, 1, "the node died\nTraceback", at=5)]
    unit = updates_of(lost)["0000-seed1"]
    assert unit.status == "SCHEDULED"
    assert unit.tags["respsweep.lost"] == "the node died (failures so far: 1)"
    again: list[Event] = [*lost, UnitStarted(0, 1, at=6)]
    assert updates_of(again)["0000-seed1"].status == "RUNNING"
    twice = updates_of([*again, UnitLost(0, 1, "interrupted", counts=False, at=7)])["0000-seed1"]
    assert twice.tags["respsweep.lost"] == "interrupted (failures so far: 1)"


def test_a_unit_that_is_tried_again_is_scheduled_and_its_configuration_goes_on() -> None:
    again: list[Event] = [UnitFailed(0, 1, "the loss is NaN", at=5), UnitForgiven(0, 1, at=6)]
    updates = updates_of([*RUNS, *again])
    assert [updates[name].status for name in BOTH] == ["RUNNING", "SCHEDULED"]
    assert updates["0000-seed1"].tags["respsweep.reason"] == "failed, and is tried again"


def test_epochs_that_a_unit_reports_again_are_not_drawn_again() -> None:
    again: list[Event] = [UnitLost(0, 1, "the node died", at=5), UnitStarted(0, 1, at=6)]
    again += [EpochReported(0, 1, epoch(number, 0.5), at=5 + number) for number in (2, 3)]
    unit = updates_of([*RUNS, *again])["0000-seed1"]
    score = [(metric.step, metric.timestamp) for metric in unit.metrics if metric.key == "score"]
    assert score == [(1, 3000), (2, 4250), (3, 8000)]


def test_a_note_is_a_tag_even_on_an_epoch_that_was_known() -> None:
    note = "checkpoint was corrupt, fell back to the previous one"
    back = [UnitLost(0, 1, "the node died"), UnitStarted(0, 1), EpochReported(0, 1, epoch(2, 0.5, note=note))]
    unit = updates_of([*RUNS, *back])["0000-seed1"]
    assert unit.tags["respsweep.note"] == note
    assert not values(unit.metrics, "note")


def test_nothing_seems_to_run_when_no_driver_holds_the_study() -> None:
    stopped = StudyStopped("interrupted", at=9)
    assert statuses_of([*RUNS, stopped]) == dict.fromkeys(BOTH, "SCHEDULED")
    assert statuses_of([*RUNS, UnitLost(0, 1, "driver"), stopped]) == dict.fromkeys(BOTH, "SCHEDULED")
    assert statuses_of([*TRAINED, stopped]) == {"configuration 0": "SCHEDULED", "0000-seed1": "FINISHED"}
    assert set(statuses_of([*TRAINED, *SECOND, stopped]).values()) == {"FINISHED"}


def test_when_a_study_is_let_go_the_best_run_says_so_and_how_lucky_it_was() -> None:
    study: list[Event] = [STARTED]
    for number, scores in enumerate([(0.60, 0.64), (0.62, 0.65)]):
        study += histories.added(number)
        study += [
            event for seed, score in enumerate(scores, 1) for event in histories.trained(number, seed, score)
        ]
    updates = updates_of([*study, StudyStopped("over", at=90)])
    best = updates["configuration 1"]
    assert best.tags["respsweep.best"] == "of 2"
    ((_, luck),), ((_, expected),) = (values(best.metrics, name) for name in ("score_luck", "score_expected"))
    assert 0 < luck < 0.03
    assert luck + expected == pytest.approx(0.635)
    assert "respsweep.best" not in updates["configuration 0"].tags
    of_the_test_part = RunUpdates([*study, StudyStopped("over", at=90)], held_out=False).take()
    told = {metric.key for update in of_the_test_part for metric in update.metrics}
    assert "score_mean" in told
    assert not told & {"score_luck", "score_expected"}
    later: list[Event] = [StudyStarted((1, 2), at=91), *histories.added(2)]
    later += [event for seed in (1, 2) for event in histories.trained(2, seed, 0.9)]
    updates = updates_of([*study, StudyStopped("over", at=90), *later, StudyStopped("over", at=99)])
    assert updates["configuration 1"].tags["respsweep.best"] == "no longer"
    assert updates["configuration 2"].tags["respsweep.best"] == "of 3"


def test_a_complete_configuration_runs_again_when_it_gets_a_further_seed() -> None:
    extended: list[Event] = [
        *TRAINED,
        *SECOND,
        StudyStopped("complete", at=9),
        StudyStarted((1, 2, 3), at=10),
    ]
    assert statuses_of(extended)["configuration 0"] == "FINISHED"
    assert statuses_of([*extended, UnitStarted(0, 3, at=11)])["configuration 0"] == "RUNNING"


def test_times_are_those_of_the_events_in_milliseconds() -> None:
    unit = updates_of(TRAINED)["0000-seed1"]
    assert (unit.since, unit.changed) == (2000, 5500)
    assert [metric.timestamp for metric in unit.metrics if metric.key == "score"] == [3000, 4250]


def test_a_configurations_run_goes_from_the_start_of_its_first_unit_to_the_end_of_its_last() -> None:
    assert updates_of([STARTED, ADDED, StudyStopped("interrupted", at=1.5)]) == {}
    dropped = ConfigurationDropped(0, "P(better) 0.01", at=60)
    run = updates_of([*TRAINED, dropped, StudyStopped("over", at=61)])["configuration 0"]
    assert (run.status, run.since, run.changed) == ("FINISHED", 2000, 5500)
    over: list[Event] = [*TRAINED, *SECOND, StudyStopped("over", at=60)]
    resumed: list[Event] = [*over, StudyStarted((1, 2), at=900), StudyStopped("over", at=901)]
    for events in (over, resumed):
        run = updates_of(events)["configuration 0"]
        assert (run.status, run.since, run.changed) == ("FINISHED", 2000, 8000)


def test_a_run_says_for_how_long_the_units_of_its_configuration_held_a_device() -> None:
    lost: list[Event] = [*RUNS, UnitLost(0, 1, "the node died", at=5), UnitStarted(0, 1, at=20)]
    run = updates_of([*lost, UnitFinished(0, 1, 2, at=22), *timed(*SECOND, start=30)])["configuration 0"]
    assert values(run.metrics, "device_seconds") == [(1, 3 + 2), (2, 3 + 2 + 2)]
    pruned = updates_of([*RUNS, UnitPruned(0, 1, "low", at=6)])["configuration 0"]
    assert values(pruned.metrics, "device_seconds") == [(0, 4)]


def test_an_update_is_handed_over_once() -> None:
    updates = RunUpdates([STARTED, ADDED, UnitStarted(0, 1)])
    assert [update.name for update in updates.take()] == ["configuration 0", "0000-seed1"]
    assert updates.take() == []
    updates.hear(EpochReported(0, 1, epoch(1, 0.4)))
    assert [update.name for update in updates.take()] == ["0000-seed1"]


def test_another_objective_has_its_curve_its_means_and_its_name() -> None:
    started = StudyStarted((1, 2), objective="harmonic", at=0.5)
    rates = {"sensitivity": 0.4, "specificity": 0.8}
    second = [
        UnitStarted(0, 2, at=6),
        EpochReported(0, 2, epoch(1, 0.6, **rates), at=7),
        UnitFinished(0, 2, 1, at=8),
    ]
    first = [
        UnitStarted(0, 1, at=2),
        EpochReported(0, 1, epoch(1, 0.6, **rates), at=3),
        UnitFinished(0, 1, 1, at=4),
    ]
    updates = updates_of([started, ADDED, *first, *second])
    harmonic = 2 * 0.4 * 0.8 / 1.2
    assert updates["configuration 0"].tags["respsweep.objective"] == "harmonic"
    assert values(updates["0000-seed1"].metrics, "harmonic_score") == [(1, pytest.approx(harmonic))]
    assert values(updates["configuration 0"].metrics, "harmonic_score_mean")[-1] == (
        2,
        pytest.approx(harmonic),
    )
    assert not values(updates_of(TRAINED)["configuration 0"].metrics, "harmonic_score_mean")


def test_luck_is_that_of_the_objective() -> None:
    events: list[Event] = [StudyStarted((1, 2, 3), objective="any_abnormal", at=0.5)]
    for number in (0, 1):
        events.append(ConfigurationAdded(number, {"patch_mix.beta": 0.5 + number}, at=1.0))
        for seed in (1, 2, 3):
            report = epoch(1, 0.6, sensitivity=0.4, any_abnormal_score=0.7 + 0.01 * seed + 0.05 * number)
            events += [UnitStarted(number, seed, at=2), EpochReported(number, seed, report, at=3)]
            events.append(UnitFinished(number, seed, 1, at=4))
    best = updates_of([*events, StudyStopped("over", at=5)])["configuration 1"]
    assert best.tags["respsweep.best"] == "of 2"
    assert values(best.metrics, "any_abnormal_score_expected")
    assert not values(best.metrics, "score_expected")


def test_of_finalists_on_folds_of_their_own_none_is_marked_the_best() -> None:
    point = {"patch_mix.beta": 0.5, "folds.fold": 1}
    events: list[Event] = [STARTED, ConfigurationAdded(0, point, at=1.0), *TRAINED[2:], *SECOND]
    updates = updates_of([*events, StudyStopped("over", at=9)])
    assert "respsweep.best" not in updates["configuration 0"].tags
    assert (
        "respsweep.best"
        in updates_of([*TRAINED, *SECOND, StudyStopped("over", at=9)])["configuration 0"].tags
    )
