"""Pruning in earnest: verdicts against those of the same Optuna pruner in a plain Optuna study."""

import math
import warnings
from collections.abc import Callable, Generator, Sequence
from itertools import count
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.pruners import BasePruner
from optuna.trial import Trial, TrialState

from data.settings import ConfigError, parse
from sweep.config.study_parts import PrunerConfig
from sweep.search.epoch_pruner import EpochPruner
from sweep.search.forecast_pruner import ForecastPruner
from sweep.study.board import Board
from sweep.study.events import (
    ConfigurationAdded,
    EpochReported,
    Event,
    StudyStarted,
    UnitFailed,
    UnitFinished,
    UnitPruned,
    UnitStarted,
)

EPOCHS = 9
SEED = 1
Verdicts = list[tuple[int, int, bool]]


def curve(number: int) -> list[float]:
    """Scores that rise, waver, and end apart: higher for some configurations than for others."""
    beta = 0.2 + 0.1 * number
    ceiling = 0.5 + 0.3 * math.sin(7 * beta)
    return [
        ceiling * (1 - math.exp(-epoch / 3)) + 0.06 * math.sin(5 * epoch * beta) for epoch in range(1, 10)
    ]


CURVES = [curve(number) for number in range(14)]


class Sweep:
    """A board and its pruner, fed as a driver feeds them."""

    def __init__(
        self,
        config: dict[str, Any],
        past: Sequence[Event] = (),
        epochs: Callable[[Any], int] = lambda _: EPOCHS,
        tell_past: bool = True,
    ) -> None:
        self.events = list(past)
        self.board = Board((SEED,), past)
        self.pruner = EpochPruner(
            parse(PrunerConfig, config, "pruner"), epochs, "same", list(past) if tell_past else ()
        )
        self.pruner.restore(self.board)

    def start(self, number: int) -> None:
        self._record(ConfigurationAdded(number, {"number": number}))
        self._record(UnitStarted(number, SEED))

    def report(self, number: int, epoch: int, score: float) -> bool:
        self._record(EpochReported(number, SEED, {"epoch": epoch, "score": score}))
        return self.pruner.report(self.board.configurations[number], epoch, score)

    def end(self, event: UnitFinished | UnitPruned | UnitFailed) -> None:
        self._record(event)
        self.pruner.end(self.board.configurations[event.configuration])

    def _record(self, event: Event) -> None:
        self.board.apply(event)
        self.events.append(event)


def turns(curves: Sequence[Sequence[float]], at_once: int) -> Generator[tuple[int, int], bool, None]:
    """Who reports which epoch next, when `at_once` configurations run at a time; send True to stop that one."""
    waiting = iter(range(len(curves)))
    running = {number: count(1) for number, _ in zip(waiting, range(at_once), strict=False)}
    while running:
        for number in list(running):
            epoch = next(running[number])
            stop = yield number, epoch
            if stop or epoch == len(curves[number]):
                del running[number]
                if (following := next(waiting, None)) is not None:
                    running[following] = count(1)


def in_a_sweep(sweep: Sweep, curves: Sequence[Sequence[float]], at_once: int, skip: int = 0) -> Verdicts:
    """Every verdict, from the `skip`-th report on; the board has heard the reports before that."""
    verdicts: Verdicts = []
    turn = turns(curves, at_once)
    step: tuple[int, int] | None = next(turn)
    for position in count():
        if step is None:
            return verdicts
        number, epoch = step
        if position >= skip:
            while number >= len(sweep.board.configurations):
                sweep.start(len(sweep.board.configurations))
            stop = sweep.report(number, epoch, curves[number][epoch - 1])
            verdicts.append((number, epoch, stop))
            if stop:
                sweep.end(UnitPruned(number, SEED, "slow"))
            elif epoch == len(curves[number]):
                sweep.end(UnitFinished(number, SEED, epoch))
        else:
            stop = bool(sweep.board.configurations[number].units[SEED].reason) and (
                epoch == len(sweep.board.configurations[number].units[SEED].curve)
            )
        try:
            step = turn.send(stop)
        except StopIteration:
            step = None
    raise AssertionError("the loop above does not end by itself")


