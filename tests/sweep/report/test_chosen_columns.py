import pytest

from data.settings import ConfigError
from data.task import ICBHI
from sweep.report.frames import leaderboard_frame
from sweep.report.leaderboard import leaderboard
from sweep.report.plain_console import as_text
from sweep.study.board import Board
from sweep.study.events import UnitPruned
from tests.sweep.histories import added, reported, trained

BOARD = Board(
    (1, 2),
    [
        *[*added(0, **{"patch_mix.temperature": 0.2, "smoothing.stage": None})],
        *[*trained(0, 1, 0.5), *trained(0, 2, 0.6)],
        *[*added(1, **{"patch_mix.temperature": 0.1, "smoothing.stage": 2}), *reported(1, 1, 0.4)],
        UnitPruned(1, 1, "pruned at epoch 1: score 0.400"),
        *[*added(2, **{"patch_mix.temperature": 0.05, "smoothing.stage": 1})],
        *[*trained(2, 1, 0.7), *trained(2, 2, 0.7)],
    ],
)
MARKS = {0: ("paper's point", "baseline")}


def cells(columns: list[str] | None = None, sort: str | None = None) -> list[list[str]]:
    table = leaderboard(BOARD, ICBHI, columns=columns, sort=sort)
    return [list(row) for row in zip(*[map(str, column.cells) for column in table.columns], strict=True)]


def test_columns_are_chosen_by_their_headings_or_full_names_in_the_order_given() -> None:
    assert cells(["τ", "score", "No.", "smoothing.stage"])[0] == ["0.05", "70.0 ± 0.0", "2", "1"]
    assert cells(["patch_mix.temperature", "SCORE %"])[1] == ["0.2", "55.0 ± 7.1"]
    assert cells(["epochs", "any_abnormal_score"])[0] == ["2", "90.0 ± 0.0"]
    assert cells(["epochs trained"]) == cells(["epochs"])
    assert float(cells(["P(best)"])[0][0]) > 50


@pytest.mark.parametrize(
    ("sort", "numbers"),
    [
        (None, ["2", "0", "1"]),
        ("τ", ["2", "1", "0"]),
        ("-τ", ["0", "1", "2"]),
        ("score", ["2", "0", "1"]),
        ("-score", ["0", "2", "1"]),
        ("stage", ["2", "1", "0"]),
        ("no.", ["0", "1", "2"]),
    ],
)
def test_rows_are_sorted_best_first_and_those_without_a_value_come_last(
    sort: str | None, numbers: list[str]
) -> None:
    assert [row[0] for row in cells(["no."], sort)] == numbers


@pytest.mark.parametrize("option", ["columns", "sort"])
def test_an_unknown_name_is_refused_with_what_there_is(option: str) -> None:
    asked = {"columns": ["scor"]} if option == "columns" else {"sort": "scor"}
    with pytest.raises(
        ConfigError, match=rf"--{option} scor: no such column; did you mean score\? there are rank, no\."
    ):
        leaderboard(BOARD, ICBHI, columns=asked.get("columns"), sort=asked.get("sort"))  # type: ignore[arg-type]


def test_programs_get_the_same_columns_and_order() -> None:
    frame = leaderboard_frame(BOARD, marks=MARKS, columns=["no.", "score", "τ", "state"], sort="τ")
    assert [*frame.columns] == [
        "configuration",
        "score",
        "score_sd",
        "patch_mix.temperature",
        "state",
        "point",
    ]
    assert frame["configuration"].tolist() == [2, 1, 0]
    assert frame["point"].tolist() == ["", "", "paper's point, baseline"]


@pytest.mark.parametrize("width", [60, 80, 120, 160])
def test_marks_pruned_scores_and_chosen_columns_are_readable_at_any_width(width: int) -> None:
    text = as_text(leaderboard(BOARD, ICBHI, marks=MARKS), width)
    words = " ".join(text.split())
    assert max(map(len, text.splitlines())) <= width
    for expected in ("paper's point, baseline", "(40.0)", "2=", "pruned, epoch 1"):
        assert expected in words
    assert "Paper's point: every searched field as Lung-SRAD was published." in words.replace("│", "")
    few = as_text(leaderboard(BOARD, ICBHI, columns=["no.", "τ", "state"], marks=MARKS), width)
    assert max(map(len, few.splitlines())) <= width
    assert "55.0" not in few.partition("3 configurations")[0]
    assert "complete, paper's point, baseline" in " ".join(few.split())
