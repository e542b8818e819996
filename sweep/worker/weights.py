"""Pretrained weights on the machine that trains: the named file, or a copy fetched once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from data.atomic import build_once
from data.errors import UserError
from model.training.recipe import Recipe
from model.weights_file import checkpoint_sha256, find_checkpoint
from sweep.storage.cache_folder import cache_folder
from sweep.storage.open_storage import open_storage
from sweep.storage.patience import patiently
from sweep.storage.shared_copy import publish_file


class WeightsError(UserError):
    """Weights that a machine cannot get."""


@dataclass(frozen=True)
class Weights:
    """A file of weights as the driver sees it, its SHA-256 (hex), and a place with a copy for all machines, if any."""

    path: str
    sha256: str
    shared: str | None = None

    @property
    def name(self) -> str:
        """Name of the shared copy, and of the local one: hash and file name."""
        return f"{self.sha256}/{Path(self.path).name}"


def weights_of(recipe: Recipe) -> Weights | None:
    """Find the weights that a recipe starts from; None for random ones. Raises PretrainedError for a missing file."""
    source = recipe.backbone.pretrained
    if source is None:
        return None
    path = find_checkpoint(source).absolute()
    return Weights(str(path), checkpoint_sha256(path))


def share_weights(weights: Weights, place: str) -> Weights:
    """Copy weights to a place that all machines reach, unless they are there; returns them with that place.

    Raises WeightsError when they cannot be copied.
    """
    try:
        publish_file(patiently(lambda: open_storage(place)), Path(weights.path), f"weights/{weights.name}")
    except OSError as error:
        raise WeightsError(f"{place}: {weights.path} cannot be copied there: {error}") from error
    return replace(weights, shared=place)


def local_weights(weights: Weights, cache: Path | None = None) -> Path:
    """The file of weights on this machine, fetched from the shared copy if there is one.

    Raises WeightsError when the copy has other content than the driver's file, OSError when its storage refuses, or
    stays away for minutes.
    """
    shared = weights.shared
    if shared is None:
        return Path(weights.path)
    local = (cache or cache_folder()) / "weights" / weights.name

    def fetch(draft: Path) -> None:
        storage = patiently(lambda: open_storage(shared))
        patiently(lambda: storage.download(f"weights/{weights.name}", draft / local.name))
        found = checkpoint_sha256(draft / local.name)
        if found != weights.sha256:
            raise WeightsError(
                f"{shared}: weights/{weights.name} has SHA-256 {found}; delete it, and resume the study"
            )

    build_once(local.parent, fetch)
    return local