def in_plain_optuna(pruner: BasePruner, curves: Sequence[Sequence[float]], at_once: int) -> Verdicts:
    study = optuna.create_study(study_name="same", pruner=pruner, direction="maximize")
    trials: list[Trial] = []
    verdicts: Verdicts = []
    turn = turns(curves, at_once)
    step: tuple[int, int] | None = next(turn)
    while step is not None:
        number, epoch = step
        while number >= len(trials):
            trials.append(study.ask())
        trials[number].report(curves[number][epoch - 1], epoch)
        stop = trials[number].should_prune() and epoch < len(curves[number])
        verdicts.append((number, epoch, stop))
        if stop:
            study.tell(trials[number], state=TrialState.PRUNED)
        elif epoch == len(curves[number]):
            study.tell(trials[number], curves[number][-1])
        try:
            step = turn.send(stop)
        except StopIteration:
            step = None
    return verdicts


def patient() -> BasePruner:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.pruners.PatientPruner(optuna.pruners.MedianPruner(n_warmup_steps=4), patience=1)


SAME: list[tuple[dict[str, Any], Callable[[], BasePruner]]] = [
    ({"name": "median"}, lambda: optuna.pruners.MedianPruner(n_warmup_steps=4)),
    (
        {"name": "median", "arguments": {"n_startup_trials": 2, "n_warmup_steps": 1}},
        lambda: optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1),
    ),
    (
        {"name": "percentile", "arguments": {"percentile": 40.0, "n_startup_trials": 3}},
        lambda: optuna.pruners.PercentilePruner(40.0, n_startup_trials=3, n_warmup_steps=4),
    ),
    (
        {"name": "forecast", "arguments": {"p": 0.2, "at_least": 3}},
        lambda: ForecastPruner(EPOCHS, p=0.2, at_least=3),
    ),
    ({"name": "hyperband"}, lambda: optuna.pruners.HyperbandPruner(max_resource=EPOCHS)),
    ({"name": "successive_halving"}, optuna.pruners.SuccessiveHalvingPruner),
    (
        {"name": "threshold", "arguments": {"lower": 0.1}},
        lambda: optuna.pruners.ThresholdPruner(lower=0.1),
    ),
    ({"name": "patient", "arguments": {"wrapped_pruner": {"name": "median"}}}, patient),
]
NAMES = [f"{config['name']}-{index}" for index, (config, _) in enumerate(SAME)]


@pytest.mark.parametrize("at_once", [1, 4])
@pytest.mark.parametrize(("ours", "plain"), SAME, ids=NAMES)
def test_verdicts_are_those_of_optuna_alone(
    ours: dict[str, Any], plain: Callable[[], BasePruner], at_once: int
) -> None:
    verdicts = in_a_sweep(Sweep(ours), CURVES, at_once)
    assert verdicts == in_plain_optuna(plain(), CURVES, at_once)
    pruned = {number for number, _, stop in verdicts if stop}
    assert 0 < len(pruned) < len(CURVES), "all or none were pruned, so little was compared"


def test_a_stopped_seed_is_told_against_what_also_by_a_driver_that_takes_the_study_up() -> None:
    config = {"name": "median", "arguments": {"n_startup_trials": 1, "n_warmup_steps": 1}}
    sweep = Sweep(config, epochs=lambda _: 2)
    for number, last in enumerate((0.5, 0.7)):
        sweep.start(number)
        assert not sweep.report(number, 1, last - 0.1)
        assert not sweep.report(number, 2, last)
        sweep.end(UnitFinished(number, SEED, 2))
    sweep.start(2)
    assert sweep.report(2, 1, 0.3)
    later = Sweep(config, sweep.events, epochs=lambda _: 2)
    for one in (sweep, later):
        slow = one.board.configurations[2]
        assert one.pruner.report(slow, 1, 0.3)
        assert one.pruner.held_against(slow) == "against 50.0 %, the median of 2 others at that epoch"


