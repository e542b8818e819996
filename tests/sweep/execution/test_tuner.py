"""What Ray Tune is spared for each unit. Whole studies on Ray are in `tests/sweep/driver`."""

from pathlib import Path
from typing import Any, cast

import pytest
from ray import tune
from ray.air._internal import usage
from ray.tune.registry import TRAINABLE_CLASS, _global_registry, _Registry

from sweep.config.study_parts import ResourcesConfig
from sweep.execution.slots import Slots
from sweep.execution.tuner import run_units
from sweep.study.coordinator import Coordinator


def test_tune_asks_for_the_trainable_once_and_imports_no_tracker_to_count_callbacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    counted: list[bool] = []

    def ask(self: _Registry, category: str, key: str) -> str:
        asked.append(f"{category} {key}")
        return key.upper()

    class Tuner:
        """Does of Tune's loop what is seen here."""

        def __init__(self, *_: Any, run_config: tune.RunConfig, **__: Any) -> None:
            self._callbacks = run_config.callbacks

        def fit(self) -> None:
            counted.append(bool(usage.tag_callbacks(self._callbacks)))
            for _ in range(3):
                assert _global_registry.get(TRAINABLE_CLASS, "unit") == "UNIT"
                assert _global_registry.contains(TRAINABLE_CLASS, "unit")
            assert _global_registry.get(TRAINABLE_CLASS, "other") == "OTHER"

    monkeypatch.setattr(_Registry, "get", ask)
    monkeypatch.setattr(tune, "Tuner", Tuner)
    monkeypatch.setattr(usage, "tag_callbacks", usage.tag_callbacks)
    monkeypatch.delattr(usage, "_count_callbacks")
    unit = ResourcesConfig()
    nobody = cast("Coordinator", None)
    run_units(nobody, unit, lambda *_: {}, tmp_path, lambda: None, tune.Trainable, Slots(unit))
    assert asked == [f"{TRAINABLE_CLASS} unit", f"{TRAINABLE_CLASS} other"]
    assert counted == [False]
    # The next study of this process may train another class by the same name.
    assert _global_registry.get(TRAINABLE_CLASS, "unit") == "UNIT"
    assert len(asked) == 3
