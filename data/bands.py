"""Which mel bands of a spectrogram a network is given: a list, ranges, or the best of a ranking. Free of torch."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from data.errors import one_line
from data.settings import Config, ConfigError, parse, read_yaml

Band = Annotated[int, Field(ge=0, lt=4096)]
Fold = Annotated[int, Field(ge=0, lt=1000)]
Score = Annotated[float, Field(ge=-1000, le=1000)]
Correlation = Annotated[float, Field(ge=-1, le=1)]
MOST_GROUPS = 4096
"""Groups or ranges that a list of bands may be written in: no spectrogram has more bands."""


class MelScale(Config):
    """The mel bands that indices count: two spectrograms of equal scale have the same frequencies in band i."""

    n_mels: int = Field(ge=4, le=4096, description="mel bins")
    sample_rate: int = Field(ge=1000, le=384_000, description="Hz")
    low_hz: float = Field(ge=0, le=192_000, description="Hz; lower edge of the lowest mel bin")
    high_hz: float = Field(gt=0, le=192_000, description="Hz; upper edge of the highest mel bin")
    front_end: Literal["kaldi", "stft_db"] = Field(description="which front end's mel bank")


class RankingRound(Config):
    """One round of a ranking's removals: which bands were kept, and how well networks did with them."""

    bands: int = Field(ge=1, le=4096, description="bands kept")
    removed: tuple[Band, ...] = Field(description="bands that this round removed; empty for all bands")
    score: float = Field(ge=0, le=1, description="mean validation score over the folds, a fraction")


class BandRanking(Config):
    """An order of groups of mel bands, the most important first, as `respsweep bands` writes it to a file."""

    groups: tuple[tuple[Band, ...], ...] = Field(
        min_length=1, max_length=MOST_GROUPS, description="bands of each group, the best group first"
    )
    scale: MelScale = Field(description="of the spectrograms whose bands these are")
    method: str = Field(default="", description="how the order was found")
    consistency_penalty: float | None = Field(
        default=None, ge=0, le=1000, description="lambda: deviations taken from a band's mean importance"
    )
    scores: tuple[Score, ...] = Field(default=(), description="of each group, in the order of groups")
    folds: tuple[Fold, ...] = Field(default=(), description="folds of patients that the order rests on")
    fold_correlations: tuple[Correlation | None, ...] = Field(
        default=(), description="Spearman's, between the bands' importance on each two folds; null: undefined"
    )
    rounds: tuple[RankingRound, ...] = Field(default=(), description="removals that were tried, in order")
    best_keep: int | None = Field(
        default=None, ge=1, le=4096, description="bands of the smallest set near the best; null: not tried"
    )
    data_hash: str | None = Field(default=None, description="SHA-256 of the recordings, hex")
    fold_hash: str | None = Field(default=None, description="SHA-256 of the folds, hex")
    recipe_digest: str | None = Field(default=None, description="SHA-256 of the recipe, hex")

    @field_validator("groups")
    @classmethod
    def _name_a_band_once(cls, groups: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
        bands = [band for group in groups for band in group]
        if not all(groups):
            raise ValueError("a group without a band; leave it out")
        if sorted(bands) != list(range(len(bands))):
            raise ValueError(
                f"must name every band from 0 to {len(bands) - 1} once, got {len(set(bands))} bands"
            )
        return groups

    def best(self, keep: int) -> tuple[int, ...]:
        """Choose the `keep` best bands, by whole groups. Raises ValueError for a number that splits a group."""
        bands: list[int] = []
        sizes = []
        for group in self.groups:
            bands += group
            sizes.append(len(bands))
            if len(bands) == keep:
                return tuple(sorted(bands))
        near = sorted(sorted(sizes, key=lambda size: abs(size - keep))[:4])
        raise ValueError(f"keep: whole groups of the ranking are kept, such as {near} bands, got {keep}")


class BandChoice(Config):
    """Bands in ranges, or the best of a ranking: of a file, or written out in place."""

    ranges: tuple[tuple[Band, Band], ...] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_GROUPS,
        description="first and last band of each range, both kept; null: a ranking says which",
    )
    ranking: str | BandRanking | None = Field(
        default=None,
        description="file that `respsweep bands` wrote (in a study's own copy the ranking itself); null: ranges say "
        "which",
    )
    keep: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="bands of the ranking to keep, by whole groups, the first ones",
    )
    sha256: str | None = Field(
        default=None, description="of the ranking's file, hex, where the ranking itself stands in its place"
    )

    @field_validator("ranges")
    @classmethod
    def _rise(cls, ranges: tuple[tuple[int, int], ...] | None) -> tuple[tuple[int, int], ...] | None:
        for first, last in ranges or ():
            if first > last:
                raise ValueError(f"a range is its first and its last band, got [{first}, {last}]")
        return ranges

    @model_validator(mode="after")
    def _says_one_thing(self) -> BandChoice:
        if (self.ranges is None) == (self.ranking is None) or (self.ranking is None) != (self.keep is None):
            raise ValueError("must be settings with either ranges, or both ranking and keep")
        return self

    def bands(self, scale: MelScale) -> set[int]:
        """Choose the bands. Raises ValueError for a ranking of another mel scale, or that cannot keep so many."""
        if self.ranges is not None:
            return {band for first, last in self.ranges for band in range(first, last + 1)}
        assert self.ranking is not None
        assert self.keep is not None
        ranking = read_ranking(Path(self.ranking))[0] if isinstance(self.ranking, str) else self.ranking
        if ranking.scale != scale:
            found, ours = ranking.scale.model_dump(), scale.model_dump()
            other = (f"{name} {found[name]}, here {ours[name]}" for name in ours if found[name] != ours[name])
            raise ValueError(
                f"ranking: made for other mel bands ({', '.join(other)}), so its order says nothing here"
            )
        return set(ranking.best(self.keep))


