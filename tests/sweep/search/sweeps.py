"""Studies for tests of the search: a board and its search in step, as a coordinator keeps them, without Ray."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.settings import parse
from sweep.config.study_config import StudyConfig
from sweep.search.optuna_search import OptunaSearch
from sweep.study.board import Board
from sweep.study.events import (
    EpochReported,
    Event,
    StudyStarted,
    StudyStopped,
    UnitFailed,
    UnitFinished,
    UnitPruned,
    UnitStarted,
)
from sweep.study.journal import read_journal
from sweep.study.units import Configuration
from tests.sweep.histories import epoch, write_journal

TEMPERATURE = {"type": "float", "low": 0.02, "high": 0.5, "log": True}
BETA = {"type": "float", "low": 0.2, "high": 2.0}
WIDE = {"patch_mix.temperature": TEMPERATURE, "patch_mix.beta": BETA}
KERNELS = {"type": "categorical", "choices": [3, 5, 7]}
STAGES = {"type": "categorical", "choices": [None, 0, 1]}
SAMPLERS = ["tpe", "gp", "cmaes", "nsga2", "qmc", "random"]
BOTH = ["sensitivity", "specificity"]


def config_of(search: dict[str, Any], **settings: Any) -> StudyConfig:
    content = {
        "recipe": {"backbone": {"variant": "tiny"}, "epochs": 9},
        "search": search,
        "seeds": [1, 2],
        **settings,
    }
    return parse(StudyConfig, content, "study")


def eager(sampler: str) -> dict[str, Any]:
    """The sampler, learning from its third trial on where it can be told so."""
    arguments: dict[str, Any] = {
        "tpe": {"n_startup_trials": 3},
        "gp": {"n_startup_trials": 3},
        "cmaes": {"n_startup_trials": 3, "popsize": 4},
        "nsga2": {"population_size": 3},
    }.get(sampler, {})
    return {"name": sampler, "arguments": arguments}


class Sweep:
    """A board and its search, in step as a coordinator keeps them; `past` is what an earlier driver recorded."""

    def __init__(self, config: StudyConfig, past: Sequence[Event] = ()) -> None:
        self.events = list(past)
        self.board = Board((), past)
        self.search = OptunaSearch(config)
        if past and self.board.stopped is None:
            self.record(StudyStopped("its driver died"))
        self.record(StudyStarted(config.seeds))
        self.search.restore(self.board)

    def add(self) -> Configuration | None:
        added = self.search.propose()
        if added is None:
            return None
        self.record(added)
        return self.board.configurations[-1]

    def train(self, number: int, seed: int, *scores: float) -> None:
        """A whole unit, or what an earlier driver left of it; the last epoch stands for it."""
        configuration = self.board.configurations[number]
        if seed not in configuration.units:
            self.record(UnitStarted(number, seed))
        told = len(configuration.units[seed].curve)
        for place, score in enumerate(scores[told:], start=told + 1):
            self.record(EpochReported(number, seed, epoch(place, score)))
        self.end(UnitFinished(number, seed, len(scores)))

    def end(self, event: UnitFinished | UnitPruned | UnitFailed) -> None:
        self.record(event)
        self.search.learn(self.board.configurations[event.configuration])

    def go_on(self, configurations: int) -> list[dict[str, Any]]:
        """Run everything to its end, one configuration after the other, with scores of two epochs; all points."""
        for configuration in self.board.configurations:
            self._complete(configuration)
        while len(self.board.configurations) < configurations:
            configuration = self.add()
            if configuration is None:
                break
            self._complete(configuration)
        return [dict(configuration.values) for configuration in self.board.configurations]

    def record(self, event: Event) -> None:
        self.board.apply(event)
        self.events.append(event)

    def _complete(self, configuration: Configuration) -> None:
        for seed in self.board.seeds:
            if seed not in configuration.units or not configuration.units[seed].over:
                score = score_at(configuration.values)
                self.train(configuration.number, seed, score / 2, score)


def score_at(values: dict[str, Any] | Any) -> float:
    """The higher the less it is smoothed and the nearer beta is to 1."""
    return 0.8 / (1 + (values.get("smoothing.kernel_size") or 0)) + 0.1 / (
        1 + abs(values.get("patch_mix.beta", 0.0) - 1)
    )


def distinct(points: Sequence[dict[str, Any]]) -> int:
    return len({tuple(sorted(point.items())) for point in points})


def reread(events: Sequence[Event], path: Path) -> list[Event]:
    """The events as another driver finds them in the journal at `path`."""
    write_journal(path, events)
    return list(read_journal(path))
