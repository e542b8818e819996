"""A reading in words and tables, with what a second reading means."""

from rich.console import Console

from evidence.reading import reading_numbers
from sweep.report.reading_table import reading_tables
from tests.evidence.bundles import a_bundle


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
