"""How a study stands: who runs it, what it has done, what it has spent."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from data.errors import one_line
from data.quantities import duration
from evidence.objectives import TITLES
from sweep.config.study_config import StudyConfig
from sweep.folder.note import read_note
from sweep.folder.study_folder import StudyFolder
from sweep.report.board_in_words import notes_in_words
from sweep.report.device_time import device_times, epochs_saved, epochs_trained, totals
from sweep.report.study_state import moment, state_line
from sweep.report.winner import luck_aside
from sweep.study.blame import RETRY_AFTER_S
from sweep.study.board import Board
from sweep.study.budget import Budget
from sweep.study.nodes import Node, shown
from sweep.study.silence import silences
from sweep.study.units import State

_HELD = {
    "GPU": "hours for which units, each one seed of a configuration, held a GPU, times the share that they held",
    "slot": "hours for which units, each one seed of a configuration, trained; a slot is the room for one unit",
}


def study_status(folder: StudyFolder, *, units: bool = False) -> RenderableType:
    """Show state, budget and device time of a study; with `units` the device time of each unit as well."""
    config, board, lock = folder.config(), folder.board(), folder.lock()
    holder, last_sign = lock.held_by(), lock.last_sign()
    # By the driver's own clock, which may differ from this machine's.
    now = time.time() if last_sign is None else last_sign
    lines = [
        state_line(folder, board, holder, last_sign),
        *noted(folder),
        *_journal(folder, board),
        *_counts(board, config, now, held=holder is not None),
    ]
    parts: list[RenderableType] = [Text("\n".join(map(one_line, lines))), _totals(board, config, now)]
    if units:
        parts.append(_accounts(board, now))
    return Group(*parts)


def noted(folder: StudyFolder) -> list[str]:
    """Write the note that a person keeps with a study as one line; none where there is no note."""
    note = " ".join(read_note(folder).split())
    return [f"noted: {note}"] if note else []


def _journal(folder: StudyFolder, board: Board) -> Iterator[str]:
    """Warn of a journal that was changed, or whose changes would not be seen."""
    chain = folder.chain()
    if chain.warning is not None:
        yield f"warning: {folder.journal}: {chain.warning}"
    elif board.drivers and not chain.chained:
        yield "journal: written before its lines had check sums, so that changes in it would not be seen"


def _counts(board: Board, config: StudyConfig, now: float, *, held: bool) -> Iterator[str]:
    fates = Counter(str(configuration.fate(board.seeds)) for configuration in board.configurations)
    running = str(State.RUNNING) if held else "under way when its driver died"
    states = Counter(running if u.state is State.RUNNING else str(u.state) for u in board.units())
    yield f"task: {config.scored_task.name}"
    if config.label is not None:
        yield f"note: {config.label}"
    yield f"configurations: {_listed(fates)}"
    yield f"units: {_listed(states)}"
    budget = Budget(
        config.budget, config.racing, gpus=config.resources.gpu, slots=1, epochs=config.space.epochs
    )
    yield f"budget: {', '.join(str(use) for use in budget.uses(board, now)) or 'until it stops improving'}"
    yield _best(board, config)
    yield epochs_saved(*epochs_trained(board, config.space.epochs))
    yield f"run for {duration(board.wall_seconds(now))}, times started: {len(board.drivers)}"
    yield from notes_in_words(board)
    for name, node in board.nodes.items():
        if held and node.accused is not None:
            yield f"node {shown(name)} {aside(node)}"
    if held:
        yield from map(str, silences(board, config.resources.patience, now))


def _best(board: Board, config: StudyConfig) -> str:
    if config.crosses is not None:
        return f"trains the finalists of the study {config.crosses.study} on other folds, and chooses nothing"
    best, luck = board.best(), luck_aside(board) if config.holds_out else ""
    if best is None:
        return "best: none complete yet"
    named = "" if board.objective == "score" else f"{TITLES[board.metric]} "
    return (
        f"best: configuration {best.number}, {named}{best.summary(board.metric)}{f', {luck}' if luck else ''}"
    )


def aside(node: Node) -> str:
    """Say for how long an accused node gets no units, since when, and why."""
    if node.accusations > 1:
        until = "the study is taken up again"
    else:
        assert node.accused is not None
        until = f"{moment(node.accused + RETRY_AFTER_S)}, and then one"
    return f"gets no units until {until}: {node.reason}"


def _totals(board: Board, config: StudyConfig, now: float) -> Group:
    share = config.resources.gpu or 1.0
    device = "GPU" if config.resources.gpu else "slot"
    # A table's own title would be wrapped at the width of its columns.
    title = Text(
        f"{device}-hours: {_HELD[device]}. Kept: of training that counts; lost: had to be done again, or was no use"
    )
    table = Table(header_style="bold")
    table.add_column("units")
    for column in ("number", "kept", "lost"):
        table.add_column(column, justify="right")
    for state, total in totals(device_times(board, now)).items():
        hours = (share * seconds / 3600 for seconds in (total.kept_s, total.lost_s))
        table.add_row(str(state), str(total.units), *(f"{value:.3f}" for value in hours))
    return Group(title, table)


def _accounts(board: Board, now: float) -> Table:
    table = Table(header_style="bold")
    table.add_column("unit")
    table.add_column("state")
    for column in ("epochs", "attempts", "held s", "lost s"):
        table.add_column(column, justify="right")
    for account in device_times(board, now):
        seconds = (f"{value:.1f}" for value in (account.held_s, account.lost_s))
        table.add_row(account.unit, str(account.state), str(account.epochs), str(account.attempts), *seconds)
    return table


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "none yet"
