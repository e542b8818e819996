"""A plan as people and programs read it, at any width."""

import csv
import json

import pytest

from sweep.config.study_config import StudyConfig
from sweep.machine.step_times import StepTimes
from sweep.report.plain_console import as_text
from sweep.report.plan_table import cost_frame, plan_parts, plan_text
from sweep.report.study_plan import Cost, Plan, PlannedData

SEARCH = {
    "optimiser.learning_rate": {"type": "float", "low": 5e-5, "high": 2e-3, "log": True},
    "patch_mix.temperature": {"type": "float", "low": 0.1, "high": 0.4, "step": 0.1},
    "batch_size": {"type": "int", "low": 16, "high": 64},
    "smoothing.stage": {"type": "categorical", "choices": [None, 0, 1]},
    "smoothing.sigma": {"type": "float", "low": 0.5, "high": 4, "when": "smoothing.stage"},
    "smoothing.kernel_size": {
        "type": "categorical",
        "choices": [3, 5],
        "when": {"smoothing.stage": [0, 1]},
    },
}
PROPOSALS = (
    {
        "optimiser.learning_rate": 1e-4,
        "patch_mix.temperature": 0.2,
        "batch_size": 16,
        "smoothing.stage": None,
    },
    {
        "optimiser.learning_rate": 0.000123456,
        "patch_mix.temperature": 0.3,
        "batch_size": 32,
        "smoothing.stage": 1,
        "smoothing.sigma": 1.5,
        "smoothing.kernel_size": 5,
    },
)
PLAN = Plan(
    config=StudyConfig.model_validate({"data": {"patients": 12}, "search": SEARCH, "seeds": [1, 2, 3]}),
    workers=2,
    points=None,
    proposals=PROPOSALS,
    cost=Cost(8, 17.4, 109, 0.5, 1.0, 2.5, 3 * 2**20),
    cost_to_the_end=Cost(8, 24, 168, 1.25, 2.5, 6.25, 2 * 2**30),
    further_units=12,
    further_hours=0.25,
    data=PlannedData(872, 29, 698, 174),
    feature_bytes=2**20,
    free_bytes=2**31,
    steps=StepTimes("cpu", 1, 0.158, 0.00135, 1.25, 5 * 2**20, 2**20),
    epoch_seconds=7.09,
    price=2.5,
    missing=("no such thing",),
    warnings=("a subset",),
    note="made-up curves",
)


def drawn(plan: Plan, width: int) -> str:
    return "".join(as_text(part, width) for part in plan_parts(plan))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_everything_is_said_at_any_width_and_nothing_is_cut(width: int) -> None:
    text = drawn(PLAN, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    # Cells and lines may break between words.
    for word in (
        "null,",
        "steps",
        "0.0001235",
        "1:15:00",
        "2.00",
        "872",
        "made-up",
        "158",
        "patients,",
        "such",
    ):
        assert word in text.replace("│", " ").split()


def test_each_field_has_its_values_and_its_condition() -> None:
    rows = {line.split()[1]: line for line in drawn(PLAN, 120).splitlines() if line.startswith("│ ")}
    table = {
        field: [cell.strip() for cell in line.strip("│").split("│")]
        for line in drawn(PLAN, 120).partition("infinitely many points")[0].splitlines()
        if line.startswith("│ ") and (field := line.split()[1])
    }
    assert table == {
        "optimiser.learning_rate": ["optimiser.learning_rate", "5e-05 to 0.002, log", ""],
        "patch_mix.temperature": ["patch_mix.temperature", "0.1 to 0.4 in steps of 0.1", ""],
        "batch_size": ["batch_size", "16 to 64", ""],
        "smoothing.stage": ["smoothing.stage", "null, 0, 1", ""],
        "smoothing.sigma": ["smoothing.sigma", "0.5 to 4", "smoothing.stage is not null"],
        "smoothing.kernel_size": ["smoothing.kernel_size", "3, 5", "smoothing.stage is 0 or 1"],
    }
    # A field whose condition does not hold has no value.
    assert [cell.strip() for cell in rows["smoothing.sigma"].split("│")[2:4]] == ["-", "1.5"]


def test_costs_stand_side_by_side_with_what_they_follow_from() -> None:
    text = drawn(PLAN, 120)
    lines = [line.strip("│ ").split("│") for line in text.splitlines() if line.startswith("│ ")]
    table = {line[0].strip(): [cell.strip() for cell in line[1:3]] for line in lines}
    assert table["units: a seed each"] == ["17", "24"]
    assert table["time"] == ["30:00", "1:15:00"]
    assert table["worker hours"] == ["1.00", "2.50"]
    assert table["money, at 2.5 an hour"] == ["2.50", "6.25"]
    assert table["disk of the study, at most"] == ["3.0 MiB", "2.00 GiB"]
    assert (
        "data: 872 training cycles of 29 patients, of which a unit trains on about 698; it is scored on 174"
        in text
    )
    assert "no. 0: a step 158 ms, scoring a cycle 1.35 ms, a checkpoint of 5.0 MiB 1.25 s" in " ".join(
        text.split()
    )
    assert "at most 12 units, 15:00 more" in text
    assert text.splitlines()[-2:] == ["warning: a subset", "missing: no such thing"]


def test_a_plan_is_written_for_programs_and_papers() -> None:
    content = json.loads(plan_text(PLAN, "json"))
    assert content["config"]["search"]["batch_size"]["high"] == 64
    assert content["proposals"][1]["smoothing.sigma"] == 1.5
    assert content["cost"] == {
        "configurations": 8,
        "units": 17.4,
        "epochs": 109,
        "hours": 0.5,
        "device_hours": 1.0,
        "money": 2.5,
        "study_bytes": 3 * 2**20,
    }
    assert content["missing"] == ["no such thing"]
    rows = [*csv.DictReader(plan_text(PLAN, "csv").splitlines())]
    assert [(row["variant"], float(row["units"])) for row in rows] == [
        ("as configured", 17.4),
        ("every seed to its end", 24.0),
    ]
    assert "| batch_size | 16 to 64 |  |" in plan_text(PLAN, "markdown")
    assert r"optimiser.learning\_rate & 5e-05 to 0.002, log &  \\" in plan_text(PLAN, "latex")


def test_what_is_not_known_is_missing_in_a_table_of_costs() -> None:
    unknown = Cost(1, 2, 3, None, None, None, None)
    frame = cost_frame(Plan(**{**vars(PLAN), "cost": unknown}))
    assert frame["hours"].isna().tolist() == [True, False]
    assert "not known" in drawn(Plan(**{**vars(PLAN), "cost": unknown}), 80)
