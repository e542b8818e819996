"""Golden numbers are few bytes, and a number that is off does not pass for a golden one."""

import pytest

from model.selective_scan import selective_scan
from tests.goldens import FOLDER, Golden


def test_they_are_small_enough_to_travel_with_the_project() -> None:
    sizes = [path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(sizes) < 4_000_000
    assert max(sizes) < 2**20


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("dass/tiny_io", "a.logits"),
        ("dass/tiny_grads", "grad.layers.3.blocks.0.mlp.fc1.weight"),
        ("dass/spectral", "exact.per_direction_spatial_order"),
    ],
)
def test_each_number_that_is_off_is_noticed(name: str, key: str) -> None:
    golden = Golden(name)
    found = golden[key]
    golden.check(key, found, atol=1e-9)
    found.view(-1)[-1] += 2e-9
    with pytest.raises(AssertionError, match=key):
        golden.check(key, found, atol=1e-9)


def test_a_number_that_a_sample_leaves_out_is_noticed_in_its_sums() -> None:
    golden, case = Golden("dass/selective_scan"), "k4_n1_l257"
    inputs = golden.under(f"{case}.")
    u, delta, A, B, C, D, bias = (inputs[name] for name in ("u", "delta", "A", "B", "C", "D", "delta_bias"))
    y = selective_scan(u, delta, A, B, C, D, bias, True)
    golden.check(f"{case}.y", y, atol=1e-9)
    y.view(-1)[1] += 1e-7
    with pytest.raises(AssertionError, match=r"k4_n1_l257\.y"):
        golden.check(f"{case}.y", y, atol=1e-9)


def test_a_sample_is_not_taken_for_a_tensor() -> None:
    with pytest.raises(KeyError, match="kept as a sample"):
        Golden("dass/selective_scan")["k4_n1_l257.y"]


def test_a_tensor_is_a_copy() -> None:
    golden = Golden("dass/tiny_io")
    golden["a.logits"].zero_()
    assert golden["a.logits"].any()
