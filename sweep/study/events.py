"""What can happen in a study. The events in order are the study: the journal keeps them, the board replays them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, StrictBool, StrictFloat, StrictInt

from evidence.objectives import Objective

Cause = Literal["worker", "node", "notice", "machine", "silence", "driver"]
"""What a unit lost: its worker; its node; a node that gave notice; a worker on a machine that lacks what units need;
a worker that was killed because nothing was heard of it for too long; or the driver."""
Moment = Annotated[StrictFloat, Field(ge=0, le=253_402_300_799)]
"""Seconds since 1970, or of a simulation's own clock; at most those of the year 9999."""
Scalar = None | StrictBool | StrictInt | StrictFloat | str
Value = Scalar | tuple[Scalar | tuple[Scalar, ...], ...]
"""Of a searched field: a list of pairs at most."""
Seeds = Annotated[tuple[StrictInt, ...], Field(min_length=1, max_length=10_000)]


@dataclass(frozen=True)
class _Happened:
    # What may stand in a line of a journal (`sweep.study.journal`).
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    at: Moment = field(default=0.0, kw_only=True)


@dataclass(frozen=True)
class StudyStarted(_Happened):
    """A driver took the study up, for the first time or again, with these `seeds`; `changes` says what is new.

    `gpus`: GPUs, or the share of a GPU, that a unit holds from now on. `objective`: by what configurations are pruned,
    raced and ranked, the same for every driver.
    """

    seeds: Seeds
    changes: tuple[str, ...] = ()
    gpus: Annotated[StrictFloat, Field(ge=0)] = 0.0
    objective: Objective = "score"


INTERRUPTED = "interrupted"
"""Why a study stopped that somebody stopped."""


@dataclass(frozen=True)
class StudyStopped(_Happened):
    """The driver let go of the study. It may be taken up again whatever the reason.

    `reason`: `over`, `INTERRUPTED` when a person stopped it, or what else it was.
    """

    reason: str


@dataclass(frozen=True)
class ConfigurationAdded(_Happened):
    """The search proposed a point: `values` by dotted recipe field, those that the search space varies.

    `sampler_state`: what the sampler wants to find again when it proposes further points, as JSON can hold it; empty for
    a sampler that needs nothing but points and scores.
    """

    configuration: StrictInt
    values: Mapping[str, Value]
    sampler_state: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class ConfigurationDropped(_Happened):
    """The race over the seeds gave a configuration up: it gets no further seed."""

    configuration: StrictInt
    reason: str


@dataclass(frozen=True)
class UnitStarted(_Happened):
    """A unit was handed out, for the first time or to go on from its checkpoint.

    `placed`: the unit holds a device from now on; otherwise from its `UnitPlaced` on.
    """

    configuration: StrictInt
    seed: StrictInt
    placed: StrictBool = True


@dataclass(frozen=True)
class UnitPlaced(_Happened):
    """A unit that was handed out has come to a worker on `node`: its address and Ray's id, `ADDRESS/ID`.

    Again when the unit comes to a worker on another node before its set-up is over.
    """

    configuration: StrictInt
    seed: StrictInt
    node: str = ""


@dataclass(frozen=True)
class EpochReported(_Happened):
    """One epoch of a unit: `report` holds `epoch` (from 1), the rates (fractions) and whatever else is logged."""

    configuration: StrictInt
    seed: StrictInt
    report: Mapping[str, Any]


@dataclass(frozen=True)
class UnitFinished(_Happened):
    """A unit trained to its end; `epoch` is the one whose validation rates stand for it."""

    configuration: StrictInt
    seed: StrictInt
    epoch: StrictInt


@dataclass(frozen=True)
class UnitPruned(_Happened):
    """The pruner stopped a unit on its curve, and its configuration with it; or a unit goes with its configuration."""

    configuration: StrictInt
    seed: StrictInt
    reason: str


@dataclass(frozen=True)
class UnitLost(_Happened):
    """A unit lost its worker and waits to go on from its checkpoint.

    `counts`: whether this is one of the failures that a unit may have (`sweep.study.blame.death_counts`). `node`: where
    the worker was, as in `UnitPlaced`; empty where that is not known.
    """

    configuration: StrictInt
    seed: StrictInt
    reason: str
    counts: StrictBool = True
    out_of_memory: StrictBool = False
    cause: Cause = "worker"
    node: str = ""


@dataclass(frozen=True)
class UnitFailed(_Happened):
    """A unit cannot be finished, and its configuration is out."""

    configuration: StrictInt
    seed: StrictInt
    reason: str


@dataclass(frozen=True)
class UnitForgiven(_Happened):
    """A person wants a unit that failed to be tried again (`respsweep retry`); it waits, and its failures are undone."""

    configuration: StrictInt
    seed: StrictInt


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
