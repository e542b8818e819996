"""A batch job that works for a study: finds its driver, trains units, leaves when told to, waits for the next one."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import TypeVar

from data.errors import UserError
from data.quantities import duration
from sweep.execution.head_file import Head, has_let_go, read_head
from sweep.execution.joined_node import JoinedNode
from sweep.folder.study_folder import StudyFolder

Answer = TypeVar("Answer")
LOOK_EVERY_S = 2.0
LOOK_FOR_END_EVERY_S = 10.0
SETTLED_S = 30.0
"""After so long on a node a worker counts as one that has worked: it waits as long as ever for the next driver."""
JOIN_AGAIN_S = 5.0
ASK_EVERY_S = 10.0
SILENCES = 6
"""Asked so often in vain for a proof of life a driver counts as dead; Ray itself would go on asking at its address."""
OVER_S = 60.0
"""So long a worker that comes to a study that is over waits for a driver that may have been started with it."""
KILL_WAIT_S = 30.0
"""How long after TERM a scheduler kills: SLURM's KillWait, unless a site says otherwise."""
TO_END_S = 10.0
"""What is kept of a notice to end what is left of Ray once the units have gone."""


class Ending(Enum):
    """Why a worker has ended."""

    OVER = "the study is over"
    LEFT = "told to leave"
    GAVE_UP = "no driver came, or none could be joined"


