import json
from pathlib import Path
from typing import Literal

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from model.dass import DASS, VARIANTS
from model.patch_mix import Mix, PatchMixConfig, segment
from model.projector import Projector
from model.training.step import objective

FORMS = {"paper": ("paper", "sum"), "reference_code": ("reference", "mean")}


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Tensor]:
    return load_file(shared / "golden/dass/train_step.safetensors")


@pytest.fixture(scope="module")
def mixes(shared: Path, golden: dict[str, Tensor]) -> list[Mix]:
    settings = json.loads((shared / "golden/dass/tiny_meta.json").read_text())["train_step"]
    axes: list[tuple[Literal["time", "frequency"], str]] = [("time", "time"), ("frequency", "freq")]
    return [
        Mix(
            axis, golden[f"{key}.perm"], segment(axis, tuple(settings["grid"]), drawn["start"], drawn["size"])
        )
        for axis, key in axes
        for drawn in [settings["mix"][key]]
    ]


@pytest.fixture
def model(shared: Path) -> DASS:
    tiny = DASS(VARIANTS["tiny"].depths, VARIANTS["tiny"].dims)
    tiny.load_state_dict(load_file(shared / "golden/dass/tiny_state_dict.safetensors"))
    return tiny.double().train()


@pytest.fixture
def projector(golden: dict[str, Tensor]) -> Projector:
    projector = Projector(128)
    prefix = "projector."
    projector.load_state_dict({k.removeprefix(prefix): v for k, v in golden.items() if k.startswith(prefix)})
    return projector.double().train()


@pytest.mark.parametrize("name", FORMS)
def test_a_three_pass_step_matches_train_step_safetensors(
    name: str, golden: dict[str, Tensor], mixes: list[Mix], model: DASS, projector: Projector
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
    expected = {k.split(".grad.")[1]: v for k, v in golden.items() if k.startswith(f"{name}.grad.")}
    assert len(expected) == 11
    for key, value in expected.items():
        torch.testing.assert_close(parameters[key].grad, value, rtol=0, atol=1e-9)
    for key in ("running_mean", "running_var"):
        after = golden[f"{name}.after.projector.bn.{key}"]
        torch.testing.assert_close(projector.bn.state_dict()[key], after, rtol=0, atol=1e-9)


def test_the_features_of_each_pass_match_train_step_safetensors(
    golden: dict[str, Tensor], mixes: list[Mix], model: DASS
) -> None:
    inputs = golden["input"].double()
    for suffix, mix in (("", None), ("_time", mixes[0]), ("_freq", mixes[1])):
        features = model.forward_features(inputs, mix)
        torch.testing.assert_close(features, golden[f"paper.features{suffix}"], rtol=0, atol=1e-9)


def test_without_mixes_the_loss_is_plain_cross_entropy(golden: dict[str, Tensor], model: DASS) -> None:
    inputs, labels = golden["input"].double(), golden["labels"]
    losses = objective(model, None, inputs, labels, [], PatchMixConfig(axes=()))
    expected = torch.nn.functional.cross_entropy(model(inputs), labels)
    torch.testing.assert_close(losses.total, expected)
    assert losses.contrast == {}


def test_the_weight_of_an_axis_scales_its_contrast(
    golden: dict[str, Tensor], mixes: list[Mix], model: DASS, projector: Projector
) -> None:
    patch_mix = PatchMixConfig(weight_time=0.5, weight_frequency=0.0)
    losses = objective(model, projector, golden["input"].double(), golden["labels"], mixes, patch_mix)
    torch.testing.assert_close(losses.total, losses.cross_entropy + 0.5 * losses.contrast["time"])
