"""How far choosing by the test part flatters, as people ask for it: run, leak, finish, test, ledger."""

from pathlib import Path

import pytest
import yaml

from evidence.ledger import read_ledger
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
