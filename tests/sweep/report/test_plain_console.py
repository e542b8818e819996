import io

import pytest
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweep.report.plain_console import PlainConsole

HOSTILE = "a\x1b[31m\x9b\u202e\ud800[red]b"
SHOWN = r"a\x1b[31m\x9b\u202e\ud800[red]b"


def printed(*parts: object, terminal: bool = False) -> str:
    console = PlainConsole(file=io.StringIO(), width=80, force_terminal=terminal, color_system=None)
    console.print(*parts)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def table_of(cell: str | Text) -> Table:
    table = Table(title=str(cell), caption=str(cell), min_width=70)
    table.add_column(cell)
    table.add_row(cell)
    return table


PARTS = {
    "text": (HOSTILE, 1),
    "styled": (Text(HOSTILE), 1),
    "group": (Group(HOSTILE, Text(HOSTILE)), 2),
    "table": (table_of(HOSTILE), 4),
    "table_of_texts": (Group(table_of(Text(HOSTILE))), 4),
}


@pytest.mark.parametrize("name", PARTS)
def test_what_steers_a_terminal_is_shown_as_python_writes_it(name: str) -> None:
    part, times = PARTS[name]
    output = printed(part)
    assert output.count(SHOWN) == times
    assert all(character.isprintable() or character == "\n" for character in output)


def test_a_cell_is_as_wide_as_what_is_shown() -> None:
    table = Table("name")
    table.add_row(HOSTILE)
    lines = printed(table).splitlines()
    assert any(SHOWN in line for line in lines)
    assert len({len(line) for line in lines}) == 1


def test_lines_of_a_text_stay_lines_and_styles_stay() -> None:
    console = PlainConsole(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
    console.print(Text("BROKEN", style="bold red"), "two\nlines", sep="\n")
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == ["\x1b[1;31mBROKEN\x1b[0m", "two", "lines"]


def test_a_live_table_is_drawn_with_its_own_control_codes_alone() -> None:
    console = PlainConsole(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    with Live(console=console, auto_refresh=False) as live:
        live.update(Group(table_of(HOSTILE), Text(HOSTILE)), refresh=True)
    assert isinstance(console.file, io.StringIO)
    output = console.file.getvalue()
    assert SHOWN in output
    assert "\x1b[31m" not in output
    assert "\x9b" not in output


def test_without_boxes_a_table_is_columns_of_words() -> None:
    table = Table("name", "value")
    table.add_row("one", "1")
    for boxes in (True, False):
        text = io.StringIO()
        PlainConsole(file=text, width=40, boxes=boxes).print(table)
        assert ("│" in text.getvalue()) == boxes
        assert any(line.replace("│", " ").split() == ["one", "1"] for line in text.getvalue().splitlines())
