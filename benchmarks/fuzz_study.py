"""Readers of a study: its file, its folder, its curves, cluster files, and copies of what its units need."""

from __future__ import annotations

import functools
import json
import math
import os
import re
import tempfile
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock
from fuzz_data import FEATURES, breaths
from fuzz_model import SMALL
from fuzz_reader import ALWAYS, Files, Reader, files_below, known, need
from rich.console import Console

from data.errors import LONGEST_LINE
from model.training.recipe import Recipe, read_recipe
from model.weights_file import checkpoint_sha256
from sweep.cluster.check import check_cluster_file
from sweep.cluster.surroundings import Surroundings
from sweep.config.resumption import evidence_changes
from sweep.config.study_config import read_study
from sweep.driver.export import export
from sweep.driver.which_study import choose_study
from sweep.folder.study_folder import StudyFolder
from sweep.report.board_in_words import failures
from sweep.report.frames import curves_frame, leaderboard_frame, units_frame
from sweep.report.leaderboard import leaderboard
from sweep.report.status import study_status
from sweep.search.optuna_export import OptunaExport
from sweep.search.optuna_search import OptunaSearch
from sweep.simulation.curves_file import export_curves, read_curves
from sweep.simulation.made_up_curves import SyntheticCurves, WorldConfig
from sweep.simulation.simulated_study import simulate_study
from sweep.study.board import Board
from sweep.study.journal import Journal
from sweep.study.score_table import METRICS
from sweep.worker import local_data
from sweep.worker.local_data import load_examples
from sweep.worker.prepared_data import DataPreparation, PreparedData
from sweep.worker.weights import Weights, local_weights

ROOT = Path(__file__).parents[1]
SPACE: dict[str, Any] = {
    "recipe": {"epochs": 3},
    "search": {
        "patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0},
        "patch_mix.axes": {"type": "categorical", "choices": [["time"], ["time", "frequency"]]},
        "smoothing.stage": {"type": "categorical", "choices": [None, 1]},
    },
    "seeds": [1, 2],
    "sampler": {"name": "random"},
    "budget": {"configurations": 4},
}
PROVENANCE = {
    "study_id": "5" * 32,
    "task": "icbhi",
    "data_hash": "d" * 64,
    "fold_hash": "f" * 64,
    "weights_hash": None,
}


@functools.cache
def study() -> Files:
    """A whole study in the folder `studies/space`, as it was played on made-up curves, and its file `space.yaml`."""
    with tempfile.TemporaryDirectory() as top:
        place = Path(top)
        (place / "space.yaml").write_text(yaml.safe_dump(SPACE, sort_keys=False))
        config = read_study(place / "space.yaml")
        folder = StudyFolder.at(place / "studies", "space").create(config)
        journal = Journal(folder.journal)
        curves = SyntheticCurves(WorldConfig(epoch_seconds_sd=0.3), config.space, 0)
        for event in simulate_study(config, curves, 2).events:
            journal.write(event)
        journal.close()
        folder.write_provenance({**PROVENANCE, "commit": None, "versions": {"torch": "2.11.0"}})
        export(folder)
        OptunaExport(folder.path / "optuna.journal", "space", config, folder.board()).write()
        with folder.lock() as lock:
            lock.sign()
        export_curves(folder, place / "curves.jsonl")
        return files_below(place)


def _board_of(folder: Path) -> tuple[StudyFolder, Board]:
    found = StudyFolder.at(folder / "studies", "space")
    return found, found.board()


def _study_file(folder: Path) -> Any:
    config = read_study(folder / "study.yaml")
    stored = StudyFolder.at(folder / "studies", "fuzz").create(config).config()
    need(stored == config.resolved(), "a study that is another one when it is taken up again")
    need(stored.resolved() == stored, "a study that is another one when it is taken up twice")
    return config.model_dump(mode="json")


def _study_files(_: Path) -> list[Files]:
    return [
        *({"study.yaml": path.read_bytes()} for path in sorted((ROOT / "search_spaces").glob("*.yaml"))),
        {"study.yaml": study()["studies/space/study.yaml"]},
        {"study.yaml": yaml.safe_dump(_WIDE).encode()},
        *known("hostile/1*/study.yaml"),
        *known("use/*/*.yaml", "study.yaml"),
    ]


