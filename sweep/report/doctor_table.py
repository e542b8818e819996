"""What works on a machine, for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from sweep.machine.doctor import Check


def doctor_table(checks: Sequence[Check]) -> Table:
    """Make a table with a row for each check, without a header; broken rows say so."""
    table = Table("what", "found", show_header=False)
    for check in checks:
        broken = Text("BROKEN ", style="bold red") if check.broken else Text()
        table.add_row(check.what, broken.append(check.found, style="default"))
    return table
