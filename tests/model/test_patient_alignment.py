import pytest
import torch
from torch import Tensor

from model.patient_alignment import EPSILON, PatientProjector, patient_losses


def by_definition(projected: Tensor, patients: list[int]) -> tuple[float, float]:
    """Both losses patient by patient and pair by pair, in plain numbers."""
    groups = {
        patient: projected[[row for row, own in enumerate(patients) if own == patient]]
        for patient in sorted(set(patients))
    }
    centroids = [group.mean(dim=0) for group in groups.values()]
    within = sum(
        float(((group - centroid) ** 2).sum())
        for group, centroid in zip(groups.values(), centroids, strict=True)
    )
    between = sum(
        float(((one - other) ** 2).sum())
        for index, one in enumerate(centroids)
        for other in centroids[index + 1 :]
    )
    centre = torch.stack(centroids).mean(dim=0)
    alignment = sum(float(((one - centre) ** 2).sum()) for one in centroids) / len(centroids)
    return within / (between + EPSILON), alignment


def test_two_patients_worked_by_hand() -> None:
    # Patient 5: (0, 0) and (2, 0), around (1, 0); patient 9: (1, 4). The centre is (1, 2).
    projected = torch.tensor([[0.0, 0.0], [1.0, 4.0], [2.0, 0.0]])
    cohesion, alignment = patient_losses(projected, torch.tensor([5, 9, 5]))
    assert cohesion.item() == pytest.approx(2 / 16, rel=1e-6)  # squares 1 + 1, and one pair 4 apart
    assert alignment.item() == pytest.approx(4.0)  # both 2 from the centre, which no count of cycles moves


@pytest.mark.parametrize("patients", [[1, 2], [1, 1, 2], [4, 2, 4, 4, 9, 2, 7, 4], [3, 3, 3, 3, 1]])
def test_they_are_their_definitions(patients: list[int]) -> None:
    torch.manual_seed(len(patients))
    projected = torch.randn(len(patients), 6, dtype=torch.float64)
    found = [loss.item() for loss in patient_losses(projected, torch.tensor(patients))]
    assert found == pytest.approx(by_definition(projected, patients))


def test_in_a_batch_of_one_patient_both_are_zero_and_so_are_their_gradients() -> None:
    torch.manual_seed(0)
    projected = (100 * torch.randn(6, 3)).requires_grad_()
    losses = patient_losses(projected, torch.full((6,), 130))
    assert losses[0] == losses[1] == 0
    (losses[0] + losses[1]).backward()
    assert projected.grad is not None
    assert torch.equal(projected.grad, torch.zeros(6, 3))


def test_where_every_cycle_is_a_patient_of_its_own_only_the_alignment_is_left() -> None:
    torch.manual_seed(0)
    projected = torch.randn(6, 3, requires_grad=True)
    cohesion, alignment = patient_losses(projected, torch.arange(6))
    assert cohesion == 0
    away = projected.detach() - projected.detach().mean(dim=0)
    assert alignment.item() == pytest.approx(float(away.square().sum(dim=1).mean()), rel=1e-5)
    cohesion.backward(retain_graph=True)
    assert projected.grad is not None
    assert not projected.grad.any()
    alignment.backward()
    assert torch.isfinite(projected.grad).all()


@pytest.mark.parametrize("projected", [torch.zeros(4, 3), torch.ones(4, 3), 1e8 * torch.eye(4, 3)])
def test_features_all_alike_or_nothing_or_huge_give_numbers(projected: Tensor) -> None:
    projected = projected.clone().requires_grad_()
    cohesion, alignment = patient_losses(projected, torch.tensor([0, 0, 1, 1]))
    (cohesion + alignment).backward()
    assert torch.isfinite(cohesion)
    assert torch.isfinite(alignment)
    assert projected.grad is not None
    assert torch.isfinite(projected.grad).all()


def test_cohesion_does_not_change_with_the_scale_of_features_and_alignment_keeps_that_scale_down() -> None:
    torch.manual_seed(0)
    projected, patients = torch.randn(9, 4, dtype=torch.float64), torch.arange(9) % 3
    (cohesion, alignment), (scaled, wider) = (
        patient_losses(factor * projected, patients) for factor in (1.0, 3.0)
    )
    assert scaled.item() == pytest.approx(cohesion.item(), rel=1e-5)
    assert wider.item() == pytest.approx(9 * alignment.item())


def test_the_projector_keeps_the_width_and_needs_no_batch() -> None:
    torch.manual_seed(0)
    projector, features = PatientProjector(6).train(), torch.randn(4, 6)
    assert projector(features).shape == (4, 6)
    torch.testing.assert_close(projector(features[:1]), projector(features)[:1])
