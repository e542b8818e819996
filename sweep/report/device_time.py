"""What a study's device time went into: training that counts, training that was pruned, and time that was lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from data.settings import ConfigError
from sweep.study.board import Board
from sweep.study.units import Fate, State, Unit


@dataclass(frozen=True)
class DeviceTime:
    """Seconds for which a unit held its device. `lost_s` of `held_s` had to be spent again, or served nothing."""

    unit: str
    state: State
    epochs: int
    attempts: int
    held_s: float
    lost_s: float


@dataclass(frozen=True)
class Total:
    """Seconds over some units; `kept_s` is what was held and not lost."""

    units: int
    kept_s: float
    lost_s: float


def device_times(board: Board, now: float) -> list[DeviceTime]:
    """Account for the device time of each unit, by configuration. `now`, in seconds since 1970, ends running units."""
    return [_account(unit, now) for unit in board.units()]


def totals(accounts: Iterable[DeviceTime]) -> dict[State, Total]:
    """Sum device times by the state of their units."""
    accounts = list(accounts)
    return {
        state: Total(
            len(those),
            sum(account.held_s - account.lost_s for account in those),
            sum(account.lost_s for account in those),
        )
        for state in State
        if (those := [account for account in accounts if account.state is state])
    }


def epochs_trained(board: Board, epochs: Callable[[Mapping[str, Any]], int]) -> tuple[int, int | None]:
    """Count the epochs that a study trained, and those of every seed of each configuration, without race and pruner.

    `epochs`: the length of a configuration by its values; raises ConfigError where these make no recipe, as in a journal
    that somebody changed. The second is None then, and while a configuration is open: what is still to be trained is
    not saved.
    """
    trained = sum(len(unit.curve) for unit in board.units())
    if any(one.fate(board.seeds) is Fate.OPEN for one in board.configurations):
        return trained, None
    try:
        return trained, sum(len(board.seeds) * epochs(one.values) for one in board.configurations)
    except ConfigError:
        return trained, None


def epochs_saved(trained: int, of_all: int | None) -> str:
    """Say in a line how many epochs were trained, and what race and pruner saved where that is known."""
    if not of_all:
        return f"epochs: {trained} trained"
    return (
        f"epochs: {trained} trained; with every seed of each configuration {of_all}: race and pruner saved "
        f"{100 * (1 - trained / of_all):.0f} %"
    )


def _account(unit: Unit, now: float) -> DeviceTime:
    held = unit.seconds(now)
    if unit.state is State.FAILED:
        lost = held
    else:
        # What follows the last report of an attempt is trained again by the next one, and what no checkpoint held, but
        # for the part of an epoch that was saved.
        broken = unit.attempts if unit.state is State.WAITING else unit.attempts[:-1]
        lost = sum(attempt.seconds(now) - (attempt.heard - attempt.started) for attempt in broken)
        lost += sum(attempt.repeated - attempt.carried for attempt in unit.attempts)
    return DeviceTime(unit.id, unit.state, len(unit.curve), len(unit.attempts), held, max(0.0, lost))