def test_no_pruner_prunes_nothing() -> None:
    assert not any(stop for _, _, stop in in_a_sweep(Sweep({"name": "none"}), CURVES, 1))


@given(
    config=st.sampled_from([config for config, _ in SAME]),
    curves=st.lists(
        st.lists(st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9]), min_size=5, max_size=5), min_size=3, max_size=9
    ),
    at_once=st.integers(1, 4),
    cut=st.floats(0, 1),
)
@settings(max_examples=120, deadline=None)
def test_a_restored_pruner_goes_on_as_if_nothing_had_happened(
    config: dict[str, Any], curves: list[list[float]], at_once: int, cut: float
) -> None:
    def epochs(_: Any) -> int:
        return 5

    whole = Sweep(config, epochs=epochs)
    verdicts = in_a_sweep(whole, curves, at_once)
    reports = [index for index, event in enumerate(whole.events) if isinstance(event, EpochReported)]
    skip = int(cut * len(reports))
    past = whole.events[: reports[skip]] if skip < len(reports) else whole.events
    again = Sweep(config, past, epochs)
    assert in_a_sweep(again, curves, at_once, skip) == verdicts[skip:]


@pytest.mark.parametrize(
    "config", [config for config, _ in SAME if config["name"] not in ("hyperband", "successive_halving")]
)
def test_what_others_did_first_matters_to_halving_only(config: dict[str, Any]) -> None:
    whole = Sweep(config)
    verdicts = in_a_sweep(whole, CURVES, 4)
    reports = [index for index, event in enumerate(whole.events) if isinstance(event, EpochReported)]
    for skip in range(0, len(reports), 7):
        again = Sweep(config, whole.events[: reports[skip]], tell_past=False)
        assert in_a_sweep(again, CURVES, 4, skip) == verdicts[skip:]


def test_halving_needs_to_know_who_came_first() -> None:
    # Its first rung waits for the first finished configuration, so the second one is held to its score at epoch 5.
    sweep = Sweep({"name": "successive_halving"}, epochs=lambda _: 5)
    sweep.start(0)
    sweep.start(1)
    for epoch in range(1, 6):
        sweep.report(0, epoch, 0.5)
        if epoch == 5:
            sweep.end(UnitFinished(0, SEED, 5))
        sweep.report(1, epoch, 0.1 * epoch)
    for told, stops in ((True, True), (False, False)):
        again = Sweep({"name": "successive_halving"}, sweep.events, epochs=lambda _: 5, tell_past=told)
        again.start(2)
        assert again.report(2, 1, 0.3) is stops


def test_a_verdict_that_a_dying_driver_did_not_act_on_is_given_again() -> None:
    config = {"name": "median", "arguments": {"n_startup_trials": 1, "n_warmup_steps": 2}}
    sweep = Sweep(config)
    sweep.start(0)
    for epoch in range(1, 10):
        sweep.report(0, epoch, 0.5)
    sweep.end(UnitFinished(0, SEED, 9))
    sweep.start(1)
    assert [sweep.report(1, epoch, 0.4) for epoch in (1, 2)] == [False, True]
    again = Sweep(config, sweep.events)
    configuration = again.board.configurations[1]
    assert [again.pruner.report(configuration, epoch, 0.4) for epoch in (1, 2, 2)] == [False, True, True]


def test_halving_answers_the_same_when_asked_twice() -> None:
    config = {"name": "successive_halving", "arguments": {"min_resource": 1, "reduction_factor": 2}}
    sweep = Sweep(config)
    for number, score in enumerate((0.5, 0.6, 0.4)):
        sweep.start(number)
        stop = sweep.report(number, 1, score)
        assert stop is (number == 2)
        assert sweep.pruner.report(sweep.board.configurations[number], 1, score) is stop