class WorkerJob:
    """Offers this machine to a study, whichever driver holds it."""

    def __init__(
        self,
        folder: StudyFolder,
        say: Callable[[str], None],
        *,
        give_up_s: float,
        notice_s: float = 120.0,
        cpus: int | None = None,
        gpus: float | None = None,
        join: Callable[..., JoinedNode] = JoinedNode,
        over: Callable[[StudyFolder], bool],
        later: Callable[[StudyFolder], Sequence[StudyFolder]] = lambda _: (),
    ) -> None:
        """`folder`: the study's place, also before the study begins; `say` hears what happens.

        `over`: whether the study, and those that its driver trains after it, have nothing left to train. `later`: names
        these others, for which the machine works too. Both may raise UserError and OSError while that is not known.
        `give_up_s`: how long it waits for a driver, each time anew. `notice_s`: how long after USR1 the machine goes
        away, as it does `KILL_WAIT_S` after TERM and SIGINT. `cpus`, `gpus`: see `JoinedNode`, which `join`
        makes.
        """
        self._folder = folder
        self._say = say
        self._give_up_s = give_up_s
        self._notice_s = {
            signal.SIGUSR1: max(0.0, notice_s - TO_END_S),
            signal.SIGTERM: KILL_WAIT_S - TO_END_S,
            signal.SIGINT: KILL_WAIT_S - TO_END_S,
        }
        self._offer = {"cpus": cpus, "gpus": gpus}
        self._join = join
        self._over = over
        self._later = later
        self._leaves_at: float | None = None
        self._troubles: dict[str, tuple[str, float]] = {}
        self._said_troubles: set[str] = set()

    def run(self) -> Ending:
        """Work until the study is over, no driver came for too long, or a signal (USR1, TERM, INT) tells to leave.

        A study that is over when the worker comes may be about to go on with a larger budget, as its driver and workers
        are submitted together. Such a worker ends `OVER_S` after it came at the earliest, and only while no driver holds
        the study. So does one whose driver ended before it wrote anything in a study that was over.
        """
        with self._hearing_signals():
            came = waits_since = time.monotonic()
            looked_for_end, has_worked = 0.0, False
            studies = [self._folder]
            while self._leaves_at is None:
                if (found := _first_driver(studies)) is not None:
                    was_over, written = self._is_over(studies, True), _written(studies)
                    lasted = self._work(*found)
                    # What was over before, and has not been written to, may yet go on.
                    has_worked = not was_over or _written(studies) != written
                    came = time.monotonic()
                    if lasted >= SETTLED_S:
                        waits_since = time.monotonic()
                    elif time.monotonic() - waits_since >= self._give_up_s:
                        return Ending.GAVE_UP
                    self._pause(JOIN_AGAIN_S)
                    looked_for_end = 0.0
                    continue
                now = time.monotonic()
                if now - looked_for_end >= LOOK_FOR_END_EVERY_S:
                    looked_for_end = now
                    if (later := self._those_after()) is not None:
                        studies = [self._folder, *later]
                    may_go_on = not has_worked and now - came < min(OVER_S, self._give_up_s)
                    if not may_go_on and self._is_over(studies, has_worked):
                        return Ending.OVER
                    if now - waits_since >= self._give_up_s:
                        return Ending.GAVE_UP
                    self._say_once_waiting(waits_since, now, over=may_go_on and self._is_over(studies, True))
                self._pause(LOOK_EVERY_S)
            return Ending.LEFT

    def _work(self, folder: StudyFolder, head: Head) -> float:
        """Be a node of this head until it is gone, another takes its place, or we leave; returns seconds it lasted."""
        begun = asked = time.monotonic()
        silences = 0
        self._say(f"joins the driver on {head.host} ({head.address})")
        node = self._join(head, **self._offer)
        try:
            while node.alive and self._leaves_at is None:
                if has_let_go(folder.path, head):
                    self._say("the driver has let go of the study")
                    break
                if time.monotonic() - asked >= ASK_EVERY_S:
                    asked = time.monotonic()
                    silences = 0 if head.proves_itself() else silences + 1
                    if silences == SILENCES:
                        self._say(f"the driver gives no sign of life, asked {SILENCES} times")
                        break
                self._pause(LOOK_EVERY_S)
            else:
                if self._leaves_at is None:
                    self._say(f"Ray has ended on this machine: {node.last_words()}")
            if self._leaves_at is not None and node.alive:
                left = max(0.0, self._leaves_at - time.monotonic())
                self._say(f"units save where they are and leave, within {duration(left)}")
                if node.drain(left, "the batch job of this machine is about to end"):
                    node.wait(max(0.0, self._leaves_at - time.monotonic()))
                else:
                    self._say("the driver does not let them: they go on elsewhere from their last checkpoint")
        finally:
            node.end()
        return time.monotonic() - begun

    def _those_after(self) -> Sequence[StudyFolder] | None:
        """The studies that the driver trains after the study; None while that is not known."""
        return self._known("later", lambda: self._later(self._folder))

    def _is_over(self, studies: Sequence[StudyFolder], has_worked: bool) -> bool:
        """Whether nothing is left to train; for a worker that comes only then, also that no driver holds any study."""

        def over() -> bool:
            if not self._over(self._folder):
                return False
            return has_worked or not any(study.exists and study.lock().is_held() for study in studies)

        return self._known("over", over) or False

    def _known(self, question: str, answer: Callable[[], Answer]) -> Answer | None:
        """Answer a question; None while the answer is not known, which is asked for again later.

        Why it is not known is said once, if that stays so for longer than a file is written.
        """
        try:
            found = answer()
        except (UserError, OSError) as error:
            # It is just being written, or the shared folder does not answer.
            trouble, now = str(error), time.monotonic()
            before, since = self._troubles.get(question, (trouble, now))
            since = since if before == trouble else now
            self._troubles[question] = trouble, since
            if now - since >= LOOK_FOR_END_EVERY_S and trouble not in self._said_troubles:
                self._said_troubles.add(trouble)
                self._say(f"cannot tell what is left to train: {trouble}")
            return None
        self._troubles.pop(question, None)
        return found

    def _say_once_waiting(self, since: float, now: float, *, over: bool) -> None:
        if now - since >= LOOK_FOR_END_EVERY_S:
            return
        if over:
            longest = duration(min(OVER_S, self._give_up_s))
            self._say(f"{self._folder.place} is over: waits {longest} for a driver that goes on with it")
        else:
            self._say(f"waits for a driver of {self._folder.place}, {duration(self._give_up_s)} at most")

    def _pause(self, seconds: float) -> None:
        """Sleep, but for as long as no signal comes; Python goes on sleeping after the handler of one."""
        deadline = time.monotonic() + seconds
        while self._leaves_at is None and time.monotonic() < deadline:
            time.sleep(0.2)

    @contextlib.contextmanager
    def _hearing_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def heard(number: int, frame: object) -> None:
            leaves_at = time.monotonic() + self._notice_s[signal.Signals(number)]
            self._leaves_at = min(leaves_at, self._leaves_at or leaves_at)

        before = {number: signal.signal(number, heard) for number in self._notice_s}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _written(studies: Sequence[StudyFolder]) -> list[int]:
    """Sizes of the journals of some studies, in bytes; 0 where there is none, or the shared folder does not answer."""
    sizes = []
    for study in studies:
        try:
            sizes.append(study.journal.stat().st_size)
        except OSError:
            sizes.append(0)
    return sizes


def _first_driver(studies: Sequence[StudyFolder]) -> tuple[StudyFolder, Head] | None:
    """The first of some studies that a driver holds which proves that it lives, and where that one is met."""
    for folder in studies:
        head = read_head(folder.path)
        if head is not None and head.proves_itself():
            return folder, head
    return None
