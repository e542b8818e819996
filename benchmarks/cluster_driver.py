"""Tables of what large studies cost their driver, see `cluster_study`; each study is played in a process of its own."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench
from cluster_study import CALLS, JOURNAL, OPTUNA_FILE, PARTS, Driver, Window, resume

from data.settings import read_yaml
from sweep.config.study_config import StudyConfig

SPACE = Path(__file__).parents[1] / "search_spaces" / "lung_srad.yaml"
EPOCHS = 50
"""Of a unit of that search space, for the units that a driver can feed."""
MINUTES = 10
MOST_REPORT_MS = 10.0


@dataclass(frozen=True)
class Played:
    """A study that was played to its end."""

    windows: list[Window]
    reports: int
    seconds: float
    """Of the driver."""
    wall: float
    """The same by the clock on the wall, until MLflow has everything."""
    before: int
    """Resident bytes of its process before the study."""
    peak: int
    journal: int
    """Bytes, as Optuna's file."""
    optuna: int
    replay: float
    """Seconds to read the journal into a board."""
    resume: float
    """Seconds until a new driver could start a unit, Ray left out."""
    in_vain: float
    """Seconds to find that nothing may start, at the end."""


def print_studies(units: int, workers: int, epochs: int) -> list[str]:
    """Play several studies and print their tables; returns the bars that were missed."""
    studies = {
        "random search": play(units, workers, epochs, sampler={"name": "random"}),
        "TPE": play(units // 5, workers, epochs),
    }
    print_growth(studies, workers, epochs)
    print_parts(studies)
    print_files(studies)
    print_mlflow(units // 20, workers, epochs)
    return [bar for name, played in studies.items() for bar in missed(name, played.windows)]


def missed(name: str, windows: list[Window]) -> list[str]:
    first, last = windows[0], windows[-1]
    bars = []
    if last.milliseconds("report") > MOST_REPORT_MS:
        bars.append(
            f"{name}: {last.milliseconds('report'):.2f} ms a report at the end, above {MOST_REPORT_MS:g}"
        )
    for call in CALLS:
        growth = last.milliseconds(call) / first.milliseconds(call)
        if growth > last.units / first.units:
            bars.append(f"{name}: ms for a {call} grow {growth:.1f}-fold, faster than the study")
    return bars


def print_growth(studies: Mapping[str, Played], workers: int, epochs: int) -> None:
    """Print the driver's time at the beginning, in the middle and at the end of each study."""
    head = [f"{workers} workers, at most {epochs} epochs", "units", "configurations"]
    head += ["ms a report", "ms an end", "ms a start", "ms a unit", "units a second"]
    head += [f"workers fed, units of {EPOCHS} epochs and {MINUTES} minutes"]
    rows = []
    for name, played in studies.items():
        for window in _three(played.windows):
            a_unit = window.a_unit(window.seconds)
            report, end, start = (window.milliseconds(call) for call in CALLS)
            whole = EPOCHS * report + end + start
            row = [name, window.units, window.configurations]
            row += [bench.number(x) for x in (report, end, start, a_unit, 1e3 / a_unit)]
            rows.append([*row, bench.number(60 * MINUTES / (1e-3 * whole))])
    bench.print_table(head, rows)


def print_parts(studies: Mapping[str, Played]) -> None:
    """Print on which parts of the engine the driver's time goes."""
    head = ["ms a unit", "units", *(part for part in PARTS if part != "MLflow"), "board, race, budget"]
    rows = []
    for name, played in studies.items():
        for window in _three(played.windows):
            parts = window.parts()
            del parts["MLflow"]
            rows.append([name, window.units, *(bench.number(window.a_unit(s)) for s in parts.values())])
    bench.print_table(head, rows)


def print_files(studies: Mapping[str, Played]) -> None:
    """Print memory and files of each study, and how long a new driver reads the files."""
    head = ["study", "units", "reports", "driver s", "peak memory, MiB", "more than before it, MiB"]
    head += ["journal, MiB", "Optuna's file, MiB", "journal to board, s", "ready to go on, s"]
    head += ["ms to find that nothing may start"]
    rows = [
        [
            name,
            played.windows[-1].units,
            played.reports,
            bench.number(played.seconds),
            *map(bench.mib, (played.peak, played.peak - played.before, played.journal, played.optuna)),
            bench.number(played.replay),
            bench.number(played.resume),
            bench.number(1e3 * played.in_vain),
        ]
        for name, played in studies.items()
    ]
    bench.print_table(head, rows)


def print_mlflow(units: int, workers: int, epochs: int) -> None:
    """Print what MLflow costs: a small study without MLflow, and one with a database of its own."""
    rows = []
    for name, tracked in (("no MLflow", False), ("MLflow in SQLite", True)):
        played = play(units, workers, epochs, tracked=tracked, sampler={"name": "random"})
        queued = sum(window.spent.parts["MLflow"] for window in played.windows)
        seconds = played.seconds, played.wall
        row = [name, bench.number(1e6 * queued / played.reports), *map(bench.number, seconds)]
        rows.append([*row, bench.number(units / played.wall)])
    head = [f"{units} units", "us a report to queue it", "driver s", "s until all is written"]
    bench.print_table([*head, "units a second"], rows)


def play(units: int, workers: int, epochs: int, *, tracked: bool = False, **settings: Any) -> Played:
    """Play a study of `units` units of the published recipe's search space, with some `settings` replaced."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(_play_here, units, workers, epochs, tracked, settings).result()


def _play_here(units: int, workers: int, epochs: int, tracked: bool, settings: dict[str, Any]) -> Played:
    content = read_yaml(SPACE)
    content["recipe"]["epochs"] = epochs
    # Hours far away: large studies have such a limit, and the budget then counts what runs.
    content["budget"] = {"units": units, "gpu_hours": 1e7}
    config = StudyConfig.model_validate({**content, **settings})
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = _resident("VmRSS")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        driver = Driver(config, workers, folder, tracked=tracked)
        windows = driver.run(units, min(1000, units // 4))
        in_vain, closing = driver.ask_in_vain(), driver.close()
        peak, spent = _resident("VmHWM"), driver.whole
        replay, ready = resume(config, workers, folder)
        journal, optuna = ((folder / file).stat().st_size for file in (JOURNAL, OPTUNA_FILE))
    return Played(
        windows=windows,
        reports=spent.counts["report"],
        seconds=sum(spent.calls.values()),
        wall=spent.wall + closing,
        before=before,
        peak=peak,
        journal=journal,
        optuna=optuna,
        replay=replay,
        resume=ready,
        in_vain=in_vain,
    )


def _three(windows: list[Window]) -> list[Window]:
    return [windows[0], windows[len(windows) // 2], windows[-1]]


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
