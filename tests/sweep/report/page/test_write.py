"""The report as a file: where it lies, and what is said when it cannot."""

from pathlib import Path

import pytest

from sweep.report.page.write import ReportError, write_report
from tests.sweep.report.page.reported_studies import reported_study

NOW = 1.7e9 + 1e4


def test_a_report_lies_in_the_study_or_where_it_is_sent(tmp_path: Path) -> None:
    folder = reported_study(tmp_path / "studies")
    place = write_report(folder, NOW)
    assert place == str(folder.path / "report.html")
    assert write_report(folder, NOW, tmp_path / "other.html") == str(tmp_path / "other.html")
    assert Path(place).read_bytes() == (tmp_path / "other.html").read_bytes()


def test_a_place_that_takes_no_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"none/r\.html: cannot be written: No such file or directory"):
        write_report(reported_study(tmp_path / "studies"), NOW, tmp_path / "none" / "r.html")
