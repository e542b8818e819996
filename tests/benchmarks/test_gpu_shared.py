"""What the section of several units on one GPU must not take for a measurement."""

import subprocess
from typing import Any

import gpu_shared
import pytest
import torch


def test_a_sweep_that_trains_nothing_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, 0, "", "")

    monkeypatch.setattr(gpu_shared.subprocess, "run", nothing)
    with pytest.raises(AssertionError, match="0 of 4 units have finished"):
        gpu_shared._small_sweep(torch.device("cpu"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_four_units_are_trained_through_ray() -> None:
    assert gpu_shared._small_sweep(torch.device("cpu")).startswith("four units through Ray in ")
