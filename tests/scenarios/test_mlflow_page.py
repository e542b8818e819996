"""MLflow's own page, in Chromium, as the addresses of `respsweep ui` open it on a study."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.study.events import ConfigurationAdded, EpochReported, Event, StudyStarted, UnitPruned, UnitStarted
from sweep.tracking.experiments import find_experiment
from sweep.tracking.messages import Shown, Target
from sweep.tracking.shared_view import view_address
from sweep.tracking.tracker import database_uri
from sweep.tracking.writer import Writer
from tests.mlflow_servers import BareServer
from tests.sweep.histories import timed
from tests.sweep.report.page.browser import QUIET
from tests.sweep.tracking.tracked import epoch, trained

FIELDS = ("patch_mix.temperature", "smoothing.stage")
SCORES = {0: 0.6, 1: 0.8, 2: 0.5, 3: 0.7, 4: 0.9}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, empty_tables: Path) -> Iterator[BareServer]:
    """An MLflow server with a study of five configurations with two seeds, and one that was pruned at 0.3."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copy(empty_tables, folder)
    events: list[Event] = [StudyStarted((1, 2))]
    for number, score in SCORES.items():
        values = {"patch_mix.temperature": 0.1 * (1 + number), "smoothing.stage": number % 3}
        events += [ConfigurationAdded(number, values), *trained(number, 1, score), *trained(number, 2, score)]
    events += [ConfigurationAdded(5, {"patch_mix.temperature": 0.7, "smoothing.stage": 1}), UnitStarted(5, 1)]
    events += [EpochReported(5, 1, epoch(1, 0.3)), UnitPruned(5, 1, "pruned at epoch 1")]
    shown = Shown("score", FIELDS, {"epochs": "4"}, "Study **first**")
    past = tuple(timed(*events))
    Writer(Target(database_uri(folder), "first", folder / "artifacts", "first", past, {}, shown)).close()
    server = BareServer(folder)
    server.start()
    yield server
    server.kill()


def page(server: BareServer, folder: Path, *, charts: bool) -> str:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here; Debian has it as a package")
    experiment = find_experiment(server.uri, "first")
    assert experiment is not None
    address = view_address(server.uri, experiment, charts=charts)
    options = [
        f"--user-data-dir={folder / 'profile'}",
        "--window-size=1800,1400",
        "--virtual-time-budget=40000",
    ]
    done = subprocess.run(
        [chromium, *QUIET, *options, "--dump-dom", address],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    return done.stdout


@pytest.mark.slow
def test_the_table_lists_configurations_the_best_first_the_pruned_one_last(
    server: BareServer, tmp_path: Path
) -> None:
    shown = page(server, tmp_path, charts=False)
    by_row = re.findall(r'row-index="(\d+)"[^>]*>(?:(?!row-index=).)*?>(configuration \d)<', shown, re.DOTALL)
    assert [name for _, name in sorted(set(by_row))] == [
        f"configuration {number}" for number in (4, 1, 3, 0, 2, 5)
    ]
    for column in ("score_mean", "score_sd", "seeds"):
        assert f">{column}<" in shown
    assert "Model training" in shown
    assert "0000-seed1" not in shown


@pytest.mark.slow
def test_the_charts_are_parallel_coordinates_to_the_mean_and_bars_in_the_order_of_scores(
    server: BareServer, tmp_path: Path
) -> None:
    shown = page(server, tmp_path, charts=True)
    axes = re.findall(r'class="label">([^<]+)<', shown)
    assert axes == [*FIELDS, "score_mean"]
    bars = re.findall(r'class="bartext[^>]*>([\d.]+)<', shown)
    # Drawn from the bottom to the top.
    assert [float(bar) for bar in bars] == [0.3, 0.5, 0.6, 0.7, 0.8, 0.9]
