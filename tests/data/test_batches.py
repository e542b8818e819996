import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.batches import Examples, SamplerConfig, epoch_batches
from data.config import ConfigError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(st.integers(1, 50), st.integers(1, 50), st.booleans())
def test_a_shuffled_epoch_visits_no_cycle_twice(cycles: int, batch_size: int, drop_last: bool) -> None:
    if drop_last and cycles < batch_size:
        return
    config = SamplerConfig(drop_last=drop_last)
    batches = epoch_batches(torch.zeros(cycles, dtype=torch.int64), batch_size, config, seeded())
    rows = torch.cat(batches).tolist()
    assert len(set(rows)) == len(rows)
    assert len(rows) == (cycles - cycles % batch_size if drop_last else cycles)
    assert {len(batch) for batch in batches[:-1]} <= {batch_size}


def test_a_seed_gives_the_same_order_again() -> None:
    labels = torch.arange(40) % 4
    for name in ("shuffle", "weighted"):
        config = SamplerConfig(name=name)
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
    batches = epoch_batches(labels, 100, SamplerConfig(name="weighted", power=power), seeded())
    drawn = torch.bincount(labels[torch.cat(batches)]) / 10000
    weights = torch.tensor([0.7, 0.2, 0.065, 0.035]) ** (1 - power)
    expected = weights / weights.sum()
    assert expected.tolist() == pytest.approx(shares, abs=0.01)
    three_sigma = 3 * (expected * (1 - expected) / 10000).sqrt()
    assert ((drawn - expected).abs() < three_sigma).all()


def test_a_class_that_is_absent_does_not_matter() -> None:
    batches = epoch_batches(torch.tensor([0, 3, 3, 3]), 2, SamplerConfig(name="weighted"), seeded())
    assert [len(batch) for batch in batches] == [2, 2]


@pytest.mark.parametrize(("cycles", "drop_last"), [(5, True), (0, False)])
def test_an_epoch_without_a_batch_is_refused(cycles: int, drop_last: bool) -> None:
    labels = torch.zeros(cycles, dtype=torch.int64)
    with pytest.raises(ConfigError, match=rf"batch_size: .*\({cycles}\)"):
        epoch_batches(labels, 6, SamplerConfig(drop_last=drop_last), seeded())


def test_examples_are_as_many_as_their_labels() -> None:
    examples = Examples(torch.zeros(3, 5, 4), torch.tensor([0, 1, 2]))
    assert len(examples) == 3
    assert len(examples.to("cpu")) == 3
