"""A table that gives way where it does not fit."""

from sweep.report.fitting_table import FittingTable
from sweep.report.plain_console import as_text


def test_a_table_is_drawn_where_it_fits_and_gives_way_where_not() -> None:
    table = FittingTable()
    table.add_column("a column with a long heading", no_wrap=True)
    table.add_row("one")
    assert "a column with a long heading" in as_text(table, 30 + 5)
    table.narrow = lambda width: f"only {width} wide"
    assert as_text(table, 20) == "only 20 wide\n"
    assert "│ one" in as_text(table, 40)
