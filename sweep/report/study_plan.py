"""What is known of a study before it runs: its points, what it would cost, and what is missing, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sweep.config.study_config import StudyConfig

if TYPE_CHECKING:
    from sweep.machine.step_times import StepTimes


@dataclass(frozen=True)
class Cost:
    """What a study costs: means over simulated studies.

    `hours`: on all workers together, from the first unit to the last. `device_hours`: hours for which devices are held
    all that time; a device is a GPU, or a worker of units that take none. `money`: these at the price of one, in its
    currency. `study_bytes`: what the study's folder takes, at most. None where what they follow from is not known.
    """

    configurations: float
    units: float
    epochs: float
    hours: float | None
    device_hours: float | None
    money: float | None
    study_bytes: int | None


@dataclass(frozen=True)
class PlannedData:
    """Cycles and patients of the official training part, and the cycles that a unit trains and is scored on."""

    cycles: int
    patients: int
    trained: int
    scored: int


@dataclass(frozen=True)
class Plan:
    """A study before it runs. `print(plan)` shows it as `respsweep plan` does.

    `points`: points of the search space that make a recipe; None where there is no end of them, or too many to count.
    `proposals`: the first that would be tried, by dotted field. `cost`, and `cost_to_the_end` of the same study when
    nothing is pruned and every configuration gets all its seeds. `further_units`: with `folds: all`, units at most that
    follow the search, and `further_hours` what they take; the costs are those of the search.

    `data`: None while the recordings are not there. `feature_bytes`: log-mels of the training part, in this machine's
    cache. `free_bytes`: free on the cache's disk. `steps`: what was timed on this machine; None without a probe.
    `epoch_seconds`: what an epoch is taken to last; None while nobody has said how long, or where epochs were recorded.

    `missing`: a line for each thing without which the study would be refused. `warnings`: lines about what can be used
    and is not as it should be. `note`: where the learning curves are from.
    """

    config: StudyConfig
    workers: int
    points: int | None
    proposals: tuple[Mapping[str, Any], ...]
    cost: Cost
    cost_to_the_end: Cost
    further_units: int
    further_hours: float | None
    data: PlannedData | None
    feature_bytes: int | None
    free_bytes: int
    steps: StepTimes | None
    epoch_seconds: float | None
    price: float | None
    missing: tuple[str, ...]
    warnings: tuple[str, ...]
    note: str

    def __str__(self) -> str:
        from rich.text import Text

        from sweep.report.plain_console import as_text
        from sweep.report.plan_table import plan_parts

        # Lines stay whole.
        widths = ((part, 10_000 if isinstance(part, Text) else 100) for part in plan_parts(self))
        return "\n".join(as_text(part, width).rstrip() for part, width in widths)
