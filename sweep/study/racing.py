"""Which configurations deserve one more seed, and which are given up: pure rules on an array of scores.

Rows are configurations, columns the seeds of the study, which are the same for every configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from data.settings import Config
from sweep.study import racing_rules

ALWAYS_FINISHED = 3  # this many of the best end with all their seeds under every rule

# Of two objectives: a row is spared, or at least not given up for good, until a member of the Pareto front is better
# in both with this probability.
_BEATEN, _BEATEN_FOR_GOOD = 0.9, 0.99


class ContendersConfig(Config):
    """A seed goes to who may be better than the present best and is among the best few, fewest seeds first."""

    name: Literal["contenders"] = "contenders"
    p: float = Field(
        default=0.05, gt=0, lt=0.5, description="deserves a seed when P(better than the best) is above"
    )
    p_drop: float = Field(default=0.01, ge=0, lt=0.5, description="given up for good when P(better) is below")
    share: float = Field(default=0.35, gt=0, le=1, description="of the configurations, at most, at each seed")
    at_least: int = Field(default=5, ge=1, description="configurations that `share` leaves in any case")


class PooledZConfig(Config):
    """One configuration after the other, given up at a low z against the best complete one on the same seeds."""

    name: Literal["pooled_z"] = "pooled_z"
    p: float = Field(default=0.05, gt=0, lt=0.5, description="one-sided; 0.05 is z < -1.645")


class WilcoxonConfig(Config):
    """As Optuna's WilcoxonPruner: signed ranks against the best complete configuration on the same seeds."""

    name: Literal["wilcoxon"] = "wilcoxon"
    p: float = Field(default=0.1, gt=0, lt=0.5, description="one-sided; given up below")


class HalvingConfig(Config):
    """Asynchronous successive halving: rungs at 1, 2, 4, ... and all seeds."""

    name: Literal["halving"] = "halving"
    reduction_factor: int = Field(default=2, ge=2, description="one in this many goes on to the next rung")


class NoRacingConfig(Config):
    """Every configuration gets all seeds."""

    name: Literal["none"] = "none"


RacingConfig = Annotated[
    ContendersConfig | PooledZConfig | WilcoxonConfig | HalvingConfig | NoRacingConfig,
    Field(discriminator="name"),
]


@dataclass(frozen=True, eq=False)
class Race:
    """What is known so far; scores are fractions in [0, 1].

    `scores` is (configurations, seeds), NaN where a seed has not finished. `started` counts the seeds finished
    or under way. `open` rows may still get a seed; the others (pruned, failed, dropped before) inform with
    what they have. `objectives` is (configurations, seeds, 2) when sensitivity and specificity are searched
    together; `scores` is then their mean.
    """

    scores: np.ndarray
    started: np.ndarray
    open: np.ndarray
    objectives: np.ndarray | None = None


@dataclass(frozen=True)
class Verdict:
    """Rows, each in one of four at most.

    `order`: deserve one more seed now, the most deserving first. `finalists`: get one all the same, once nobody
    else deserves any. `dropped`: given up for good, and why. `behind`: deserve nothing as things stand, with the
    reason that they get should the race end here.
    """

    order: tuple[int, ...]
    finalists: tuple[int, ...]
    dropped: Mapping[int, str]
    behind: Mapping[int, str]


def verdict(config: RacingConfig, race: Race) -> Verdict:
    """Who gets a seed, who gets none and why, by the rule that `config` names.

    A row is judged once it has a finished seed, and only while it is open and has a seed not started. Under every
    rule the best three get their missing seeds (finalists), and with two objectives who may be on the Pareto front.
    """
    field = racing_rules.Field.of(race.scores, race.started, race.open)
    match config:
        case ContendersConfig(p=p, p_drop=p_drop, share=share, at_least=at_least):
            opinion = racing_rules.contenders(field, p=p, p_drop=p_drop, share=share, at_least=at_least)
        case PooledZConfig(p=p):
            opinion = racing_rules.pooled_z(field, p=p)
        case WilcoxonConfig(p=p):
            opinion = racing_rules.wilcoxon(field, p=p)
        case HalvingConfig(reduction_factor=reduction_factor):
            opinion = racing_rules.halving(field, reduction_factor=reduction_factor)
        case NoRacingConfig():
            opinion = racing_rules.none(field)
    deserving, lost, kept = opinion.deserving, opinion.lost, field.rank < ALWAYS_FINISHED
    if race.objectives is not None:
        beaten = racing_rules.beaten_by_front(race.objectives, field)
        deserving, lost = deserving | (beaten < _BEATEN), lost & (beaten >= _BEATEN_FOR_GOOD)
    deserving = field.judged & deserving
    later = field.judged & kept & ~deserving
    lost = field.judged & lost & ~deserving & ~later
    behind = field.judged & ~deserving & ~later & ~lost
    place = np.lexsort((field.rank, opinion.turn))
    return Verdict(
        tuple(place[deserving[place]].tolist()),
        tuple(place[later[place]].tolist()),
        racing_rules.Reasons(np.flatnonzero(lost).tolist(), opinion.reason),
        racing_rules.Reasons(np.flatnonzero(behind).tolist(), opinion.reason),
    )


def warning(config: RacingConfig, seeds: int) -> str | None:
    """Why a rule can never spare a seed among so many, or None when it can."""
    if not isinstance(config, WilcoxonConfig):
        return None
    # With all seeds run there is nothing left to spare, so the last chance is one seed earlier.
    least = 2.0 ** -(seeds - 1)
    if least < config.p:
        return None
    return (
        f"racing.p: {config.p:g} spares nothing: while one of {seeds} seeds is left to spare, the signed-rank test "
        f"has {seeds - 1} pairs, and its p is {least:g} at best; raise p, give more seeds, or take another rule"
    )
