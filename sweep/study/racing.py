"""Which configurations deserve one more seed, and which are given up: pure rules on an array of scores.

Rows are configurations, columns the seeds of the study, which are the same for every configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from pydantic import BeforeValidator, Field

from data.settings import Config
from sweep.study import racing_rules
from sweep.study.racing_rules import Reasons, RuleResult, Standings

ALWAYS_FINISHED = 2
"""How many of the best rows end with all their seeds, whatever the rule says of them."""

# Of two objectives: a row is spared, or at least not given up for good, until a member of the Pareto front is better
# in both with this probability.
_BEATEN, _BEATEN_FOR_GOOD = 0.9, 0.99
_FORMER_RULES = ("pooled_z", "wilcoxon", "halving")


class Rule(Protocol):
    """Decides by the standings of a race which rows deserve a seed (the settings below, or a rule under test)."""

    def judge(self, standings: Standings) -> RuleResult: ...


class ContendersConfig(Config):
    """Seeds go to rows that may end ahead of the present best and are among the best few, fewest seeds first."""

    name: Literal["contenders"] = Field(
        default="contenders", description="seeds go to those that may still be the best"
    )
    p: float = Field(
        default=0.07,
        gt=0,
        lt=0.5,
        description="deserves a seed when P(ahead of the best with all seeds) is above",
    )
    p_drop: float = Field(default=0.001, ge=0, lt=0.5, description="given up for good when P(ahead) is below")
    share: float = Field(default=0.45, gt=0, le=1, description="of the configurations, at most, at each seed")
    at_least: int = Field(
        default=4, ge=1, le=1_000_000, description="configurations that `share` leaves in any case"
    )

    def judge(self, standings: Standings) -> RuleResult:
        return racing_rules.contenders(
            standings, p=self.p, p_drop=self.p_drop, share=self.share, at_least=self.at_least
        )


class NoRacingConfig(Config):
    """Every configuration gets all seeds."""

    name: Literal["none"] = Field(default="none", description="every configuration gets all seeds")

    def judge(self, standings: Standings) -> RuleResult:
        return racing_rules.none(standings)


def _refuse_former_rule(content: Any) -> Any:
    name = content.get("name") if isinstance(content, Mapping) else None
    if name in _FORMER_RULES:
        raise ValueError(
            f"the rule {name} is no longer offered, as contenders saves more seeds for the same result "
            "(docs/benchmarks.md); write {name: contenders}, or {name: none} for all seeds of every configuration"
        )
    return content


RacingConfig = Annotated[
    ContendersConfig | NoRacingConfig, Field(discriminator="name"), BeforeValidator(_refuse_former_rule)
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
    """Rows of a race, each in at most one of four groups; a row in none of them is not judged.

    `order`: deserve one more seed now, the most deserving first. `finalists`: get one more seed all the same, once
    no row deserves any. `dropped`: given up for good, with the reason. `behind`: deserve nothing as things stand,
    with the reason that they get should the race end here.
    """

    order: tuple[int, ...]
    finalists: tuple[int, ...]
    dropped: Mapping[int, str]
    behind: Mapping[int, str]


def verdict(rule: Rule, race: Race) -> Verdict:
    """Decide who gets a seed and who gets none, with reasons.

    A row is judged once it has a finished seed, and only while it is open and has a seed not started. Under every
    rule the best two get their missing seeds (finalists), and with two objectives who may be on the Pareto front.
    """
    standings = Standings.of(race.scores, race.started, race.open)
    result = rule.judge(standings)
    deserving, lost, kept = result.deserving, result.lost, standings.rank < ALWAYS_FINISHED
    if race.objectives is not None:
        beaten = racing_rules.beaten_by_front(race.objectives, standings)
        deserving, lost = deserving | (beaten < _BEATEN), lost & (beaten >= _BEATEN_FOR_GOOD)
    # The first of these groups that a row fits decides, so that no leader is dropped and nobody stands in two.
    deserving = standings.judged & deserving
    later = standings.judged & kept & ~deserving
    lost = standings.judged & lost & ~deserving & ~later
    behind = standings.judged & ~deserving & ~later & ~lost
    place = np.lexsort((standings.rank, result.turn))
    return Verdict(
        tuple(place[deserving[place]].tolist()),
        tuple(place[later[place]].tolist()),
        Reasons(np.flatnonzero(lost).tolist(), result.reason),
        Reasons(np.flatnonzero(behind).tolist(), result.reason),
    )
