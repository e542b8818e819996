"""A study file or a recipe file: in order, or all that is wrong with it, before anything is read beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from data.quantities import counted
from data.settings import Config, ConfigError, parse, read_yaml
from data.task import ICBHI, Task, task_named
from model.training.recipe import Recipe, exported_objective, read_recipe
from model.weights_file import PretrainedError, find_checkpoint, is_hub_id
from sweep.config.other_words import FIELDS, in_our_words
from sweep.config.parameters import AnyParameter, Parameter
from sweep.config.search_space import SearchSpace
from sweep.config.space_checks import check_field
from sweep.config.study_config import StudyConfig, read_study
from sweep.driver.preflight import check_own_networks
from sweep.search.epoch_pruner import EpochPruner
from sweep.search.optuna_search import OptunaSearch

STUDY_FIELDS = {*StudyConfig.model_fields, *FIELDS} - {"recipe", *Recipe.model_fields}
"""Names at the top of a file that make it a study file: those that a recipe has not as well."""


class _Searched(Config):
    """One searched field."""

    parameter: Parameter


@dataclass(frozen=True)
class FileCheck:
    """What is to be said of a file: `summary`, in a line, when nothing is wrong; else `problems`, a line each."""

    summary: str
    problems: tuple[str, ...] = ()


def check_file(path: Path) -> FileCheck:
    """Check a study file, or a recipe file, by all that `run` and `train` refuse of the file itself.

    Weights that it names as a file must be there; recordings and this machine are not looked at. Raises ConfigError when
    the file is no YAML that holds settings.
    """
    content = read_yaml(path)
    # Both kinds of file have `folds`: settings in a recipe, a word in a study.
    is_study = not STUDY_FIELDS.isdisjoint(content) or isinstance(content.get("folds"), str)
    try:
        return FileCheck(_study(path) if is_study else _recipe(path, content))
    except PretrainedError as error:
        problems = [f"{path}: backbone.pretrained: {error}"]
    except ConfigError as error:
        problems = str(error).splitlines()
    if is_study:
        problems += _of_the_space(path, content)
    return FileCheck("", tuple(dict.fromkeys(problems)))


def _study(path: Path) -> str:
    """Sum up a study file. Raises ConfigError or PretrainedError."""
    config = read_study(path)
    try:
        search = OptunaSearch(config)
        EpochPruner(config.pruner, config.space.epochs, config.sampler.name, metric=config.ranking_metric)
        config.any_recipe()
    except ConfigError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from None
    check_own_networks(config, config.scored_task)
    _find_weights(*config.named_weights)
    many = "infinitely many points" if search.points is None else counted(search.points, "point")
    return (
        f"{path}: a study in order: {counted(len(config.search), 'searched field')}, {many}, "
        f"{counted(len(config.seeds), 'seed')}, {config.sampler.name} proposes, {config.pruner.name} prunes; "
        f"recordings and machine: respsweep plan {path}"
    )


def _recipe(path: Path, content: Mapping[str, Any]) -> str:
    """Sum up a recipe file. Raises ConfigError or PretrainedError."""
    recipe = read_recipe(path)
    exported_objective(path)
    if recipe.backbone.is_own:
        # It brings torch.
        from model.training.prediction import try_own_network

        try_own_network(recipe, _task(content))
    _find_weights(recipe.backbone.pretrained)
    whence = _whence(path, recipe, content.get("provenance"))
    return (
        f"{path}: a recipe in order: {recipe.backbone.title}, {counted(recipe.epochs, 'epoch')}"
        f"{whence}; respsweep train {path} --data DIR"
    )


def _task(content: Mapping[str, Any]) -> Task:
    """Find the task that a recipe was exported for, or else ICBHI's. Raises ConfigError for none."""
    provenance = content.get("provenance")
    name = provenance.get("task") if isinstance(provenance, Mapping) else None
    return ICBHI if name is None else task_named(str(name))


def _whence(path: Path, recipe: Recipe, provenance: object) -> str:
    """Say which study a recipe was exported from. Raises ConfigError when it is no longer what was exported."""
    if not isinstance(provenance, Mapping):
        return ""
    digest = provenance.get("recipe_digest")
    if digest is not None and digest != recipe.digest():
        raise ConfigError(
            f"{path}: provenance.recipe_digest: {str(digest)[:12]} is of another recipe than the one in the file "
            f"({recipe.digest()[:12]}): it was changed after the export, or by later defaults, and the scores there are "
            "not its own; export it again, or leave provenance out"
        )
    return f", of study {provenance.get('study')}, configuration {provenance.get('configuration')}"


def _find_weights(*sources: Any) -> None:
    """Raise PretrainedError for weights that are a file, and are not there; those of a hub are fetched by a run."""
    for source in sources:
        if isinstance(source, str) and not is_hub_id(source):
            find_checkpoint(source)


def _of_the_space(path: Path, content: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with the search space of a study file in which other settings cannot be read either."""
    try:
        ours = in_our_words(content)
    except ConfigError:
        return []
    search, recipe, crosses = ours.get("search"), ours.get("recipe", {}), ours.get("crosses") is not None
    if not isinstance(search, Mapping) or not isinstance(recipe, Mapping):
        return []
    parameters, problems = dict[str, AnyParameter](), []
    for name, parameter in search.items():
        try:
            parameters[name] = parse(_Searched, {"parameter": parameter}, "").parameter
        except ConfigError:
            problems += _told(partial(check_field, name, crosses=crosses))
    if len(parameters) < len(search):
        # A condition on a field that cannot be read is none on a field that is not searched.
        parameters = {name: one.model_copy(update={"when": None}) for name, one in parameters.items()}
    problems += _told(partial(SearchSpace, parameters, recipe, crosses=crosses))
    return [f"{path}: {problem}" for problem in problems]


def _told(check: Callable[[], Any]) -> list[str]:
    """List what a check refuses."""
    try:
        check()
    except ConfigError as error:
        return str(error).splitlines()
    return []
