"""The studies of a place beside each other: how each stands, its best score, how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from data.errors import UserError, one_line
from evidence.objectives import TITLES
from sweep.folder.note import read_note
from sweep.folder.study_folder import StudyFolder, present_studies
from sweep.report.fitting_table import FittingTable
from sweep.report.study_state import StudyState, moment, state_of_study
from sweep.study.units import Summary

if TYPE_CHECKING:
    import pandas as pd

UNREADABLE = "cannot be read"
_COLUMNS = (
    "study",
    "state",
    "why",
    "objective",
    "best",
    "score",
    "score_sd",
    "configurations",
    "units",
    "changed",
    "note",
)


@dataclass(frozen=True)
class ListedStudy:
    """A study in a list of studies.

    `best`: number of the configuration that ranks first, and `score` its mean over seeds of what the study ranks by,
    `metric`; None while none has all seeds. `configurations`: proposed so far; `units`: that came to an end. `changed`:
    time of the last event in seconds since 1970, by the driver's clock; None before the first. `trouble`: why the study
    cannot be read; nothing else is known then.
    """

    name: str
    state: StudyState | None = None
    metric: str = "score"
    best: int | None = None
    score: Summary | None = None
    configurations: int = 0
    units: int = 0
    changed: float | None = None
    note: str = ""
    trouble: str | None = None


def list_studies(studies: Path | str) -> list[ListedStudy]:
    """List the studies below a path or URI, the one that changed last first.

    A study that cannot be read is listed with its `trouble`. Raises StorageError for a store that does not answer.
    """
    found = [_listed(studies, name) for name in present_studies(studies)]
    return sorted(found, key=lambda one: (-(one.changed or 0.0), one.name))


def _listed(studies: Path | str, name: str) -> ListedStudy:
    try:
        folder = StudyFolder.open(studies, name)
        folder.config()
        events = folder.events()
        board = folder.board(events)
        best = board.best() if board.competes else None
        return ListedStudy(
            name,
            state_of_study(board, folder.lock().held_by()),
            board.metric,
            None if best is None else best.number,
            None if best is None else best.summary(board.metric),
            len(board.configurations),
            board.ended.total(),
            events[-1].at if events else None,
            read_note(folder),
        )
    except OSError as error:
        return ListedStudy(name, trouble=one_line(f"{error.filename or name}: {error.strerror or error}"))
    except UserError as error:
        return ListedStudy(name, trouble=str(error))


def studies_table(listed: Sequence[ListedStudy]) -> FittingTable:
    """Make a table with a row for each study; scores in percent, mean ± sd over seeds.

    Where the columns do not fit, the last ones stand in a line of their own below each study.
    """
    table = FittingTable(header_style="bold")
    table.add_column("study", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for column in ("best %", "no.", "configurations", "units done"):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("last change", "noted"):
        table.add_column(column, no_wrap=True)
    for one in listed:
        if one.state is None:
            table.add_row(one.name, UNREADABLE, "", "", "", "", "", f"{one.trouble}")
            continue
        table.add_row(
            one.name,
            str(one.state) if one.state.word in ("paused", "halted") else one.state.word,
            _best(one),
            "" if one.best is None else str(one.best),
            str(one.configurations),
            str(one.units),
            "" if one.changed is None else moment(one.changed),
            " ".join(one.note.split()),
        )
    table.narrow = lambda _: _narrow(listed)
    return table


def _best(one: ListedStudy) -> str:
    if one.score is None:
        return ""
    sd = "" if one.score.sd is None else f" ± {100 * one.score.sd:.1f}"
    named = "" if one.metric == "score" else f" {TITLES[one.metric]}"
    return f"{100 * one.score.mean:.1f}{sd}{named}"


def _narrow(listed: Sequence[ListedStudy]) -> RenderableType:
    parts: list[RenderableType] = []
    for one in listed:
        parts.append(Text(f"{one.name}  {one.state or UNREADABLE}", style="bold"))
        best = "" if one.best is None else f"best {_best(one)} % (no. {one.best}), "
        about = one.trouble or (
            f"{best}configurations {one.configurations}, units done {one.units}"
            + ("" if one.changed is None else f", last change {moment(one.changed)}")
        )
        lines = [about, *([" ".join(one.note.split())] if one.note else [])]
        parts += [Padding(Text(line), (0, 0, 0, 2)) for line in lines]
    return Group(*parts)


def studies_frame(listed: Sequence[ListedStudy]) -> pd.DataFrame:
    """Make a table of studies for programs, a row each.

    Columns: `study`, `state` (a word, or `cannot be read`), `why` (who runs it, why it stopped, or why it cannot be
    read), `objective` (the number that it ranks by), `best` (number of the configuration that ranks first), `score` and
    `score_sd` (mean and sample standard deviation of that number, fractions), `configurations`, `units` (that came to an
    end), `changed` (UTC), `note`.
    """
    import pandas as pd

    rows = [
        {
            "study": one.name,
            "state": UNREADABLE if one.state is None else one.state.word,
            "why": one.trouble or (one.state.why if one.state else ""),
            "objective": one.metric,
            "best": one.best,
            "score": None if one.score is None else one.score.mean,
            "score_sd": None if one.score is None else one.score.sd,
            "configurations": one.configurations,
            "units": one.units,
            "changed": None if one.changed is None else pd.Timestamp(one.changed, unit="s", tz="UTC"),
            "note": one.note,
        }
        for one in listed
    ]
    frame = pd.DataFrame(rows, columns=pd.Index(_COLUMNS))
    kinds = {"best": "Int64", "score": float, "score_sd": float, "changed": "datetime64[ns, UTC]"}
    return frame.astype(kinds)
