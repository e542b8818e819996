import itertools
import re
from pathlib import Path

import pytest

from data.task import ICBHI, TASKS
from sweep.config.study_config import read_study
from sweep.report.leaderboard import leaderboard
from sweep.report.plain_console import as_text
from sweep.study.board import Board
from sweep.study.events import ConfigurationAdded, ConfigurationDropped, Event, StudyStarted
from tests.sweep.histories import added, trained
from tests.sweep.report.boards import BOARD, rows_of

ROOT = Path(__file__).parents[3]


def test_ranked_configurations_come_first_and_the_others_by_how_far_they_came() -> None:
    rows = rows_of(BOARD)
    ranks = [(row[0], row[1]) for row in rows]
    assert ranks == [("1", "2"), ("2=", "0"), ("", "3"), ("", "5"), ("", "4"), ("", "1")]


def test_rates_in_brackets_are_explained_where_there_are_any() -> None:
    assert "In brackets: the last epoch of a seed that has not finished." in str(
        leaderboard(BOARD, ICBHI).caption
    )
    assert "In brackets" not in str(leaderboard(CLOSE, ICBHI).caption)


def test_the_best_rows_alone_may_be_asked_for() -> None:
    assert [row[1] for row in rows_of(BOARD, rows=2)] == ["2", "0"]


def test_the_caption_counts_and_says_what_was_scored() -> None:
    caption = str(leaderboard(BOARD, ICBHI).caption)
    assert "6 configurations, 1 dropped in the race over the seeds" in caption
    assert "units: 6 finished, 1 pruned, 1 failed, 1 under way" in caption
    assert "Task icbhi; scores: held-out patients" in caption
    assert "always answering normal scores 50 %" in caption
    assert "the test part has no share in them" in caption
    caption = str(leaderboard(BOARD, TASKS["2-2"]).caption)
    assert "Task 2-2; scores: held-out patients" in caption
    assert "always answering normal scores 25 %" in caption


def test_an_empty_board_is_an_empty_table() -> None:
    assert rows_of(Board((1,))) == []


CLOSE = Board(
    (1, 2, 3),
    [
        *[*added(0), *trained(0, 1, 0.60), *trained(0, 2, 0.62), *trained(0, 3, 0.64)],
        *[*added(1), *trained(1, 1, 0.61), *trained(1, 2, 0.64), *trained(1, 3, 0.66)],
        *[*added(2), *trained(2, 1, 0.40), *trained(2, 2, 0.41), *trained(2, 3, 0.43)],
        *[*added(3), *trained(3, 1, 0.59), ConfigurationDropped(3, "dropped after seed 1: 0.590")],
    ],
)


def test_beside_the_rank_those_are_marked_that_cannot_be_told_from_the_best() -> None:
    assert [(row[0], row[1]) for row in rows_of(CLOSE)] == [("1", "1"), ("2=", "0"), ("3", "2"), ("", "3")]
    caption = str(leaderboard(CLOSE, ICBHI).caption)
    assert "= is tied: not told from no. 1 at 5 % (1 configuration with all seeds)" in caption


def test_the_caption_says_that_the_best_was_chosen_and_what_to_expect_of_it() -> None:
    caption = str(leaderboard(CLOSE, ICBHI).caption)
    found = re.search(
        r"No\. 1 was chosen for its score among 4; expected to be (\S+) points too high: with other seeds expect "
        r"(\S+) % \(95 %, luck taken off: (\S+) to (\S+)\) on these patients",
        caption,
    )
    assert found is not None
    luck, expected, low, high = map(float, found.groups())
    assert 0 < luck < 2
    assert luck + expected == pytest.approx(100 * (0.61 + 0.64 + 0.66) / 3, abs=0.11)
    assert low < expected < high


def test_one_configuration_is_counted_as_one() -> None:
    caption = leaderboard(Board((1,), [*added(0), *trained(0, 1, 0.5)]), ICBHI).caption
    assert str(caption).startswith("1 configuration, 0 dropped")
    assert str(caption).endswith("No. 0 is the only configuration: nothing was chosen.")
    assert str(leaderboard(BOARD, ICBHI).caption).startswith("6 configurations, 1 dropped")


