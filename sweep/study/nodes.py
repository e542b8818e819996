"""What a study's units have met on the nodes of its cluster: which died there since a unit last came on."""

from __future__ import annotations

from dataclasses import dataclass, field

from data.errors import one_line

UnitKey = tuple[int, int]
"""A unit by its configuration and seed."""


@dataclass
class Deaths:
    """The deaths of one unit on one node, one after the other; times in seconds since 1970.

    `lived`: for how many seconds the unit had held its device, at the longest.
    """

    first: float
    last: float
    lived: float
    times: int = 1


@dataclass
class Node:
    """A node as the units of the present driver found it."""

    deaths: dict[UnitKey, Deaths] = field(default_factory=dict)
    """Units that died here, since one that came here after their deaths ended an epoch."""
    heard: float | None = None
    """When a unit last ended an epoch here."""
    accused: float | None = None
    """When it was last found that the node kills units; None while nobody says so."""
    accusations: int = 0
    reason: str | None = None

    def note_death(self, unit: UnitKey, at: float, lived: float) -> None:
        """Take note that a unit died here after it had held its device for `lived` seconds."""
        if (deaths := self.deaths.get(unit)) is None:
            self.deaths[unit] = Deaths(at, at, lived)
        else:
            deaths.last, deaths.lived, deaths.times = at, max(deaths.lived, lived), deaths.times + 1

    def note_epoch(self, begun: float, at: float) -> None:
        """Take note that a unit which came here at `begun` ended an epoch: what died before is forgotten."""
        self.heard = at
        self.deaths = {unit: deaths for unit, deaths in self.deaths.items() if deaths.last > begun}
        if not self.deaths:
            self.accused, self.accusations, self.reason = None, 0, None

    def note_accusation(self, at: float, reason: str) -> None:
        """Take note that this node is held to kill units."""
        self.accused, self.reason = at, reason
        self.accusations += 1


def shown(node: str) -> str:
    """Write a node's name, `ADDRESS/ID`, for a person: with the first eight digits of its id."""
    address, slash, number = one_line(node).partition("/")
    return f"{address} ({number[:8]})" if slash else address
