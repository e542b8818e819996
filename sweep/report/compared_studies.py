"""Two studies beside each other: their winners, how far apart these are, and which settings differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from data.errors import one_line
from data.quantities import counted
from evidence.objectives import TITLES
from sweep.report.field_names import short_name
from sweep.report.searched_values import written
from sweep.study.units import Summary


@dataclass(frozen=True)
class Winner:
    """The configuration that a study chose: its number, searched values, and what the study ranks by over its seeds.

    `luck`: how much of the mean is expected to be luck, as a fraction; None where that is not known.
    """

    place: str
    number: int
    values: Mapping[str, Any]
    metric: str
    summary: Summary
    luck: float | None


@dataclass(frozen=True)
class PairedDifference:
    """How far the first winner lies above the second in `metric`, on the same patients and seeds, as fractions.

    `low` and `high`: 95 % interval for other patients and other seeds; None for too few of them.
    """

    metric: str
    mean: float
    low: float | None
    high: float | None
    seeds: tuple[int, ...]
    patients: int
    cycles: int


@dataclass(frozen=True)
class StudyComparison:
    """Two studies beside each other; `print(comparison)` shows it as `respsweep compare` does.

    `faults`: why their scores cannot be compared, a line each; empty where they can. `winners`: None for a study in
    which no configuration has all seeds. `difference`: None with `faults`, and where `why_no_difference` says so.
    `settings`: dotted path, and what each study says, for those that differ.
    """

    places: tuple[str, str]
    faults: tuple[str, ...]
    winners: tuple[Winner | None, Winner | None]
    difference: PairedDifference | None
    why_no_difference: str
    settings: tuple[tuple[str, str, str], ...]

    def lines(self) -> Iterator[str]:
        """Say what came of the comparison, a line for each thing."""
        for fault in self.faults:
            yield f"NOT COMPARABLE: {fault}"
        for letter, place, winner in zip("AB", self.places, self.winners, strict=True):
            yield f"{letter}: {place}: {'no configuration has all seeds yet' if winner is None else _chosen(winner)}"
        if self.difference is not None:
            yield _in_words(self.difference)
        elif self.why_no_difference:
            yield f"no paired difference: {self.why_no_difference}"

    def __str__(self) -> str:
        from sweep.report.plain_console import as_text

        return as_text(comparison_parts(self), 100).rstrip()


def comparison_parts(comparison: StudyComparison) -> RenderableType:
    """Show a comparison: what stands against it, the winners, their difference, and the settings that differ."""
    text = Text("\n".join(map(one_line, comparison.lines())))
    if not comparison.settings:
        return Group(text, Text("all settings are the same"))
    table = Table(header_style="bold")
    table.add_column("setting that differs")
    for letter in "AB":
        table.add_column(letter, overflow="fold")
    for path, one, other in comparison.settings:
        table.add_row(path, one, other)
    return Group(text, table)


def _chosen(winner: Winner) -> str:
    values = ", ".join(
        f"{short_name(path, winner.values)} {written(value, path)}" for path, value in winner.values.items()
    )
    summary, score = winner.summary, TITLES.get(winner.metric, winner.metric)
    sd = "" if summary.sd is None else f" ± {100 * summary.sd:.1f}"
    luck = "" if winner.luck is None else f", of which about {100 * winner.luck:z.1f} points are luck"
    return (
        f"no. {winner.number}, {score} {100 * summary.mean:.1f}{sd} % over {counted(summary.seeds, 'seed')}{luck} "
        f"({values})"
    )


def _in_words(found: PairedDifference) -> str:
    score, seeds = TITLES.get(found.metric, found.metric), ", ".join(map(str, found.seeds))
    on = f"on the same {counted(found.patients, 'patient')}, {counted(found.cycles, 'cycle')} and seeds ({seeds})"
    between = f"A minus B: {100 * found.mean:+z.1f} points {score}, {on}"
    if found.low is None or found.high is None:
        return f"{between}; too few patients or seeds for an interval"
    if found.low <= 0 <= found.high:
        told = "not told apart"
    else:
        told = f"{'A' if found.mean > 0 else 'B'} is better on these patients, by which both were chosen"
    return f"{between}; 95 % for other patients and seeds {100 * found.low:+z.1f} to {100 * found.high:+z.1f}: {told}"
