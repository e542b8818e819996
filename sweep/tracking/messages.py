"""What the driver and the process that writes to MLflow tell each other. Free of MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.errors import UserError
from sweep.study.events import Event

STUDY = "respsweep.study"
"""Tag of every run with the id of its study."""
PROTOCOL = "respsweep.protocol"
"""Tag of every run that names the study's protocol."""
GATHER_S = 0.5
RETRY_AFTER_S = 2.0


class TrackingError(UserError):
    """The tracking server cannot be used."""


@dataclass(frozen=True)
class Shown:
    """What MLflow's page is to show of a study beside its events.

    `metric`: what ranks. `searched`: the dotted fields that vary. `fixed`: the other settings of the recipe, by dotted
    field. `description`: of the experiment, in Markdown.
    """

    metric: str = "score"
    searched: tuple[str, ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True)
class Target:
    """Where the runs of a study go: the experiment of the study's name on the MLflow server at `uri`.

    `artifacts`: where a new experiment keeps files; None where the server says. `study_id`: how MLflow knows the study,
    whatever its name. `past`: the events before this driver. `tags` are given to every run. `gather_s`: seconds in which
    events are gathered before they are written. `retry_after_s`: seconds before a request without answer is repeated.
    `shown`: what its page shows of the study. `log_in`: whether the server is sent the user's name and password
    (`sweep.tracking.client_log_in`).
    """

    uri: str
    experiment: str
    artifacts: Path | None
    study_id: str
    past: tuple[Event, ...]
    tags: Mapping[str, str]
    shown: Shown = field(default_factory=Shown)
    gather_s: float = GATHER_S
    retry_after_s: float = RETRY_AFTER_S
    log_in: bool = True


@dataclass(frozen=True)
class Models:
    """To the writer: the units whose networks MLflow is to have as models, and no others of this study.

    `file`: name of the weights in a unit's folder, below the path or URI `place`. `recipe` and `task`: those of the
    networks, as plain values. `about`: further plain values that a model is to say of itself.
    """

    units: tuple[str, ...]
    place: str
    file: str
    recipe: Mapping[str, Any]
    task: str
    about: Mapping[str, str]


@dataclass(frozen=True)
class Files:
    """To the writer: files, by path, that the run of that name is to have, and what the experiment is to say of the end.

    `answer`: what the study found, in Markdown below the experiment's description; empty: nothing. `texts`: the text of
    further files, by name.
    """

    run: str
    paths: tuple[str, ...]
    answer: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Close:
    """To the writer: there will be no more events; write what is left within `timeout_s` seconds."""

    timeout_s: float


@dataclass(frozen=True)
class Connected:
    """From the writer, in answer to a `Target`. `away`: why the server gave no answer so far."""

    away: str | None = None


@dataclass(frozen=True)
class Closed:
    """From the writer, in answer to `Close`: everything is written."""


@dataclass(frozen=True)
class Refused:
    """From the writer, in answer to a `Target` or `Close`: what a TrackingError is to say."""

    message: str


def incomplete(reason: str) -> TrackingError:
    """Make the error that says that MLflow lacks results, and what follows from that."""
    return TrackingError(
        f"MLflow misses some results ({reason}); the study folder has them all, and resuming the study sends them"
    )
