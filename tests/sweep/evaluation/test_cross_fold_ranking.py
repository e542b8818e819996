"""What is chosen by a ranking on all folds, and which rankings are passed over or refused."""

from pathlib import Path

import pytest
import yaml

from sweep.commands.app import app
from sweep.driver.export import export
from sweep.driver.report import report
from sweep.evaluation.cross_fold_bundle import write_ranking
from sweep.evaluation.cross_fold_ranking import (
    FILE,
    CrossFoldError,
    crossing_folder,
    read_ranking,
)
from sweep.evaluation.finish import finishing_study
from sweep.folder.study_folder import StudyFolder
from sweep.report.page.write import ReportError


def test_export_and_finish_choose_by_the_ranking_on_all_folds(searched: StudyFolder) -> None:
    before = export(searched)
    assert "on_all_folds" not in yaml.safe_load(before.read_text())["provenance"]
    ranking = write_ranking(searched)
    text = export(searched).read_text()
    provenance = yaml.safe_load(text)["provenance"]
    assert provenance["configuration"] == ranking.best
    assert provenance["on_all_folds"]["rank"] == 1
    assert provenance["on_all_folds"]["finalists"] == ranking.numbers["ranking"]
    assert text.startswith("# The best configuration of the study first on all folds: ")
    assert "by which the best is chosen, it is number 1 of 3 finalists" in text
    finishing = finishing_study(searched)
    assert finishing.finishes is not None
    assert (finishing.finishes.configuration, finishing.folds) == (ranking.best, "one")
    other = ranking.numbers["ranking"][1]
    assert export(searched, number=other).name == f"configuration-{other}.yaml"
    assert finishing_study(searched, other).finishes.configuration == other  # type: ignore[union-attr]


def test_a_ranking_of_before_the_study_went_on_is_passed_over(searched: StudyFolder) -> None:
    write_ranking(searched)
    with searched.journal.open("a") as file:
        file.write(
            '{"event": "StudyStarted", "at": 2e9, "seeds": [1, 2, 3, 4], "changes": [], "gpus": 0.0}\n'
        )
    with pytest.warns(
        UserWarning, match=r"passed over; rank anew with: respsweep run --resume first .*folds=all"
    ):
        assert read_ranking(searched) is None


def test_a_damaged_ranking_is_refused_by_its_place(searched: StudyFolder) -> None:
    write_ranking(searched)
    path = crossing_folder(searched).path / FILE
    path.write_bytes(path.read_bytes().replace(b"bundle.json", b"bundle.jsom", 1))
    with pytest.raises(CrossFoldError, match=r"first-folds/folds.bundle: not as it was made"):
        read_ranking(searched)


def test_the_commands_show_the_ranking_and_what_is_chosen_by_it(
    searched: StudyFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: str) -> str:
        app([*arguments, "--studies", searched.studies], standalone_mode=False)
        return " ".join(capsys.readouterr().out.split())

    assert "finalists on all folds" not in said("leaderboard", "first")
    ranking = write_ranking(searched)
    for name in ("first", "first-folds"):
        assert "3 finalists on all folds" in said("leaderboard", name)
    bundle = tmp_path / "a.bundle"
    assert "3 finalists on all folds; check it anywhere" in said(
        "export", "first-folds", "--bundle", str(bundle)
    )
    assert bundle.exists()
    said("export", "first")
    provenance = yaml.safe_load(searched.best.read_text())["provenance"]
    assert provenance["configuration"] == ranking.best


def test_a_ranking_that_another_study_left_is_passed_over(searched: StudyFolder) -> None:
    write_ranking(searched)
    searched.write_provenance({**searched.provenance(), "study_id": "f" * 32})
    with pytest.warns(UserWarning, match=r"folds.bundle: of another study than .*first, and passed over"):
        assert read_ranking(searched) is None


def test_the_report_is_of_the_search_and_tells_who_is_first_on_all_folds(searched: StudyFolder) -> None:
    ranking = write_ranking(searched)
    assert f"On all folds of patients no. {ranking.best} is first of 3" in Path(report(searched)).read_text()
    with pytest.raises(ReportError, match=r"first-folds: ranks the finalists of the study first"):
        report(crossing_folder(searched))
