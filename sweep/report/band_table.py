"""A ranking of mel bands for people: its groups with their frequencies, and how scores went."""

from __future__ import annotations

import math
from itertools import combinations, zip_longest

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from data.bands import BandRanking, MelScale


def ranking_parts(ranking: BandRanking) -> list[RenderableType]:
    """Draw a ranking: the groups, best first, the rounds of removal, and in lines what they come to."""
    groups = Table("rank", "bands", "Hz", "importance")
    edges = band_edges(ranking.scale)
    for rank, (group, score) in enumerate(zip_longest(ranking.groups, ranking.scores), start=1):
        low, high = edges[group[0]], edges[group[-1] + 2]
        shown = "-" if score is None else f"{score:.5f}"
        groups.add_row(str(rank), _range(group), f"{low:.0f} to {high:.0f}", shown)
    rounds = Table("round", "removed", "bands", "score")
    for number, one in enumerate(ranking.rounds):
        removed = _range(one.removed) if one.removed else "-"
        rounds.add_row(str(number), removed, str(one.bands), f"{100 * one.score:.2f} %")
    return [groups, rounds, *map(Text, _lines(ranking))]


def band_edges(scale: MelScale) -> list[float]:
    """Frequencies in Hz where the mel bands begin and end, two more than bands: band i goes from edge i to edge i + 2.

    Both front ends space them evenly on the scale 1127 ln(1 + f / 700).
    """
    low, high = (1127 * math.log1p(hz / 700) for hz in (scale.low_hz, scale.high_hz))
    steps = scale.n_mels + 1
    return [700 * math.expm1((low + (high - low) * step / steps) / 1127) for step in range(steps + 1)]


def _lines(ranking: BandRanking) -> list[str]:
    penalty = ranking.consistency_penalty
    lines = [f"method: {ranking.method}" + ("" if penalty is None else f", lambda {penalty:g}")]
    if ranking.scores and len(ranking.rounds) > 1:
        lines.append(
            "importance: with all bands; groups that are left rank by theirs in the last round, others by when they "
            "were removed"
        )
    if ranking.fold_correlations:
        pairs = zip(combinations(ranking.folds, 2), ranking.fold_correlations, strict=True)
        shown = ", ".join(
            f"{one}/{other} {'undefined' if found is None else f'{found:.2f}'}"
            for (one, other), found in pairs
        )
        lines.append(f"Spearman's correlation of all bands' importance between folds: {shown}")
    if len(ranking.rounds) > 1:
        lines.append(f"smallest set within 0.5 points of the best score: keep: {ranking.best_keep}")
    return lines


def _range(group: tuple[int, ...]) -> str:
    first, last = group[0], group[-1]
    return str(first) if first == last else f"{first} to {last}"
