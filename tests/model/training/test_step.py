"""The objective on one batch, against golden numbers, and the same in chunks, with mixup and with Patch-Mix."""

from collections.abc import Sequence
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from model.ast import AST
from model.dass import DASS
from model.mixup import Mixup
from model.patch_mix import Mix, segment
from model.projector import Projector
from model.recipe_parts import Axis, PatchMixConfig
from model.training.losses import ClassificationLoss
from model.training.step import Losses, objective
from model.variants import DASS_VARIANTS, Stem
from tests.goldens import Golden, facts
from tests.model.training.steps import ALL_AXES, LABELS, SHAPE, build, half_mixed

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
    got |= {"time": losses.terms["contrast_time"], "freq": losses.terms["contrast_frequency"]}
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
    assert losses.terms == {}


def test_the_weight_of_an_axis_scales_its_contrast(
    golden: Golden, mixes: list[Mix], model: DASS, projector: Projector
) -> None:
    patch_mix = PatchMixConfig(weight_time=0.5, weight_frequency=0.0)
    losses = objective(model, projector, golden["input"].double(), golden["labels"], mixes, patch_mix)
    torch.testing.assert_close(losses.total, losses.cross_entropy + 0.5 * losses.terms["contrast_time"])


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
    torch.testing.assert_close(got[0].terms, wanted[0].terms, rtol=1e-12, atol=0)
    torch.testing.assert_close(got[1], wanted[1], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "stem", "axes"),
    [
        *(("dass", "layer_norm", axes) for axes in ((), ("time",), ("frequency",), ("cells",), ALL_AXES)),
        ("dass", "batch_norm", ("time",)),
        ("dass", "batch_norm", ALL_AXES),
        ("dass", "conv_blocks", ()),
        ("dass", "conv_blocks", ALL_AXES),
        *(("ast", None, axes) for axes in ((), ("time",), ("frequency",), ("cells",), ALL_AXES)),
    ],
)
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
    torch.testing.assert_close(losses.terms, of_mixed.terms, rtol=1e-12, atol=0)
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
