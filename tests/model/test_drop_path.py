import pytest
import torch

from model.drop_path import draw_drop_path


def test_whole_samples_are_dropped_at_the_rate_of_each_block_and_the_others_keep_the_mean() -> None:
    torch.manual_seed(1)
    rates = torch.tensor([0.0, 0.25, 0.5])
    scales = draw_drop_path(rates, 4000, torch.float32)
    assert scales.shape == (3, 2, 4000)
    assert bool((scales[0] == 1).all())
    for of_block, rate in zip(scales[1:], (0.25, 0.5), strict=True):
        kept = of_block != 0
        assert kept.double().mean(1).tolist() == pytest.approx([1 - rate] * 2, abs=0.03)
        torch.testing.assert_close(of_block[kept], torch.full((int(kept.sum()),), 1 / (1 - rate)))


def test_branches_and_blocks_are_drawn_apart_and_the_same_seed_draws_the_same() -> None:
    rates, drawn = torch.tensor([0.5, 0.5]), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(draw_drop_path(rates, 64, torch.bfloat16))
    first, again, other = drawn
    assert first.dtype == torch.bfloat16
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    rows = first.flatten(0, 1)
    assert len(torch.unique(rows, dim=0)) == 4
