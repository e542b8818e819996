"""Which unit that was never started starts next: a pure function of the board, the race and the plan of the budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from sweep.study.board import Board
from sweep.study.plan import Plan
from sweep.study.racing import Verdict

Candidate = tuple[int, int] | Literal["new"] | None
"""A unit by its configuration and seed; `new`: the first unit of a new configuration; None: nothing may start now."""


def next_not_begun(board: Board, race: Verdict, plan: Plan, *, proposes: bool, breadth: bool) -> Candidate:
    """Choose among the units that were never started.

    `proposes`: whether a new configuration may be proposed. `breadth`: whether it comes before further seeds.
    """
    # What an earlier driver proposed and did not start.
    if board.configurations and not board.configurations[-1].units:
        return len(board.configurations) - 1, board.seeds[0]
    wanted = _wanted(board, race, plan, proposes, breadth)
    return next((candidate for candidate in wanted if candidate is not None), None)


def _wanted(board: Board, race: Verdict, plan: Plan, proposes: bool, breadth: bool) -> Iterator[Candidate]:
    """Yield what may start, the most wanted first."""
    # New points come first, unless the schedule is sequential: the more rows, the better the one that gets a further
    # seed. Finalists come after contenders: while a row deserves a seed, the best are not settled.
    if proposes and breadth:
        if plan.learns:
            return
        if plan.allows_configuration(race=True):
            yield "new"
    yield _next_seed(board, race.order, plan.allows_seed)
    # What was kept for the race and not needed goes to further configurations.
    if proposes and plan.allows_configuration(race=False):
        yield "new"
    yield _next_seed(board, race.finalists, plan.allows_seed)
    # The budget ends: first what it finishes, though the race would have others, or no more; then what is left over.
    if race.order or race.finalists or proposes:
        yield _next_seed(board, plan.finished, plan.allows_seed)
    spare = proposes and plan.spares_configuration()
    # Where nothing can be finished, only a configuration that turns out to be faster can.
    if spare and not plan.finished:
        yield "new"
    yield _next_seed(board, (*race.order, *race.finalists), plan.spares_seed)
    if spare:
        yield "new"


def _next_seed(board: Board, rows: Iterable[int], allows: Callable[[int], bool]) -> tuple[int, int] | None:
    """Find the first of these configurations that lacks a seed and is allowed one."""
    for row in rows:
        seed = board.configurations[row].next_seed(board.seeds)
        if seed is not None and allows(row):
            return row, seed
    return None
