"""A study of first seeds for a pruner of Optuna's kind to judge: a step is an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.trial import Trial, TrialState

from sweep.config.study_parts import PrunerConfig
from sweep.search.pruners import build_pruner, goes_by_order
from sweep.search.pruning_reasons import held_against
from sweep.study.board import Board
from sweep.study.epoch_report import completed
from sweep.study.events import EpochReported, Event, UnitFailed, UnitFinished, UnitPruned
from sweep.study.units import Configuration, State


class EpochPruner:
    """Stops a configuration on its first seed's curve where the pruner would in a plain `study.optimize`.

    The pruner has an Optuna study of its own, in memory, with one objective: a configuration is the trial of its
    number, and is told when its first seed ends. `epochs` gives the length of the curve at a point of the search space.
    `past` are the events before this driver, in order: successive halving and hyperband judge by who came first.
    `metric` is the number of a report that the curve consists of.

    Raises ConfigError when the pruner refuses its arguments.
    """

    def __init__(
        self,
        config: PrunerConfig,
        epochs: Callable[[Mapping[str, Any]], int],
        name: str,
        past: Iterable[Event] = (),
        metric: str = "score",
    ) -> None:
        self._config = config
        self._metric = metric
        self._epochs_at = epochs
        self._past = past
        build_pruner(config, epochs=1)
        self._pruners: dict[int, BasePruner] = {}
        self._epochs: dict[int, int] = {}
        self._trials: list[Trial] = []
        self._verdicts: list[dict[int, bool | None]] = []
        """Verdicts by configuration and epoch; None for an epoch that is reported and not judged yet."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # Hyperband goes by the study's name. Nothing is sampled here.
        self._study = optuna.create_study(
            study_name=name, sampler=optuna.samplers.RandomSampler(0), direction="maximize"
        )

    @property
    def study_name(self) -> str:
        """What the pruner takes the study to be called."""
        return self._study.study_name

    def report(self, configuration: Configuration, epoch: int, score: float) -> bool:
        """Take an epoch's score; returns whether the pruner stops the first seed, never at the last epoch."""
        verdicts = self._hear(configuration, epoch, score)
        verdict = verdicts[epoch]
        if verdict is None:
            epochs = self._epochs_of(configuration)
            if epochs not in self._pruners:
                self._pruners[epochs] = build_pruner(self._config, epochs)
            self._study.pruner = self._pruners[epochs]
            # Halving notes what it is asked for, at the last epoch too.
            verdict = self._trials[configuration.number].should_prune() and epoch < epochs
            verdicts[epoch] = verdict
        return verdict

    def held_against(self, configuration: Configuration) -> str:
        """Say against what the last epoch of a first seed was held, which `report` has just had stopped."""
        epochs = self._epochs_of(configuration)
        trials = self._study.get_trials(deepcopy=False)
        return held_against(self._config, epochs, self._pruners.get(epochs), trials, configuration.number)

    def end(self, configuration: Configuration) -> None:
        """Note how the configuration's first seed ended, if it is over. A second call changes nothing."""
        trial = self._trial(configuration)
        unit = next(iter(configuration.units.values()))
        if unit.state is State.FINISHED and unit.selected is not None:
            self._study.tell(trial, unit.selected[self._metric], skip_if_finished=True)
        elif unit.over:
            state = TrialState.PRUNED if unit.state is State.PRUNED else TrialState.FAIL
            self._study.tell(trial, state=state, skip_if_finished=True)

    def restore(self, board: Board) -> None:
        """Go on as if this pruner had heard all that the board holds."""
        by_order = goes_by_order(self._config)
        for event in self._past if by_order else ():
            self._hear_again(event, board)
        self._past = ()
        for configuration in board.configurations:
            unit = configuration.units.get(board.seeds[0])
            if unit is None:
                continue
            for report in unit.curve:
                if by_order:
                    self.report(configuration, report["epoch"], report[self._metric])
                    continue
                verdicts = self._hear(configuration, report["epoch"], report[self._metric])
                # It went on after these. Whether it is to stop at the last may not have been asked yet.
                if report is not unit.curve[-1]:
                    verdicts[report["epoch"]] = False
            if unit.over:
                self.end(configuration)

    def _hear_again(self, event: Event, board: Board) -> None:
        if not isinstance(event, EpochReported | UnitFinished | UnitPruned | UnitFailed):
            return
        if event.seed != board.seeds[0]:
            return
        configuration = board.configurations[event.configuration]
        if isinstance(event, EpochReported):
            score = completed(event.report, self._metric)[self._metric]
            self.report(configuration, event.report["epoch"], score)
        else:
            self.end(configuration)

    def _hear(self, configuration: Configuration, epoch: int, score: float) -> dict[int, bool | None]:
        """Report an epoch's score to Optuna; returns the configuration's verdicts."""
        trial = self._trial(configuration)
        verdicts = self._verdicts[configuration.number]
        if epoch not in verdicts:
            trial.report(score, epoch)
            verdicts[epoch] = None
        return verdicts

    def _trial(self, configuration: Configuration) -> Trial:
        while len(self._trials) <= configuration.number:
            self._trials.append(self._study.ask())
            self._verdicts.append({})
        return self._trials[configuration.number]

    def _epochs_of(self, configuration: Configuration) -> int:
        number = configuration.number
        if number not in self._epochs:
            self._epochs[number] = self._epochs_at(configuration.values)
        return self._epochs[number]
