"""A Ray that answers at once with what a test has its units come to, and nodes with a number of places each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

from ray.exceptions import RayTaskError
from ray.tune import Trainable

from sweep.config.study_parts import ResourcesConfig
from sweep.execution.slots import NONE_BARRED, Slots
from sweep.worker.step_result import Finished, StepResult
from tests.sweep.histories import epoch

HERE, THERE = "10.0.0.7/1f2e", "10.0.0.8/3d4c"


Steps = list[StepResult | Exception]


@dataclass(eq=False)
class Actor:
    """One that does what the test says of its unit, and notes what it is asked."""

    ray: MadeUpRay
    number: int
    options: Mapping[str, Any]
    config: dict[str, Any]
    asked: list[Any] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=partial(self._ask, name))

    @property
    def _actor_id(self) -> Any:
        return SimpleNamespace(hex=lambda: f"actor{self.number}")

    def _ask(self, what: str, *told: Any) -> tuple[Actor, str, int]:
        if what == "reset_config":
            (self.config,) = told
        self.asked.append(what)
        return self, what, len(self.asked)


class MadeUpRay:
    """Answers with the next of `steps` of a unit; a unit without any more is silent.

    `room`: how many actors there is room for; later ones wait until one is killed.
    """

    def __init__(self, steps: Mapping[tuple[int, int], Steps], clock: list[float], room: int = 99) -> None:
        self.steps = {unit: list(some) for unit, some in steps.items()}
        self.actors: list[Actor] = []
        self.killed: list[int] = []
        self.heard: list[int] = []
        """Whose answers were taken, in their order."""
        self._clock = clock
        self._room = room

    def has_room(self, number: int) -> bool:
        return (
            number in [actor.number for actor in self.actors if actor.number not in self.killed][: self._room]
        )

    def remote(self, trainable: type[Trainable]) -> Any:
        def options(**options: Any) -> Any:
            return SimpleNamespace(remote=partial(self._start, options))

        return SimpleNamespace(options=options)

    def _start(self, options: Mapping[str, Any], config: dict[str, Any]) -> Actor:
        self.actors.append(Actor(self, len(self.actors), options, config))
        return self.actors[-1]

    def wait(
        self, refs: list[Any], num_returns: int = 1, timeout: float = 0.0
    ) -> tuple[list[Any], list[Any]]:
        self._clock[0] += timeout and 1.0
        ready = [ref for ref in refs if self._answers(*ref)][:num_returns]
        return ready, [ref for ref in refs if ref not in ready]

    def _answers(self, actor: Actor, what: str, _: int) -> bool:
        key = actor.config["configuration"], actor.config["seed"]
        has_one = what == "stop" or bool(self.steps.get(key))
        return actor.number in self.killed or (self.has_room(actor.number) and has_one)

    def get(self, refs: list[Any]) -> list[Any]:
        actor, _, _ = refs[-1]
        self.heard.append(actor.number)
        key = actor.config["configuration"], actor.config["seed"]
        if actor.number in self.killed:
            raise RayTaskError("step", "killed", RuntimeError("killed"))
        answer = self.steps[key].pop(0)
        if isinstance(answer, Exception):
            raise RayTaskError("step", f"Traceback\n{type(answer).__name__}: {answer}", answer)
        return [None, answer.as_tune()]

    def kill(self, actor: Actor) -> None:
        self.killed.append(actor.number)


class Room(Slots):
    def __init__(self, places: Mapping[str, int]) -> None:
        super().__init__(ResourcesConfig())
        self._given = places

    @property
    def nodes(self) -> Mapping[str, int]:
        return self._given

    def __call__(self, barred: Mapping[str, int] = NONE_BARRED) -> int:
        return sum(self._given.values()) - sum(barred.values())


def of(*scores: float, over: bool = True, first: int = 1) -> StepResult:
    reports = tuple(epoch(place, score) for place, score in enumerate(scores, first))
    return StepResult(reports, Finished(first + len(scores) - 1) if over else None)
