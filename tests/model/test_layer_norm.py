"""When the layer norms of DASS are our kernels', and that they are torch's own everywhere else."""

import copy
from collections import Counter
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from model import layer_norm as layer_norm_module
from model import layer_norm_triton
from model.dass import DASS
from model.layer_norm import CastingLayerNorm
from model.selective_scan.cross_selective_scan import cross_selective_scan
from model.variants import DASS_VARIANTS
from model.vss_block import VSSBlock

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> list[torch.dtype]:
    """Types that the kernels were asked to write."""
    asked, original = [], layer_norm_triton.layer_norm

    def seen(x: Tensor, weight: Tensor, bias: Tensor, eps: float, dtype: torch.dtype) -> Tensor:
        asked.append(dtype)
        return original(x, weight, bias, eps, dtype)

    monkeypatch.setattr(layer_norm_triton, "layer_norm", seen)
    return asked


def norms(scan_engine: str, **settings: Any) -> tuple[CastingLayerNorm, nn.LayerNorm]:
    """A norm of ours and torch's own, with the same weights."""
    ours, own = CastingLayerNorm(24, scan_engine, **settings), nn.LayerNorm(24)
    for weight in own.parameters():
        nn.init.normal_(weight)
    ours.load_state_dict(own.state_dict())
    return ours.to(DEVICE), own.to(DEVICE)


def outcome(norm: nn.Module, x: Tensor) -> list[Tensor]:
    """Result and gradients."""
    leaf = x.detach().clone().requires_grad_()
    y = norm(leaf)
    return [y.detach(), *torch.autograd.grad(y.float().square().sum(), [leaf, *norm.parameters()])]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("feeds_product", [False, True])
def test_under_autocast_the_kernels_read_what_there_is_and_write_what_the_next_layer_reads(
    kernels: list[torch.dtype], dtype: torch.dtype, feeds_product: bool
) -> None:
    ours, own = norms("triton", feeds_product=feeds_product)
    x = torch.randn(2, 3, 24, device=DEVICE, dtype=dtype)
    with torch.autocast(DEVICE, torch.bfloat16):
        found = outcome(ours, x)
    written = torch.bfloat16 if feeds_product else torch.float32
    assert kernels == [written]
    assert [one.dtype for one in found] == [written, dtype, torch.float32, torch.float32]
    for got, expected in zip(found, outcome(own, x.float()), strict=True):
        torch.testing.assert_close(got.float(), expected, rtol=0.02, atol=0.02 * expected.abs().max().item())


def test_outside_autocast_in_double_precision_and_for_other_engines_it_is_torchs_own_norm(
    kernels: list[torch.dtype],
) -> None:
    x = torch.randn(5, 24, device=DEVICE)
    for engine in ("triton", "auto", "reference"):
        ours, own = norms(engine, feeds_product=True)
        for got, expected in zip(outcome(ours, x), outcome(own, x), strict=True):
            assert torch.equal(got, expected)
    for engine in ("numba", "mamba", "reference", *(["auto"] if DEVICE == "cpu" else [])):
        ours, own = norms(engine, feeds_product=True)
        for given in (x, x.bfloat16()):
            with torch.autocast(DEVICE, torch.bfloat16):
                pairs = zip(outcome(ours, given), outcome(own, given), strict=True)
            assert all(got.dtype == expected.dtype and torch.equal(got, expected) for got, expected in pairs)
    ours, own = norms("triton", feeds_product=True)
    with torch.autocast(DEVICE, torch.bfloat16):
        pairs = zip(outcome(ours.double(), x.double()), outcome(own.double(), x.double()), strict=True)
        assert all(torch.equal(got, expected) for got, expected in pairs)
        assert ours(x[:0].double()).shape == (0, 24)
    assert kernels == []


def test_a_tensor_without_memory_has_the_shape_of_its_norm() -> None:
    with torch.device("meta"):
        assert CastingLayerNorm(24, feeds_product=True)(torch.empty(2, 3, 24)).shape == (2, 3, 24)


def test_an_input_without_rows_is_torchs_own_norms(kernels: list[torch.dtype]) -> None:
    with torch.autocast(DEVICE, torch.bfloat16):
        assert norms("triton")[0](torch.empty(0, 24, device=DEVICE)).shape == (0, 24)
    assert kernels == []


def test_networks_side_by_side_in_vmap_are_normalised_by_torch(kernels: list[torch.dtype]) -> None:
    ours, _ = norms("triton", feeds_product=True)
    x = torch.randn(2, 5, 24, device=DEVICE)
    weights = {name: torch.stack([one, 2 * one]).detach() for name, one in ours.named_parameters()}
    with torch.autocast(DEVICE, torch.bfloat16):
        together = vmap(lambda own, one: functional_call(ours, own, (one,)))(weights, x)
    assert kernels == []
    for i in range(2):
        own = {name: one[i] for name, one in weights.items()}
        torch.testing.assert_close(together[i], functional_call(ours, own, (x[i],)))


