"""What stands in a journal as a sampler's notes is never run, and refused when no sampler wrote it."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cmaes
import numpy as np
import pytest

from sweep.search.sampler_state import state_fault
from sweep.study.events import ConfigurationAdded, Event
from sweep.study.units import Configuration
from tests.sweep.search.sweeps import BOTH, WIDE, Sweep, config_of, reread

OPTIONS: dict[str, dict[str, Any]] = {
    "cma": {},
    "sepcma": {"use_separable_cma": True},
    "cmawm": {"with_margin": True},
    "learning_rate": {"lr_adapt": True},
}


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


def cmaes_sweep(arguments: dict[str, Any], past: Sequence[Event] = ()) -> Sweep:
    sampler = {"name": "cmaes", "arguments": {"popsize": 4, "n_startup_trials": 2, **arguments}}
    return Sweep(config_of(WIDE, sampler=sampler), past)


def with_state(**trial: Any) -> Configuration:
    return Configuration(0, {}, {"trial": trial})


def pieces(content: object) -> dict[str, str]:
    return {"cma:optimizer:0": pickle.dumps(content).hex()}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_what_cma_es_wrote_is_taken_up_and_goes_on_as_if_no_driver_had_died(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    whole = cmaes_sweep(options)
    points = whole.go_on(14)
    first = cmaes_sweep(options)
    first.go_on(9)
    noted = [state_fault(one, len(first.board.configurations)) for one in first.board.configurations]
    assert noted == [None] * 9
    assert any("optimizer" in str(one.sampler_state) for one in first.board.configurations)
    assert cmaes_sweep(options, reread(first.events, tmp_path / "journal.jsonl")).go_on(14) == points


def test_code_in_a_journal_is_not_run(tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    configuration = with_state(**pieces(Planted(planted)))
    assert "cma:optimizer: not the state of CMA-ES: " in (state_fault(configuration, 1) or "")
    sweep = cmaes_sweep({})
    sweep.go_on(8)
    # As a driver finds it that did not look before.
    events = [
        ConfigurationAdded(event.configuration, event.values, {"trial": pieces(Planted(planted))})
        if isinstance(event, ConfigurationAdded) and "optimizer" in str(event.sampler_state)
        else event
        for event in sweep.events
    ]
    assert events != sweep.events
    with pytest.raises(ValueError, match="not the state of CMA-ES"):
        cmaes_sweep({}, events).go_on(12)
    assert not planted.exists()


@pytest.mark.parametrize(
    "trial",
    [
        pieces([1, 2]),
        pieces(np.ones(3)),
        pieces(print),
        {"cma:optimizer:0": "80"},
        {"cma:optimizer:0": "no hex"},
        {"cma:optimizer:0": 3},
        {"cma:optimizer:1": pickle.dumps(1).hex()},
        {"cma:generation": "1"},
        {"cma:generation": -1},
        {"NSGAIISampler:generation": None},
        {"x_for_tell": ["a"]},
        {"x_for_tell": 1e300},
    ],
)
def test_notes_of_another_kind_are_told(trial: dict[str, Any]) -> None:
    assert state_fault(with_state(**trial), 9) is not None


def test_an_optimizer_with_absurd_numbers_is_told() -> None:
    optimizer = cmaes.CMA(mean=np.zeros(2), sigma=1.0)
    assert state_fault(with_state(**pieces(optimizer)), 1) is None
    optimizer._popsize = 10**9
    assert state_fault(with_state(**pieces(optimizer)), 1) is not None


@pytest.mark.parametrize("parents", [[0, 9], ["0"], [True], 3, [-1]])
def test_parents_that_are_no_configurations_are_told(parents: object) -> None:
    study = Configuration(0, {}, {"study": {"NSGAIISampler:parent:1": parents}})
    assert state_fault(study, 9) == "NSGAIISampler:parent:1: must be a list of numbers of configurations"


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "qmc"])
def test_what_the_others_wrote_is_taken(sampler: str) -> None:
    sweep = Sweep(config_of(WIDE, sampler={"name": sampler}, objective=BOTH))
    sweep.go_on(60 if sampler == "nsga2" else 6)
    boards = sweep.board.configurations
    assert [state_fault(one, len(boards)) for one in boards] == [None] * len(boards)