def test_the_last_epoch_is_paid_for() -> None:
    sweep = Sweep({"name": "threshold", "arguments": {"lower": 0.3}}, epochs=lambda _: 2)
    sweep.start(0)
    sweep.start(1)
    assert sweep.report(0, 1, 0.1)
    assert not sweep.report(1, 1, 0.3)
    assert not sweep.report(1, 2, 0.1)


def test_a_unit_that_failed_is_no_measure_for_others() -> None:
    config = {"name": "median", "arguments": {"n_startup_trials": 1, "n_warmup_steps": 0}}
    for ending, stops in ((UnitFinished(0, SEED, 1), True), (UnitFailed(0, SEED, "the loss is NaN"), False)):
        sweep = Sweep(config)
        sweep.start(0)
        sweep.report(0, 1, 0.5)
        sweep.end(ending)
        sweep.pruner.end(sweep.board.configurations[0])
        sweep.start(1)
        assert sweep.report(1, 1, 0.4) is stops


def test_a_searched_number_of_epochs_has_its_own_warm_up() -> None:
    # A third of 3 epochs, then of 9: the first that may be pruned is epoch 2 or 4.
    config = {"name": "median", "arguments": {"n_startup_trials": 1}}
    sweep = Sweep(config, epochs=lambda values: 9 if values["number"] < 2 else 3)
    sweep.start(0)
    for epoch in range(1, 10):
        assert not sweep.report(0, epoch, 0.5)
    sweep.end(UnitFinished(0, SEED, 9))
    sweep.start(1)
    sweep.start(2)
    assert [sweep.report(1, epoch, 0.4) for epoch in range(1, 5)] == [False, False, False, True]
    assert [sweep.report(2, epoch, 0.4) for epoch in range(1, 3)] == [False, True]


def test_median_and_percentile_spare_the_first_third_of_the_epochs() -> None:
    for name in ("median", "percentile"):
        verdicts = in_a_sweep(Sweep({"name": name, "arguments": {"n_startup_trials": 1}}), CURVES, 1)
        assert min(epoch for _, epoch, stop in verdicts if stop) == EPOCHS // 3 + 1


def test_patience_may_do_without_another_pruner() -> None:
    sweep = Sweep({"name": "patient", "arguments": {"patience": 2, "wrapped_pruner": None}})
    sweep.start(0)
    verdicts = [sweep.report(0, epoch, score) for epoch, score in enumerate([0.5, 0.4, 0.4, 0.4], start=1)]
    assert verdicts == [False, False, False, True]


def test_arguments_that_optuna_refuses_are_told_at_once() -> None:
    config = PrunerConfig(name="successive_halving", arguments={"bootstrap_count": 3})
    with pytest.raises(ConfigError, match=r"SuccessiveHalvingPruner refuses them: bootstrap_count"):
        EpochPruner(config, lambda _: EPOCHS, "study")


def test_a_curve_may_be_of_another_number_than_the_score() -> None:
    threshold = parse(PrunerConfig, {"name": "threshold", "arguments": {"lower": 0.5}}, "pruner")
    board = Board(events=[StudyStarted((SEED,), objective="harmonic")])
    rates = {"sensitivity": 0.2, "specificity": 0.9}
    events: list[Event] = [ConfigurationAdded(0, {"number": 0}), UnitStarted(0, SEED)]
    events.append(EpochReported(0, SEED, {"epoch": 1, "score": 0.55, **rates}))
    for event in events:
        board.apply(event)
    for past in ((), tuple(events)):
        pruner = EpochPruner(threshold, lambda _: EPOCHS, "same", past, "harmonic_score")
        pruner.restore(board)
        # 2 * 0.2 * 0.9 / 1.1 = 0.327
        assert pruner.report(board.configurations[0], 1, board.unit(0, SEED).curve[0]["harmonic_score"])
    of_scores = EpochPruner(threshold, lambda _: EPOCHS, "same")
    assert not of_scores.report(board.configurations[0], 1, 0.55)
