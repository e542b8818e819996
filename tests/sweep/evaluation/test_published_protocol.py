"""A study that follows papers' protocol: scored on the test part, labelled wherever it is shown, and never finished."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml

import sweep
from data.recordings import read_recordings
from data.store import build_store
from evidence.ledger import Seal, read_ledger
from evidence.scores import confusion_matrix
from model.training.prediction import load_network, predict
from sweep.config.resumption import changes
from sweep.config.study_config import PUBLISHED, StudyConfig
from sweep.driver.export import export
from sweep.driver.weights_export import export_weights
from sweep.evaluation.finish import FinishError, check_honest, finishing_study
from sweep.evaluation.leak_reading import read_leak
from sweep.evaluation.ledgers import ReadingError
from sweep.evaluation.recordings_of import recordings_of
from sweep.evaluation.test_reading import read_test_part
from sweep.evaluation.validation_bundle import BundleExportError, export_bundle
from sweep.folder.study_folder import StudyFolder
from sweep.report.leaderboard import leaderboard
from sweep.report.plain_console import as_text
from sweep.report.status import study_status
from tests.studies import tiny_study
from tests.sweep.evaluation.trained_studies import trained


@pytest.fixture(scope="module")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    with pytest.MonkeyPatch.context() as environment:
        cache = tmp_path_factory.mktemp("cache")
        environment.setenv("RESPSWEEP_CACHE", str(cache))
        studies = tmp_path_factory.mktemp("studies")
        study = tiny_study(2, protocol="published", budget={"configurations": 1}, seeds=[1])
        trained(studies, "papers", StudyConfig.model_validate(study))
    return studies, cache


@pytest.fixture
def papers(_trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFolder:
    studies, cache = _trained
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    shutil.copytree(cache / "ledgers", tmp_path / "cache" / "ledgers")
    (tmp_path / "cache" / "synthetic").symlink_to(cache / "synthetic")
    return StudyFolder.open(Path(shutil.copytree(studies, tmp_path / "studies")), "papers")


def test_every_epoch_is_scored_on_the_test_part_and_the_best_counts(
    papers: StudyFolder, tmp_path: Path
) -> None:
    (unit,) = papers.board().units()
    recordings, recipe = read_recordings(recordings_of(papers)), papers.config().any_recipe()
    seal = Seal(recordings.content_hash(), 1)
    store = build_store(
        recordings, recipe.features, part="test", cache=tmp_path, progress=False, seal=seal, workers=1
    )
    network = load_network(
        recipe, recordings.task, papers.units / unit.id / "weights.safetensors", torch.device("cpu")
    )
    _, answers = predict(network, store.examples(), recipe, torch.device("cpu"))
    assert unit.curve[-1]["confusion"] == confusion_matrix(store.labels, answers, 4).tolist()
    assert (recipe.folds.fold, recipe.selection) == (None, "best")
    assert unit.selected is not None
    sensitive = [report for report in unit.curve if report["sensitivity"] > recipe.min_sensitivity]
    assert unit.selected["score"] == max(report["score"] for report in sensitive or unit.curve)


def test_it_is_sealed_as_what_it_is(papers: StudyFolder) -> None:
    (sealed,) = read_ledger(papers.path / "ledger.jsonl").entries
    assert (sealed.reads, sealed.content["parts"]) == ("published", ["test"])
    assert sealed.content["protocol"].startswith("published: trained on the whole training part")


def test_it_is_labelled_wherever_it_is_shown(papers: StudyFolder) -> None:
    config = papers.config()
    assert config.label == PUBLISHED
    table = leaderboard(papers.board(), config.scored_task, held_out=config.holds_out, label=config.label)
    assert PUBLISHED in str(table.caption)
    assert "no share" not in str(table.caption)
    assert "with other seeds expect" not in str(table.caption)
    assert PUBLISHED in as_text(study_status(papers), width=400)
    lines = export(papers).read_text().splitlines()
    assert lines[0].endswith("ICBHI Score on the official test part.")
    assert lines[1] == f"# {PUBLISHED}."
    provenance = yaml.safe_load("\n".join(lines))["provenance"]
    assert provenance["protocol"] == "published"
    assert provenance["test_part"] == PUBLISHED
    assert provenance["scored_on"] == "the official test part, each unit at its best epoch there"
    assert provenance["expected_score"] is None
    study = sweep.open("papers", studies=papers.studies)
    assert (study.protocol, study.best().protocol) == ("published", "published")
    assert study.best().expectation is None
    assert study.leaderboard().attrs == {"protocol": "published", "label": PUBLISHED}


def test_nothing_honest_comes_of_it(papers: StudyFolder, tmp_path: Path) -> None:
    for refused in (finishing_study, check_honest):
        with pytest.raises(FinishError, match="follows `protocol: published`"):
            refused(papers)
    with pytest.raises(FinishError, match="follows `protocol: published`"):
        export_weights(papers, tmp_path / "networks")
    assert not (tmp_path / "networks").exists()
    with pytest.raises(ReadingError, match="a study that searched"):
        read_test_part(papers)
    with pytest.raises(ReadingError, match="did not answer the test part"):
        read_leak(papers)
    with pytest.raises(BundleExportError, match="nobody was held out"):
        export_bundle(papers, tmp_path / "papers.bundle")
    honest = StudyConfig.model_validate(tiny_study(2, budget={"configurations": 1}, seeds=[1]))
    for one, other in ((papers.config(), honest), (honest, papers.config())):
        with pytest.raises(sweep.UserError, match=r"protocol: (published -> honest|honest -> published)"):
            changes(one, other, "papers")
