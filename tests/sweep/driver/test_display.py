import io
import logging

import pytest
from rich.console import Console
from rich.table import Table

from sweep.driver.display import ConsoleDisplay, NoDisplay


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_console_shows_lines_as_they_are_and_tables_below_each_other() -> None:
    console = Console(file=io.StringIO(), width=20)
    display = ConsoleDisplay(console)
    display.say("the [loss] of a line that is longer than the console")
    display.warn("a store is away")
    display.show(Table("score"), "failures: none")
    lines = shown(console).splitlines()
    assert lines[:2] == ["the [loss] of a line that is longer than the console", "warning: a store is away"]
    assert "score" in lines[3]
    assert lines[-1] == "failures: none"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_table_is_drawn_anew_on_a_terminal_alone(terminal: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal)
    assert (ConsoleDisplay(console).live() is not None) is terminal


def test_no_display_shows_nothing_and_logs_warnings(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    display = NoDisplay()
    display.say("a line")
    display.show("a part")
    with caplog.at_level(logging.WARNING):
        display.warn("a store is away")
    assert display.live() is None
    assert capfd.readouterr().out == ""
    assert caplog.messages == ["a store is away"]
