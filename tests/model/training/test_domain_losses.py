from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from data.batches import Examples
from data.origins import Origins
from data.settings import ConfigError
from data.task import ICBHI
from model.device_contrast import device_contrast_loss
from model.domain_parts import DeviceContrastConfig, PatientAlignmentConfig
from model.gradient_reversal import reversal_strength
from model.patient_alignment import patient_losses
from model.projector import Projector
from model.recipe_parts import PatchMixConfig
from model.training.domain_losses import DomainBatch, DomainLosses, build_domain_losses, domain_batch
from model.training.epoch_metrics import TrainingError
from model.training.step import Losses, objective
from model.training.training import Training
from tests.model.training.steps import ALL_AXES, LABELS, SHAPE, build, half_mixed
from tests.model.training.tiny_run import recipe, tones, without_time

DIM = 6
ORIGINS = Origins(torch.tensor([7, 7, 7, 2, 2, 4, 4]), torch.tensor([0, 0, 0, 1, 1, 2, 2]), ("A", "B", "C"))
ALL_ON: dict[str, dict[str, Any]] = {
    "device_contrast": {"weight": 1.0, "adversarial_weight": 0.5},
    "patient_alignment": {"cohesion_weight": 5.0, "alignment_weight": 0.005},
}


def losses_of(device: dict[str, Any] | None = None, patient: dict[str, Any] | None = None) -> DomainLosses:
    return DomainLosses(
        DeviceContrastConfig(**device or {}), PatientAlignmentConfig(**patient or {}), DIM, 3, 1
    ).train()


def features() -> Tensor:
    return torch.randn(7, DIM, generator=torch.Generator().manual_seed(3)).requires_grad_()


