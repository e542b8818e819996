import torch

from data.kept_bands import among_zeros, keep_bands


def test_bands_are_taken_in_order_and_put_back_among_zeros() -> None:
    batch = torch.arange(1, 13, dtype=torch.float32).reshape(1, 3, 4)
    kept = keep_bands(batch, (1, 3))
    assert kept.tolist() == [[[2, 4], [6, 8], [10, 12]]]
    assert among_zeros(kept, (1, 3), 4).tolist() == [[[0, 2, 0, 4], [0, 6, 0, 8], [0, 10, 0, 12]]]


def test_without_a_choice_the_batch_itself_comes_back() -> None:
    batch = torch.ones(2, 3, 4)
    assert keep_bands(batch, None) is batch
    assert among_zeros(batch, None, 4) is batch
