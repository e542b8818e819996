import copy
import weakref
from collections.abc import Sequence
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from model.ast import AST
from model.dass import DASS
from model.mixup import Mixup
from model.patch_mix import Mix, draw_mix, segment
from model.projector import Projector
from model.recipe_parts import Axis, BackboneConfig, PatchMixConfig, SmoothingConfig
from model.registry import Backbone, build_backbone
from model.training.epoch_metrics import TrainingError
from model.training.losses import ClassificationLoss
from model.training.seeds import generator
from model.training.step import Losses, objective
from model.variants import DASS_VARIANTS, Stem
from tests.goldens import Golden, facts

FORMS = {"paper": ("paper", "sum"), "reference_code": ("reference", "mean")}


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden("dass/train_step")


@pytest.fixture(scope="module")
def mixes(golden: Golden) -> list[Mix]:
    settings = facts("dass/tiny_meta")["train_step"]
    axes: list[tuple[Literal["time", "frequency"], str]] = [("time", "time"), ("frequency", "freq")]
    return [
        Mix(
            axis, golden[f"{key}.perm"], segment(axis, tuple(settings["grid"]), drawn["start"], drawn["size"])
        )
        for axis, key in axes
        for drawn in [settings["mix"][key]]
    ]


@pytest.fixture
def model() -> DASS:
    tiny = DASS(DASS_VARIANTS["tiny"].depths, DASS_VARIANTS["tiny"].dims)
    tiny.load_state_dict(Golden("dass/tiny_state_dict", "dass/tiny_state_dict_layer3"))
    return tiny.double().train()


@pytest.fixture
def projector(golden: Golden) -> Projector:
    projector = Projector(128)
    projector.load_state_dict(golden.under("projector."))
    return projector.double().train()


@pytest.mark.parametrize("name", FORMS)
def test_a_three_pass_step_matches_the_golden_one(
    name: str, golden: Golden, mixes: list[Mix], model: DASS, projector: Projector
) -> None:
    form, reduction = FORMS[name]
    patch_mix = PatchMixConfig(form=form, reduction=reduction, temperature=0.2)  # pyright: ignore[reportArgumentType]
    losses = objective(model, projector, golden["input"].double(), golden["labels"], mixes, patch_mix)
    losses.total.backward()

    got = {"ce": losses.cross_entropy, "total": losses.total}
    got |= {"time": losses.contrast["time"], "freq": losses.contrast["frequency"]}
    for key, value in got.items():
        torch.testing.assert_close(value, golden[f"{name}.loss.{key}"].squeeze(), rtol=0, atol=1e-10)

    parameters = dict(model.named_parameters()) | {
        f"projector.{k}": p for k, p in projector.named_parameters()
    }
    expected = [key for key in golden if key.startswith(f"{name}.grad.")]
    assert len(expected) == 11
    for key in expected:
        gradient = parameters[key.removeprefix(f"{name}.grad.")].grad
        assert gradient is not None
        golden.check(key, gradient, atol=1e-9)
    for key in ("running_mean", "running_var"):
        golden.check(f"{name}.after.projector.bn.{key}", projector.bn.state_dict()[key], atol=1e-9)


def test_the_features_of_each_pass_match_the_golden_ones(
    golden: Golden, mixes: list[Mix], model: DASS
) -> None:
    inputs = golden["input"].double()
    stem = model.stem(inputs)
    for suffix, grid in (("", stem), ("_time", mixes[0](stem)), ("_freq", mixes[1](stem))):
        features = model.forward_grid(grid)
        torch.testing.assert_close(features, golden[f"paper.features{suffix}"], rtol=0, atol=1e-9)


def test_without_mixes_the_loss_is_plain_cross_entropy(golden: Golden, model: DASS) -> None:
    inputs, labels = golden["input"].double(), golden["labels"]
    losses = objective(model, None, inputs, labels, [], PatchMixConfig(axes=()))
    expected = torch.nn.functional.cross_entropy(model(inputs), labels)
    torch.testing.assert_close(losses.total, expected)
    assert losses.contrast == {}


def test_the_weight_of_an_axis_scales_its_contrast(
    golden: Golden, mixes: list[Mix], model: DASS, projector: Projector
) -> None:
    patch_mix = PatchMixConfig(weight_time=0.5, weight_frequency=0.0)
    losses = objective(model, projector, golden["input"].double(), golden["labels"], mixes, patch_mix)
    torch.testing.assert_close(losses.total, losses.cross_entropy + 0.5 * losses.contrast["time"])


