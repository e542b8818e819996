"""What commands cost to start: CPU time beside `python -c "import typer, rich, pydantic, yaml"`, in turn, in one run.

Exit status 1 when a command needs more than BAR times as much. The study is small: what is measured is the start.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from data.synthetic import write_breaths
from sweep.config.study_config import StudyConfig
from sweep.folder.study_folder import StudyFolder
from sweep.study.events import (
    ConfigurationAdded,
    EpochReported,
    Event,
    StudyStarted,
    StudyStopped,
    UnitFinished,
    UnitStarted,
)
from sweep.study.journal import Journal

BAR = 8.0
ROUNDS = 7
FLOOR = [sys.executable, "-c", "import typer, rich, pydantic, yaml"]
COMMANDS = {
    "status": ["status", "done"],
    "leaderboard": ["leaderboard", "done"],
    "export": ["export", "done"],
    "data": ["data", "breaths"],
    "a refused study file": ["run", "refused.yaml"],
}
RATES = {"score": 0.6, "sensitivity": 0.5, "specificity": 0.7, "any_abnormal_score": 0.65}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_study(folder)
        costs = _measure(folder)
    floor = statistics.median(costs.pop(""))
    print(f"| command | CPU s | times {' '.join(FLOOR[1:])} ({floor:.3f} s) |\n|---|---|---|")
    ratios = {name: statistics.median(spent) / floor for name, spent in costs.items()}
    for name, ratio in ratios.items():
        print(f"| {name} | {ratio * floor:.2f} | {ratio:.1f} |")
    raise SystemExit(any(ratio > BAR for ratio in ratios.values()))


def _measure(folder: Path) -> dict[str, list[float]]:
    """CPU seconds of each command in each round, and of the floor under ''. The first round fills the disk's cache."""
    costs: dict[str, list[float]] = {"": [], **{name: [] for name in COMMANDS}}
    for round_ in range(1 + ROUNDS):
        for name, spent in costs.items():
            respsweep = [sys.executable, "-c", "from sweep.cli import main; main()", *COMMANDS.get(name, [])]
            seconds = _cpu_seconds(respsweep if name else FLOOR, folder)
            if round_:
                spent.append(seconds)
    return costs


def _cpu_seconds(command: list[str], folder: Path) -> float:
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime


def _write_study(folder: Path) -> None:
    search = {"patch_mix.temperature": {"type": "float", "low": 0.05, "high": 0.5}}
    config = StudyConfig.model_validate({"search": search, "seeds": [1, 2], "recipe": {"epochs": 1}})
    study = StudyFolder.at(folder / "studies", "done").create(config)
    study.write_provenance({"study_id": "0" * 32})
    events: list[Event] = [StudyStarted((1, 2)), ConfigurationAdded(0, {"patch_mix.temperature": 0.2})]
    for seed in (1, 2):
        report = {"epoch": 1, **RATES}
        events += [UnitStarted(0, seed), EpochReported(0, seed, report), UnitFinished(0, seed, 1)]
    journal = Journal(study.journal)
    for event in [*events, StudyStopped("over")]:
        journal.write(event)
    journal.close()
    write_breaths(folder / "breaths", patients=12, seed=0)
    (folder / "refused.yaml").write_text(yaml.safe_dump({"sede": [1]}))


if __name__ == "__main__":
    main()
