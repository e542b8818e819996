import pytest
import torch
from torch.nn import functional

from model.mixup import Mixup, draw_mixup
from model.patch_mix import draw_mix
from model.training.seeds import generator


def test_inputs_and_losses_are_the_shares_of_a_cycle_and_its_partner() -> None:
    mixup = Mixup(torch.tensor([1, 2, 0]), 0.75)
    x = torch.tensor([4.0, 8.0, 16.0]).reshape(3, 1, 1)
    assert mixup(x).flatten().tolist() == [5.0, 10.0, 13.0]
    labels, logits = torch.tensor([0, 1, 1]), torch.randn(3, 2)
    own, partners = (functional.cross_entropy(logits, of) for of in (labels, torch.tensor([1, 1, 0])))
    loss = mixup.loss(functional.cross_entropy, logits, labels)
    torch.testing.assert_close(loss, 0.75 * own + 0.25 * partners)


def test_the_loss_is_cross_entropy_with_the_mixed_targets() -> None:
    mixup, labels, logits = Mixup(torch.tensor([1, 0]), 0.3), torch.tensor([0, 1]), torch.randn(2, 2)
    targets = torch.tensor([[0.3, 0.7], [0.7, 0.3]])
    torch.testing.assert_close(
        mixup.loss(functional.cross_entropy, logits, labels), functional.cross_entropy(logits, targets)
    )


@pytest.mark.parametrize("alpha", [0.1, 1.0, 8.0])
def test_shares_are_drawn_from_the_beta_distribution(alpha: float) -> None:
    drawn = generator(1, "mixup")
    shares = torch.tensor([draw_mixup(4, alpha, drawn).lam for _ in range(2000)], dtype=torch.float64)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert shares.mean().item() == pytest.approx(0.5, abs=0.03)
    assert shares.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_the_share_is_that_of_patch_mix_for_the_same_draws() -> None:
    mixup = draw_mixup(6, 0.7, generator(3, "any"))
    cells = 10**6
    mix = draw_mix("time", (1, cells), 6, 0.7, generator(3, "any"))
    assert mix.lam == pytest.approx(mixup.lam, abs=2 / cells)
    assert torch.equal(mix.permutation, mixup.permutation)


def test_partners_are_the_whole_batch_in_another_order() -> None:
    mixup = draw_mixup(50, 1.0, generator(1, "mixup"))
    assert sorted(mixup.permutation.tolist()) == list(range(50))