_WIDE: dict[str, Any] = {
    "data": {"patients": 12, "seed": 3},
    "recipe": {"backbone": {"name": "dass", "variant": "tiny", "pretrained": "w.pth"}},
    "search": {
        "smoothing.kernel_size": {"type": "int", "low": 3, "high": 9, "step": 2, "when": "smoothing.stage"},
        "smoothing.stage": {"type": "categorical", "choices": [None, 1, 2]},
        "smoothing.sigma": {
            "type": "float",
            "low": 1,
            "high": 4,
            "step": 0.5,
            "when": {"smoothing.stage": [1, 2]},
        },
        "optimiser.learning_rate": {"type": "float", "low": 1e-5, "high": 1e-2, "log": True},
        "backbone.pretrained": {"type": "categorical", "choices": [None, "w.pth", "author/name"]},
    },
    "enqueue": [{"smoothing.stage": None, "optimiser.learning_rate": 1e-3, "backbone.pretrained": None}],
    "objective": ["sensitivity", "specificity"],
    "sampler": {"name": "tpe", "seed": 4, "arguments": {"n_startup_trials": 3}},
    "pruner": {"name": "patient", "arguments": {"wrapped_pruner": {"name": "median"}, "patience": 2}},
    "racing": {"name": "contenders", "p": 0.1},
    "budget": {"configurations": 8, "wall_clock": 1.5},
    "resources": {"cpu": 0.5, "custom": {"x": 1}, "patience": 2},
    "tracking_uri": "http://localhost:5000",
}


def _proposals(folder: Path) -> Any:
    config = read_study(folder / "study.yaml")
    search = OptunaSearch(config)
    points = [search.propose() for _ in range(3)]
    made = [point.values for point in points if point is not None]
    for values in made:
        config.space.check_point(values)
        config.space.recipe(values)
    keys = [json.dumps(values, sort_keys=True, default=str) for values in made]
    need(len(set(keys)) == len(keys), "a point that is proposed twice")
    return keys


def _exported(folder: Path) -> Any:
    recipe = read_recipe(folder / "studies" / "space" / "best.yaml")
    found, _ = choose_study(folder / "studies", folder / "space.yaml", None, None, {})
    return recipe.digest(), found.name


def _provenance(folder: Path) -> Any:
    read = StudyFolder.at(folder / "studies", "space").provenance()
    return sorted(evidence_changes(read, {**PROVENANCE, "commit": "9", "versions": {}}, "space"))


def _journal(folder: Path) -> Any:
    found, board = _board_of(folder)
    _check_lines_are_those_written(found)
    for unit in board.units():
        for report in unit.curve:
            for metric in METRICS:
                rate = report.get(metric, 0.0)
                need(isinstance(rate, int | float) and 0 <= rate <= 1, f"{metric} {rate!r}")
    _shown(found, board)
    return _curves_of(board)


def _check_lines_are_those_written(folder: StudyFolder) -> None:
    """Lines of a journal are chained: whatever is read is how the study began, or a warning says that it is not."""
    right = study()["studies/space/journal.jsonl"].split(b"\n")
    read = folder.journal.read_bytes().split(b"\n")
    if read[0] == right[0] and read[:-1] != right[: len(read) - 1]:
        need(folder.journal_warning() is not None, "a line that no study wrote, without a warning")


def _curves_of(board: Board) -> Any:
    curves = [
        (one.number, dict(one.values), {seed: unit.curve for seed, unit in one.units.items()})
        for one in board.configurations
    ]
    return json.dumps(curves, default=list)


def _shown(folder: StudyFolder, board: Board) -> None:
    """Print a study as `status` and `leaderboard` do."""
    console = Console(file=StringIO(), width=200)
    config = folder.config()
    console.print(study_status(folder, units=True), highlight=False)
    table = leaderboard(board, config.scored_task, objectives=config.objectives)
    console.print(table, *failures(board), sep="\n", markup=False)
    for frame in (leaderboard_frame(board), curves_frame(board), units_frame(board, 2e9)):
        need(frame.index.is_unique, "a row that is there twice")


def _optuna_journal(folder: Path) -> Any:
    found, board = _board_of(folder)
    path = found.path / "optuna.journal"
    OptunaExport(path, "space", found.config(), board).write()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    need(bool(lines) and {line["op_code"] for line in lines} <= set(range(12)), "no journal of Optuna's")
    return _curves_of(board), len(lines)


def _card(folder: Path) -> Any:
    found, board = _board_of(folder)
    Console(file=StringIO()).print(study_status(found))
    other = FileLock(found.path / "driver.lock", timeout=0)
    with other:
        holder = found.lock().held_by()
    need(isinstance(holder, str) and "\n" not in holder, f"a holder called {holder!r}")
    with found.lock() as lock:
        sign = lock.last_sign()
        need(sign is None or math.isfinite(sign), f"last sign {sign!r}")
        lock.sign()
    return _curves_of(board)


def _curves(folder: Path) -> Any:
    found = read_curves(folder / "curves.jsonl")
    for unit in found.units:
        rates = unit.metrics[~(unit.metrics != unit.metrics)]
        need(bool(((rates >= 0) & (rates <= 1)).all()), f"rates of unit {unit.configuration}, {unit.seed}")
        need(bool((unit.seconds >= 0).all()), f"seconds of unit {unit.configuration}, {unit.seed}")
    return sorted(
        (unit.configuration, unit.seed, unit.finished, unit.metrics.tobytes()) for unit in found.units
    )


def _curve_files(_: Path) -> list[Files]:
    return [{"curves.jsonl": study()["curves.jsonl"]}]


