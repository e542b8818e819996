"""MLflow's server goes away, politely or by SIGKILL, while a study sends: nothing is lost and nothing doubled."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from sweep.folder.study_folder import StudyFolder
from sweep.study.board import Board
from sweep.study.epoch_report import drawn
from tests.studies import tiny_study

pytestmark = pytest.mark.long
OUTAGE_S = 60
"""As long as a sweep is asked to survive without its server."""
STUDY = tiny_study(
    epochs=8,
    sampler={"name": "random"},
    schedule="sequential",
    budget={"configurations": 10_000},
    resources={"concurrent": 1},
)
Row = tuple[str, str, int, float]
Found = TypeVar("Found")


def rows(served: Any, table: str) -> list[tuple[Any, ...]]:
    """All that MLflow's database has in a table of its runs, without those that it deleted."""
    (database,) = served.log.parent.glob("served/.mlflow/mlflow.db")
    columns = {
        "runs": "runs.name, runs.status",
        "metrics": "runs.name, metrics.key, metrics.step, metrics.value",
        "tags": "runs.name, tags.value, runs.run_uuid",
    }
    join = "" if table == "runs" else f"JOIN {table} ON {table}.run_uuid = runs.run_uuid"
    only = "AND tags.key = 'mlflow.parentRunId'" if table == "tags" else ""
    with sqlite3.connect(database, timeout=60) as connection:
        asked = f"SELECT {columns[table]} FROM runs {join} WHERE lifecycle_stage = 'active' {only}"
        return connection.execute(asked).fetchall()


def expected_curves(board: Board) -> Counter[Row]:
    """Every number of every epoch on the board."""
    return Counter(
        (unit.id, name, int(report["epoch"]), float(value))
        for unit in board.units()
        for report in unit.curve
        for name, value in report.items()
        if drawn(name)
    )


def check_that_nothing_is_lost_or_doubled(served: Any, board: Board) -> None:
    names = Counter(name for name, _ in rows(served, "runs"))
    configurations = {f"configuration {one.number}" for one in board.configurations}
    units = {unit.id: f"configuration {unit.configuration}" for unit in board.units()}
    assert names == Counter([*configurations, *units])
    runs = dict(rows(served, "runs"))
    assert set(runs.values()) == {"FINISHED"}

    metrics = rows(served, "metrics")
    curves = Counter(row for row in metrics if row[0] in units)
    assert curves == expected_curves(board)
    means = {(name, step): value for name, key, step, value in metrics if key == "score_mean"}
    for one in board.configurations:
        summary = one.summary()
        assert summary is not None
        assert means[f"configuration {one.number}", summary.seeds] == pytest.approx(summary.mean)
    parents = {uuid: name for name, _, uuid in rows(served, "tags")}
    assert sorted(parents.values()) == sorted(units)


def wait_until(ready: Callable[[], Found], still: Callable[[], object] = lambda: True) -> Found:
    """What `ready` returns, once that is true."""
    deadline = time.monotonic() + 300
    while not (found := ready()):
        assert still()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.mark.timeout(1500)
def test_a_sweep_goes_on_without_its_server_and_all_is_there_in_the_end(
    serve: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    served = serve()
    space, studies = tmp_path / "space.yaml", tmp_path / "studies"
    space.write_text(yaml.safe_dump({**STUDY, "tracking_uri": served.uri}))
    respsweep = str(Path(sys.executable).with_name("respsweep"))
    named = ["--studies", str(studies)]
    folder = StudyFolder(studies / "one")

    def lines() -> int:
        return folder.journal.read_bytes().count(b"\n") if folder.journal.exists() else 0

    with (tmp_path / "study.log").open("wb") as output:
        study = subprocess.Popen(
            [respsweep, "run", str(space), "--name", "one", *named], stdout=output, stderr=output
        )
    try:

        def runs() -> bool:
            return study.poll() is None

        wait_until(lambda: lines() > 30 and rows(served, "metrics"), runs)
        assert served.stop() == 0
        gone, before = time.monotonic(), lines()
        wait_until(lambda: lines() > before + 10 and time.monotonic() - gone > OUTAGE_S, runs)
        missing = lines()
        served.start()
        wait_until(lambda: len(rows(served, "metrics")) > missing, runs)
        chance = random.Random(5)
        for _ in range(2):
            more = lines() + chance.randint(3, 15)
            wait_until(lambda more=more: lines() > more, runs)
            time.sleep(chance.uniform(0, 0.6))
            served.kill()
            more = lines() + 10
            wait_until(lambda more=more: lines() > more, runs)
            served.start()
        assert runs()
        study.send_signal(signal.SIGINT)
        assert study.wait(120) == 75
    finally:
        if study.poll() is None:
            study.kill()
    configurations = len(folder.board().configurations)
    resume = [respsweep, "run", "--resume", "one", *named, "--set", f"budget.configurations={configurations}"]
    ended = subprocess.run(resume, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert "MLflow misses some results" not in ended.stdout
    check_that_nothing_is_lost_or_doubled(served, folder.board())
