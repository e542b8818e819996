"""What a study is, in words: its data, its space, its rules, how it stands, and what belongs to it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from data.errors import one_line
from data.population import in_words
from data.quantities import counted, duration
from evidence.objectives import TITLES
from sweep.config.study_config import StudyConfig
from sweep.config.study_parts import SyntheticConfig
from sweep.folder.related import related_studies
from sweep.folder.study_folder import StudyFolder
from sweep.report.board_in_words import why_no_best
from sweep.report.scored_on import what_scores_are_of
from sweep.report.space_table import space_table
from sweep.report.status import noted
from sweep.report.study_state import state_line
from sweep.report.winner import what_to_expect
from sweep.study.board import Board
from sweep.study.budget import Budget
from sweep.study.comparison import comparison_of


def shown_study(folder: StudyFolder) -> RenderableType:
    """Show what a study is: how it stands, its note, recordings, protocol, rules, searched fields, and its relatives."""
    config, board, lock = folder.config(), folder.board(), folder.lock()
    holder, last_sign = lock.held_by(), lock.last_sign()
    now = time.time() if last_sign is None else last_sign
    lines = [
        state_line(folder, board, holder, last_sign),
        *noted(folder),
        *_what_it_is(config),
        f"data: {data_in_words(config)}{_hashes(folder)}",
        f"protocol: {_protocol(config)}",
        f"rules: {_rules(config)}",
        f"budget: {_budget(config, board, now)}",
        *_so_far(config, board, now),
        *(f"beside it: {one.place}, which {relation}" for one, relation in related_studies(folder)),
    ]
    text = Text("\n".join(map(one_line, lines)))
    return Group(text, Text("searched:"), space_table(config.space))


def data_in_words(config: StudyConfig) -> str:
    """Say which recordings a study has, and for which task: `../ICBHI, task icbhi (normal, crackle, wheeze, both)`."""
    data, task = config.data, config.scored_task
    if isinstance(data, SyntheticConfig):
        recordings = f"synthetic breaths of {data.patients} patients (seed {data.seed})"
    else:
        recordings = data or "not said"
    return f"{recordings}, task {task.name} ({', '.join(task.labels)})"


def _hashes(folder: StudyFolder) -> str:
    if not folder.provenance_file.exists():
        return ""
    known = folder.provenance()
    told = (
        f"{name} {str(known[f'{name}_hash'])[:12]}" for name in ("data", "fold") if known.get(f"{name}_hash")
    )
    return f"; SHA-256: {', '.join(told)}"


def _what_it_is(config: StudyConfig) -> Iterator[str]:
    if config.finishes is not None:
        population = config.any_recipe().population
        whose = "" if population == "all" else f" who are {in_words(population)}"
        beside = ", to stand beside networks for some of them" if config.finishes.unified else ""
        yield (
            f"finishes: configuration {config.finishes.configuration} of the study {config.finishes.study}, trained on "
            f"all patients{whose} with fresh seeds{beside}"
        )
    if config.crosses is not None:
        yield f"crosses: trains the finalists of the study {config.crosses.study} on the other folds of patients"
    if config.label is not None:
        yield f"note: {config.label}"


def _protocol(config: StudyConfig) -> str:
    recipe = config.any_recipe()
    fold = "" if recipe.folds.fold is None else f", fold {recipe.folds.fold} of {recipe.folds.folds}"
    of = what_scores_are_of(config.holds_out, config.label, config.scored_population)
    epoch = {"last": "the last epoch counts", "best": "the best epoch counts"}[recipe.selection]
    return f"{config.protocol}: scores are of {of}{fold}; {epoch}"


def _rules(config: StudyConfig) -> str:
    seeds = ", ".join(map(str, config.seeds))
    objective = " and ".join(TITLES.get(name, name) for name in config.objectives)
    folds = (
        f"; then {counted(config.finalists, 'finalist')} at most on all folds"
        if config.folds == "all"
        else ""
    )
    return (
        f"maximises the {objective}; sampler {config.sampler.name}, pruner {config.pruner.name}, race "
        f"{config.racing.name}, {counted(len(config.seeds), 'seed')} ({seeds}){folds}"
    )


def _budget(config: StudyConfig, board: Board, now: float) -> str:
    budget = Budget(
        config.budget, config.racing, gpus=config.resources.gpu, slots=1, epochs=config.space.epochs
    )
    return ", ".join(str(use) for use in budget.uses(board, now)) or "until it stops improving"


def _so_far(config: StudyConfig, board: Board, now: float) -> Iterator[str]:
    if not board.drivers:
        return
    configurations, units = len(board.configurations), board.ended.total()
    yield (
        f"so far: {counted(configurations, 'configuration')}, {counted(units, 'unit')} done, run for "
        f"{duration(board.wall_seconds(now))}"
    )
    best, compared = board.best(), comparison_of(board)
    if best is None or compared is None:
        if board.competes:
            yield f"best: {why_no_best(board)}"
        return
    yield f"best: no. {best.number}, {TITLES[board.metric]} {best.summary(board.metric)}"
    if config.holds_out:
        yield f"expect: {what_to_expect(compared, best.number)}"
