import pytest
import torch

from model.selective_scan.self_test import TOLERANCE, scan_error


@pytest.mark.parametrize("engine", ["reference", "numba"])
def test_in_single_precision_the_engines_are_far_better_than_they_must_be(engine: str) -> None:
    assert 0 < scan_error(engine, torch.device("cpu")) < TOLERANCE / 100
