"""Stand-ins for a worker's node and for drivers, and what tests of a worker do beside it."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from sweep.execution.head_file import Head
from sweep.execution.head_proof import HeadProof
from sweep.execution.worker_job import WorkerJob
from sweep.folder.study_folder import StudyFolder


class Node:
    """A node that lasts until it is ended, or drained; notes what is asked of it."""

    made: ClassVar[list["Node"]] = []

    def __init__(self, head: Head, **offer: Any) -> None:
        self.head, self.offer, self.alive, self.drained = head, offer, True, None
        Node.made.append(self)

    def drain(self, seconds: float, why: str) -> bool:
        self.drained = seconds
        return True

    def wait(self, seconds: float) -> bool:
        self.alive = False
        return True

    def end(self) -> None:
        self.alive = False

    def last_words(self) -> str:
        return "another version of Ray"


class Driver:
    """A driver's file, and the proof that it lives, which may end without a word."""

    def __init__(self, number: int) -> None:
        address, token = f"127.0.0.1:{number}", f"token {number}"
        self.proof = HeadProof(address, token).__enter__()
        self.head = Head.here(address, token, self.proof.address)

    def die(self) -> None:
        self.proof.__exit__(None, None, None)


def soon(look: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not look():
        assert time.monotonic() < deadline, "did not come"
        time.sleep(0.02)


def then(*steps: Callable[[], Any]) -> None:
    """Do steps beside the worker, which has the main thread as it needs for signals."""

    def run() -> None:
        for step in steps:
            step()

    threading.Thread(target=run, daemon=True).start()


def job(folder: Path, **settings: Any) -> WorkerJob:
    said: list[str] = []
    made = WorkerJob(
        StudyFolder(folder),
        said.append,
        join=Node,  # pyright: ignore[reportArgumentType]
        **{"give_up_s": 60.0, "cpus": 2, "over": lambda folder: False, **settings},  # pyright: ignore[reportArgumentType]
    )
    made.said = said  # pyright: ignore[reportAttributeAccessIssue]
    return made


def tell(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)