def gradient(loss: Tensor, of: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(loss, of, retain_graph=True)
    return found


def test_each_loss_is_that_of_its_own_head_and_those_that_are_off_are_not_there() -> None:
    x, second = features(), torch.randn(7, DIM)
    losses = losses_of(ALL_ON["device_contrast"], ALL_ON["patient_alignment"])
    found = losses(x, second, ORIGINS, 1.0)
    assert (
        list(found)
        == list(losses.weights)
        == [
            "device_contrast",
            "device_adversary",
            "patient_cohesion",
            "patient_alignment",
        ]
    )
    projected = torch.cat([losses.device_projector(x), losses.device_projector(second)])
    torch.testing.assert_close(
        found["device_contrast"], device_contrast_loss(projected, ORIGINS.devices.repeat(2), 0.06)
    )
    torch.testing.assert_close(
        found["device_adversary"], functional.cross_entropy(losses.device_classifier(x), ORIGINS.devices)
    )
    wanted = patient_losses(losses.patient_projector(x), ORIGINS.patients)
    torch.testing.assert_close((found["patient_cohesion"], found["patient_alignment"]), wanted)

    alone = losses_of(patient={"alignment_weight": 1.0})
    assert list(alone(x, None, ORIGINS, 1.0)) == ["patient_alignment"]
    assert {name.split(".")[0] for name, _ in alone.named_parameters()} == {"patient_projector"}
    assert not alone.needs_second_view


def test_the_adversary_learns_devices_and_the_network_gets_its_gradient_reversed() -> None:
    x, losses = features(), losses_of({"adversarial_weight": 1.0})
    plain = functional.cross_entropy(losses.device_classifier(x), ORIGINS.devices)
    found = losses(x, None, ORIGINS, 0.3)["device_adversary"]
    torch.testing.assert_close(gradient(found, x), -0.3 * gradient(plain, x))
    weight = losses.device_classifier.linear.weight
    torch.testing.assert_close(gradient(found, weight), gradient(plain, weight))


def test_a_reversed_contrast_turns_the_networks_gradient_round_and_not_the_projectors() -> None:
    x = features()
    plain, turned = (losses_of({"weight": 1.0, "views": 1, "reversed": one}) for one in (False, True))
    forward, backward = (one(x, None, ORIGINS, 1.0)["device_contrast"] for one in (plain, turned))
    torch.testing.assert_close(forward, backward)
    torch.testing.assert_close(gradient(backward, x), -gradient(forward, x))
    torch.testing.assert_close(
        gradient(backward, turned.device_projector.linear2.weight),
        gradient(forward, plain.device_projector.linear2.weight),
    )


def test_no_gradient_goes_through_the_second_view() -> None:
    second = torch.randn(7, DIM, requires_grad=True)
    losses = losses_of({"weight": 1.0})
    assert losses.needs_second_view
    loss = losses(features(), second, ORIGINS, 1.0)["device_contrast"]
    assert torch.autograd.grad(loss, second, allow_unused=True) == (None,)


def test_heads_draw_from_seeds_of_their_own_and_leave_the_generator_where_it_was() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    both = losses_of(ALL_ON["device_contrast"], ALL_ON["patient_alignment"]).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    alone = losses_of(patient={"cohesion_weight": 1.0}).state_dict()
    assert alone
    for name, value in alone.items():
        assert torch.equal(value, both[name]), name
    other = DomainLosses(DeviceContrastConfig(), PatientAlignmentConfig(cohesion_weight=1), DIM, 3, 2)
    assert not torch.equal(other.patient_projector.linear1.weight, alone["patient_projector.linear1.weight"])


def test_what_a_batch_is_told_is_of_its_own_rows() -> None:
    settings = recipe(patch_mix={"axes": []}, **ALL_ON)
    losses = build_domain_losses(settings, ORIGINS, DIM, 1)
    assert losses is not None
    rows, generator = torch.tensor([6, 0]), torch.Generator().manual_seed(0)
    batch = domain_batch(losses, settings, ORIGINS, rows, torch.randn(2, 40, 32), generator, 0.5)
    assert (batch.origins.patients.tolist(), batch.origins.devices.tolist()) == ([4, 7], [2, 0])
    assert batch.second_inputs is not None
    assert batch.second_inputs.shape == (2, 32, 32)
    assert batch.reversal == 1
    ramp = recipe(device_contrast={"adversarial_weight": 1, "reversal": "ramp"})
    losses = build_domain_losses(ramp, ORIGINS, DIM, 1)
    assert losses is not None
    batch = domain_batch(losses, ramp, ORIGINS, rows, torch.randn(2, 40, 32), generator, 0.5)
    assert (batch.second_inputs, batch.reversal) == (None, reversal_strength("ramp", 0.5))


def test_nothing_is_built_where_nothing_is_on() -> None:
    assert build_domain_losses(recipe(), None, DIM, 1) is None


def test_cycles_of_unknown_origin_of_one_device_and_of_one_patient_are_refused() -> None:
    train = tones(16, 0)
    unknown = Examples(train.features, train.labels)
    settings = recipe(**ALL_ON)
    with pytest.raises(
        TrainingError, match=r"device_contrast.weight 1 and .* ask whose breath .*give Examples their origins"
    ):
        Training(settings, 1, unknown, tones(8, 1), task=ICBHI)
    with pytest.raises(ConfigError, match=r"device_contrast.weight: tells devices apart.*one device \(A\)"):
        Training(
            settings, 1, train.take(torch.arange(4)).take(torch.arange(4).repeat(4)), tones(8, 1), task=ICBHI
        )
    patients = recipe(patient_alignment=ALL_ON["patient_alignment"])
    # Of patients 0 and 3, both on device A; and of patient 0 alone.
    Training(patients, 1, train.take(torch.tensor([0, 15]).repeat(8)), tones(8, 1), task=ICBHI)
    with pytest.raises(ConfigError, match=r"cohesion_weight: tells patients apart.*one patient \(0\)"):
        Training(patients, 1, train.take(torch.arange(4).repeat(4)), tones(8, 1), task=ICBHI)


def step(accumulate: int, stem: Any = None, axes: Any = ()) -> tuple[Losses, dict[str, Tensor], nn.Module]:
    """The losses of one batch with everything on, the gradients they leave, and the modules."""
    model = build("dass", 0.0, stem)
    torch.manual_seed(2)
    projector = Projector(model.feature_dim).double().train()
    domain = DomainLosses(
        DeviceContrastConfig(**ALL_ON["device_contrast"]),
        PatientAlignmentConfig(**ALL_ON["patient_alignment"]),
        model.feature_dim,
        3,
        1,
    ).double()
    modules = nn.ModuleDict({"model": model, "projector": projector, "domain": domain}).train()
    inputs, second = torch.randn(2, 7, *SHAPE, dtype=torch.float64)
    losses = objective(
        model,
        projector if axes else None,
        inputs,
        LABELS[:7],
        half_mixed(model, axes, 7),
        PatchMixConfig(axes=axes),
        accumulate=accumulate,
        domain=DomainBatch(domain, ORIGINS, second, 1.0),
    )
    losses.total.backward()
    gradients = {name: one.grad for name, one in modules.named_parameters() if one.grad is not None}
    return losses, gradients, modules


def test_the_total_is_the_weighted_sum_with_patch_mix_beside() -> None:
    losses, gradients, _ = step(1, axes=ALL_AXES)
    weights = {
        "device_contrast": 1,
        "device_adversary": 0.5,
        "patient_cohesion": 5,
        "patient_alignment": 0.005,
    }
    weights |= {f"contrast_{axis}": 1 for axis in ALL_AXES}
    assert weights.keys() == losses.terms.keys()
    expected = losses.cross_entropy + sum(weights[name] * loss for name, loss in losses.terms.items())
    torch.testing.assert_close(losses.total, expected)
    heads = {name.split(".")[1] for name in gradients if name.startswith("domain.")}
    assert heads == {"device_projector", "device_classifier", "patient_projector"}


@pytest.mark.parametrize("axes", [(), ALL_AXES])
def test_in_chunks_a_batch_has_the_same_losses_and_gradients(axes: Any) -> None:
    whole, chunked = step(1, axes=axes), step(3, axes=axes)
    torch.testing.assert_close(chunked[0].terms, whole[0].terms, rtol=1e-10, atol=0)
    torch.testing.assert_close(chunked[1], whole[1], rtol=1e-7, atol=1e-11)


def test_the_second_view_leaves_the_networks_running_statistics_alone() -> None:
    _, _, modules = step(1, "batch_norm")
    norms = [one for one in modules["model"].modules() if isinstance(one, _BatchNorm)]  # pyright: ignore[reportIndexIssue]
    assert norms
    assert all(one.num_batches_tracked == 1 and one.track_running_stats for one in norms)


def test_contrasts_are_computed_in_single_precision_under_bf16() -> None:
    settings = recipe(epochs=1, precision="bf16", **ALL_ON)
    training = Training(settings, 1, tones(16, 0), tones(8, 1), task=ICBHI, device="cpu")
    assert training.domain is not None
    seen: list[torch.dtype] = []
    training.domain.register_forward_hook(
        lambda _, given, found: seen.extend(
            [given[0].dtype, given[1].dtype, *(loss.dtype for loss in found.values())]
        )
    )
    training.run_epoch()
    assert set(seen) == {torch.float32}


def test_what_is_off_leaves_a_run_as_it_was_and_what_is_on_leaves_other_draws_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = tones(16, 0), tones(8, 1)
    plain = Training(recipe(epochs=1), 1, *data, task=ICBHI)
    assert "domain" not in plain.modules
    blind = Training(recipe(epochs=1), 1, *(Examples(one.features, one.labels) for one in data), task=ICBHI)
    with_heads = Training(recipe(epochs=1, **ALL_ON), 1, *data, task=ICBHI)
    for name, value in plain.modules.state_dict().items():
        assert torch.equal(with_heads.modules.state_dict()[name], value), name
    monkeypatch.setattr("model.training.training.domain_batch", lambda *_: None)
    first = without_time([plain.run_epoch()])
    assert without_time([blind.run_epoch()]) == first
    assert without_time([with_heads.run_epoch()]) == first
