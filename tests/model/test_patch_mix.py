"""Patch-Mix against hand-made mixes and golden/dass/patch_mix and small_meta."""

import math
import sys
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from model.patch_mix import (
    Axis,
    Mix,
    PatchMixConfig,
    contrastive_losses,
    draw_mix,
    patch_mix_loss,
    replaced_count,
    segment,
)
from model.projector import Projector
from tests.goldens import Golden, facts

GOLDEN_FORMS: dict[str, dict[str, Any]] = {
    "eq9_sum": {"form": "paper", "reduction": "sum"},
    "eq9_mean": {"form": "paper", "reduction": "mean"},
    "eq9inv_sum": {"form": "paper_inverse", "reduction": "sum"},
    "code_mean": {"form": "reference", "reduction": "mean"},
    "code_difflabel_mean": {"form": "reference", "reduction": "mean", "negatives": "different_label"},
}


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden("dass/patch_mix")


@pytest.fixture(scope="module")
def ops() -> dict[str, Any]:
    return facts("dass/small_meta")["patch_mix_ops"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("lam", [0.0, 0.3, 0.55, 0.999, 1.0])
def test_segments_match_the_golden_mixes(golden: Golden, ops: dict[str, Any], lam: float) -> None:
    x, permutation, expected = golden["mix.x"], golden["mix.perm"], ops[f"lam{lam}"]
    assert replaced_count(12, lam) == expected["width"]
    assert replaced_count(5, lam) == expected["height"]
    time = Mix("time", permutation, segment("time", (5, 12), expected["time_start"], expected["width"]))
    frequency = Mix(
        "frequency", permutation, segment("frequency", (5, 12), expected["freq_start"], expected["height"])
    )
    assert torch.equal(time(x), golden[f"mix.time.lam{lam}"])
    assert torch.equal(frequency(x), golden[f"mix.freq.lam{lam}"])
    assert time.lam == pytest.approx(expected["lam_eff_time"], abs=1e-15)
    assert frequency.lam == pytest.approx(expected["lam_eff_freq"], abs=1e-15)


def test_cells_match_the_golden_mix(golden: Golden, ops: dict[str, Any]) -> None:
    replaced = torch.zeros(60, dtype=torch.bool)
    replaced[golden["mix.2d.cells"]] = True
    mix = Mix("cells", golden["mix.perm"], replaced.reshape(5, 12))
    assert torch.equal(mix(golden["mix.x"]), golden["mix.2d"])
    assert mix.lam == pytest.approx(ops["2d"]["lam_eff"], abs=1e-15)


@pytest.mark.parametrize("name", GOLDEN_FORMS)
def test_losses_and_gradients_match_the_golden_ones(golden: Golden, name: str) -> None:
    cases = list(product(("cycle", "fixedpoints", "identity"), (0.0, 0.3, 0.8125, 1.0), (0.2, 0.06, 0.01)))
    for permutation, lam, temperature in cases:
        case = f"loss.{name}.{permutation}.lam{lam}.tau{temperature}"
        clean, mixed = (golden[key].clone().requires_grad_() for key in ("loss.q", "loss.qt"))
        loss = patch_mix_loss(
            clean,
            mixed,
            golden[f"loss.perm.{permutation}"],
            lam,
            temperature=temperature,
            labels=golden["loss.labels"],
            **GOLDEN_FORMS[name],
        )
        loss.backward()
        torch.testing.assert_close(loss, golden[case].squeeze(), atol=1e-10, rtol=0, msg=case)
        for vectors, key in ((clean, "grad_q"), (mixed, "grad_qt")):
            assert vectors.grad is not None
            assert vectors.grad.isfinite().all()
            if f"{case}.{key}" in golden:
                torch.testing.assert_close(
                    vectors.grad, golden[f"{case}.{key}"], atol=1e-10, rtol=0, msg=case
                )
    assert sum(f"loss.{name}.{p}.lam{lam}.tau{tau}" in golden for p, lam, tau in cases) == 36


@given(
    st.sampled_from(["time", "frequency", "cells"]),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 5),
    st.floats(-1, 4),
    st.integers(0, 99),
)
def test_every_cell_comes_from_the_sample_or_its_partner(
    axis: Any, height: int, width: int, batch: int, beta: float, seed: int
) -> None:
    mix = draw_mix(axis, (height, width), batch, beta, seeded(seed))
    grid = torch.arange(batch).reshape(batch, 1, 1, 1).expand(batch, 2, height, width).float()
    mixed = mix(grid)
    share_replaced = int(mix.replaced.sum()) / (height * width)
    assert mix.lam == 1 - share_replaced
    for sample in range(batch):
        taken = mixed[sample].expand(2, height, width)
        assert (taken[:, mix.replaced] == mix.permutation[sample]).all()
        assert (taken[:, ~mix.replaced] == sample).all()


def test_with_the_smallest_beta_all_is_kept_or_nothing() -> None:
    kept = [draw_mix("cells", (1, 1), 1, sys.float_info.min, seeded(seed)).lam for seed in range(40)]
    assert set(kept) == {0.0, 1.0}


@given(st.integers(1, 40), st.integers(0, 99))
def test_a_time_mix_replaces_one_run_of_whole_columns(width: int, seed: int) -> None:
    replaced = draw_mix("time", (3, width), 4, 1.0, seeded(seed)).replaced
    columns = replaced[0]
    assert torch.equal(replaced, columns.expand(3, width))
    assert int((columns.int().diff() == 1).sum()) + int(columns[0]) <= 1


def test_beta_of_zero_or_less_mixes_nothing() -> None:
    for beta in (0.0, -1.0):
        assert draw_mix("time", (4, 8), 4, beta, seeded()).lam == 1.0


