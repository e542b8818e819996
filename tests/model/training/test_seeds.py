import torch

from model.training.seeds import derive_seed, generator


def test_a_derived_seed_is_the_same_on_every_machine() -> None:
    assert derive_seed(1, "batches", 1) == 6141235087025051522


def test_purposes_and_epochs_draw_independently() -> None:
    seeds = {
        derive_seed(seed, what, epoch)
        for seed in range(3)
        for what in ("batches", "augment")
        for epoch in range(9)
    }
    assert len(seeds) == 3 * 2 * 9


def test_a_generator_starts_anew_each_time() -> None:
    first, second = (torch.rand(3, generator=generator(5, "masks")) for _ in range(2))
    assert torch.equal(first, second)
