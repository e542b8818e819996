import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from data.batches import Examples, epoch_batches
from data.placement import copy_that_fits
from data.recipe_parts import BatchSamplerConfig
from data.settings import ConfigError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(st.integers(1, 50), st.integers(1, 50), st.booleans())
def test_a_shuffled_epoch_visits_no_cycle_twice(cycles: int, batch_size: int, drop_last: bool) -> None:
    if drop_last and cycles < batch_size:
        return
    config = BatchSamplerConfig(drop_last=drop_last)
    batches = epoch_batches(torch.zeros(cycles, dtype=torch.int64), batch_size, config, seeded())
    rows = torch.cat(batches).tolist()
    assert len(set(rows)) == len(rows)
    assert len(rows) == (cycles - cycles % batch_size if drop_last else cycles)
    assert {len(batch) for batch in batches[:-1]} <= {batch_size}


def test_a_seed_gives_the_same_order_again() -> None:
    labels = torch.arange(40) % 4
    for name in ("shuffle", "weighted"):
        config = BatchSamplerConfig(name=name)
        first, again, other = (
            torch.cat(epoch_batches(labels, 8, config, seeded(seed))) for seed in (1, 1, 2)
        )
        assert torch.equal(first, again)
        assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("power", "shares"),
    [(1.0, [0.25, 0.25, 0.25, 0.25]), (0.5, [0.49, 0.25, 0.15, 0.11]), (0.0, [0.7, 0.2, 0.065, 0.035])],
)
def test_a_power_sets_how_often_a_class_is_drawn(power: float, shares: list[float]) -> None:
    # 10,000 draws from classes of 7000, 2000, 650 and 350; shares go as n^(1 - power).
    labels = torch.repeat_interleave(torch.arange(4), torch.tensor([7000, 2000, 650, 350]))
    batches = epoch_batches(labels, 100, BatchSamplerConfig(name="weighted", power=power), seeded())
    drawn = torch.bincount(labels[torch.cat(batches)]) / 10000
    weights = torch.tensor([0.7, 0.2, 0.065, 0.035]) ** (1 - power)
    expected = weights / weights.sum()
    assert expected.tolist() == pytest.approx(shares, abs=0.01)
    three_sigma = 3 * (expected * (1 - expected) / 10000).sqrt()
    assert ((drawn - expected).abs() < three_sigma).all()


def test_a_class_that_is_absent_does_not_matter() -> None:
    batches = epoch_batches(torch.tensor([0, 3, 3, 3]), 2, BatchSamplerConfig(name="weighted"), seeded())
    assert [len(batch) for batch in batches] == [2, 2]


@pytest.mark.parametrize(("cycles", "drop_last"), [(5, True), (0, False)])
def test_an_epoch_without_a_batch_is_refused(cycles: int, drop_last: bool) -> None:
    labels = torch.zeros(cycles, dtype=torch.int64)
    with pytest.raises(ConfigError, match=rf"batch_size: .*\({cycles}\)"):
        epoch_batches(labels, 6, BatchSamplerConfig(drop_last=drop_last), seeded())


def test_examples_are_as_many_as_their_labels() -> None:
    examples = Examples(torch.zeros(3, 5, 4), torch.tensor([0, 1, 2]))
    assert len(examples) == 3
    assert len(examples.to("cpu")) == 3


def numbered(cycles: int) -> Examples:
    """Every spectrogram is full of its own row's number."""
    features = torch.arange(float(cycles))[:, None, None].expand(cycles, 5, 4).half()
    return Examples(features.contiguous(), torch.arange(cycles) % 4)


def contents(examples: Examples, order: list[list[int]]) -> list[tuple[list[float], list[int]]]:
    batches = examples.batches([torch.tensor(positions) for positions in order])
    return [(features[:, 0, 0].tolist(), labels.tolist()) for features, labels in batches]


@pytest.mark.parametrize("ahead", [False, True])
def test_a_batch_holds_the_features_and_labels_of_its_positions(ahead: bool) -> None:
    examples = numbered(10).to("cpu", ahead=ahead)
    assert contents(examples, [[3, 0], [9, 9, 1]]) == [([3, 0], [3, 0]), ([9, 9, 1], [1, 1, 1])]
    taken = examples.take(torch.tensor([8, 6, 7]))
    assert len(taken) == 3
    assert contents(taken, [[0, 2], [1]]) == [([8, 7], [0, 3]), ([6], [2])]
    assert contents(taken.take(torch.tensor([2, 0])), [[0, 1]]) == [([7, 8], [3, 0])]


def test_batches_are_float32_whatever_is_stored() -> None:
    ((features, _),) = numbered(4).batches([torch.arange(4)])
    assert features.dtype == torch.float32


@pytest.mark.parametrize("ahead", [False, True])
def test_no_positions_are_no_batches(ahead: bool) -> None:
    assert list(numbered(4).to("cpu", ahead=ahead).batches([])) == []


def test_all_examples_of_a_table_share_one_copy_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    # The meta device stands for one that is not the CPU; it holds shapes only.
    copied: list[torch.device] = []

    def counted(features: Tensor, device: torch.device, share: float) -> Tensor | None:
        copied.append(device)
        return copy_that_fits(features, device, share)

    monkeypatch.setattr("data.batches.copy_that_fits", counted)
    whole = numbered(10)
    folds = [whole.take(torch.arange(10)[fold::2]) for fold in (0, 1)]
    moved = [examples.to("meta") for examples in (*folds, whole)]
    assert copied == [torch.device("meta")]
    assert len({id(examples.copies[torch.device("meta")]) for examples in moved}) == 1
    assert not any(examples.ahead for examples in moved)
    ((features, labels),) = moved[0].batches([torch.arange(3)])
    assert (features.device.type, labels.device.type, features.shape) == ("meta", "meta", (3, 5, 4))


def test_a_table_that_does_not_fit_is_read_ahead_until_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = numbered(10)
    with monkeypatch.context() as patch:
        patch.setattr("data.batches.copy_that_fits", lambda *_: None)
        first = whole.to("meta", share=0.1)
    assert first.ahead
    assert first.to("meta") is first
    assert not whole.to("meta").ahead


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_half_precision_table_stays_half_on_a_gpu() -> None:
    whole = numbered(10)
    train, validation = (whole.take(torch.arange(10)[fold::2]).to("cuda") for fold in (0, 1))
    (copy,) = whole.copies.values()
    assert (copy.dtype, copy.device) == (torch.float16, torch.device("cuda", 0))
    assert train.copies is validation.copies
    assert train.to("cuda:0") is train
    for examples in (train, whole.to("cuda", share=1e-12, ahead=True)):
        ((features, labels),) = examples.batches([torch.arange(5)])
        assert (features.dtype, features.device, labels.device) == (torch.float32, copy.device, copy.device)
    assert contents(validation, [[0, 1]]) == [([1, 3], [1, 3])]


def test_moments_are_those_of_the_taken_cycles_in_double_precision() -> None:
    table = torch.randn(20, 3, generator=seeded()) * 5 + 100
    all_cycles = Examples(table, torch.zeros(20, dtype=torch.int64), embedded=True)
    taken = all_cycles.take(torch.tensor([7, 3, 7, 11]))
    mean, deviation = taken.moments
    chosen = table[[7, 3, 7, 11]].double()
    assert mean.dtype == deviation.dtype == torch.float64
    torch.testing.assert_close(mean, chosen.mean(dim=0))
    torch.testing.assert_close(deviation, chosen.std(dim=0, correction=0))
