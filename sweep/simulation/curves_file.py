"""A study's learning curves as one small file of numbers: no audio, no predictions, no paths.

Lines of JSON. The first says what the curves are of: name, day, the study's settings as far as a replay needs them, what
the numbers rest on (hashes, versions, commit), and how many configurations and units follow. Each other line is a unit:
its configuration's number and values, its seed, whether it was trained to its end, and of each epoch the metrics
(fractions, six decimals; null where a metric was not reported) and the seconds (three decimals).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self

import numpy as np
from pydantic import Field, model_validator

from data.atomic import write_whole
from data.settings import Config, ConfigError, parse
from data.task import Task
from sweep.config.parameters import Value
from sweep.config.study_config import StudyConfig
from sweep.folder.study_folder import StudyFolder
from sweep.search.values import canonical
from sweep.simulation.study_curves import StudyCurves, UnitCurve, study_curves
from sweep.study.score_table import METRICS

FORMAT = 1
LEFT_OUT = {"data", "enqueue", "tracking_uri"}
"""Settings of a study that its replay does not need, and that name places."""

ROUNDING = 3e-6
"""Largest distance of a score of six decimals from that of its two rates of six decimals."""

Fraction = Annotated[float, Field(strict=True, ge=0, le=1)]
Seconds = Annotated[float, Field(strict=True, ge=0)]


class CurvesHeader(Config):
    """The first line of a curves file."""

    curves: Literal["respsweep"]
    format: Literal[1]
    name: str = Field(min_length=1)
    date: date
    configurations: int = Field(ge=1)
    units: int = Field(ge=1)
    study: StudyConfig
    provenance: dict[str, Any]


class UnitLine(Config):
    """A unit in a curves file; each list has an entry for each epoch."""

    configuration: int = Field(strict=True, ge=0)
    seed: int = Field(strict=True)
    finished: bool = Field(strict=True)
    values: dict[str, Value] = Field(min_length=1)
    score: tuple[Fraction, ...] = Field(min_length=1)
    sensitivity: tuple[Fraction | None, ...]
    specificity: tuple[Fraction | None, ...]
    any_abnormal_score: tuple[Fraction | None, ...]
    seconds: tuple[Seconds, ...]

    @model_validator(mode="after")
    def _epochs_agree(self) -> Self:
        for name in (*METRICS, "seconds"):
            if len(getattr(self, name)) != len(self.score):
                raise ValueError(
                    f"{name} has {len(getattr(self, name))} epochs and score {len(self.score)}; they must be as many"
                )
        return self


def export_curves(folder: StudyFolder, path: Path) -> Path:
    """Write the learning curves that the study in a folder has reported until now to a file; returns the file.

    Its day (UTC) is that on which the study stopped, or was last taken up, so that a study which is over gives the same
    bytes again. Of absolute paths and URIs, such as those of weights, the last part alone is written. Raises ConfigError
    when no unit has finished, or the file cannot be written.
    """
    curves = study_curves(folder)
    driver = folder.board().drivers[-1]
    day = datetime.fromtimestamp(driver.started if driver.ended is None else driver.ended, UTC).date()
    header = {
        "curves": "respsweep",
        "format": FORMAT,
        "name": curves.name,
        "date": day.isoformat(),
        "configurations": curves.configurations,
        "units": len(curves.units),
        "study": curves.config.model_dump(mode="json", exclude=LEFT_OUT),
        "provenance": folder.provenance(),
    }
    lines = [header, *map(_line, curves.units)]
    try:
        write_whole(path, "".join(f"{json.dumps(_without_places(line))}\n" for line in lines))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def read_curves(path: Path) -> StudyCurves:
    """Read a curves file. Raises ConfigError, naming file and line and what would be right, for a broken one."""
    lines = _lines(path)
    first = next(lines, None)
    if first is None:
        raise ConfigError(
            f"{path}: empty; expected learning curves, as `respsweep export NAME --curves FILE` writes them"
        )
    header = parse(CurvesHeader, first[1], first[0])
    units: dict[tuple[int, int], UnitCurve] = {}
    points: dict[int, dict[str, Any]] = {}
    for where, content in lines:
        line = parse(UnitLine, content, where)
        unit = _unit(header.study, line, where)
        known = points.setdefault(line.configuration, dict(unit.values))
        if known != unit.values:
            raise ConfigError(f"{where}: values: configuration {line.configuration} has {known} further up")
        if (line.configuration, line.seed) in units:
            raise ConfigError(f"{where}: configuration {line.configuration} has seed {line.seed} already")
        units[line.configuration, line.seed] = unit
    for name, found in (("units", len(units)), ("configurations", len(points))):
        promised = getattr(header, name)
        if promised != found:
            raise ConfigError(
                f"{path}: its first line promises {promised} {name}, and {found} follow; export it anew"
            )
    return StudyCurves(header.name, header.study, tuple(units.values()))


def _line(unit: UnitCurve) -> dict[str, Any]:
    numbers = dict(zip(METRICS, unit.metrics.T.tolist(), strict=True))
    return {
        "configuration": unit.configuration,
        "seed": unit.seed,
        "finished": unit.finished,
        "values": unit.values,
        **{name: [None if math.isnan(one) else one for one in column] for name, column in numbers.items()},
        "seconds": unit.seconds.tolist(),
    }


def _without_places(content: Any) -> Any:
    """Copy JSON content; of each text that is an absolute path or a URI only the last part is left."""
    if isinstance(content, dict):
        return {key: _without_places(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_without_places(value) for value in content]
    if isinstance(content, str) and (content.startswith(("/", "~")) or "://" in content):
        return content.rstrip("/").rsplit("/", 1)[-1]
    return content


def _lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Read each line's place, `FILE:NUMBER`, and content. Raises ConfigError for a line that is no JSON object."""
    try:
        # A text of JSON may hold other characters that `splitlines` takes for the end of a line.
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    for number, line in enumerate(lines if lines != [""] else [], start=1):
        where = f"{path}:{number}"
        try:
            content = json.loads(line, parse_constant=_refuse)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            what = "the study's name and settings" if number == 1 else "a unit"
            shown = line if len(line) <= 60 else line[:57] + "..."
            raise ConfigError(f"{where}: expected {what} as one object of JSON, found {shown!r}")
        yield where, content


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _unit(study: StudyConfig, line: UnitLine, where: str) -> UnitCurve:
    if line.seed not in study.seeds:
        raise ConfigError(
            f"{where}: seed {line.seed} is not among the study's {list(study.seeds)} (first line)"
        )
    try:
        study.space.check_point(line.values)
    except ConfigError as error:
        raise ConfigError(f"{where}: values: {error}") from None
    values = {path: canonical(study.space.parameters[path], value) for path, value in line.values.items()}
    epochs = study.space.recipe(values).epochs
    if len(line.score) > epochs:
        raise ConfigError(f"{where}: {len(line.score)} epochs, but this configuration trains {epochs}")
    for epoch, numbers in enumerate(
        zip(line.score, line.sensitivity, line.specificity, strict=True), start=1
    ):
        _check_score(study.scored_task, *numbers, f"{where}: epoch {epoch}")
    metrics = np.array([getattr(line, name) for name in METRICS], dtype=np.float64).T
    return UnitCurve(
        line.configuration, values, line.seed, line.finished, metrics, np.array(line.seconds, np.float64)
    )


def _check_score(
    task: Task, score: float, sensitivity: float | None, specificity: float | None, where: str
) -> None:
    """Raise ConfigError for a score that is not made of its two rates as the task says."""
    if sensitivity is None or specificity is None:
        return
    right = task.score_of(specificity, sensitivity)
    if abs(score - right) > ROUNDING:
        raise ConfigError(
            f"{where}: score {score:g}, but sensitivity {sensitivity:g} and specificity {specificity:g} make "
            f"{right:.6f}"
        )
