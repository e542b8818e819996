"""A data set for people: cycles of each class in each part, and what is not there."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from data.dataset import Census, missing_from_full
from data.errors import one_line


def dataset_table(census: Census) -> Group:
    """Make a table with a row for each official part.

    Below it stand what was read, the devices, and what the full published database has more.
    """
    table = Table(header_style="bold")
    for column in ("part", "recordings", "patients", "cycles", *census.task.labels):
        table.add_column(column, justify="left" if column == "part" else "right")
    for part, cycles in census.cycles.items():
        counts = (census.recordings[part], census.patients[part], sum(cycles), *cycles)
        table.add_row(part, *map(str, counts))
    devices = [
        f"{part} devices: " + ", ".join(f"{one_line(device)} {count}" for device, count in by_device.items())
        for part, by_device in census.devices.items()
    ]
    missing = [f"missing: {line}" for line in missing_from_full(census)]
    read = map(one_line, census.read)
    return Group(table, Text("\n".join([*read, *devices, *(missing or [_whole(census)])])))


def _whole(census: Census) -> str:
    if census.published is None:
        return "of no published database: synthetic breaths, or recordings of your own"
    return f"the full {census.published.name} database"
