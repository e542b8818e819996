"""From a search to a number that others can check, as people type it: run, finish, test, ledger, export, verify."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from evidence.bundle import read_bundle
from evidence.ledger import read_ledger
from tests.studies import tiny_study

RESPSWEEP = Path(sys.executable).with_name("respsweep")


def typed(folder: Path, *arguments: str, status: int = 0) -> str:
    done = subprocess.run(
        [str(RESPSWEEP), *arguments], cwd=folder, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_the_way_from_a_search_to_a_number_that_others_can_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    study = tiny_study(1, budget={"configurations": 2}, seeds=[1, 2, 3])
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    early = typed(tmp_path, "ledger", "first", status=1)
    assert "no study 'first'" in early
    typed(tmp_path, "run", "study.yaml", "--name", "first")
    assert "respsweep finish first" in typed(tmp_path, "test", "first", status=1)
    assert "respsweep test first" in typed(tmp_path, "finish", "first")
    said = typed(tmp_path, "test", "first")
    assert "sealed as reading 1" in said
    assert "respsweep verify studies/first-finish/test-1.bundle" in said
    bundle = tmp_path / "studies" / "first-finish" / "test-1.bundle"
    assert set(read_bundle(bundle)[0].predictions) == {(0, 4), (0, 5), (0, 6)}
    assert "PASS" in typed(tmp_path, "verify", str(bundle))
    assert "PASS" in typed(tmp_path, "ledger", "first")
    typed(tmp_path, "export", "first", "--bundle", "first.bundle")
    assert "PASS" in typed(tmp_path, "verify", "first.bundle")

    # A better number, quietly: every one of the three ledgers, and the bundle, tell.
    ledger = tmp_path / "studies" / "first-finish" / "ledger.jsonl"
    score = read_ledger(ledger).readings()[0].content["numbers"]["test"]["mean"]["score"]
    ledger.write_text(ledger.read_text().replace(str(score), "0.99"))
    assert "FAIL: line 2 does not follow" in typed(tmp_path, "ledger", "first", status=1)
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 1
    bundle.write_bytes(content)
    assert "FAIL" in typed(tmp_path, "verify", str(bundle), status=1)
