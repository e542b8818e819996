"""The report of a study knows what its finalists came to on all folds."""

import itertools
from pathlib import Path

import numpy as np

from evidence.cross_folds import cross_fold_numbers
from sweep.driver.report import RENEWAL_S, report, watch_report
from sweep.evaluation.cross_fold_ranking import CrossFoldRanking, in_words
from tests.evidence.test_cross_folds import invented
from tests.sweep.report.page.reported_studies import reported_study


def test_the_first_on_all_folds_is_told_with_its_ties() -> None:
    numbers = cross_fold_numbers(invented(np.random.default_rng(1), [1.5, 1.45, -0.5]))
    ranking = CrossFoldRanking("first-folds/folds.bundle", "score", 0, numbers)
    first, second, _ = numbers["ranking"]
    score = numbers["configurations"][str(first)]["score"]["mean"]
    told = in_words(ranking)
    opening = f"On all folds of patients no. {first} is first of 3 finalists, score {100 * score:.1f} % (95 %"
    assert told.startswith(opening)
    assert told.endswith(f"; tied with it: {second}; export and finish choose it.")


def test_a_study_without_such_a_ranking_is_reported_by_itself(tmp_path: Path) -> None:
    place = report(reported_study(tmp_path))
    assert "On all folds" not in Path(place).read_text()


def test_a_watched_report_is_written_anew_until_the_study_is_over(tmp_path: Path) -> None:
    folder = reported_study(tmp_path)
    lines = folder.journal.read_text().splitlines(keepends=True)
    page, waited, written, said = folder.path / "report.html", [], [], []
    lock = folder.lock()

    def wait(seconds: float) -> None:
        waited.append(seconds)
        written.append(page.read_text())
        if len(waited) == 2:
            page.write_text("nothing has happened, so this stays")
        if len(waited) == 1 or len(waited) == 3:
            folder.journal.write_text("".join(lines[: 60 * len(waited)]))
        if len(waited) == 4:
            folder.journal.write_text("".join(lines))
            lock.__exit__(None, None, None)

    folder.journal.write_text("".join(lines[:6]))
    lock.__enter__()
    seconds = itertools.count(step=2)
    place = watch_report(folder, say=said.append, wait=wait, clock=lambda: float(next(seconds)))
    assert said == [place] == [str(page)]
    # A renewal seems to take two seconds here: nothing is done for nine times as long.
    assert waited == [max(RENEWAL_S, 18.0)] * 4
    assert "1 configuration (1 open)" in written[0]
    assert written[1] != written[0]
    assert written[2] == "nothing has happened, so this stays"
    assert all('"renewed_s":10.0' in each for each in (written[0], written[1], written[3]))
    assert "24 configurations (8 complete" in page.read_text()
    assert '"renewed_s":null' in page.read_text()


def test_a_report_of_a_study_that_nobody_runs_is_written_once(tmp_path: Path) -> None:
    def wait(seconds: float) -> None:
        raise AssertionError(seconds)

    assert Path(watch_report(reported_study(tmp_path), wait=wait)).exists()