SHAPE = (40, 32)
LABELS = torch.tensor([0, 1, 0, 2, 3, 0, 1])
ALL_AXES: tuple[Axis, ...] = ("time", "frequency", "cells")


def build(
    name: Literal["dass", "ast"], drop_path_rate: float | None = None, stem: Stem | None = None
) -> DASS | AST:
    torch.manual_seed(1)
    config = BackboneConfig(name=name, variant="tiny", drop_path_rate=drop_path_rate, stem=stem)
    smoothing = SmoothingConfig(stage=1 if name == "dass" else None)
    model = build_backbone(config, smoothing, 4, SHAPE).double().train()
    assert isinstance(model, (DASS, AST))
    return model


def half_mixed(model: Backbone, axes: Sequence[Axis], batch: int) -> list[Mix]:
    """Mixes that take about half of the cells from a partner, who is sample 0 itself for sample 0 of the first."""
    height, width = grid = model.grid(*SHAPE)
    mixes = []
    for axis in axes:
        if axis == "cells":
            replaced = torch.arange(height * width).reshape(grid) % 2 == 0
        else:
            replaced = segment(axis, grid, 0, grid[1 if axis == "time" else 0] // 2)
        permutation = torch.cat([torch.zeros(1, dtype=torch.long), torch.arange(1, batch).roll(1)])
        mixes.append(Mix(axis, permutation.roll(len(mixes)), replaced))
    return mixes


def train_once(
    model: DASS | AST,
    axes: Sequence[Axis],
    batch: int,
    accumulate: int,
    mixup: Mixup | None = None,
    **settings: Any,
) -> tuple[Losses, dict[str, Tensor]]:
    """Losses, and the gradients and batch statistics that a backward pass leaves."""
    torch.manual_seed(2)
    projector = Projector(model.feature_dim).double().train()
    modules = nn.ModuleDict({"model": model, "projector": projector})
    modules.zero_grad()
    for norm in modules.modules():
        if isinstance(norm, _BatchNorm):
            norm.reset_running_stats()
    losses = objective(
        model,
        projector,
        torch.randn(batch, *SHAPE, dtype=torch.float64),
        LABELS[:batch],
        half_mixed(model, axes, batch),
        PatchMixConfig(axes=tuple(axes), **settings),
        ClassificationLoss(torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64), label_smoothing=0.1),
        mixup,
        accumulate,
    )
    losses.total.backward()
    gradients = {
        key: parameter.grad.clone()
        for key, parameter in modules.named_parameters()
        if parameter.grad is not None
    }
    return losses, gradients | {key: buffer.clone() for key, buffer in modules.named_buffers()}


def assert_the_same(got: tuple[Losses, dict[str, Tensor]], wanted: tuple[Losses, dict[str, Tensor]]) -> None:
    torch.testing.assert_close(got[0].total, wanted[0].total, rtol=1e-12, atol=0)
    torch.testing.assert_close(got[0].contrast, wanted[0].contrast, rtol=1e-12, atol=0)
    torch.testing.assert_close(got[1], wanted[1], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "stem"), [("dass", "layer_norm"), ("dass", "batch_norm"), ("dass", "conv_blocks"), ("ast", None)]
)
@pytest.mark.parametrize("axes", [(), ("time",), ("frequency",), ("cells",), ALL_AXES])
def test_in_chunks_a_batch_has_the_same_losses_gradients_and_batch_statistics(
    name: Literal["dass", "ast"], stem: Stem | None, axes: tuple[Axis, ...]
) -> None:
    model = build(name, 0.0 if name == "dass" else None, stem)
    whole = train_once(model, axes, 7, 1)
    assert any(gradient.abs().max() > 1e-3 for gradient in whole[1].values())
    for chunks in (2, 3, 100):
        assert_the_same(train_once(model, axes, 7, chunks), whole)


def test_in_chunks_cycles_mixed_up_are_the_same_too() -> None:
    model, mixup = build("dass", drop_path_rate=0.0), Mixup(torch.tensor([3, 0, 1, 2, 4]), 0.3)
    assert_the_same(train_once(model, ALL_AXES, 5, 2, mixup), train_once(model, ALL_AXES, 5, 1, mixup))


@pytest.mark.parametrize("axes", [(), ALL_AXES])
def test_with_a_share_of_one_mixup_changes_nothing(axes: tuple[Axis, ...]) -> None:
    model = build("dass", drop_path_rate=0.0)
    whole = Mixup(torch.tensor([3, 0, 1, 2, 4]), 1.0)
    assert_the_same(train_once(model, axes, 5, 1, whole), train_once(model, axes, 5, 1))


