"""The learning curves and confusion matrices of one configuration as small files, for spreadsheets and scripts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from sweep.study.epoch_report import drawn
from sweep.study.units import Configuration

CURVES, CONFUSION = "curves.csv", "confusion.csv"


def run_tables(configuration: Configuration, labels: Sequence[str]) -> dict[str, str]:
    """Write the tables of a configuration as CSV, by file name; a table without rows is left out.

    `curves.csv`: a row for each epoch of each seed, with the numbers that were reported, rates as fractions.
    `confusion.csv`: a row for each seed, true label and answer, with the cycles counted in the epoch that stands for the
    seed; none of seeds that are not over, or that reported no matrix of the task's `labels`.
    """
    units = sorted(configuration.units.items())
    curves = [(seed, report) for seed, unit in units for report in unit.curve]
    numbers = list(dict.fromkeys(name for _, report in curves for name in report if drawn(name)))
    tables = {
        CURVES: _csv(
            ("seed", "epoch", *numbers),
            ((seed, report["epoch"], *(report.get(name) for name in numbers)) for seed, report in curves),
        ),
        CONFUSION: _csv(
            ("seed", "epoch", "truth", "answer", "cycles"),
            (
                (seed, unit.selected["epoch"], truth, answer, cycles)
                for seed, unit in units
                if unit.selected is not None and _fits(unit.selected.get("confusion"), labels)
                for truth, row in zip(labels, unit.selected["confusion"], strict=True)
                for answer, cycles in zip(labels, row, strict=True)
            ),
        ),
    }
    return {name: text for name, text in tables.items() if text is not None}


def _fits(confusion: Any, labels: Sequence[str]) -> bool:
    return (
        bool(confusion)
        and len(confusion) == len(labels)
        and all(len(row) == len(labels) for row in confusion)
    )


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str | None:
    """Write a table; None without rows."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    written = 0
    for row in rows:
        table.writerow(row)
        written += 1
    return text.getvalue() if written else None
