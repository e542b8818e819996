"""Which study a command means: a new one, or one that goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from data.settings import ConfigError, parse, read_yaml
from sweep.config.resumption import changes
from sweep.config.study_config import StudyConfig
from sweep.folder.study_folder import StudyFolder
from sweep.study.journal import JournalError


def choose_study(
    studies: Path | str, space: Path | None, name: str | None, resume: str | None, settings: Mapping[str, Any]
) -> tuple[StudyFolder, StudyConfig]:
    """Find the study to run and read its settings, of which `settings` by dotted field replace those of the file.

    The study's place is resolved here, once: what an object store has of the study is pulled.

    Without a name the same command again goes on with the study that it began, unless that is over or is to be
    another one now: then it begins a new one. Raises ConfigError or FolderError for what cannot be meant,
    and StorageError for an object store that does not answer.
    """
    if resume is not None:
        if name is not None:
            raise ConfigError(f"--name {name} and --resume {resume} both name the study; give one of them")
        stored = StudyFolder.open(studies, resume)
        return stored, read_settings(space or stored.study_file, settings)
    if space is None and name is not None:
        raise ConfigError(
            f"--name {name} needs a study file to begin with; to go on with it: --resume {name}"
        )
    config = read_settings(space, settings)
    if name is not None:
        return StudyFolder.find(studies, name), config
    assert space is not None, "settings were read from it"
    return _unnamed(studies, space.stem, config), config


def read_settings(source: Path | None, settings: Mapping[str, Any]) -> StudyConfig:
    """The study in a file, with `settings` by dotted field in place of its own. Raises ConfigError."""
    if source is None:
        raise ConfigError("no study file: give one, e.g. search_spaces/quickstart.yaml, or name a study")
    content = read_yaml(source)
    for field, value in settings.items():
        if field.startswith("search."):
            raise ConfigError(
                f"--set {field}: what is searched is named with dots itself; edit the study file"
            )
        *groups, last = field.split(".")
        target = content
        for group in groups:
            if not isinstance(target.get(group), dict):
                target[group] = {}
            target = target[group]
        target[last] = value
    return parse(StudyConfig, content, str(source))


def overrides(assignments: Sequence[str]) -> dict[str, Any]:
    """Settings by dotted field from `FIELD=VALUE`, the value in YAML. Raises ConfigError for anything else."""
    found = {}
    for assignment in assignments:
        field, equals, value = assignment.partition("=")
        if not equals or not field:
            raise ConfigError(f"--set {assignment}: write FIELD=VALUE, e.g. budget.gpu_hours=8")
        try:
            found[field] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {assignment}: {value} is no YAML value") from error
    return found


def _unnamed(studies: Path | str, stem: str, config: StudyConfig) -> StudyFolder:
    *taken, free = StudyFolder.numbered(studies, stem)
    return taken[-1] if taken and _goes_on(taken[-1], config) else free


def _goes_on(last: StudyFolder, config: StudyConfig) -> bool:
    """Whether the same study is asked for again, and has something left to do."""
    if not last.exists:
        return False
    try:
        before, board = last.config(), last.board()
        changes(before, config, last.name)
    except (ConfigError, JournalError):
        return False
    # A driver that died after the last unit has not written the best one down.
    exported = last.best.exists() or board.best() is None
    return before.resolved().data == config.resolved().data and not (board.stopped == "over" and exported)
