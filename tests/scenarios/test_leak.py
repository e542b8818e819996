"""How far choosing by the test part flatters, as people ask for it: run, leak, finish, test, ledger."""

from pathlib import Path

import mlflow
import pytest
import yaml

from evidence.ledger import read_ledger
from sweep.config.study_config import PUBLISHED
from sweep.tracking.tracker import database_uri
from tests.scenarios.test_honest_number import typed
from tests.studies import tiny_study


@pytest.mark.slow
def test_a_study_that_answers_the_test_part_says_so_wherever_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    study = tiny_study(2, budget={"configurations": 3}, seeds=[1, 2, 3], leak=True)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    label = "the test part is answered at every epoch (leak: true)"
    ran = " ".join(typed(tmp_path, "run", "study.yaml", "--name", "leaky").split())
    assert label in ran
    told = typed(tmp_path, "leak", "leaky")
    assert "compared: 3 of 3 configurations, those with all their seeds, 3 seeds of 2 epochs each" in told
    assert "all of these: the best number anywhere" in told
    assert "note:" not in told
    for command in ("leaderboard", "status"):
        assert label in " ".join(typed(tmp_path, command, "leaky").split())
    folder = tmp_path / "studies" / "leaky"
    assert label in yaml.safe_load((folder / "best.yaml").read_text())["provenance"]["test_part"]
    (sealed,) = read_ledger(folder / "ledger.jsonl").entries
    assert sealed.reads == "leak"
    shown = typed(tmp_path, "ledger", "leaky")
    assert "at every epoch: leak" in shown
    assert "PASS: no line was altered" in shown
    typed(tmp_path, "finish", "leaky", "--seeds", "11,12")
    tested = typed(tmp_path, "test", "leaky")
    assert "sealed as reading 2 of these recordings" in tested
    assert "Read at every epoch, before or since, by: leaky." in tested
    typed(tmp_path, "ledger", "leaky")
    (folder / "ledger.jsonl").unlink()
    assert "lacks the line `sealed`" in typed(tmp_path, "ledger", "leaky", status=1)


@pytest.mark.slow
def test_a_study_by_the_published_protocol_is_labelled_everywhere_and_ends_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    study = tiny_study(2, budget={"configurations": 2}, protocol="published")
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    ran = typed(tmp_path, "run", "study.yaml", "--name", "papers")
    # At the beginning, beside the best so far, and below the leaderboard.
    assert " ".join(ran.split()).count(PUBLISHED) >= 3
    for command in ("leaderboard", "status"):
        assert PUBLISHED in " ".join(typed(tmp_path, command, "papers").split())
    folder = tmp_path / "studies" / "papers"
    assert PUBLISHED in (folder / "best.yaml").read_text()
    client = mlflow.MlflowClient(database_uri(folder))
    experiment = client.get_experiment_by_name("papers")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 6
    for run in runs:
        assert run.data.tags["respsweep.protocol"] == "published"
        assert "score_luck" not in run.data.metrics
        assert run.data.tags["mlflow.note.content"] == run.data.tags["respsweep.test_part"] == PUBLISHED
    assert "at every epoch: published" in typed(tmp_path, "ledger", "papers")
    for command in ("finish", "test"):
        assert "follows `protocol: published`" in typed(tmp_path, command, "papers", status=1)
    mixed = typed(tmp_path, "run", "--resume", "papers", "--set", "protocol=honest", status=1)
    assert "protocol: published -> honest" in mixed or "folds.fold: null holds nobody out" in mixed
