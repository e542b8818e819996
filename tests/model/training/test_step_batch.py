"""Batches for a step that is replayed: which one serves another, and one that differs in all that is read."""

from dataclasses import replace

import pytest
import torch

from model.mixup import Mixup
from model.patch_mix import Mix
from model.training.step_batch import StepBatch, form_of, other_batch, tensors_of

REPLACED = torch.tensor([[True, False, False], [True, False, False]])
BATCH = StepBatch(
    torch.arange(24.0).reshape(4, 3, 2),
    torch.tensor([0, 2, 1, 0]),
    [Mix("time", torch.tensor([1, 0, 3, 2]), REPLACED)],
    Mixup(torch.tensor([3, 2, 1, 0]), 0.25),
)


def test_another_batch_has_the_same_form_and_differs_in_all_that_a_step_reads() -> None:
    other = other_batch(BATCH)
    assert form_of(other) == form_of(BATCH)
    pairs = list(zip(tensors_of(BATCH), tensors_of(other), strict=True))
    assert len(pairs) == 7
    for own, its in pairs:
        assert (own.shape, own.dtype) == (its.shape, its.dtype)
        assert not torch.equal(own, its)


@pytest.mark.parametrize(
    "changed",
    [
        replace(BATCH, inputs=BATCH.inputs[:3], labels=BATCH.labels[:3]),
        replace(BATCH, inputs=BATCH.inputs.double()),
        replace(BATCH, mixes=[]),
        replace(BATCH, mixes=[replace(BATCH.mixes[0], axis="frequency")]),
        replace(BATCH, mixes=[replace(BATCH.mixes[0], replaced=REPLACED[:1])]),
        replace(BATCH, mixup=None),
    ],
)
def test_a_batch_of_another_form_is_told_apart(changed: StepBatch) -> None:
    assert form_of(changed) != form_of(BATCH)
    assert form_of(replace(BATCH, labels=BATCH.labels.roll(1))) == form_of(BATCH)
