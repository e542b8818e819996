"""A bundle is read as it was written, or not at all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evidence.bundle import Bundle, BundleError, read_bundle, write_bundle
from tests.evidence.bundles import a_bundle

MUTATIONS = 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "study.bundle"
    path.write_bytes(write_bundle(a_bundle())[0])
    return path


def test_a_bundle_comes_back_as_it_was(path: Path) -> None:
    bundle = a_bundle()
    found, digest = read_bundle(path)
    assert digest == write_bundle(bundle)[1]
    assert (found.kind, found.labels, found.formula) == (bundle.kind, bundle.labels, bundle.formula)
    assert (found.about, found.claims) == (bundle.about, bundle.claims)
    assert found.predictions.keys() == bundle.predictions.keys()
    for unit, probabilities in bundle.predictions.items():
        np.testing.assert_array_equal(found.predictions[unit], probabilities)
    np.testing.assert_array_equal(found.cycles.labels, bundle.cycles.labels)
    assert found.cycles.recordings == bundle.cycles.recordings
    assert found.cycles.groups == bundle.cycles.groups


def test_a_changed_byte_anywhere_is_found(path: Path) -> None:
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    # Every byte of the end, where the check sum is, and others anywhere.
    places = [*range(len(whole) - 120, len(whole)), *random.integers(0, len(whole), MUTATIONS - 120)]
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << int(random.integers(8))
        path.write_bytes(changed)
        with pytest.raises(BundleError, match=r"study\.bundle: not "):
            read_bundle(path)


def test_a_file_that_was_cut_or_goes_on_is_none(path: Path) -> None:
    whole = path.read_bytes()
    for content in (b"", whole[:-1], whole[: len(whole) // 2], whole + b"0", b"PK\5\6" + bytes(18)):
        path.write_bytes(content)
        with pytest.raises(BundleError, match="not "):
            read_bundle(path)


def without(bundle: Bundle, cycle: int) -> Bundle:
    kept = np.arange(len(bundle.cycles)) != cycle
    return replace(bundle, predictions={unit: values[kept] for unit, values in bundle.predictions.items()})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda bundle: replace(bundle, formula="f1"), "formula 'f1'"),
        (lambda bundle: without(bundle, 0), "expected float16 of shape"),
        (lambda bundle: replace(bundle, cycles=replace(bundle.cycles, parts=("test",))), "different lengths"),
        (
            lambda bundle: replace(bundle, cycles=replace(bundle.cycles, labels=bundle.cycles.labels + 9)),
            "labels outside 0..3",
        ),
        (
            lambda bundle: replace(
                bundle, cycles=replace(bundle.cycles, positions=np.zeros_like(bundle.cycles.positions))
            ),
            "the same cycle twice",
        ),
    ],
)
def test_tables_that_do_not_fit_are_refused_though_the_check_sum_is_right(path: Path, spoil, said) -> None:
    path.write_bytes(write_bundle(spoil(a_bundle()))[0])
    with pytest.raises(BundleError, match=said):
        read_bundle(path)


def test_five_seeds_of_a_hundred_configurations_take_at_most_five_megabytes() -> None:
    # As many validation cycles as a fold of SPRSound has, and answers as sure as those of a trained network.
    content, _ = write_bundle(
        a_bundle(cycles=1330, units=[(n, seed) for n in range(100) for seed in range(5)])
    )
    assert len(content) < 5 * 2**20
