"""Whatever is killed, stopped or filled up at a random moment of a study: it ends with the board of an undisturbed one.

Each study meets every fault once, in a random order but for MLflow's server, during whose start the study goes on; the
driver, where it ends, is started again with the same command.
`benchmarks/faults.py` runs more such studies.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import mlflow
import pytest
import yaml

from model.training.checkpoint import latest_checkpoint
from sweep.folder.study_folder import StudyFolder
from sweep.study.board import Board
from sweep.study.units import State
from tests.mlflow_servers import BareServer
from tests.studies import curves, tiny_study

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
SEEDS = range(int(os.environ.get("RESPSWEEP_FAULT_STUDIES", "1")))
"""A study for each, for `benchmarks/faults.py`."""
TABLE = os.environ.get("RESPSWEEP_FAULT_TABLE")
"""A file that takes a line of JSON for each fault, for `benchmarks/faults.py`."""
INTERRUPTED = 75
EPOCHS = 40
DISK_MB = 96
STUDY = tiny_study(
    EPOCHS,
    search={"patch_mix.temperature": {"type": "categorical", "choices": [0.06, 0.2]}},
    sampler={"name": "grid"},
    # One unit at a time, so that nothing goes on while a stopped worker is waited for: fifteen seconds, or more. As
    # many deaths as come.
    resources={"concurrent": 1, "patience": 1 / 240, "max_failures": 100},
)


@dataclass
class Lab:
    """A study in `folder`, on a disk of its own where that can be had, and what belongs to its runs."""

    space: Path
    folder: StudyFolder
    server: BareServer
    environment: dict[str, str]
    chance: random.Random
    driver: subprocess.Popen[bytes] | None = None
    output: Path = field(init=False)

    def __post_init__(self) -> None:
        self.output = self.space.with_name("output")

    def start(self) -> None:
        """Start the driver, and wait for an epoch that it hears."""
        respsweep = Path(sys.executable).with_name("respsweep")
        place = [
            "--name",
            "one",
            "--studies",
            str(self.folder.path.parent),
            "--tracking-uri",
            self.server.uri,
        ]
        with self.output.open("ab") as output:
            self.driver = subprocess.Popen(
                [str(respsweep), "run", str(self.space), *place],
                stdout=output,
                stderr=output,
                env=self.environment,
                start_new_session=True,
            )
        self.wait_for_epochs(1)

    def epochs(self) -> int:
        journal = self.folder.journal
        return journal.read_bytes().count(b'"EpochReported"') if journal.exists() else 0

    def wait_for_epochs(self, more: int) -> None:
        """Wait until so many more epochs are in the journal, or the study is over."""
        assert self.driver is not None
        until = self.epochs() + more

        def is_there() -> bool:
            assert self.driver is not None
            if self.driver.poll() is None:
                return self.epochs() >= until
            assert self.driver.returncode == 0, self.output.read_text()
            return True

        wait_for(f"epoch {until}", is_there)

    def processes(self) -> dict[int, str]:
        """Name the driver, its Ray and its workers: those that have its Ray's folder in their environment."""
        mark = f"RAY_TMPDIR={self.environment['RAY_TMPDIR']}\0".encode()
        found = {}
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (place / "environ").read_bytes():
                    found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return {process: name for process, name in found.items() if name}

    def one_of(self, name: str) -> int | None:
        """Choose a process whose command holds `name`; None where there is none just now."""
        found = sorted(process for process, command in self.processes().items() if name in command)
        return self.chance.choice(found) if found else None

    def board(self) -> Board:
        return StudyFolder.open(self.folder.path.parent, "one").board()


def wait_for(what: str, is_there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 600
    while not is_there():
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.05)


def send(lab: Lab, name: str, number: int) -> None:
    process = lab.one_of(name)
    if process is not None:
        os.kill(process, number)


def kill_driver(lab: Lab) -> None:
    assert lab.driver is not None
    lab.driver.kill()


def stop_driver_for_a_while(lab: Lab) -> None:
    assert lab.driver is not None
    lab.driver.send_signal(signal.SIGSTOP)
    time.sleep(lab.chance.uniform(1, 8))
    lab.driver.send_signal(signal.SIGCONT)


def interrupt(number: int) -> Callable[[Lab], None]:
    def fault(lab: Lab) -> None:
        assert lab.driver is not None
        lab.driver.send_signal(number)

    return fault


def stop_worker(lab: Lab) -> None:
    """Stop a worker for good, and wait until somebody has ended it."""
    process = lab.one_of(WORKER)
    if process is not None:
        os.kill(process, signal.SIGSTOP)
        wait_for("end of a worker that gives no news", lambda: process not in lab.processes())


def restart_server(lab: Lab) -> None:
    lab.server.kill()
    time.sleep(lab.chance.uniform(0, 3))
    lab.server.start()


def fill_disk(lab: Lab) -> None:
    with (lab.folder.path.parent / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(1 << 16))
        except OSError:
            return


