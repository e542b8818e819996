"""What a step of a unit came to, as its worker tells the driver through Ray Tune."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Finished:
    """The unit trained to its end; `epoch` is the one that stands for it."""

    epoch: int


@dataclass(frozen=True)
class Failed:
    """The training itself went wrong, as it would on any machine. `reason`: a line, then the traceback."""

    reason: str


@dataclass(frozen=True)
class OutOfMemory:
    """The memory of the machine or of its device did not hold a batch. `reason`: a line, then the traceback."""

    reason: str


@dataclass(frozen=True)
class FullDisk:
    """No checkpoint could be saved. `reason`: what the operating system says, and where."""

    reason: str


Ending = Finished | Failed | OutOfMemory | FullDisk
_ENDINGS = {kind.__name__: kind for kind in (Finished, Failed, OutOfMemory, FullDisk)}


@dataclass(frozen=True)
class StepResult:
    """The epochs of a unit that its driver has not heard of, and how the unit ended.

    `reports`: one for each epoch, oldest first, in the words of the board (`sweep.worker.trainable.report`).
    `ending`: None while the unit goes on.
    """

    reports: tuple[Mapping[str, Any], ...] = ()
    ending: Ending | None = None

    def as_tune(self) -> dict[str, Any]:
        """Write what a Tune trainable returns: plain values, and `done`, which Tune itself reads.

        The ending is a list of its kind and what it holds, as Tune flattens a dict within the result.
        """
        ending = self.ending
        told = [] if ending is None else [type(ending).__name__, *astuple(ending)]
        return {"reports": [dict(report) for report in self.reports], "ending": told, "done": bool(told)}

    @classmethod
    def from_tune(cls, result: Mapping[str, Any] | None) -> Self:
        """Read what Tune hands to its scheduler and searcher, which is nothing for a trial that never reported."""
        result = result or {}
        told: Sequence[Any] = result.get("ending") or ()
        ending = _ENDINGS[told[0]](*told[1:]) if told else None
        return cls(tuple(result.get("reports", ())), ending)
