import warnings

import optuna
import pytest

from tests.sweep.search.sweeps import BETA, WIDE, Sweep, config_of


def test_qmc_goes_through_one_sequence() -> None:
    settings = {"name": "qmc", "seed": 3, "arguments": {"scramble": True}}
    config = config_of(WIDE, sampler=settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        plain = optuna.create_study(sampler=optuna.samplers.QMCSampler(seed=3, scramble=True))

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("patch_mix.temperature", 0.02, 0.5, log=True)
        return trial.suggest_float("patch_mix.beta", 0.2, 2.0)

    plain.optimize(objective, 8)
    # The first point of all is a random one.
    assert Sweep(config).go_on(8)[1:] == [trial.params for trial in plain.trials[1:]]


def test_what_qmc_does_not_cover_is_drawn_anew_each_time() -> None:
    # Optuna's sequence covers the fields of the first point, which has no sigma.
    search = {
        "smoothing.stage": {"type": "categorical", "choices": [None, 1]},
        "smoothing.sigma": {"type": "float", "low": 1.0, "high": 5.0, "when": "smoothing.stage"},
        "patch_mix.beta": BETA,
    }
    known = {"smoothing.stage": None, "patch_mix.beta": 1.0}
    points = Sweep(config_of(search, enqueue=[known], sampler={"name": "qmc"})).go_on(10)
    sigmas = [point["smoothing.sigma"] for point in points if point["smoothing.stage"] == 1]
    assert len(set(sigmas)) == len(sigmas) > 1


def test_a_search_that_finds_nothing_new_forgets_that_it_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    # Too many points to list, and one draw per proposal, so a repeat ends the search.
    monkeypatch.setattr("sweep.search.optuna_search.LONGEST_GRID", 1)
    monkeypatch.setattr("sweep.search.optuna_search.REPEATS", 1)
    monkeypatch.setattr("sweep.search.optuna_search.RANDOM_DRAWS", 0)
    steps = {"type": "float", "low": 0.5, "high": 2.0, "step": 0.5}
    sweep = Sweep(config_of({"patch_mix.beta": steps}, sampler={"name": "qmc"}))
    assert len(sweep.go_on(4)) < 4
    # If the failed proposal had advanced the sequence, later ones would find the remaining points.
    assert [sweep.search.propose() for _ in range(9)] == [None] * 9