WORKER, RAYLET, HEAD, WRITER = (
    "ray::ResourceTrainable",
    "/raylet/raylet ",
    "/gcs_server ",
    "sweep.tracking.writer",
)
SERVER = "MLflow's server, SIGKILL"
GOES_ON: dict[str, Callable[[Lab], None]] = {
    "worker, SIGKILL": lambda lab: send(lab, WORKER, signal.SIGKILL),
    "worker, SIGSTOP": stop_worker,
    SERVER: restart_server,
    "MLflow's writer, SIGKILL": lambda lab: send(lab, WRITER, signal.SIGKILL),
    "driver, SIGSTOP and SIGCONT": stop_driver_for_a_while,
}
"""Faults through which the driver lives."""
ENDS: dict[str, tuple[Callable[[Lab], None], str]] = {
    "driver, SIGKILL": (kill_driver, ""),
    "driver, SIGINT": (interrupt(signal.SIGINT), "interrupted"),
    "driver, SIGTERM": (interrupt(signal.SIGTERM), "interrupted"),
    "Ray's node, SIGKILL": (
        lambda lab: send(lab, RAYLET, signal.SIGKILL),
        "Ray died on this machine (raylet)",
    ),
    "Ray's head, SIGKILL": (
        lambda lab: send(lab, HEAD, signal.SIGKILL),
        "Ray died on this machine (gcs_server)",
    ),
    "full disk": (fill_disk, "No space left on device"),
}
"""Faults that end the driver, and the reason that it gives; none where it cannot speak."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    # Ray gives workers the lowest priority but four, and they would starve beside other tests.
    own = {"RESPSWEEP_CACHE": str(tmp_path_factory.mktemp("cache")), "RAY_worker_niceness": "0"}
    return {**os.environ, **own}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own, where this user may mount one; otherwise a folder."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True).returncode == 0
    yield place
    if mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def lab(tmp_path: Path, disk: Path, environment: dict[str, str]) -> Iterator[Lab]:
    space = tmp_path / "space.yaml"
    space.write_text(yaml.safe_dump(STUDY))
    (tmp_path / "server").mkdir()
    server = BareServer(tmp_path / "server")
    server.start()
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as ray_folder:
        marked = {**environment, "RAY_TMPDIR": ray_folder}
        made = Lab(space, StudyFolder(disk / "one"), server, marked, random.Random())
        yield made
        for process in made.processes():
            os.kill(process, signal.SIGKILL)
        server.kill()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Board:
    """The same study, undisturbed."""
    place = tmp_path_factory.mktemp("whole")
    space = place / "space.yaml"
    space.write_text(yaml.safe_dump(STUDY))
    respsweep = Path(sys.executable).with_name("respsweep")
    done = subprocess.run(
        [str(respsweep), "run", str(space), "--name", "one", "--studies", str(place)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return StudyFolder.open(place, "one").board()


def check_let_go(lab: Lab) -> None:
    """After the end of a driver no process of it is left, nobody holds the study, and each epoch has a checkpoint."""
    wait_for("end of the driver's processes", lambda: not lab.processes())
    assert lab.folder.lock().held_by() is None
    for unit in lab.board().units():
        if not unit.over and unit.curve:
            state, note = latest_checkpoint(lab.folder.units / unit.id / "checkpoint.pt")
            assert note is None
            assert state is not None
            assert len(state["history"]) >= len(unit.curve)


def check_runs(lab: Lab, board: Board) -> None:
    """MLflow has a run for each configuration and unit, each over, with every epoch once."""
    client = mlflow.MlflowClient(lab.server.uri)
    experiment = client.get_experiment_by_name("one")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    names = Counter(run.info.run_name for run in runs)
    assert names == Counter(
        [unit.id for unit in board.units()] + [f"configuration {one.number}" for one in board.configurations]
    )
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        if "seed" in run.data.params:
            history = client.get_metric_history(run.info.run_id, "score")
            assert sorted(point.step for point in history) == [*range(1, EPOCHS + 1)]


def note(**row: object) -> None:
    if TABLE is not None:
        with Path(TABLE).open("a") as table:
            table.write(json.dumps(row) + "\n")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_study_that_meets_every_fault_ends_as_one_that_met_none(lab: Lab, whole: Board, seed: int) -> None:
    lab.chance = random.Random(seed)
    faults = [name for name in (*GOES_ON, *ENDS) if name != SERVER]
    if not lab.folder.path.parent.is_mount():
        print("no file system could be mounted, so that none is filled up")
        faults.remove("full disk")
    lab.chance.shuffle(faults)
    faults.append(SERVER)
    lab.start()
    for name in faults:
        assert lab.driver is not None
        lab.wait_for_epochs(lab.chance.randint(1, 4))
        time.sleep(lab.chance.uniform(0, 0.5))
        assert lab.driver.poll() is None, "the study is too short for its faults"
        struck, before = time.monotonic(), lab.epochs()
        if name in GOES_ON:
            GOES_ON[name](lab)
            lab.wait_for_epochs(3)
        else:
            strike, reason = ENDS[name]
            strike(lab)
            status = lab.driver.wait(600)
            said = lab.output.read_text()
            assert status == (INTERRUPTED if reason else -signal.SIGKILL), (name, said)
            if reason:
                assert reason in said.splitlines()[-1]
                assert "; go on with: respsweep run --resume one" in said.splitlines()[-1]
            (lab.folder.path.parent / "filler").unlink(missing_ok=True)
            check_let_go(lab)
            lab.start()
        note(fault=name, seed=seed, seconds=time.monotonic() - struck, epochs=before)
    assert lab.driver is not None
    assert lab.driver.wait(1800) == 0, lab.output.read_text()
    board = lab.board()
    assert {unit.state for unit in board.units()} == {State.FINISHED}
    assert curves(board) == curves(whole)
    wait_for("end of the driver's processes", lambda: not lab.processes())
    check_runs(lab, board)
    assert "Traceback" not in lab.output.read_text()
