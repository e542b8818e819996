"""What a plan says of recordings: how many cycles are trained and scored, and what is missing in them."""

from pathlib import Path
from typing import Any

import pytest

from data import synthetic
from data.synthetic import write_breaths
from sweep.report.study_plan import Plan
from tests.studies import TINY_RECIPE, tiny_study
from tests.sweep.driver.planning import planned

pytestmark = pytest.mark.usefixtures("planning_machine")


def test_what_is_scored_follows_the_protocol() -> None:
    honest, published = planned().data, planned(protocol="published").data
    leaking = planned(leak=True).data
    assert honest is not None
    assert published is not None
    assert leaking is not None
    assert published.trained == published.cycles == honest.cycles
    assert published.scored > honest.scored
    assert leaking.scored == honest.scored + published.scored


@pytest.mark.parametrize("searched", [False, True])
def test_devices_that_a_fold_does_not_have_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, searched: bool
) -> None:
    one, *_ = synthetic.DEVICES
    monkeypatch.setattr(synthetic, "DEVICES", (one, one, synthetic.DEVICES[1], *[one] * 9))
    write_breaths(tmp_path / "breaths", patients=12, seed=0)
    recipe = {**TINY_RECIPE, "epochs": 3, "folds": {"folds": 2}}
    asked = {"data": str(tmp_path / "breaths"), "folds": "all", "search": tiny_study(1)["search"]}
    assert not planned(recipe=recipe, **asked).missing
    if searched:
        weights = {"type": "categorical", "choices": [0.0, 1.0]}
        asked["search"] = {**asked["search"], "device_contrast.weight": weights}
    else:
        recipe["device_contrast"] = {"weight": 1.0}
    (missing,) = planned(recipe=recipe, **asked).missing
    assert "device_contrast.weight: tells devices apart, and all cycles of the training part" in missing
    assert f"of 2 come from one device ({one.name})" in missing


@pytest.mark.parametrize("written", [True, False])
def test_patients_that_are_too_few_for_the_folds_are_missing(tmp_path: Path, written: bool) -> None:
    data: Any = {"patients": 8, "seed": 0}
    if written:
        write_breaths(tmp_path / "breaths", **data)
        data = str(tmp_path / "breaths")
    recipe = {**tiny_study(1)["recipe"], "folds": {"folds": 7}}
    (line,) = planned(data=data, recipe=recipe).missing
    assert line.startswith("folds.folds: ")
    assert " patients may validate, too few for 7 folds; expected " in line


@pytest.mark.filterwarnings("default")
def test_a_population_without_a_training_cycle_is_missing_and_another_is_counted(tmp_path: Path) -> None:
    breaths = tmp_path / "breaths"
    write_breaths(breaths, patients=12, seed=0)
    whole = planned(data=str(breaths)).data
    assert whole is not None
    patients = sorted({int(file.name.partition("_")[0]) for file in breaths.glob("*.wav")})
    ages = [f"{patient} {4 if place % 2 else 60} F NA NA NA\n" for place, patient in enumerate(patients)]
    (breaths / "demographic_info.txt").write_text("".join(ages))

    def of_ages(population: list[int]) -> Plan:
        recipe = {**tiny_study(1)["recipe"], "folds": {"population": population}}
        return planned(data=str(breaths), recipe=recipe)

    children = of_ages([0, 18]).data
    assert children is not None
    assert (children.cycles, children.patients, children.trained) == (
        whole.cycles,
        whole.patients,
        whole.trained,
    )
    assert 0 < children.scored < whole.scored
    (line,) = of_ages([20, 40]).missing
    assert line.startswith(f"population [20, 40]: no training cycle in {breaths} is of patients of 20 to")
    (breaths / "demographic_info.txt").write_text("".join(ages[:-1]))
    told = [line for line in of_ages([0, 18]).warnings if "without an age" in line]
    assert told == [f"{breaths}: 1 patient without an age ({patients[-1]}) belong to population all alone"]
    for file in (breaths / "demographic_info.txt", *breaths.glob("*diagnosis*")):
        file.unlink()
    (line,) = of_ages([0, 18]).missing
    assert "of no patient an age is known" in line


def test_a_subset_is_told_in_the_plan_and_nowhere_else(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    write_breaths(tmp_path / "breaths", patients=12, seed=0)
    for file in (tmp_path / "breaths").glob("301_1b1_*"):
        file.unlink()
    plan = planned(data=str(tmp_path / "breaths"))
    assert plan.warnings == (
        f"{tmp_path / 'breaths'}: a subset: 35 of the 36 recordings in official_split.txt",
    )
    assert str(plan).splitlines()[-1] == f"warning: {plan.warnings[0]}"
    assert len(recwarn) == 0