def _cluster(folder: Path) -> Any:
    (path,) = folder.glob("*.yaml")
    report = check_cluster_file(path, Surroundings.here())
    for finding in report.findings:
        for said in (finding.where, finding.found, finding.wanted):
            need(
                0 < len(said) <= LONGEST_LINE,
                f"a finding with {len(said)} characters at {finding.where[:80]}",
            )
    return sorted((finding.where, finding.found) for finding in report.findings)


def _cluster_files(_: Path) -> list[Files]:
    paths = [ROOT / "cluster.yaml", *sorted((ROOT / "docs" / "cluster").glob("*.yaml"))]
    return [
        *({"cluster.yaml": path.read_bytes()} for path in paths),
        *known("hostile/25_*/cluster.yaml"),
    ]


@functools.cache
def _shared() -> tuple[PreparedData, Files]:
    """Features and folds as a driver shares them, which no machine sees elsewhere."""
    with tempfile.TemporaryDirectory() as top:
        place = Path(top)
        for name, content in breaths().items():
            (place / "data").mkdir(exist_ok=True)
            (place / "data" / name).write_bytes(content)
        preparation = DataPreparation(place / "data", place / "cache", progress=False)
        preparation.share(str(place / "shared"))
        recipe = Recipe.model_validate({**SMALL, "features": FEATURES.model_dump(), "folds": {"folds": 2}})
        prepared = preparation.prepare(recipe)
        files = {f"shared/{name}": content for name, content in files_below(place / "shared").items()}
        return prepared, files


def _shared_copy(folder: Path) -> Any:
    prepared, _ = _shared()
    nowhere = {
        "cache": str(folder / "nowhere"),
        "recordings": str(folder / "none"),
        "shared": str(folder / "shared"),
    }
    os.environ["RESPSWEEP_CACHE"] = str(folder / "node")
    local_data._open_store.cache_clear()
    parts = load_examples(PreparedData(**{**vars(prepared), **nowhere}), 0)
    return [(part.rows.tolist(), part.features.numpy().tobytes(), part.labels.tolist()) for part in parts]


def _shared_weights(folder: Path) -> Any:
    (path,) = (folder / "weights").glob("*/*")
    right = path.parent.name
    got = local_weights(Weights("/nowhere/w.pth", right, str(folder)), folder / "node")
    need(checkpoint_sha256(got) == right, "weights that are not those of the driver")
    return right


def _weight_copies(_: Path) -> list[Files]:
    import hashlib

    content = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(64))
    return [{f"weights/{hashlib.sha256(content).hexdigest()}/w.pth": content}]


def _in_study(name: str) -> str:
    return re.escape(f"studies/space/{name}")


def _studies(pattern: str = "", name: str = "") -> list[Files]:
    """The study, and the study with files that once went wrong in the place of its own."""
    known_bad = [next(iter(one.values())) for one in known(pattern)] if pattern else []
    return [study(), *({**study(), f"studies/space/{name}": content} for content in known_bad)]


MADE_UP = "searches", "anything"
READERS = (
    Reader("study files", "yaml", r"study\.yaml", _study_files, _study_file, weight=4, values=MADE_UP),
    Reader(
        "first points of a study",
        "yaml",
        r"study\.yaml",
        _study_files,
        _proposals,
        ("",),
        values=MADE_UP,
        ordered=True,
    ),
    Reader("best.yaml", "yaml", _in_study("best.yaml"), lambda _: _studies(), _exported, weight=0.5),
    Reader(
        "provenance",
        "yaml",
        _in_study("provenance.yaml"),
        lambda _: _studies("hostile/26*/*.yaml", "provenance.yaml"),
        _provenance,
        ("{file}", "study space"),
    ),
    Reader(
        "journals",
        "lines",
        _in_study("journal.jsonl"),
        lambda _: _studies("hostile/2[01]*/*.jsonl", "journal.jsonl"),
        _journal,
        weight=2,
    ),
    Reader(
        "journals of Optuna",
        "lines",
        _in_study("optuna.journal"),
        lambda _: _studies("hostile/22*/*.journal", "optuna.journal"),
        _optuna_journal,
        exact=ALWAYS,
        weight=0.3,
    ),
    Reader(
        "cards of drivers",
        "json",
        _in_study("driver.json"),
        lambda _: _studies("hostile/23*/driver.json", "driver.json"),
        _card,
        exact=ALWAYS,
        weight=0.3,
    ),
    Reader("curves", "lines", r"curves\.jsonl", _curve_files, _curves),
    Reader("cluster files", "yaml", r"cluster\.yaml", _cluster_files, _cluster, weight=1.5, ordered=True),
    Reader("shared copies", "binary", r"shared/.*", lambda _: [_shared()[1]], _shared_copy, ("{}",), ALWAYS),
    Reader("shared weights", "binary", r"weights/.*", _weight_copies, _shared_weights, ("{}",), ALWAYS, 0.5),
)
