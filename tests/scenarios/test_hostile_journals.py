"""A journal in which anything stands in any place is shown, or refused in one line that names the file."""

import copy
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from data.errors import UserError
from sweep.config.study_config import StudyConfig
from sweep.folder.study_folder import StudyFolder
from sweep.report.board_in_words import failures, why_no_best
from sweep.report.frames import curves_frame, leaderboard_frame, units_frame
from sweep.report.leaderboard import leaderboard
from sweep.report.status import study_status
from sweep.simulation.study_curves import study_curves
from sweep.study.events import (
    ConfigurationDropped,
    Event,
    NodeAccused,
    StudyStarted,
    StudyStopped,
    UnitFailed,
    UnitForgiven,
    UnitLost,
    UnitPlaced,
    UnitPruned,
    UnitStarted,
)
from sweep.tracking.run_updates import RunUpdates
from tests.sweep.histories import added, reported, timed, trained, write_journal

CONFIG = StudyConfig.model_validate(
    {"search": {"patch_mix.beta": {"type": "float", "low": 0.0, "high": 9.0}}, "seeds": [1, 2]}
)
EVENTS: list[Event] = timed(
    StudyStarted((1, 2)),
    *[*added(0), *trained(0, 1, 0.5, 0.6, note="a checkpoint was damaged"), UnitStarted(0, 2)],
    *[
        UnitPlaced(0, 2, "10.0.0.7/1f2e"),
        UnitLost(0, 2, "gone", node="10.0.0.7/1f2e"),
        UnitFailed(0, 2, "no\nmore"),
    ],
    *[*added(1), *trained(1, 1, 0.7), UnitForgiven(0, 2), NodeAccused("10.0.0.7/1f2e", "kills")],
    *[ConfigurationDropped(1, "hopeless"), *added(2), *reported(2, 1, 0.3), UnitPruned(2, 1, "slow")],
    StudyStopped("interrupted"),
)
ANYTHING = st.sampled_from(
    [
        *(None, True, 0, 5, -1, 1.5, 1e308, 10**30, 10**400, "", "x", "\x1b[31m[red]", "\ud800"),
        *([], {}, [1], ["x"], [None], {"a": 1}, {"a": [{}]}, [[[[]]]]),
    ]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    folder = StudyFolder.at(tmp_path_factory.mktemp("studies"), "one").create(CONFIG)
    write_journal(folder.journal, EVENTS)
    return folder


@pytest.fixture(scope="module")
def lines(folder: StudyFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in folder.journal.read_text().splitlines()]


def places(content: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Key paths of all that stands in some JSON."""
    yield place
    if isinstance(content, dict | list):
        for key, below in content.items() if isinstance(content, dict) else enumerate(content):
            yield from places(below, (*place, key))


def show(folder: StudyFolder) -> None:
    """Read a study as each command does that only reads."""
    board = folder.board()
    Console(file=io.StringIO()).print(study_status(folder, units=True))
    table = leaderboard(board, CONFIG.scored_task)
    Console(file=io.StringIO()).print(table, *failures(board), why_no_best(board), markup=False)
    for frame in (curves_frame(board), leaderboard_frame(board, ("score",)), units_frame(board, 2e9)):
        repr(frame)
    updates = RunUpdates()
    for event in folder.events():
        updates.hear(event)
    study_curves(folder)


def refusal(folder: StudyFolder) -> str:
    """What a person is told of a study that cannot be shown; empty for one that can."""
    try:
        show(folder)
    except UserError as error:
        return str(error)
    return ""


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_anything_anywhere_in_a_journal_is_shown_or_refused_in_a_line(
    folder: StudyFolder, lines: list[dict[str, Any]], data: st.DataObject
) -> None:
    changed = copy.deepcopy(lines)
    *around, key = data.draw(st.sampled_from([*places(changed)][1:]))
    at: Any = changed
    for step in around:
        at = at[step]
    if data.draw(st.booleans()):
        at[key] = data.draw(ANYTHING)
    else:
        del at[key]
    folder.journal.write_text("".join(f"{json.dumps(line)}\n" for line in changed))
    assert "\n" not in refusal(folder)


@settings(max_examples=40, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_a_journal_or_refused_in_a_line(folder: StudyFolder, content: bytes) -> None:
    folder.journal.write_bytes(b'{"journal": "respsweep", "format": 2}\n' + content + b"\n")
    with pytest.raises(UserError) as refused:
        folder.board()
    assert str(refused.value).startswith(f"{folder.journal}:")


def test_the_journal_before_any_change_is_shown(folder: StudyFolder, lines: list[dict[str, Any]]) -> None:
    folder.journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert folder.journal_warning() is None
    show(folder)
