import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from model.ast import AST
from model.attribution import (
    Method,
    attention_rollout,
    attribution,
    band_vectors,
    default_method,
    grad_cam,
    integrated_gradients,
    rollout,
)
from model.beats import BEATs
from model.cnn_tsa import CNNTSA
from model.variants import BEATS_VARIANTS


class OfOneBand(nn.Module):
    """Logit 1 is the mean of the squares in band 3; logit 0 is that of all bands."""

    def forward(self, x: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "batch classes"]:
        squares = x.square()
        return torch.stack([squares.mean(dim=(1, 2)), squares[:, :, 3].mean(dim=1)], dim=1)


def plain_network(head: list[float]) -> CNNTSA:
    """One block whose only map is the input itself, where that is above 0."""
    network = CNNTSA((1,), 4, num_classes=2, attention="none", dropout=0.0).eval()
    block = network.last_block
    nn.init.zeros_(block.conv1.weight)
    with torch.no_grad():
        block.conv1.weight[0, 0, 2, 2] = 1
        network.head.weight.copy_(torch.tensor(head)[:, None])
    return network


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_the_mass_lies_in_the_only_band_that_a_logit_knows() -> None:
    inputs, classes = noise(3, 6, 8), torch.ones(3, dtype=torch.long)
    found = band_vectors(attribution(OfOneBand().eval(), inputs, classes, "integrated_gradients"))
    assert found.tolist() == [[0, 0, 0, 1, 0, 0, 0, 0]] * 3
    shares = integrated_gradients(OfOneBand().eval(), inputs, classes)
    # Of x^2 the share is x^2 - b^2, exactly, as points in the middle of steps integrate a line.
    mean = inputs.mean(dim=(1, 2))
    expected = (inputs[:, :, 3].square() - mean[:, None].square()) / 6
    assert torch.allclose(shares[:, :, 3], expected, atol=1e-6)


def test_shares_add_up_to_what_the_logit_gains() -> None:
    torch.manual_seed(0)
    network = CNNTSA((4, 8), 16, attention="post", dropout=0.0).eval()
    inputs, classes = noise(4, 16, 16), torch.tensor([0, 1, 2, 3])
    baseline = inputs.mean(dim=(1, 2), keepdim=True).expand_as(inputs)
    shares = integrated_gradients(network, inputs, classes, steps=256).sum(dim=(1, 2))
    gained = (network(inputs) - network(baseline)).gather(1, classes[:, None])[:, 0]
    assert torch.allclose(shares, gained, rtol=0.02, atol=0.005)
    coarse = integrated_gradients(network, inputs, classes).sum(dim=(1, 2))
    assert torch.allclose(coarse, gained, rtol=0.1, atol=0.03)


def test_grad_cam_of_a_map_that_is_the_input_is_the_input_where_the_logit_gains_from_it() -> None:
    inputs = noise(2, 6, 4)
    inputs[:, :, :2] = -1
    found = grad_cam(plain_network([1.0, -1.0]), inputs, torch.tensor([0, 1]))
    positive = inputs[0].relu()
    assert torch.allclose(found[0] / found[0].sum(), positive / positive.sum(), atol=1e-6)
    assert not found[1].any()
    vectors = band_vectors(found)
    assert vectors.shape == (1, 4)
    assert torch.allclose(vectors[0], positive.sum(dim=0) / positive.sum(), atol=1e-6)


def test_rollout_multiplies_layers_with_their_residuals() -> None:
    first, second = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]]), torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])
    # (A2 + I) / 2 (A1 + I) / 2 with A1 + I = [[2, 0], [1, 1]] and A2 + I = [[1, 1], [0, 2]].
    assert rollout([first, second]).tolist() == [[[0.75, 0.25], [0.5, 0.5]]]


def test_even_attention_looks_at_all_patches_alike() -> None:
    network = AST(8, 2, 2, 16).eval()
    for block in network.blocks:
        assert isinstance(block, nn.TransformerEncoderLayer)
        nn.init.zeros_(block.self_attn.in_proj_weight)
    found = attention_rollout(network, noise(2, 36, 26))
    assert found.shape == (2, 36, 26)
    assert torch.allclose(found, torch.full_like(found, float(found[0, 0, 0])), atol=1e-6)
    # Two layers give each of the 8 tokens 1/16 and then 1/32 more of what is left.
    assert float(found[0, 0, 0]) == pytest.approx(1 / 16 + 1 / 2 / 16)


def test_even_attention_of_a_beats_looks_at_all_patches_alike_and_not_at_what_it_cuts_off() -> None:
    network = BEATs(BEATS_VARIANTS["tiny"]).eval()
    for name, parameter in network.named_parameters():
        if "q_proj" in name or "relative_attention_bias" in name:
            nn.init.zeros_(parameter)
    found = attention_rollout(network, noise(2, 52, 35))
    # Rows of the flow sum to 1, and all 3 x 2 tokens are pooled.
    assert torch.allclose(found[:, :48, :32], torch.full((2, 48, 32), 1 / 6), atol=1e-6)
    assert not found[:, 48:].any()
    assert not found[:, :, 32:].any()


def test_attention_to_one_patch_of_a_beats_lies_where_that_patch_is() -> None:
    torch.manual_seed(0)
    network = BEATs(BEATS_VARIANTS["tiny"]).eval()
    inputs = noise(1, 48, 32)
    attentions = network.attentions(network.stem(inputs))
    assert torch.allclose(attentions[1].sum(dim=2), torch.ones(1, 6), atol=1e-6)
    # Every token looks at token 3 alone: the second step of time, the upper of two bands.
    network.attentions = lambda grid: [torch.eye(6)[3].expand(1, 6, 6)] * 2  # pyright: ignore[reportAttributeAccessIssue]
    found = attention_rollout(network, inputs)[0]
    assert divmod(int(found.argmax()), 32)[0] in range(16, 32)
    assert divmod(int(found.argmax()), 32)[1] in range(16, 32)


def test_tokens_are_the_same_with_and_without_their_attention() -> None:
    torch.manual_seed(0)
    network = AST(8, 2, 2, 16).eval()
    grid = network.stem(noise(2, 36, 26))
    attentions = network.attentions(grid)
    assert [attention.shape for attention in attentions] == [(2, 8, 8)] * 2
    assert torch.allclose(attentions[1].sum(dim=2), torch.ones(2, 8), atol=1e-6)


@pytest.mark.parametrize(
    ("network", "method"),
    [
        (CNNTSA((2,), 4), "grad_cam"),
        (AST(8, 1, 2, 16), "integrated_gradients"),
        (OfOneBand(), "integrated_gradients"),
    ],
)
def test_a_network_that_is_training_is_refused(network: nn.Module, method: Method) -> None:
    assert default_method(network) == method
    with pytest.raises(ValueError, match="is training"):
        attribution(network.train(), noise(1, 16, 16), torch.zeros(1, dtype=torch.long), method)


def test_a_method_for_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match="grad_cam is for cnn_tsa, got OfOneBand; use integrated_gradients"):
        attribution(OfOneBand().eval(), noise(1, 6, 8), torch.zeros(1, dtype=torch.long), "grad_cam")
    with pytest.raises(ValueError, match="attention_rollout is for ast and beats, got OfOneBand"):
        attribution(OfOneBand().eval(), noise(1, 6, 8), torch.zeros(1, dtype=torch.long), "attention_rollout")
