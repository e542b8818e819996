"""Whether the Ray that a study runs on is still there, asked beside the loop of Ray Tune, which would wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, cast

import ray
from ray._private import worker
from ray._private.node import Node

from data.quantities import duration

LOOK_EVERY_S = 2.0
HEAD_AWAY_S = 60.0
"""So long Ray's nodes and workers wait for their head by themselves, before they end."""
TELL_AFTER_S = 10.0


class RayWatch:
    """Looks for Ray's head and this machine's node every two seconds, from a thread that may have to wait for them.

    What Ray is asked, it answers late or never while its head is away: that is why nothing else asks in that thread,
    and why `close` may leave it behind.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        *,
        own_node: Callable[[], str] = lambda: ray.get_runtime_context().get_node_id(),
        table: Callable[[], Iterable[Mapping[str, Any]]] = ray.nodes,
        dead: Callable[[], Iterable[str]] | None = None,
        timer: Callable[[], float] = time.monotonic,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        """Watch the Ray to which this process is connected; `say` hears that its head is waited for.

        What Ray is asked: `own_node`, the id of this machine's node; `table`, a row for each node; `dead`, the processes
        of Ray that were started here and have ended, by their names. `timer`: seconds that never jump.
        """
        self._say = say
        self._own_node = own_node()
        self._table = table
        self._dead = dead or _dead_processes
        self._timer = timer
        self._look_every_s = look_every_s
        self._answered = timer()
        self._node_is_there = True
        self._told = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._look, name="ray watch", daemon=True)

    def start(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def trouble(self) -> str | None:
        """Say why nothing can run on this Ray any more; None while it is there, or may come back."""
        if dead := list(self._dead()):
            return f"Ray died on this machine ({', '.join(dead)})"
        if not self._node_is_there:
            return "Ray died on this machine (its node is gone)"
        silent = self._timer() - self._answered
        if silent > HEAD_AWAY_S:
            return f"Ray's head has not answered for {duration(HEAD_AWAY_S)}"
        if (silent > TELL_AFTER_S) is not self._told:
            self._told = not self._told
            self._say(
                f"Ray's head does not answer; waiting for it for {duration(HEAD_AWAY_S)}"
                if self._told
                else "Ray's head answers again"
            )
        return None

    def close(self) -> bool:
        """Look no more; False when the thread still waits for an answer, and so for a Ray that is gone."""
        self._closed.set()
        self._thread.join(2 * self._look_every_s)
        return not self._thread.is_alive()

    def _look(self) -> None:
        while not self._closed.wait(self._look_every_s):
            try:
                alive = {row["NodeID"] for row in self._table() if row["Alive"]}
            except Exception:
                # No answer of this kind is a sign of life; how long there is none decides.
                continue
            self._node_is_there = self._own_node in alive
            self._answered = self._timer()


def _dead_processes() -> list[str]:
    node = cast("Node | None", worker._global_node)
    return [] if node is None else [kind for kind, _ in node.dead_processes()]
