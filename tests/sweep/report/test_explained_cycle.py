import csv
import io
from pathlib import Path

import numpy as np
import pytest

from data.bands import MelScale
from sweep.report.explained_cycle import ExplainedCycle, explained_csv, write_explained


@pytest.fixture
def found() -> ExplainedCycle:
    values, shares = np.arange(24.0).reshape(3, 8), np.zeros((3, 8))
    values[:, 0] = np.nan
    shares[1, 2], shares[2, 5] = 0.75, 0.25
    return ExplainedCycle(
        audio=Path("a$b.wav"),
        span=(1.0, 2.5),
        seconds=3.0,
        scale=MelScale(n_mels=8, sample_rate=4000, low_hz=50, high_hz=2000, front_end="kaldi"),
        label="Wheeze",
        probability=0.71,
        method="grad_cam",
        values=values,
        shares=shares,
    )


def test_a_table_has_a_row_a_cell(found: ExplainedCycle) -> None:
    rows = list(csv.DictReader(io.StringIO(explained_csv(found))))
    assert len(rows) == 24
    assert [row["value"] for row in rows[:2]] == ["", "1"]
    loudest = max(rows, key=lambda row: float(row["share"]))
    assert (loudest["second"], loudest["band"], loudest["share"]) == ("1.0000", "2", "0.75")
    assert float(rows[0]["low_hz"]) == 50
    assert float(rows[-1]["high_hz"]) == 2000


def test_a_figure_says_what_it_shows_and_is_drawn_alike_again(found: ExplainedCycle, tmp_path: Path) -> None:
    figure, table = write_explained(found, tmp_path, "one")
    again, _ = write_explained(found, tmp_path, "other")
    assert "a$b.wav, 1.00 to 2.50 s: Wheeze 71 %, grad_cam" in figure.read_text()
    assert figure.read_bytes() == again.read_bytes()
    assert table.read_text() == explained_csv(found)


def test_a_cycle_in_which_nothing_was_found_is_drawn_too(found: ExplainedCycle, tmp_path: Path) -> None:
    nothing = ExplainedCycle(**{**vars(found), "shares": np.zeros((3, 8))})
    figure, _ = write_explained(nothing, tmp_path, "one")
    assert "Wheeze" in figure.read_text()
