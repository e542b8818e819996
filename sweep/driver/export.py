"""The best configuration as one file that trains again, with where it comes from."""

from __future__ import annotations

import importlib.metadata
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from data.atomic import write_whole
from data.errors import UserError
from model.training.recipe import Recipe
from sweep.study.board import Board
from sweep.study.score_table import METRICS
from sweep.study.units import Configuration

PACKAGES = ("respsweep", "torch", "torchaudio", "ray", "optuna", "mlflow", "numpy")


class ExportError(UserError):
    """There is nothing to export."""


def export_configuration(
    path: Path, study: str, board: Board, chosen: Configuration, recipe: Recipe, provenance: Mapping[str, Any]
) -> None:
    """Write the recipe of a configuration and its provenance to `path`, whole or not at all.

    The scores are those of the validation fold, over the seeds named; the test part was not read. Raises
    ExportError when `path` cannot be written.
    """
    scored_on = (
        f"validation fold {recipe.folds.fold} of {recipe.folds.folds}, patients of the official training part"
    )
    content = {
        "recipe": recipe.model_dump(mode="json"),
        "provenance": {
            "study": study,
            "configuration": chosen.number,
            "searched": {name: _plain(value) for name, value in chosen.values.items()},
            "scored_on": scored_on,
            "chosen_among": len(board.configurations),
            "seeds": list(board.seeds),
            **{rate: _rate(chosen, rate) for rate in METRICS},
            "recipe_digest": recipe.digest(),
            **provenance,
        },
    }
    best = board.best()
    if best is None or best.number == chosen.number:
        which = f"The best configuration of the study {study}"
    else:
        which = f"Configuration {chosen.number} of the study {study}, whose best is {best.number}"
    header = (
        f"# {which}: {chosen.summary()} ICBHI Score on held-out patients.\n"
        f"# respsweep train {path.name} --data DIR --seed 1\n"
    )
    try:
        write_whole(path, header + yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    except OSError as error:
        raise ExportError(f"{path}: cannot be written: {error.strerror}") from error


def provenance_of(data_hash: str, fold_hash: str, weights_hash: str | None) -> dict[str, Any]:
    """What a number rests on: data, folds and weights (SHA-256, hex), versions, the commit of this clone."""
    return {
        "data_hash": data_hash,
        "fold_hash": fold_hash,
        "weights_hash": weights_hash,
        "commit": _commit(),
        "versions": {package: importlib.metadata.version(package) for package in PACKAGES},
    }


def _rate(configuration: Configuration, rate: str) -> dict[str, Any]:
    summary = configuration.summary(rate)
    assert summary is not None, "only a configuration with finished units is exported"
    return {"mean": summary.mean, "sd": summary.sd, "seeds": summary.seeds}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _commit() -> str | None:
    """Commit of the clone this runs from, with `-dirty` when files differ from it; None outside a clone."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
