"""Cycles are listed in the order of a feature store, with what they are grouped by."""

from pathlib import Path

import pytest

from data.recordings import read_recordings
from data.store import build_store
from data.synthetic import write_breaths
from sweep.evaluation.cycles_table import age_group, cycles_of
from tests.studies import TINY_RECIPE
from tests.sweep.driver.small_study import study


def test_rows_are_those_of_the_feature_store(tmp_path: Path) -> None:
    write_breaths(tmp_path / "data", patients=12, seed=0)
    recordings = read_recordings(tmp_path / "data")
    features = study(recipe=TINY_RECIPE).any_recipe().features
    store = build_store(recordings, features, part="train", cache=tmp_path / "cache", progress=False)
    cycles = cycles_of(recordings, ["train"])
    assert cycles.labels.tolist() == store.labels.tolist()
    assert cycles.patients.tolist() == store.patients.tolist()
    assert cycles.recordings == store.recordings
    assert cycles.groups["device"] == store.devices
    both = cycles_of(recordings, ["train", "test"])
    assert len(both) == len(cycles) + sum(len(r.cycles) for r in recordings.part("test"))
    assert set(both.parts) == {"train", "test"}


@pytest.mark.parametrize(
    ("years", "group"),
    [
        (0.2, "0 to 5"),
        (6.0, "6 to 12"),
        (17.9, "13 to 17"),
        (18, "18 to 64"),
        (93, "65 and over"),
        (None, ""),
    ],
)
def test_ages_are_grouped(years: float | None, group: str) -> None:
    assert age_group(years) == group
