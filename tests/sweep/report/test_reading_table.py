"""A reading in words and tables, with what a second reading means."""

from dataclasses import replace

import pytest
from rich.console import Console

from evidence.reading import reading_numbers
from sweep.report.published_scores import published_scores
from sweep.report.reading_table import reading_rows, reading_tables
from tests.evidence.bundles import a_bundle, answers


def shown(readings: int) -> str:
    numbers = reading_numbers(a_bundle(cycles=200, kind="test", parts=("inter", "intra")))
    console = Console(record=True, width=160)
    console.print(*reading_tables(numbers, readings), sep="\n")
    return console.export_text()


def test_each_part_is_shown_by_seed_and_by_groups() -> None:
    text = shown(1)
    numbers = reading_numbers(a_bundle(cycles=200, kind="test", parts=("inter", "intra")))["parts"]
    for part, found in numbers.items():
        assert f"{part}: {found['cycles']} cycles of {found['patients']} patients" in text
        assert f"{100 * found['mean']['score']:.1f} ± {100 * found['sd']['score']:.1f}" in text
    assert "expected calibration error" in text
    assert "Meditron" in text
    assert "reading 1" not in text


def test_a_further_reading_says_so() -> None:
    assert "This is reading 2 of the test part of these recordings." in shown(2)


def test_plain_methods_stand_beside_the_networks_with_a_paired_difference() -> None:
    made = a_bundle(400, units=[(0, seed) for seed in (1, 2, 3)], kind="test", parts=("test",))
    weak = answers(made.cycles, 99, sure=0.3)
    numbers = reading_numbers(replace(made, baselines={"logistic regression": weak}))
    beside = numbers["parts"]["test"]["baselines"]["logistic regression"]
    mean, low, high = beside["above"]
    assert mean == pytest.approx(numbers["parts"]["test"]["mean"]["score"] - beside["score"])
    assert 0 < low < mean < high
    console = Console(record=True, width=200)
    console.print(*reading_tables(numbers, 1), sep="\n")
    text = console.export_text()
    assert (
        f"{100 * mean:.1f} points above logistic regression (95 %: +{100 * low:.1f} to +{100 * high:.1f})"
        in text
    )
    assert "more than chance, at 5 %" in text
    assert f"{100 * beside['score']:.1f}" in text


def test_the_same_answers_as_a_plain_method_show_no_difference() -> None:
    made = a_bundle(400, units=[(0, seed) for seed in (1, 2, 3)], kind="test", parts=("test",))
    same = {"logistic regression": made.predictions[0, 2]}
    console = Console(record=True, width=200)
    console.print(*reading_tables(reading_numbers(replace(made, baselines=same)), 1), sep="\n")
    assert "no difference is shown" in console.export_text()


def test_published_rows_are_shown_with_how_their_epoch_was_chosen() -> None:
    console = Console(record=True, width=200)
    numbers = reading_numbers(a_bundle(cycles=200, kind="test", parts=("test",)))
    console.print(*reading_tables(numbers, 1, (), published_scores("ICBHI 2017", "icbhi")), sep="\n")
    text = console.export_text()
    assert "Lung-SRAD" in text
    assert "64.48" in text
    assert "best epoch chosen on the test part" in text


def test_rates_of_a_reading_are_rows_for_programs() -> None:
    numbers = reading_numbers(a_bundle(cycles=200, kind="test", parts=("inter", "intra")))
    rows = reading_rows(numbers)
    inter = [row for row in rows if row["part"] == "inter"]
    seeds = [f"seed {seed}" for seed in numbers["parts"]["inter"]["seeds"]]
    assert [row["what"] for row in inter] == [*seeds, "mean", "sd", "seeds together"]
    assert inter[len(seeds)]["score"] == numbers["parts"]["inter"]["mean"]["score"]


def test_a_reading_of_some_patients_says_so_and_shows_networks_for_all_beside() -> None:
    units = [(number, seed) for number in (0, 1) for seed in (1, 2, 3)]
    made = a_bundle(400, units=units, kind="test", parts=("test",))
    numbers = reading_numbers(replace(made, about={"unified": {"configuration": 1}}))
    console = Console(record=True, width=200)
    console.print(*reading_tables(numbers, 1, population="child"), sep="\n")
    text = console.export_text()
    assert "of children (under 18 years) alone" in text
    unified = numbers["parts"]["test"]["unified"]
    assert f"{100 * unified['mean']['score']:.1f} ± {100 * unified['sd']['score']:.1f}" in text
    assert f"{100 * abs(unified['above'][0]):.1f} points" in text
    assert "networks for patients of any age (95 %:" in text
    rows = {row["what"]: row["score"] for row in reading_rows(numbers)}
    assert rows["networks for patients of any age, mean"] == unified["mean"]["score"]
