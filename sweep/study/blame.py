"""Whose fault it is that a unit died: the unit's, or its node's. All are pure functions of the board and the time.

A death on a node proves little: the unit may have done it, or the node. So a unit that died goes on elsewhere, and
another unit comes to the node. Where that one dies too, while units come on elsewhere, the node is *accused* and gets
no more units for a while. A unit that dies on a second node, or where others come on, did it itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sweep.study.board import Board
from sweep.study.events import Cause
from sweep.study.nodes import Deaths, Node, UnitKey
from sweep.study.units import Unit

RETRY_AFTER_S = 1800.0
"""After so long an accused node gets one unit more; when that dies too, none until a driver takes the study up again."""
OUTLIVED = 2.0
"""A unit that has lived so many times as long as those that died comes on, though it has ended no epoch yet."""


def death_counts(board: Board, unit: Unit, cause: Cause, node: str, now: float) -> bool:
    """Whether the death of a running unit is one of the failures that the unit may have. To be asked before the event.

    A node that gave notice, and a driver that stopped, are no failure. Nor is a node that died, unless the node before
    it did too and the unit had ended no epoch on either: the unit may be what kills them. Of other deaths the first
    since the unit last ended an epoch never counts, nor does one on an accused node, or on a node that is to be accused
    for it. The next one counts on a second node. On the same node it counts when nobody else died there meanwhile, or
    when other units come on there. Where no node is known, every death of a worker counts.
    """
    if cause in ("notice", "driver"):
        return False
    if cause == "node":
        return bool(unit.died_on) and not unit.came_on
    if not node:
        return cause in ("worker", "silence")
    place = board.nodes.get(node, Node())
    own = Deaths(now, now, unit.held(now))
    others = [deaths for key, deaths in place.deaths.items() if key != (unit.configuration, unit.seed)]
    if not unit.died_on or place.accused is not None:
        return False
    if others and units_come_on(board, [*others, own], _elsewhere(board, node), now):
        return False
    if any(before != node for before in unit.died_on) or not others:
        return True
    return units_come_on(board, [*others, own], {node}, now)


def accusation(board: Board, name: str, now: float) -> str | None:
    """Say why a node, on which a unit has just died, gets no more units for now; None when it does, or got none before.

    A node is accused when two different units have died there since one that came after them ended an epoch there,
    while units come on elsewhere; and again when a unit dies that was put there to try the node again.
    """
    node = board.nodes[name]
    number, seed = max(node.deaths, key=lambda key: node.deaths[key].last)
    last = board.unit(number, seed)
    why = (last.reason or "no cause given").partition("\n")[0]
    if node.accused is not None:
        tried_again = node.accusations == 1 and last.attempts[-1].started >= node.accused + RETRY_AFTER_S
        return f"{last.id} died there when it was tried again: {why}" if tried_again else None
    if len(node.deaths) < 2 or not units_come_on(board, node.deaths.values(), _elsewhere(board, name), now):
        return None
    return f"{len(node.deaths)} units died there one after the other, at last {last.id}: {why}"


def barred(board: Board, now: float, here: Collection[str]) -> frozenset[str]:
    """Find the nodes that get no unit now. Where all nodes that are `here` are accused, none of these is barred."""
    shut = {name for name, node in board.nodes.items() if not _is_open(board, name, node, now)}
    return frozenset() if here and shut.issuperset(here) else frozenset(shut)


def avoided(board: Board, unit: UnitKey, now: float, here: Collection[str]) -> frozenset[str]:
    """Find the nodes on which a unit is not to run now: those that are barred, and those on which it died.

    On a node on which it died it may run again once another unit has come on there, or when there is no other node.
    """
    shut = barred(board, now, here)
    all_avoided = shut | {name for name, node in board.nodes.items() if unit in node.deaths}
    return shut if here and all_avoided.issuperset(here) else all_avoided


def next_waiting(board: Board, now: float, free: Mapping[str, int], *, last: bool) -> UnitKey | None:
    """Choose the waiting unit that goes on now; None when each is to wait for another node.

    `free`: places that are free on each node that is here, also where there is none; empty when that is not known.
    `last`: nothing else is there to start. While there is, a unit that died twice where alone there is room waits, so
    that it becomes plain whether others die there too.
    """
    waiting = list(board.waiting)
    open_nodes = {name for name, places in free.items() if places > 0} - barred(board, now, free)
    if not waiting or not open_nodes:
        return waiting[0] if waiting else None
    fitting = [unit for unit in waiting if open_nodes - avoided(board, unit, now, free)]
    at_once = [unit for unit in fitting if not _died_twice(board, unit, open_nodes)]
    if at_once or not last:
        return at_once[0] if at_once else None
    if fitting:
        return fitting[0]
    return None if board.running else waiting[0]


def units_come_on(board: Board, deaths: Collection[Deaths], where: Collection[str], now: float) -> bool:
    """Whether units on the nodes `where` do better than those that died.

    They do when one ended an epoch since the first of these deaths, or has lived `OUTLIVED` times as long as the
    longest of them.
    """
    first = min(death.first for death in deaths)
    heard = (board.nodes[name].heard for name in where if name in board.nodes)
    if any(at is not None and at >= first for at in heard):
        return True
    running = (unit for unit in board.running.values() if unit.node in where)
    return outlived(running, max(death.lived for death in deaths), now)


def outlived(units: Iterable[Unit], lived: float, now: float) -> bool:
    """Whether one of these running units has held its device much longer than `lived` seconds."""
    return any(0 < unit.held(now) >= OUTLIVED * lived for unit in units)


def _is_open(board: Board, name: str, node: Node, now: float) -> bool:
    if node.accused is None:
        return True
    since = node.accused + RETRY_AFTER_S
    if node.accusations > 1 or now < since:
        return False
    tried = (unit for unit in board.running.values() if unit.node == name)
    return not any(unit.attempts[-1].started >= since for unit in tried)


def _elsewhere(board: Board, node: str) -> set[str]:
    """Find the nodes besides one that units have come to in this driver's time and nobody accuses."""
    running = {unit.node for unit in board.running.values() if unit.node}
    accused = {name for name, other in board.nodes.items() if other.accused is not None}
    return (running | board.nodes.keys()) - accused - {node}


def _died_twice(board: Board, unit: UnitKey, nodes: Collection[str]) -> bool:
    """Whether a unit died twice in a row on each of these nodes."""
    deaths = [board.nodes[name].deaths.get(unit) for name in nodes if name in board.nodes]
    return len(deaths) == len(nodes) and all(each is not None and each.times > 1 for each in deaths)
