"""A ledger of the test part for people: who read, when, with what, and whether a line was altered."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from data.population import as_population, written
from evidence.ledger import ONCE, Ledger


def ledger_table(whose: str, place: str, ledger: Ledger) -> RenderableType:
    """Make a table of the readings in a ledger, with PASS, or what was altered, above it."""
    faults = ledger.faults()
    verdict = "PASS" if not faults else f"FAIL: {'; '.join(faults)}"
    title = Text(f"readings {whose} ({place}): {verdict}")
    if not ledger.entries:
        return Text(f"readings {whose} ({place}): none")
    table = Table(header_style="bold")
    for column in (
        "reading",
        "when",
        "study",
        "seeds",
        "recipe",
        "part",
        "score %",
        "95 %, patients and seeds",
    ):
        table.add_column(column, justify="right" if column == "reading" else "left")
    read = {entry.reading: entry for entry in ledger.readings()}
    for sealed in ledger.readings("sealed"):
        told = sealed.content
        seeds = ", ".join(map(str, told.get("seeds", ())))
        row = (
            str(sealed.reading),
            sealed.at,
            str(told.get("study")),
            seeds,
            str(told.get("recipe_digest", "searched"))[:12],
        )
        if sealed.reads != ONCE:
            table.add_row(*row, f"at every epoch: {sealed.reads}", "", "")
            continue
        population = told.get("population")
        done = read.get(sealed.reading)
        if done is None:
            table.add_row(*row, "sealed, and broken off", "", "")
            continue
        for part, numbers in done.content.get("numbers", {}).items():
            mean, interval = numbers["mean"]["score"], numbers["patient_interval"]
            shown = "" if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
            named = part if population is None else f"{part}, {written(as_population(population))}"
            table.add_row(*row, named, "undefined" if mean is None else f"{100 * mean:.1f}", shown)
            row = ("",) * len(row)
    return Group(title, table)
