"""What is told of a Ray that is there, away, or gone; real ones die in tests/scenarios/test_ray_death.py."""

import threading
from typing import Any

from sweep.execution.ray_watch import RayWatch


class Head:
    """Answers with its nodes, raises, or keeps those that ask waiting; counts the questions."""

    def __init__(self) -> None:
        self.alive = {"mine": True, "other": True}
        self.answers = threading.Event()
        self.answers.set()
        self.raises = False
        self.asked = 0
        self.asked_again = threading.Event()

    def __call__(self) -> list[dict[str, Any]]:
        self.asked += 1
        self.asked_again.set()
        assert self.answers.wait(60)
        if self.raises:
            raise RuntimeError("Failed to connect to GCS")
        return [{"NodeID": name, "Alive": alive} for name, alive in self.alive.items()]

    def wait_for_looks(self, looks: int = 2) -> None:
        """Wait until so many more looks have begun: all but the last have ended then."""
        for _ in range(looks):
            self.asked_again.clear()
            assert self.asked_again.wait(60)


class Watched:
    """A watch whose clock and processes a test sets."""

    def __init__(self) -> None:
        self.now, self.dead, self.said, self.head = 0.0, list[str](), list[str](), Head()
        self.watch = RayWatch(
            self.said.append,
            own_node=lambda: "mine",
            table=self.head,
            dead=lambda: self.dead,
            timer=lambda: self.now,
            look_every_s=0.001,
        ).start()


def test_a_ray_that_answers_is_no_trouble_however_long_it_runs() -> None:
    watched = Watched()
    watched.now = 1000.0
    watched.head.wait_for_looks()
    assert watched.watch.trouble() is None
    assert watched.said == []
    assert watched.watch.close()


def test_a_process_of_ray_that_died_here_is_named_at_once() -> None:
    watched = Watched()
    watched.dead = ["gcs_server"]
    assert watched.watch.trouble() == "Ray died on this machine (gcs_server)"
    assert watched.watch.close()


def test_a_head_that_holds_this_machine_for_dead_is_trouble_and_another_dead_node_is_not() -> None:
    watched = Watched()
    watched.head.alive["other"] = False
    watched.head.wait_for_looks()
    assert watched.watch.trouble() is None
    watched.head.alive["mine"] = False
    watched.head.wait_for_looks()
    assert watched.watch.trouble() == "Ray died on this machine (its node is gone)"
    assert watched.watch.close()


def test_a_head_that_does_not_answer_is_waited_for_and_a_person_told() -> None:
    watched = Watched()
    watched.head.answers.clear()
    watched.head.wait_for_looks(1)
    for watched.now in (11.0, 59.0):
        assert watched.watch.trouble() is None
    assert watched.said == ["Ray's head does not answer; waiting for it for 1:00"]
    watched.head.answers.set()
    watched.head.wait_for_looks()
    assert watched.watch.trouble() is None
    assert watched.said[1:] == ["Ray's head answers again"]
    assert watched.watch.close()


def test_a_head_that_stays_away_is_trouble_after_a_minute_and_the_look_is_left_behind() -> None:
    watched = Watched()
    watched.head.answers.clear()
    watched.head.wait_for_looks(1)
    watched.now = 61.0
    assert watched.watch.trouble() == "Ray's head has not answered for 1:00"
    assert not watched.watch.close()
    watched.head.answers.set()


def test_an_error_is_no_answer() -> None:
    watched = Watched()
    watched.head.raises = True
    watched.head.wait_for_looks()
    watched.now = 61.0
    watched.head.wait_for_looks()
    assert watched.watch.trouble() == "Ray's head has not answered for 1:00"
    assert watched.watch.close()
