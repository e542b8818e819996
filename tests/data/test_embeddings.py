"""Stored features of an encoder: computed once, found whole, and sealed where their cycles are."""

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from data.dataset import SealedPartError
from data.embeddings import FEATURES, INDEX, build_embeddings, embeddings_name, is_damaged, open_embeddings
from data.errors import DataError
from data.icbhi import read_icbhi
from data.recipe_parts import FeatureConfig
from data.store import FeatureStore, build_store
from evidence.ledger import Seal

SMALL = FeatureConfig(sample_rate=4000, duration_s=1.0, n_mels=16)
ENCODER = {"weights": "ab" * 32, "smoothing": None}


@pytest.fixture
def store(recordings: Path, tmp_path: Path) -> FeatureStore:
    return build_store(
        read_icbhi(recordings), SMALL, part="train", cache=tmp_path / "features", progress=False
    )


class Computing:
    """Gives features, and counts how often it was asked to."""

    def __init__(self, store: FeatureStore) -> None:
        self.features = torch.randn(len(store), 5, generator=torch.Generator().manual_seed(0))
        self.times = 0

    def __call__(self) -> torch.Tensor:
        self.times += 1
        return self.features


def test_features_are_computed_once_and_are_cycles_with_their_labels(
    store: FeatureStore, tmp_path: Path
) -> None:
    computing = Computing(store)
    first = build_embeddings(store, ENCODER, tmp_path / "embeddings", computing)
    second = build_embeddings(store, ENCODER, tmp_path / "embeddings", computing)
    assert computing.times == 1
    for examples in (first, second):
        assert examples.embedded
        assert torch.equal(examples.features, computing.features)
        assert examples.labels.tolist() == store.labels.tolist()
    taken = first.take(torch.tensor([4, 1]))
    assert taken.embedded
    assert torch.equal(taken.table(), computing.features[[4, 1]])
    ((batch, labels),) = taken.batches([torch.arange(2)])
    assert torch.equal(batch, computing.features[[4, 1]])
    assert labels.tolist() == store.labels[[4, 1]].tolist()


def test_other_weights_and_settings_have_features_of_their_own(store: FeatureStore, tmp_path: Path) -> None:
    computing = Computing(store)
    for encoder in (ENCODER, {**ENCODER, "weights": "cd" * 32}, {**ENCODER, "smoothing": {"stage": 1}}):
        build_embeddings(store, encoder, tmp_path / "embeddings", computing)
    assert computing.times == 3


@pytest.mark.parametrize("file", [FEATURES, INDEX])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_damage_is_found_and_mended_with_a_warning(
    store: FeatureStore, tmp_path: Path, file: str, damage: str
) -> None:
    computing, cache = Computing(store), tmp_path / "embeddings"
    build_embeddings(store, ENCODER, cache, computing)
    place = cache / embeddings_name(store.directory.name, ENCODER)
    content = (place / file).read_bytes()
    if damage == "gone":
        (place / file).unlink()
    else:
        half = len(content) // 2
        changed = bytes([content[half] ^ 1]) + content[half + 1 :] if damage == "changed" else b""
        (place / file).write_bytes(content[:half] + changed)
    assert is_damaged(place, store)
    with pytest.raises(DataError, match="not whole embeddings"):
        open_embeddings(place, store)
    with pytest.warns(UserWarning, match="they are computed again"):
        found = build_embeddings(store, ENCODER, cache, computing)
    assert torch.equal(found.features, computing.features)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_embeddings(store, ENCODER, cache, computing)
    assert computing.times == 2


def test_features_of_other_cycles_are_not_taken_for_these(store: FeatureStore, tmp_path: Path) -> None:
    cache = tmp_path / "embeddings"
    build_embeddings(store, ENCODER, cache, Computing(store))
    place = cache / embeddings_name(store.directory.name, ENCODER)
    other = replace(store, directory=store.directory.with_name("train-other"))
    with pytest.raises(DataError, match="train-other"):
        open_embeddings(place, other)
    renamed = place.rename(place.with_name(embeddings_name("train-other", ENCODER)))
    with pytest.raises(DataError, match="of other content than the name says"):
        open_embeddings(renamed, other)


def test_features_of_a_test_part_are_computed_and_opened_under_its_seal_alone(
    recordings: Path, tmp_path: Path
) -> None:
    data = read_icbhi(recordings)
    seal = Seal(data.content_hash(), 1)
    store = build_store(data, SMALL, part="test", cache=tmp_path / "features", progress=False, seal=seal)
    computing, cache = Computing(store), tmp_path / "embeddings"
    for wrong in (None, Seal("0" * 64, 1)):
        with pytest.raises(SealedPartError):
            build_embeddings(store, ENCODER, cache, computing, wrong)
    assert computing.times == 0
    build_embeddings(store, ENCODER, cache, computing, seal)
    place = cache / embeddings_name(store.directory.name, ENCODER)
    with pytest.raises(SealedPartError):
        open_embeddings(place, store)
    assert len(open_embeddings(place, store, seal)) == len(store)


def test_features_that_are_not_one_row_a_cycle_are_refused(store: FeatureStore, tmp_path: Path) -> None:
    with (
        pytest.warns(UserWarning, match="computed again"),
        pytest.raises(DataError, match="not whole embeddings"),
    ):
        build_embeddings(store, ENCODER, tmp_path / "embeddings", lambda: torch.zeros(len(store) + 1, 5))