def test_patch_mix_copies_the_cycles_that_mixup_made() -> None:
    model, inputs = build("dass", drop_path_rate=0.0), torch.randn(5, *SHAPE, dtype=torch.float64)
    mixup = Mixup(torch.tensor([3, 0, 1, 2, 4]), 0.3)
    projector = Projector(model.feature_dim).double()
    mixes, config = half_mixed(model, ALL_AXES, 5), PatchMixConfig(axes=ALL_AXES)
    losses = objective(model, projector, inputs, LABELS[:5], mixes, config, mixup=mixup)
    of_mixed = objective(model, projector, mixup(inputs), LABELS[:5], mixes, config)
    torch.testing.assert_close(losses.contrast, of_mixed.contrast, rtol=1e-12, atol=0)
    logits = model(0.3 * inputs + 0.7 * inputs[[3, 0, 1, 2, 4]])
    own, partners = (
        nn.functional.cross_entropy(logits, labels) for labels in (LABELS[:5], LABELS[[3, 0, 1, 2, 4]])
    )
    torch.testing.assert_close(losses.cross_entropy, 0.3 * own + 0.7 * partners)


@pytest.mark.parametrize("form", ["paper", "paper_inverse"])
def test_in_chunks_the_forms_of_the_paper_are_the_same_too(form: str) -> None:
    model = build("dass", drop_path_rate=0.0)
    settings = {"form": form, "negatives": "different_label", "temperature": 0.06}
    wanted = train_once(model, ALL_AXES, 5, 1, **settings)
    assert_the_same(train_once(model, ALL_AXES, 5, 2, **settings), wanted)


def test_the_pass_that_is_repeated_drops_the_samples_that_it_dropped_before() -> None:
    model, inputs = build("dass", drop_path_rate=0.5), torch.randn(6, *SHAPE, dtype=torch.float64)

    def gradients(repeated: bool) -> dict[str, Tensor]:
        torch.manual_seed(3)
        model.zero_grad()
        if repeated:
            objective(
                model, None, inputs, LABELS[:6], [], PatchMixConfig(axes=()), accumulate=3
            ).total.backward()
        else:
            features = torch.cat([model.forward_grid(chunk) for chunk in model.stem(inputs).chunk(3)])
            nn.functional.cross_entropy(model.classify(features), LABELS[:6]).backward()
        return {key: p.grad.clone() for key, p in model.named_parameters() if p.grad is not None}

    torch.testing.assert_close(gradients(repeated=True), gradients(repeated=False), rtol=1e-8, atol=1e-12)


