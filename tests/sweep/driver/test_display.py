import io
import json
import logging

import pytest
from rich.table import Table

from sweep.driver.display import ConsoleDisplay, JsonDisplay, NoDisplay, QuietDisplay, display_of
from sweep.report.plain_console import PlainConsole
from sweep.study.events import UnitPruned


def shown(console: PlainConsole) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_console_shows_lines_as_they_are_and_tables_below_each_other() -> None:
    console = PlainConsole(file=io.StringIO(), width=20)
    display = ConsoleDisplay(console)
    display.say("the [loss] of a line that is longer than the console")
    display.warn("a store is away")
    display.show(Table("score"), "failures: none")
    lines = shown(console).splitlines()
    assert lines[:2] == ["the [loss] of a line that is longer than the console", "warning: a store is away"]
    assert "score" in lines[3]
    assert lines[-1] == "failures: none"


def test_lines_and_tables_neither_steer_a_terminal_nor_set_colours() -> None:
    console = PlainConsole(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    display = ConsoleDisplay(console)
    display.say("a name \x1b[2J of a [red]file[/red]\ra")
    table = Table("[bold]\x9bname")
    table.add_row("\u202evaw.eman [link=x]y[/link] :bomb:")
    display.show(table, "\x1b]0;title\x07")
    output = shown(console)
    lines = output.splitlines()
    assert lines[0] == r"a name \x1b[2J of a [red]file[/red]\ra"
    assert r"[bold]\x9bname" in output
    assert r"\u202evaw.eman [link=x]y[/link] :bomb:" in output
    assert lines[-1] == r"\x1b]0;title\x07"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_table_is_drawn_anew_on_a_terminal_alone(terminal: bool) -> None:
    console = PlainConsole(file=io.StringIO(), force_terminal=terminal)
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


def test_a_quiet_display_shows_warnings_alone() -> None:
    output, errors = (PlainConsole(file=io.StringIO(), width=80) for _ in range(2))
    display = display_of(output, errors, quiet=True, log="lines")
    display.say("configuration 3")
    display.show("a table")
    display.warn("a store is away")
    assert display.live() is None
    assert (shown(output), shown(errors)) == ("", "warning: a store is away\n")


def test_events_and_warnings_are_lines_of_json_to_the_letter() -> None:
    console = PlainConsole(file=io.StringIO(), width=20)
    display = display_of(console, console, quiet=False, log="json")
    assert isinstance(display, JsonDisplay)
    display.say("configuration 3")
    display.hear(UnitPruned(3, 1, "a reason that is [longer] than the console \x1b[2J", at=12.5))
    display.warn("a store is away")
    event, warning = (json.loads(line) for line in shown(console).splitlines())
    assert event == {
        "event": "UnitPruned",
        "configuration": 3,
        "seed": 1,
        "reason": "a reason that is [longer] than the console \x1b[2J",
        "at": 12.5,
    }
    assert (warning["event"], warning["line"]) == ("Warning", "a store is away")
    assert isinstance(display_of(console, console, quiet=False, log="lines"), ConsoleDisplay)
    assert not isinstance(display, NoDisplay)
    assert isinstance(display, QuietDisplay)
