import math

import pytest
import torch
from torch import Tensor

from model.relative_positions import GatedRelativeAttention, relative_buckets

CPU = torch.device("cpu")


def plain_bucket(query: int, key: int, buckets: int, max_distance: int) -> int:
    """The bucket of one pair of tokens, in Python's own numbers."""
    half = buckets // 2
    exact = half // 2
    distance = abs(key - query)
    if distance < exact:
        within = distance
    else:
        share = math.log(distance / exact) / math.log(max_distance / exact)
        within = min(half - 1, exact + int(share * (half - exact)))
    return within + (half if key > query else 0)


def test_buckets_of_a_short_sequence_are_those_counted_by_hand() -> None:
    # 8 buckets, 4 a side: distances 0 and 1 have their own; 2 and 3 share one, and from sqrt(2 * 8) = 4 on, the last.
    buckets = relative_buckets(10, 8, 8, CPU)
    assert buckets[0].tolist() == [0, 5, 6, 6, 7, 7, 7, 7, 7, 7]
    assert buckets[9].tolist() == [3, 3, 3, 3, 3, 3, 2, 2, 1, 0]


def test_buckets_of_the_published_table_are_those_of_the_formula() -> None:
    found = relative_buckets(900, 320, 800, CPU)
    assert (int(found.min()), int(found.max())) == (0, 319)
    assert found[0, :80].tolist() == [0, *range(161, 240)]
    for query, key in [(0, 1), (1, 0), (400, 120), (0, 81), (0, 90), (0, 250), (899, 0), (0, 799), (0, 899)]:
        assert int(found[query, key]) == plain_bucket(query, key, 320, 800)


def plain_attention(layer: GatedRelativeAttention, x: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """What a layer computes of one sequence, head by head and token by token; returns output and mean attention."""
    tokens, dim = x.shape
    width = dim // layer.heads
    q, k, v = (x @ project.weight.T + project.bias for project in (layer.q_proj, layer.k_proj, layer.v_proj))
    outputs, attentions = [], torch.zeros(tokens, tokens, dtype=x.dtype)
    for head in range(layer.heads):
        part = slice(head * width, (head + 1) * width)
        rows = []
        for i in range(tokens):
            units = layer.grep_linear.weight @ q[i, part] + layer.grep_linear.bias
            r, s = 1 / (1 + torch.exp(-units[:4].sum())), 1 / (1 + torch.exp(-units[4:].sum()))
            gate = r * (s * layer.grep_a[0, head, 0, 0] - 1) + 2
            scores = torch.stack(
                [q[i, part] @ k[j, part] / width**0.5 + gate * bias[head, i, j] for j in range(tokens)]
            )
            weights = torch.exp(scores) / torch.exp(scores).sum()
            attentions[i] += weights / layer.heads
            rows.append(weights @ v[:, part])
        outputs.append(torch.stack(rows))
    return torch.cat(outputs, dim=1) @ layer.out_proj.weight.T + layer.out_proj.bias, attentions


@pytest.fixture
def layer() -> GatedRelativeAttention:
    torch.manual_seed(0)
    built = GatedRelativeAttention(12, 3).double()
    with torch.no_grad():
        built.grep_a.copy_(torch.tensor([0.5, 1.0, 2.0])[None, :, None, None])
    return built


def test_attention_is_its_plain_definition(layer: GatedRelativeAttention) -> None:
    x, bias = torch.randn(2, 5, 12).double(), torch.randn(3, 5, 5).double()
    for training in (True, False):
        with torch.set_grad_enabled(training):
            found, attention = layer(x, bias), layer.attention(x, bias)
        for row in range(2):
            output, weights = plain_attention(layer, x[row], bias)
            torch.testing.assert_close(found[row], output)
            torch.testing.assert_close(attention[row], weights)


def test_a_gate_that_knows_nothing_is_seven_quarters(layer: GatedRelativeAttention) -> None:
    torch.nn.init.zeros_(layer.grep_linear.weight)
    torch.nn.init.zeros_(layer.grep_linear.bias)
    gates = layer.gate(torch.randn(1, 3, 2, 4).double())
    # 0.5 (0.5 a - 1) + 2 with a = 0.5, 1 and 2.
    assert gates[0, :, :, 0].tolist() == [[1.625] * 2, [1.75] * 2, [2.0] * 2]


def test_gates_and_biases_learn(layer: GatedRelativeAttention) -> None:
    bias = torch.randn(3, 5, 5).double().requires_grad_()
    layer(torch.randn(2, 5, 12).double(), bias).square().sum().backward()
    assert bias.grad is not None
    assert bias.grad.abs().min() > 0
    for parameter in (layer.grep_a, layer.grep_linear.weight, layer.q_proj.weight):
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0