def test_second_derivatives_are_there_outside_autocast() -> None:
    ours = norms("triton", feeds_product=True)[0].double()
    x = torch.randn(2, 24, dtype=torch.float64, device=DEVICE, requires_grad=True)
    assert torch.autograd.gradgradcheck(ours, x)


def test_kernels_that_fail_are_told_of_once_and_torchs_own_norm_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails() -> None:
        raise RuntimeError("no C compiler")

    monkeypatch.setattr(layer_norm_triton, "try_out", fails)
    layer_norm_module._kernels_work.cache_clear()
    ours, own = norms("triton", feeds_product=True)
    x = torch.randn(5, 24, device=DEVICE)
    try:
        with torch.autocast(DEVICE, torch.bfloat16):
            with pytest.warns(UserWarning, match=r"do not work here \(RuntimeError: no C compiler\)"):
                first = ours(x)
            assert torch.equal(first, own(x))
            assert torch.equal(ours(x), own(x))
    finally:
        layer_norm_module._kernels_work.cache_clear()


def test_kernels_that_find_no_memory_are_tried_again_when_the_memory_is_free(
    kernels: list[torch.dtype], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    layer_norm_module._kernels_work.cache_clear()
    ours, _ = norms("triton", feeds_product=True)
    x = torch.randn(5, 24, device=DEVICE)
    with torch.autocast(DEVICE, torch.bfloat16):
        with monkeypatch.context() as patch:
            patch.setattr(layer_norm_triton, "try_out", full)
            with pytest.raises(torch.OutOfMemoryError):
                ours(x)
        assert kernels == []
        ours(x)
    assert kernels == [torch.bfloat16]


def test_its_weights_are_those_of_torchs_norm_and_a_copy_is_as_it() -> None:
    ours, own = norms("triton", feeds_product=True)
    assert ours.state_dict().keys() == own.state_dict().keys()
    twin = copy.deepcopy(ours)
    assert (twin.scan_engine, twin.feeds_product) == ("triton", True)


def test_a_block_under_autocast_comes_to_what_it_does_with_torchs_norms(
    kernels: list[torch.dtype], monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = partial(cross_selective_scan, engine="reference")
    monkeypatch.setattr("model.ss2d.cross_selective_scan", lambda *inputs, engine: scan(*inputs))
    ours, own = (VSSBlock(16, scan_engine=engine).to(DEVICE) for engine in ("triton", "reference"))
    own.load_state_dict(ours.state_dict())
    x = torch.randn(1, 2, 3, 16, device=DEVICE)
    with torch.autocast(DEVICE, torch.bfloat16):
        found, expected = outcome(ours, x), outcome(own, x)
    assert kernels == [torch.bfloat16] * 3
    for got, true in zip(found, expected, strict=True):
        assert got.dtype == true.dtype
        assert (got - true).norm() <= 0.03 * true.norm() + 1e-6


def test_the_norms_of_a_sample_move_what_the_page_on_benchmarks_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.ss2d.cross_selective_scan", lambda u, *inputs, engine: u)
    elements: Counter[bool] = Counter()

    def count(norm: CastingLayerNorm, inputs: tuple[Tensor, ...], y: Tensor) -> None:
        elements[norm.feeds_product] += y.numel()

    size = DASS_VARIANTS["small"]
    with torch.device("meta"), torch.no_grad():
        network = DASS(size.depths, size.dims)
        for module in network.modules():
            if isinstance(module, CastingLayerNorm):
                module.register_forward_hook(count)
        network(torch.empty(1, 1024, 128))
    whole, half = torch.float32, torch.bfloat16
    ours = elements[True] * sum(layer_norm_triton.bytes_an_element(whole, half).values())
    ours += elements[False] * sum(layer_norm_triton.bytes_an_element(half, whole).values())
    assert round(ours / 1e9, 2) == 0.24
    assert round(elements.total() * 40 / 1e9, 2) == 0.62


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="captures on a CUDA device")
def test_forward_and_backward_pass_are_captured_and_replayed() -> None:
    norm = CastingLayerNorm(96, feeds_product=True).cuda()
    x = torch.randn(1000, 96, device="cuda", requires_grad=True)

    def step() -> tuple[Tensor, ...]:
        with torch.autocast("cuda", torch.bfloat16):
            y = norm(x)
        return torch.autograd.grad(y, [x, *norm.parameters()], torch.ones_like(y))

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    with torch.no_grad():
        x.mul_(3).add_(1)
    graph.replay()
    for found, expected in zip(captured, step(), strict=True):
        assert torch.equal(found, expected)