def test_beta_of_one_spreads_the_share_evenly() -> None:
    generator = seeded()
    shares = torch.tensor([draw_mix("time", (1, 1000), 2, 1.0, generator).lam for _ in range(400)])
    assert shares.mean() == pytest.approx(0.5, abs=0.05)
    assert shares.std() == pytest.approx(12**-0.5, abs=0.03)


def test_a_large_beta_halves_and_a_small_one_takes_all_or_nothing() -> None:
    assert draw_mix("time", (1, 1000), 2, 1e4, seeded()).lam == pytest.approx(0.5, abs=0.02)
    for seed in range(20):
        assert draw_mix("time", (1, 1000), 2, 1e-3, seeded(seed)).lam == pytest.approx(
            round(seed_lam(seed)), abs=0.01
        )


def seed_lam(seed: int) -> float:
    return draw_mix("time", (1, 1000), 2, 1.0, seeded(seed)).lam


def test_all_starts_of_a_segment_are_reached() -> None:
    generator = seeded()
    firsts = {tuple(draw_mix("time", (1, 3), 2, 1e6, generator).replaced[0].tolist()) for _ in range(100)}
    assert firsts == {(True, False, False), (False, True, False), (False, False, True)}


def test_the_same_seed_draws_the_same_mix() -> None:
    one, other = (draw_mix("cells", (4, 6), 5, 1.0, seeded(3)) for _ in range(2))
    assert torch.equal(one.permutation, other.permutation)
    assert torch.equal(one.replaced, other.replaced)


def test_mixing_leaves_the_clean_grid_alone_and_carries_gradients_to_both_samples() -> None:
    grid = torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1).expand(2, 1, 1, 4).clone().requires_grad_()
    mixed = Mix("time", torch.tensor([1, 0]), segment("time", (1, 4), 1, 1))(grid)
    assert mixed[0].flatten().tolist() == [1, 2, 1, 1]
    assert grid[0].flatten().tolist() == [1, 1, 1, 1]
    mixed[0].sum().backward()
    assert grid.grad is not None
    assert grid.grad.flatten(1).tolist() == [[1, 0, 1, 1], [0, 1, 0, 0]]


@given(st.sampled_from(["reference", "paper", "paper_inverse"]), st.floats(0, 1), st.integers(0, 99))
def test_with_every_sample_its_own_partner_it_is_plain_contrast(form: Any, lam: float, seed: int) -> None:
    clean, mixed = torch.randn(2, 5, 3, generator=seeded(seed), dtype=torch.float64)
    same = torch.arange(5)
    loss = patch_mix_loss(clean, mixed, same, lam, temperature=0.2, form=form)
    anchor, candidates = (mixed, clean) if form == "reference" else (clean, mixed)
    logits = nn.functional.cosine_similarity(anchor[:, None], candidates[None], dim=-1) / 0.2
    torch.testing.assert_close(loss, nn.functional.cross_entropy(logits, same))


def test_equation_9_and_its_inverse_agree_when_partners_are_mutual() -> None:
    clean, mixed = torch.randn(2, 4, 3, dtype=torch.float64)
    swap = torch.tensor([1, 0, 3, 2])
    literal, inverse = (
        patch_mix_loss(clean, mixed, swap, 0.3, temperature=0.2, form=form)
        for form in ("paper", "paper_inverse")
    )
    torch.testing.assert_close(literal, inverse)


def test_dropping_negatives_by_label_needs_labels() -> None:
    with pytest.raises(ValueError, match="needs the labels"):
        patch_mix_loss(
            torch.ones(2, 3),
            torch.ones(2, 3),
            torch.arange(2),
            0.5,
            temperature=0.2,
            negatives="different_label",
        )


def two_passes(config: PatchMixConfig) -> tuple[dict[Axis, Tensor], list[Tensor], Projector]:
    torch.manual_seed(0)
    clean, time, frequency = (torch.randn(4, 6, requires_grad=True) for _ in range(3))
    projector = Projector(6)
    mixes = [draw_mix(axis, (4, 8), 4, 1e3, seeded()) for axis in config.axes]
    losses = contrastive_losses(config, clean, list(zip(mixes, (time, frequency), strict=True)), projector)
    torch.stack(list(losses.values())).sum().backward()
    return losses, [clean, time, frequency], projector


@pytest.mark.parametrize(
    ("form", "moves_clean", "projector_calls"),
    [("reference", False, 2), ("paper", True, 3), ("paper_inverse", True, 3)],
)
def test_each_form_moves_the_backbone_through_one_side(
    form: Any, moves_clean: bool, projector_calls: int
) -> None:
    losses, (clean, *mixed), projector = two_passes(PatchMixConfig(form=form))
    assert list(losses) == ["time", "frequency"]
    assert (clean.grad is not None) is moves_clean
    assert all((features.grad is None) is moves_clean for features in mixed)
    assert projector.linear1.weight.grad is not None
    assert int(projector.bn.num_batches_tracked or 0) == projector_calls


def test_nothing_mixed_is_nothing_to_contrast() -> None:
    projector = Projector(6)
    assert contrastive_losses(PatchMixConfig(axes=()), torch.randn(4, 6), [], projector) == {}
    assert int(projector.bn.num_batches_tracked or 0) == 0


def test_low_temperatures_stay_finite() -> None:
    clean, mixed = torch.randn(2, 16, 8)
    for form in ("reference", "paper"):
        loss = patch_mix_loss(clean, mixed, torch.randperm(16), 0.0, temperature=1e-3, form=form)
        assert math.isfinite(float(loss))
