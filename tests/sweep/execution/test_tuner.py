"""How Ray is left; whole runs on it are in test_run."""

import gc
import weakref

import pytest

from sweep.execution import tuner as executor


class Reference:
    """In a cycle, as Tune's trials hold references to Ray's objects."""

    def __init__(self) -> None:
        self.own = self


def test_while_ray_goes_down_no_thread_can_collect_what_refers_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    garbage = weakref.ref(Reference())
    seen = []

    def shutdown() -> None:
        seen.append((garbage() is None, gc.isenabled()))
        raise RuntimeError("Ray is gone already")

    monkeypatch.setattr(executor.ray, "shutdown", shutdown)
    executor.stop_ray()
    assert seen == [(True, False)]
    assert gc.isenabled()
