"""Studies that hours end: all with a winner, and next to nothing unspent; few of those of the benchmark."""

import pytest

from benchmarks.engine_budget import Cell, Ending, below_bars, play


@pytest.mark.parametrize("workers", [1, 8, 32])
@pytest.mark.parametrize(
    ("limit", "deviation"),
    [("gpu_hours", 0.0), ("gpu_hours", 0.5), ("wall_clock", 0.0), ("wall_clock", 0.5)],
)
def test_a_budget_of_three_configurations_ends_with_a_winner(
    limit: str, workers: int, deviation: float
) -> None:
    cell = Cell(limit, 15, workers, deviation)
    assert below_bars(cell, [play(cell, repeat) for repeat in range(4)]) == []


# A first unit of four times the mean; fast first units, which hide how long others take.
@pytest.mark.parametrize(("workers", "repeat"), [(1, 65), (8, 14), (8, 23), (8, 67)])
def test_studies_that_once_ended_without_a_winner_end_with_one(workers: int, repeat: int) -> None:
    assert play(Cell("gpu_hours", 15, workers, 0.5), repeat).complete > 0


def test_a_bar_that_is_missed_says_which() -> None:
    cell = Cell("gpu_hours", 15, 8, 0.5)
    endings = [Ending(3, 15, 0, 2, 1.5), Ending(3, 15, 1, 0, 1.0)]
    assert below_bars(cell, endings) == [
        "gpu_hours of 15 units, 8 workers, sd 0.5: 50.0 % end with a winner, fewer than 99.5 %",
        "gpu_hours of 15 units, 8 workers, sd 0.5: 1.25 units a worker are left, more than 1",
    ]
