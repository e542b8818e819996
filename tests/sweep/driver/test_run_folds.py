"""A search with `folds: all` goes on with its finalists, from where it stopped; nothing is trained here."""

from pathlib import Path

import pytest
import yaml
from rich.console import Console

import sweep
from sweep.driver.display import ConsoleDisplay
from sweep.driver.driver import InterruptedStudyError
from sweep.driver.run_folds import run_search
from sweep.evaluation.cross_fold_ranking import crossing_folder, read_ranking
from sweep.folder.study_folder import StudyFolder
from tests.ray_heads import RayHead
from tests.sweep.driver.small_study import RECIPE, study
from tests.sweep.evaluation.answering import Answers
from tests.sweep.evaluation.crossed_studies import TEMPERATURE, a_search, skill

pytestmark = pytest.mark.usefixtures("copied_tables", "own_cache")


class Halted(Answers):
    """Answers of a driver that is halted before its first unit."""

    def run(self, coordinator, unit_config, folder, on_tick) -> None:  # type: ignore[no-untyped-def]
        coordinator.halt("interrupted")


@pytest.mark.slow
def test_a_search_goes_on_to_all_folds_and_from_where_it_stopped(tmp_path: Path) -> None:
    folder, console = StudyFolder.find(tmp_path, "first"), Console(record=True, width=200)
    executors = [Answers(skill), Halted(skill)]
    config = a_search(finalists=2)
    left = iter(executors)
    with pytest.raises(InterruptedStudyError, match=r"first-folds: interrupted after 0 complete"):
        run_search(config, folder, start_executor=lambda *_: next(left))
    assert len(executors[0].units) == 12
    assert folder.best.exists()
    assert read_ranking(folder) is None

    # The search is over, so that only the finalists want an executor.
    again = Answers(skill)
    run_search(config, folder, display=ConsoleDisplay(console), start_executor=lambda *_: again)
    # Two finalists on two folds with three seeds.
    assert len(again.units) == 12
    text = console.export_text()
    assert f"the other folds of patients: study {crossing_folder(folder).place}" in text
    assert "2 finalists on all folds" in " ".join(text.split())
    ranking = read_ranking(folder)
    assert ranking is not None
    assert yaml.safe_load(folder.best.read_text())["provenance"]["configuration"] == ranking.best
    assert (
        f"On all folds of patients no. {ranking.best} is first" in (folder.path / "report.html").read_text()
    )
    opened = sweep.open("first", studies=tmp_path)
    assert opened.best().number == ranking.best
    assert opened.on_all_folds()["configuration"].tolist() == ranking.numbers["ranking"]
    with pytest.raises(sweep.UserError, match=r"first-folds: trains the finalists of another study"):
        sweep.open("first-folds", studies=tmp_path).best()

    # The study of other folds may go on by itself; it is over.
    (crossing_folder(folder).path / "folds.bundle").unlink()
    alone = Answers(skill)
    crossing = crossing_folder(folder)
    run_search(crossing.config(), crossing, start_executor=lambda *_: alone)
    assert alone.units == []
    assert read_ranking(folder) == ranking

    # More finalists, and what was trained is not trained again.
    more = [Answers(skill), Answers(skill)]
    left = iter(more)
    run_search(a_search(finalists=3), folder, start_executor=lambda *_: next(left))
    assert len(more[1].units) == 6
    found = read_ranking(folder)
    assert found is not None
    assert {
        folder.board().configurations[number].values[TEMPERATURE] for number in found.numbers["ranking"]
    } == {
        0.05,
        0.1,
        0.2,
    }


@pytest.mark.slow
def test_without_folds_all_nothing_follows(tmp_path: Path) -> None:
    folder = StudyFolder.find(tmp_path, "plain")
    run_search(a_search(folds="one"), folder, start_executor=lambda *_: Answers(skill))
    assert not crossing_folder(folder).exists


@pytest.mark.long
def test_finalists_are_trained_on_all_folds_by_ray(tmp_path: Path, kept_ray: RayHead) -> None:
    config = study(
        recipe={**RECIPE, "epochs": 1, "folds": {"folds": 2}},
        pruner={"name": "none"},
        budget={"configurations": 2},
        folds="all",
        seeds=[1],
        objective="any_abnormal",
    )
    folder = run_search(config, StudyFolder.find(tmp_path, "whole"))
    ranking = read_ranking(folder)
    assert ranking is not None
    assert (ranking.objective, sorted(ranking.numbers["ranking"])) == ("any_abnormal", [0, 1])
    crossed = crossing_folder(folder).board()
    assert {one.values["folds.fold"] for one in crossed.configurations} == {1}
    assert yaml.safe_load(folder.best.read_text())["provenance"]["objective"] == "any_abnormal"
