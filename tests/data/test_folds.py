from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from data.errors import DataError
from data.folds import Folds, make_folds
from data.icbhi import NEVER_VALIDATE
from data.icbhi_annotations import read_annotation, read_split
from data.recipe_parts import FoldConfig
from data.settings import ConfigError
from data.task import ICBHI, TASKS


def cohort(patients: int = 20, cycles: int = 12) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Patients 1.. with cycles of all classes, every second one recorded with Meditron."""
    numbers = np.repeat(np.arange(1, patients + 1), cycles)
    labels = np.tile([0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3], patients)[: len(numbers)]
    return numbers, labels, ["Meditron" if number % 2 else "AKGC417L" for number in numbers]


OF_ICBHI = {"task": ICBHI, "never_validate": NEVER_VALIDATE}


@given(st.integers(0, 50), st.integers(2, 5))
@settings(max_examples=15, deadline=None)
def test_every_patient_validates_in_exactly_one_fold(seed: int, count: int) -> None:
    numbers, labels, devices = cohort()
    folds = make_folds(numbers, labels, devices, FoldConfig(folds=count, seed=seed), **OF_ICBHI)
    seen = []
    for fold in range(count):
        train, validation = folds.split(numbers, fold)
        assert not set(numbers[train]) & set(numbers[validation])
        assert sorted([*train, *validation]) == list(range(len(numbers)))
        seen += sorted(set(numbers[validation].tolist()))
    assert sorted(seen) == list(range(1, 21))


def test_patients_in_both_official_parts_are_always_trained_on() -> None:
    numbers, labels, devices = cohort()
    numbers = np.where(numbers == 3, 156, np.where(numbers == 4, 218, numbers))
    folds = make_folds(numbers, labels, devices, FoldConfig(), **OF_ICBHI)
    for fold in range(5):
        train, _ = folds.split(numbers, fold)
        assert {156, 218} <= set(numbers[train].tolist())


def test_the_same_cycles_and_seed_give_the_same_folds() -> None:
    first, again = (make_folds(*cohort(), FoldConfig(seed=4), **OF_ICBHI) for _ in range(2))
    assert first == again
    assert first.hash() == again.hash()
    assert make_folds(*cohort(), FoldConfig(seed=5), **OF_ICBHI).hash() != first.hash()


def test_the_hash_follows_who_validates_where() -> None:
    one = Folds({1: 0, 2: 1}, frozenset({156}), 2, random_state=0)
    assert Folds({2: 1, 1: 0}, frozenset({156}), 2, random_state=7).hash() == one.hash()
    assert Folds({1: 1, 2: 0}, frozenset({156}), 2, random_state=0).hash() != one.hash()
    assert Folds({1: 0, 2: 1}, frozenset(), 2, random_state=0).hash() != one.hash()


def test_folds_read_back_as_they_were_saved(tmp_path: Path) -> None:
    folds = make_folds(*cohort(), FoldConfig(), **OF_ICBHI)
    folds.save(tmp_path / "folds.json")
    assert Folds.load(tmp_path / "folds.json") == folds
    assert [path.name for path in tmp_path.iterdir()] == ["folds.json"]


def test_folds_are_those_of_the_hash_that_is_their_name(tmp_path: Path) -> None:
    folds = Folds({1: 0, 2: 1, 3: 0}, frozenset({156}), 2, random_state=0)
    path = tmp_path / f"{folds.hash()}.json"
    folds.save(path)
    assert Folds.load(path) == folds
    path.write_text(path.read_text().replace('"3": 0', '"3": 1'))
    with pytest.raises(
        DataError, match=r"not a file of folds .*a patient has moved: the hash of these folds is"
    ):
        Folds.load(path)


def test_known_changed_folds_are_refused(cases: Path) -> None:
    (path,) = (cases / "hostile" / "07_folds_changed").glob("*.json")
    with pytest.raises(DataError, match="a patient has moved"):
        Folds.load(path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"assignment": {"a": 0}}',
        '{"assignment": 3}',
        "[" * 10**5,
        '{"assignment": {"1": 0}, "never_validate": [], "folds": 1e999, "random_state": 0}',
    ],
)
def test_a_file_that_holds_no_folds_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "folds.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"folds\.json: not a file of folds"):
        Folds.load(path)


def test_a_patient_without_a_fold_is_named() -> None:
    folds = make_folds(*cohort(), FoldConfig(), **OF_ICBHI)
    with pytest.raises(DataError, match="patient 99 has no fold"):
        folds.split(np.array([1, 2, 99]), 0)


def test_a_fold_that_is_not_there_is_refused() -> None:
    folds = make_folds(*cohort(), FoldConfig(), **OF_ICBHI)
    with pytest.raises(ConfigError, match="fold: expected 0 to 4, got 5"):
        folds.split(cohort()[0], 5)
    with pytest.raises(ValidationError, match=r"fold must be below folds: 5 \(the default\), got 5"):
        FoldConfig(fold=5)


def test_a_fold_that_leaves_nothing_is_refused() -> None:
    folds = make_folds(*cohort(), FoldConfig(), **OF_ICBHI)
    alone = np.array([patient for patient, fold in folds.assignment.items() if fold == 0])
    with pytest.raises(DataError, match="fold 0 leaves 0 cycles to train"):
        folds.split(alone, 0)


def test_fewer_patients_than_folds_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"^folds\.folds: 4 patients may validate, too few for 5 folds; expected"
    ):
        make_folds(*cohort(patients=4), FoldConfig(), **OF_ICBHI)


def test_a_class_of_too_few_patients_is_named_and_does_not_keep_the_rest_from_balance() -> None:
    numbers, labels, devices = cohort()
    rare = np.where(numbers == 1, 3, labels % 3)
    with pytest.warns(
        UserWarning, match=r"^folds: patients with both cycles: 1, so some of the 5 folds have none$"
    ):
        folds = make_folds(numbers, rare, devices, FoldConfig(), **OF_ICBHI)
    for fold in range(5):
        _, held = folds.split(numbers, fold)
        assert set(rare[held].tolist()) >= {0, 1, 2}


def test_what_no_draw_gives_every_fold_is_named() -> None:
    numbers, labels, devices = cohort()
    # 22 cycles are both: 12 and 6 of two patients, one of each of four others; every fold should have 3.
    both = [numbers == 1, (numbers == 2) & (labels == 0), (numbers <= 6) & (labels == 3)]
    uneven = np.where(np.any(both, axis=0), 3, labels % 3)
    with pytest.warns(
        UserWarning, match=r"none of 100 draws gives every fold 3 both cycles \(one has [012]\); the"
    ):
        make_folds(numbers, uneven, devices, FoldConfig(), **OF_ICBHI)


def test_a_class_without_training_cycles_is_named() -> None:
    numbers, labels, devices = cohort()
    with pytest.warns(UserWarning, match="^folds: no training cycle is wheeze, both, so the network cannot"):
        make_folds(numbers, labels % 2, devices, FoldConfig(), **OF_ICBHI)


def test_classes_are_called_as_the_task_calls_them() -> None:
    numbers, labels, devices = cohort()
    with pytest.warns(UserWarning, match="folds: patients with fine crackle cycles: 1, so"):
        make_folds(
            numbers,
            np.where(numbers == 1, 5, labels % 3),
            devices,
            FoldConfig(),
            task=TASKS["1-2"],
            never_validate=frozenset(),
        )


def test_folds_of_the_full_training_part_are_balanced(shared: Path) -> None:
    split = read_split(shared / "icbhi_sample" / "official_split.txt")
    rows = [
        (int(name.split("_")[0]), cycle.label, name.split("_")[-1])
        for name in sorted(name for name, part in split.items() if part == "train")
        for cycle in read_annotation(shared / "icbhi_annotations" / f"{name}.txt")
    ]
    patients, labels = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    devices = [row[2] for row in rows]
    folds = make_folds(patients, labels, devices, FoldConfig(), **OF_ICBHI)
    assert len(folds.assignment) == 77
    assert folds.never_validate == {156, 218}
    for fold in range(5):
        _, held = folds.split(patients, fold)
        assert min(Counter(labels[held].tolist())[label] for label in range(4)) >= 40
        assert len({int(patients[row]) for row in held if devices[row] == "AKGC417L"}) >= 2
        assert 0.1 < len(held) / len(patients) < 0.3


def test_without_a_fold_everybody_is_trained_on_and_scored() -> None:
    folds = Folds({101: 0, 102: 1}, frozenset({103}), 2, 0)
    train, scored = folds.split(np.array([101, 103, 102, 101]), None)
    assert train.tolist() == scored.tolist() == [0, 1, 2, 3]
