"""How far choosing by the test part would have raised a study's score, as a table for people."""

from __future__ import annotations

from rich.table import Table

from data.quantities import counted
from evidence.leak import Leak

HABITS = {
    "epoch": "each unit's best epoch on the test part",
    "configuration": "the configuration that is best on the test part",
    "seed": "the best seed on the test part, not the mean",
    "all": "all of these: the best number anywhere",
}
WHAT_IT_IS = (
    "The honest number is of the configuration that validation chose, at the epoch of the protocol, mean over seeds; "
    "its 95 % interval is over other patients and seeds. A rise may be luck or a truly better choice; it was found by "
    "looking at the test part, so that what is shown is not held out. Its interval is of the mean rise on other "
    "patients of this kind, with these networks."
)


def leak_table(leak: Leak, interval: tuple[float, float] | None) -> Table:
    """Make a table of the honest score, with its `interval` over other patients and seeds, and of what habits show."""
    table = Table(header_style="bold")
    table.add_column("chosen on the test part")
    for column in ("score %", "95 %", "rise, points", "95 %"):
        table.add_column(column, justify="right", no_wrap=True)
    shown = "too few patients or seeds" if interval is None else _percent(interval)
    table.add_row("nothing: the honest number", f"{100 * leak.honest:.1f}", shown, "", "")
    for habit, words in HABITS.items():
        rise = leak.rises[habit]
        if rise is None:
            table.add_row(words, "nothing to choose among", "", "", "")
            continue
        reach = "too few patients" if rise.interval is None else _percent(rise.interval)
        table.add_row(words, f"{100 * rise.shown:.1f}", "", f"+{100 * rise.rise:.1f}", reach)
    return table


def what_was_compared(chosen: int, configurations: int, of: int, seeds: int, epochs: tuple[int, int]) -> str:
    """Say in a line which configuration is the honest one, and what was compared with it."""
    fewest, most = epochs
    length = counted(most, "epoch") if fewest == most else f"{fewest} to {most} epochs"
    return (
        f"validation chose no. {chosen}; compared: {configurations} of {counted(of, 'configuration')}, those with all "
        f"their seeds, {counted(seeds, 'seed')} of {length} each"
    )


def _percent(interval: tuple[float, float]) -> str:
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
