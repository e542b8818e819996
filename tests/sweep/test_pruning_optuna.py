"""Pruning in earnest: a study's verdicts against those of the same Optuna pruner in a plain Optuna study."""

import math
import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.pruners import BasePruner
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from data.config import ConfigError, parse
from sweep.board import Board, State
from sweep.config import PrunerConfig, StudyConfig
from sweep.pruning_optuna import build_pruner
from sweep.search_optuna import OptunaSearch
from sweep.study import Study

EPOCHS = 9
BETAS = [0.2 + 0.1 * number for number in range(14)]


def curve(beta: float) -> list[float]:
    """Scores that rise, waver, and end apart: higher for some betas than for others."""
    ceiling = 0.5 + 0.3 * math.sin(7 * beta)
    return [
        ceiling * (1 - math.exp(-epoch / 3)) + 0.03 * math.sin(5 * epoch * beta) for epoch in range(1, 10)
    ]


def ends_in_a_study(folder: Path, pruner: dict[str, Any]) -> list[int | None]:
    """For each configuration the epoch at which it was pruned, or None."""
    content = {
        "recipe": {"epochs": EPOCHS},
        "search": {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}},
        "enqueue": [{"patch_mix.beta": beta} for beta in BETAS],
        "pruner": pruner,
        "seeds": [1, 2],
    }
    config = parse(StudyConfig, content, "study")
    board = Board(config.seeds)
    study = Study(board, OptunaSearch(config, folder, "same"), configurations=len(BETAS))
    while (started := study.next_unit()) is not None:
        configuration, seed = started
        for epoch, score in enumerate(curve(configuration.values["patch_mix.beta"]), start=1):
            if study.report(configuration.number, seed, {"epoch": epoch, "score": score}):
                break
        else:
            study.finished(configuration.number, seed, EPOCHS)
    assert study.over
    firsts = [configuration.units[1] for configuration in board.configurations]
    return [len(unit.curve) if unit.state is State.PRUNED else None for unit in firsts]


def ends_in_plain_optuna(pruner: BasePruner) -> list[int | None]:
    study = optuna.create_study(study_name="same", pruner=pruner, direction="maximize")
    ends: list[int | None] = []
    for beta in BETAS:
        study.enqueue_trial({"patch_mix.beta": beta})
        trial = study.ask()
        scores = curve(trial.suggest_float("patch_mix.beta", 0.2, 2.0))
        for epoch, score in enumerate(scores, start=1):
            trial.report(score, epoch)
            if trial.should_prune():
                ends.append(epoch)
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            ends.append(None)
            study.tell(trial, scores[-1])
    return ends


def patient() -> BasePruner:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.pruners.PatientPruner(optuna.pruners.MedianPruner(n_warmup_steps=4), patience=1)


SAME = [
    ({"name": "median"}, optuna.pruners.MedianPruner(n_warmup_steps=4)),
    (
        {"name": "median", "arguments": {"n_startup_trials": 2, "n_warmup_steps": 1}},
        optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1),
    ),
    (
        {"name": "percentile", "arguments": {"percentile": 40.0, "n_startup_trials": 3}},
        optuna.pruners.PercentilePruner(40.0, n_startup_trials=3, n_warmup_steps=4),
    ),
    ({"name": "hyperband"}, optuna.pruners.HyperbandPruner(max_resource=EPOCHS)),
    ({"name": "successive_halving"}, optuna.pruners.SuccessiveHalvingPruner()),
    ({"name": "threshold", "arguments": {"lower": 0.1}}, optuna.pruners.ThresholdPruner(lower=0.1)),
    ({"name": "patient", "arguments": {"wrapped_pruner": {"name": "median"}}}, patient()),
]


@pytest.mark.parametrize(
    ("ours", "plain"), SAME, ids=[f"{ours['name']}-{index}" for index, (ours, _) in enumerate(SAME)]
)
def test_a_study_prunes_where_optuna_alone_does(
    tmp_path: Path, ours: dict[str, Any], plain: BasePruner
) -> None:
    ends = ends_in_a_study(tmp_path, ours)
    assert ends == ends_in_plain_optuna(plain)
    assert None in ends
    assert any(ends), "nothing was pruned, so nothing was compared"
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "optuna.journal")))
    stored = optuna.load_study(study_name="same", storage=storage).trials
    assert [trial.state.name for trial in stored] == ["PRUNED" if end else "COMPLETE" for end in ends]


def test_no_pruner_prunes_nothing(tmp_path: Path) -> None:
    assert ends_in_a_study(tmp_path, {"name": "none"}) == [None] * len(BETAS)


def test_median_and_percentile_spare_the_first_third_of_the_epochs(tmp_path: Path) -> None:
    for name in ("median", "percentile"):
        folder = tmp_path / name
        folder.mkdir()
        arguments = {"n_startup_trials": 1}
        ends = ends_in_a_study(folder, {"name": name, "arguments": arguments})
        assert min(end for end in ends if end) == EPOCHS // 3 + 1


def test_patience_may_do_without_another_pruner() -> None:
    pruner = build_pruner(
        PrunerConfig(name="patient", arguments={"patience": 2, "wrapped_pruner": None}), EPOCHS
    )
    study = optuna.create_study(pruner=pruner, direction="maximize")
    trial = study.ask()
    verdicts = []
    for epoch, score in enumerate([0.5, 0.4, 0.4, 0.4], start=1):
        trial.report(score, epoch)
        verdicts.append(trial.should_prune())
    assert verdicts == [False, False, False, True]


def test_the_patient_pruner_comes_without_a_warning_for_developers() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_pruner(PrunerConfig(name="patient"), EPOCHS)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (
            {"name": "median", "arguments": {"warmup": 3}},
            "pruner.arguments: Optuna's MedianPruner refuses them: .*warmup",
        ),
        ({"name": "threshold"}, "pruner.arguments: Optuna's ThresholdPruner refuses them: "),
        (
            {"name": "percentile", "arguments": {"percentile": 300}},
            "pruner.arguments: Optuna's PercentilePruner refuses them: .*300",
        ),
        (
            {"name": "patient", "arguments": {"wrapped_pruner": {"nmae": "median"}}},
            "pruner.arguments.wrapped_pruner: nmae: no such field; did you mean name?",
        ),
        (
            {"name": "patient", "arguments": {"wrapped_pruner": "median"}},
            "pruner.arguments.wrapped_pruner: .*got 'median'",
        ),
    ],
)
def test_arguments_that_optuna_refuses_are_told(config: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        build_pruner(parse(PrunerConfig, config, "pruner"), EPOCHS)
