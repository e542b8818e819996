"""What the networks of a ranking of bands came to, kept in a file until the ranking is written, so that it can go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from data.atomic import write_whole
from data.bands import Band, Fold
from data.json_text import parse_json
from data.settings import Config

Share = Annotated[float, Field(allow_inf_nan=False)]


class KeptNetwork(Config):
    """What a network trained with some bands, without one fold of patients, came to on that fold."""

    bands: tuple[Band, ...] = Field(description="that it was given")
    fold: Fold = Field(description="of patients, left out")
    score: float = Field(ge=0, le=1, description="on that fold after the last epoch, a fraction")
    importances: tuple[tuple[Share, ...], ...] | None = Field(
        default=None, description="a row a class, a number a band; null: none were asked for"
    )
    method: str | None = Field(default=None, description="that found them")


class KeptNetworks:
    """Finished networks of one ranking, in a file of a line each, which is written anew as a whole for each of them."""

    def __init__(self, path: Path | None) -> None:
        """`path`: where networks are kept (None: they are not)."""
        self.path = path
        self._ranking: dict[str, Any] = {}
        self._kept: dict[tuple[tuple[int, ...], int], KeptNetwork] = {}
        self.of_another = False
        """Whether another ranking's networks lie there, which the first one that is added takes the place of."""

    def read(self, ranking: Mapping[str, Any]) -> None:
        """Read what is kept, if that is of the same ranking, in place of all that is known.

        `ranking`: all that the networks depend on beside bands and fold, as JSON has it.
        """
        self._ranking, self._kept, self.of_another = dict(ranking), {}, False
        if self.path is not None and self.path.is_file():
            self._read(self.path)

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, bands: tuple[int, ...], fold: int) -> KeptNetwork | None:
        """Find a network that was finished before."""
        return self._kept.get((bands, fold))

    def add(self, network: KeptNetwork) -> None:
        """Keep a network. Raises OSError."""
        kept = self._kept | {(network.bands, network.fold): network}
        if self.path is not None:
            lines = [self._ranking, *(one.model_dump(mode="json") for one in kept.values())]
            write_whole(self.path, "".join(f"{json.dumps(line)}\n" for line in lines))
        self._kept = kept

    def remove(self) -> None:
        """Remove the file, for which there is no use once the ranking is written."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def left(self) -> str:
        """Say in a line what of a ranking that is broken off now is kept."""
        if self._kept:
            return f"finished networks are kept in {self.path}: the same command goes on from there"
        if self.path is not None and self.path.is_file():
            return f"no network was finished; {self.path} stays as it was before"
        return "no network was finished, so nothing is kept"

    def _read(self, path: Path) -> None:
        first, *lines = path.read_text(errors="replace").splitlines() or [""]
        try:
            self.of_another = parse_json(first) != self._ranking
            found = [] if self.of_another else [KeptNetwork.model_validate(parse_json(one)) for one in lines]
        except (ValueError, ValidationError):
            self.of_another, found = True, []
        self._kept = {(one.bands, one.fold): one for one in found}
