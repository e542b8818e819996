import torch

from model.training.seeds import derive_seed, generator, seed_torch


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


def test_layers_draw_by_purpose_and_nothing_is_kept_of_who_asked() -> None:
    queued = len(torch.cuda._queued_calls)
    draws = []
    for purpose in ("drop path", "initial weights", "drop path"):
        seed_torch(torch.device("cpu"), 3, purpose, 1)
        draws.append(torch.rand(4))
    assert torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0], draws[1])
    torch.manual_seed(derive_seed(3, "drop path", 1))
    assert torch.equal(torch.rand(4), draws[0])
    # What `torch.manual_seed` leaves where no GPU is in use.
    seed_torch(torch.device("cpu"), 3, "drop path", 2)
    assert len(torch.cuda._queued_calls) <= queued + 1