class KeptBands(NamedTuple):
    """Bands that are left of a number of them, where the others are dropped."""

    indices: tuple[int, ...]
    of: int


def band_indices(choice: Iterable[int] | BandChoice, scale: MelScale) -> tuple[int, ...] | None:
    """Indices of the chosen bands, sorted, each once; None for all bands of the scale.

    Raises ValueError for no band, for one that the scale lacks, and for a ranking that does not fit.
    """
    bands = choice.bands(scale) if isinstance(choice, BandChoice) else set(choice)
    if not bands:
        raise ValueError("keeps no band; name some, or give null for all")
    if max(bands) >= scale.n_mels:
        raise ValueError(f"bands go from 0 to {scale.n_mels - 1} (n_mels: {scale.n_mels}), got {max(bands)}")
    return None if len(bands) == scale.n_mels else tuple(sorted(bands))


def read_ranking(path: Path) -> tuple[BandRanking, str]:
    """Read the ranking in a YAML or JSON file, and the SHA-256 (hex) of the file. Raises ConfigError for others."""
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return _read(path.absolute(), status.st_mtime_ns, status.st_size)


def written_ranking(ranking: BandRanking) -> str:
    """Write a ranking as the JSON that `read_ranking` reads, which is YAML too: a line for each field."""
    lines = (
        f"  {json.dumps(name)}: {json.dumps(value)}"
        for name, value in ranking.model_dump(mode="json").items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def rankings_written_out(bands: Any) -> Any:
    """Put the ranking itself in place of the file that a study's `features.bands` names; all else stays as it is.

    `bands`: what the file says, of which `keep` may be left to the search. Raises ConfigError for a file without one.
    """
    if not (isinstance(bands, dict) and isinstance(bands.get("ranking"), str)):
        return bands
    ranking, sha256 = read_ranking(Path(bands["ranking"]))
    return {**bands, "ranking": ranking.model_dump(mode="json"), "sha256": sha256}


def ranking_hash(recipe: Any) -> str | None:
    """SHA-256 (hex) of the ranking file from which a study's fixed settings take their bands; None without one."""
    features = recipe.get("features") if isinstance(recipe, dict) else None
    bands = rankings_written_out(features.get("bands")) if isinstance(features, dict) else None
    return bands.get("sha256") if isinstance(bands, dict) else None


@functools.lru_cache(maxsize=16)
def _read(path: Path, changed_ns: int, size: int) -> tuple[BandRanking, str]:
    """Read a file, again only when it has changed: a study asks for its bands at every point of its space."""
    ranking = parse(BandRanking, read_yaml(path), one_line(str(path)))
    return ranking, hashlib.sha256(path.read_bytes()).hexdigest()