@pytest.mark.parametrize("space", ["quickstart", "sprsound_quick"])
def test_the_readme_shows_the_columns_and_numbers_that_are_printed(space: str) -> None:
    config = read_study(ROOT / "search_spaces" / f"{space}.yaml")
    table = leaderboard(Board(config.seeds, [ConfigurationAdded(0, config.enqueue[0])]), ICBHI)
    header = re.sub(r"\n", "", " | ".join(str(column.header) for column in table.columns))
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    printed = lines[lines.index(f"| {header} |") + 2 :]
    rows = [
        [cell.strip() for cell in row.split("|")[1:-1]]
        for row in itertools.takewhile(lambda line: line.startswith("|"), printed)
    ]
    (first,) = (cells for cells in rows if cells[1] == "0")
    assert first[6:-1] == [str(next(iter(column.cells))) for column in table.columns][6:-1]


def test_another_objective_has_the_first_column_and_the_score_stands_beside_it() -> None:
    events: list[Event] = [StudyStarted((1,), objective="any_abnormal"), *added(0, 1)]
    events += [*trained(0, 1, 0.7, any_abnormal_score=0.75), *trained(1, 1, 0.6, any_abnormal_score=0.85)]
    board = Board(events=events)
    table = leaderboard(board, ICBHI)
    headers = [str(column.header) for column in table.columns]
    assert headers[:7] == [
        *["rank", "no.", "any-abnormal score %", "score %", "sensitivity %", "specificity %", "seeds"],
    ]
    assert [row[:4] for row in rows_of(board)] == [["1", "1", "85.0", "60.0"], ["2", "0", "75.0", "70.0"]]
    assert (
        "Pruned, raced and ranked by the any-abnormal score. No. 1 was chosen for its any-abnormal score"
        in str(table.caption)
    )


def test_the_harmonic_score_is_shown_where_it_ranks() -> None:
    # The score of the second is higher: 0.75.
    unbalanced = trained(1, 1, 0.75, sensitivity=0.5, specificity=1.0)
    events = [
        StudyStarted((1,), objective="harmonic"),
        *added(0, 1),
        *trained(0, 1, 0.7, sensitivity=0.7, specificity=0.7),
    ]
    rows = rows_of(Board(events=[*events, *unbalanced]))
    assert [row[:6] for row in rows] == [
        ["1", "0", "70.0", "70.0", "70.0", "70.0"],
        ["2", "1", "66.7", "75.0", "50.0", "100.0"],
    ]


def test_where_each_row_took_another_exam_nothing_is_ranked() -> None:
    points = [{"patch_mix.beta": 0.5, "folds.fold": 1}, {"patch_mix.beta": 0.5, "folds.fold": 2}]
    events: list[Event] = [StudyStarted((1, 2))]
    for number, point in enumerate(points):
        events += [ConfigurationAdded(number, point), *trained(number, 1, 0.5 + 0.1 * number)]
        events += trained(number, 2, 0.6 + 0.1 * number)
    board = Board(events=events)
    assert not board.competes
    assert [row[0] for row in rows_of(board)] == ["", ""]
    assert [row[2] for row in rows_of(board)] == ["65.0 ± 7.1", "55.0 ± 7.1"]
    caption = str(leaderboard(board, ICBHI).caption)
    assert "chosen" not in caption
    assert "tied" not in caption
    assert "Each row is a finalist on the fold that it names" in caption


@pytest.mark.parametrize("width", [60, 80, 120, 160])
def test_at_any_width_every_rank_rate_and_value_is_readable(width: int) -> None:
    values = {
        "optimiser.learning_rate": 0.0009505,
        "patch_mix.temperature": 0.05761,
        "patch_mix.beta": 1.157,
        "smoothing.stage": 1,
        "smoothing.kernel_size": 3,
        "smoothing.sigma": 2.081,
    }
    events = [*added(0, **values), *trained(0, 1, 0.9), *trained(0, 2, 0.8)]
    text = as_text(leaderboard(Board((1, 2), events), ICBHI), width)
    words = " ".join(text.replace("│", " ").replace("┃", " ").split())
    for told in (
        "85.0 ± 7.1",
        "75.0 ± 7.1",
        "95.0 ± 7.1",
        "0.0009505",
        "0.05761",
        "1.157",
        "2.081",
        "complete",
    ):
        assert told in words
    for name in ("learning rate", "τ", "β", "stage", "K", "σ"):
        assert name in words
    assert max(map(len, text.splitlines())) <= width
    assert ("│" in text) == (width == 160)
