"""What can happen in a study. The events in order are the study: the journal keeps them, the board replays them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Cause = Literal["worker", "node", "notice", "machine", "silence", "driver"]
"""What a unit lost: its worker; its node; a node that gave notice; a worker on a machine that lacks what units need;
a worker that was killed because nothing was heard of it for too long; or the driver."""


@dataclass(frozen=True)
class _Happened:
    at: float = field(default=0.0, kw_only=True)
    """Seconds since 1970, or of a simulation's own clock."""


@dataclass(frozen=True)
class StudyStarted(_Happened):
    """A driver took the study up, for the first time or again, with these `seeds`; `changes` says what is new.

    `gpus`: GPUs, or the share of a GPU, that a unit holds from now on.
    """

    seeds: tuple[int, ...]
    changes: tuple[str, ...] = ()
    gpus: float = 0.0


@dataclass(frozen=True)
class StudyStopped(_Happened):
    """The driver let go of the study. It may be taken up again whatever the reason."""

    reason: str


@dataclass(frozen=True)
class ConfigurationAdded(_Happened):
    """The search proposed a point: `values` by dotted recipe field, those that the search space varies.

    `sampler_state`: what the sampler wants to find again when it proposes further points, as JSON can hold it; empty for
    a sampler that needs nothing but points and scores.
    """

    configuration: int
    values: Mapping[str, Any]
    sampler_state: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ConfigurationDropped(_Happened):
    """The race over the seeds gave a configuration up: it gets no further seed."""

    configuration: int
    reason: str


@dataclass(frozen=True)
class UnitStarted(_Happened):
    """A unit was handed out, for the first time or to go on from its checkpoint.

    `placed`: the unit holds a device from now on; otherwise from its `UnitPlaced` on.
    """

    configuration: int
    seed: int
    placed: bool = True


@dataclass(frozen=True)
class UnitPlaced(_Happened):
    """A unit that was handed out has come to a worker on `node`: its address and Ray's id, `ADDRESS/ID`.

    Again when the unit comes to a worker on another node before its set-up is over.
    """

    configuration: int
    seed: int
    node: str = ""


@dataclass(frozen=True)
class EpochReported(_Happened):
    """One epoch of a unit: `report` holds `epoch` (from 1), the rates (fractions) and whatever else is logged."""

    configuration: int
    seed: int
    report: Mapping[str, Any]


@dataclass(frozen=True)
class UnitFinished(_Happened):
    """A unit trained to its end; `epoch` is the one whose validation rates stand for it."""

    configuration: int
    seed: int
    epoch: int


@dataclass(frozen=True)
class UnitPruned(_Happened):
    """The pruner stopped a unit on its curve, and its configuration with it."""

    configuration: int
    seed: int
    reason: str


@dataclass(frozen=True)
class UnitLost(_Happened):
    """A unit lost its worker and waits to go on from its checkpoint.

    `counts`: whether this is one of the failures that a unit may have (`sweep.study.blame.death_counts`). `node`: where
    the worker was, as in `UnitPlaced`; empty where that is not known.
    """

    configuration: int
    seed: int
    reason: str
    counts: bool = True
    out_of_memory: bool = False
    cause: Cause = "worker"
    node: str = ""


@dataclass(frozen=True)
class UnitFailed(_Happened):
    """A unit cannot be finished, and its configuration is out."""

    configuration: int
    seed: int
    reason: str


@dataclass(frozen=True)
class UnitForgiven(_Happened):
    """A person wants a unit that failed to be tried again (`respsweep retry`); it waits, and its failures are undone."""

    configuration: int
    seed: int


@dataclass(frozen=True)
class NodeAccused(_Happened):
    """A node kills units, and gets none for a while (`sweep.study.blame`). `node` as in `UnitPlaced`."""

    node: str
    reason: str


Event = (
    StudyStarted
    | StudyStopped
    | ConfigurationAdded
    | ConfigurationDropped
    | UnitStarted
    | UnitPlaced
    | EpochReported
    | UnitFinished
    | UnitPruned
    | UnitLost
    | UnitFailed
    | UnitForgiven
    | NodeAccused
)
UnitEnded = UnitFinished | UnitPruned | UnitFailed
"""After one of these a unit holds no device any more, and never will."""
