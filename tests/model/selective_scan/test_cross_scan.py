"""Four readings of a map, against golden/dass/cross_scan and worked by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.selective_scan.cross_scan import cross_merge, cross_scan, from_scan_order, to_scan_order
from tests.goldens import Golden


@pytest.mark.parametrize("case", ["ints", "rect", "audio"])
def test_scan_and_merge_are_the_published_ones(case: str) -> None:
    golden = Golden("dass/cross_scan")
    x = golden[f"{case}.x"]
    assert torch.equal(cross_scan(x), golden[f"{case}.scan"])
    merged = cross_merge(golden[f"{case}.ys"], *x.shape[2:])
    torch.testing.assert_close(merged, golden[f"{case}.merge"], rtol=0, atol=1e-12)


def test_a_map_of_two_rows_is_read_along_rows_columns_and_backwards() -> None:
    x = torch.tensor([[1.0, 2, 3], [4, 5, 6]])[None, None]
    assert cross_scan(x)[0, :, 0].tolist() == [
        [1, 2, 3, 4, 5, 6],
        [1, 4, 2, 5, 3, 6],
        [6, 5, 4, 3, 2, 1],
        [6, 3, 5, 2, 4, 1],
    ]


@given(height=st.integers(1, 6), width=st.integers(1, 6))
def test_merging_what_was_scanned_gives_four_times_the_map(height: int, width: int) -> None:
    x = torch.arange(2.0 * 3 * height * width).view(2, 3, height, width)
    assert torch.equal(cross_merge(cross_scan(x), height, width), 4 * x)


@given(height=st.integers(1, 6), width=st.integers(1, 6))
def test_the_way_back_from_scan_order_is_exact(height: int, width: int) -> None:
    x = torch.randn(2, 4, 3, height * width)
    assert torch.equal(from_scan_order(to_scan_order(x, height, width), height, width), x)


def test_merging_is_the_transpose_of_scanning() -> None:
    x, ys = torch.randn(1, 2, 3, 5, dtype=torch.float64), torch.randn(1, 4, 2, 15, dtype=torch.float64)
    torch.testing.assert_close((cross_scan(x) * ys).sum(), (x * cross_merge(ys, 3, 5)).sum())