class PeakMemory(TorchDispatchMode):
    """Most bytes that tensors made under it held at once."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, int] = {}
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                storage = leaf.untyped_storage()
                if id(storage) not in self.alive:
                    self.alive[id(storage)] = storage.nbytes()
                    weakref.finalize(storage, self.alive.pop, id(storage))
        self.peak = max(self.peak, sum(self.alive.values()))
        return result


@pytest.mark.parametrize("form", ["paper", "paper_inverse"])
def test_mixed_passes_that_are_detached_keep_no_graph(form: Any) -> None:
    model = build("dass")
    saved = {}

    def save(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    def graph(config: PatchMixConfig, mixes: Sequence[Mix]) -> int:
        saved.clear()
        projector = Projector(model.feature_dim).double()
        with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
            losses = objective(
                model, projector, torch.randn(6, *SHAPE, dtype=torch.float64), LABELS[:6], mixes, config
            )
        assert losses.total.requires_grad
        return sum(saved.values())

    mixes = half_mixed(model, ALL_AXES, 6)
    found = graph(PatchMixConfig(axes=ALL_AXES, form=form), mixes)
    with_graphs = graph(PatchMixConfig(axes=ALL_AXES, form="reference"), mixes)
    assert found < 0.5 * with_graphs


@pytest.mark.parametrize("name", ["dass", "ast"])
def test_of_the_24_rows_of_three_passes_one_chunk_is_held_at_a_time(name: Literal["dass", "ast"]) -> None:
    model = build(name, stem="layer_norm" if name == "dass" else None)
    inputs, labels = torch.randn(8, 96, 64, dtype=torch.float64), torch.arange(8) % 4
    drawn = generator(1, "mix")
    mixes = [draw_mix(axis, model.grid(96, 64), 8, 1.0, drawn) for axis in ("time", "frequency")]
    projector = Projector(model.feature_dim).double()
    modules = nn.ModuleDict({"model": model, "projector": projector})
    weights = sum(parameter.nbytes for parameter in modules.parameters())

    def activations(accumulate: int) -> int:
        """Bytes at the peak, beyond the weights and their gradients."""
        modules.zero_grad(set_to_none=False)
        with PeakMemory() as memory:
            losses = objective(
                model, projector, inputs, labels, mixes, PatchMixConfig(), accumulate=accumulate
            )
            losses.total.backward()
        return memory.peak - 2 * weights

    activations(1)  # Makes the gradients.
    whole = activations(1)
    assert activations(2) < 0.3 * whole  # 4 rows: 0.17, and the stems of their partners
    assert activations(4) < 0.2 * whole  # 2 rows: 0.08, likewise


class NormalisesBatches(nn.Module):
    """A backbone with batch norm in its stem and after it."""

    feature_dim = 3

    def __init__(self) -> None:
        super().__init__()
        self.stem_layers = nn.Sequential(nn.Conv2d(1, 2, 4, stride=4), nn.BatchNorm2d(2))
        self.body = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU())
        self.head = nn.Linear(3, 4)

    def grid(self, frames: int, mels: int) -> tuple[int, int]:
        return mels // 4, frames // 4

    def stem(self, x: Tensor) -> Tensor:
        return self.stem_layers(x.transpose(1, 2)[:, None])

    def forward_grid(self, grid: Tensor) -> Tensor:
        return self.body(grid).mean((2, 3))

    def classify(self, features: Tensor) -> Tensor:
        return self.head(features)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.forward_grid(self.stem(x)))


@pytest.fixture
def normalises_batches() -> NormalisesBatches:
    torch.manual_seed(4)
    return NormalisesBatches().double().train()


@pytest.mark.parametrize("form", ["reference", "paper", "paper_inverse"])
def test_with_batch_norm_after_the_stem_the_clean_pass_alone_makes_the_running_statistics(
    form: str, normalises_batches: NormalisesBatches
) -> None:
    plain = copy.deepcopy(normalises_batches)
    inputs = torch.randn(5, *SHAPE, dtype=torch.float64)
    losses = objective(plain, None, inputs, LABELS[:5], [], PatchMixConfig(axes=()))
    projector = Projector(3).double()
    mixes = half_mixed(normalises_batches, ALL_AXES, 5)
    config = PatchMixConfig(axes=ALL_AXES, form=form)  # pyright: ignore[reportArgumentType]
    mixed = objective(normalises_batches, projector, inputs, LABELS[:5], mixes, config)
    torch.testing.assert_close(mixed.cross_entropy, losses.cross_entropy, rtol=1e-12, atol=0)
    expected = dict(plain.named_buffers())
    assert expected["body.1.num_batches_tracked"] == 1
    for key, value in normalises_batches.named_buffers():
        assert torch.equal(value, expected[key]), key


def test_with_batch_norm_after_the_stem_each_mixed_pass_has_its_own_statistics(
    normalises_batches: NormalisesBatches,
) -> None:
    inputs = torch.randn(5, *SHAPE, dtype=torch.float64)
    seen: list[Tensor] = []
    normalises_batches.body[1].register_forward_hook(lambda *called: seen.append(called[-1]))
    mixes = half_mixed(normalises_batches, ALL_AXES, 5)
    objective(
        normalises_batches,
        Projector(3).double(),
        inputs,
        LABELS[:5],
        mixes,
        PatchMixConfig(axes=ALL_AXES),
    ).total.backward()
    assert len(seen) == 4
    for normalised in seen:
        channels = normalised.transpose(0, 1).flatten(1)
        torch.testing.assert_close(channels.mean(1), torch.zeros(3).double(), rtol=0, atol=1e-12)
        torch.testing.assert_close(channels.var(1, correction=0), torch.ones(3).double(), rtol=0, atol=1e-3)


def test_batch_norm_after_the_stem_refuses_chunks(normalises_batches: NormalisesBatches) -> None:
    inputs = torch.randn(6, *SHAPE, dtype=torch.float64)
    said = "in 3 chunks: NormalisesBatches has batch norm after its stem, .* take a smaller batch_size"
    with pytest.raises(TrainingError, match=said):
        objective(normalises_batches, None, inputs, LABELS[:6], [], PatchMixConfig(axes=()), accumulate=3)
