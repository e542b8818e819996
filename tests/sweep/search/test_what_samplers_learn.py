from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial

from sweep.study.events import ConfigurationDropped, EpochReported, UnitFailed, UnitPruned, UnitStarted
from tests.sweep.histories import epoch
from tests.sweep.search.sweeps import BETA, Sweep, config_of, eager, score_at


class Spy(optuna.samplers.RandomSampler):
    """Notes the trials as a sampler sees them."""

    def __init__(self) -> None:
        super().__init__(0)
        self.seen: list[FrozenTrial] = []

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        # The last one is the draft of the trial that is asked for.
        self.seen = study.get_trials()[:-1]
        return {}

    def sees(self, sweep: Sweep) -> list[tuple[str, list[float] | None]]:
        sweep.search.propose()
        return [(trial.state.name, trial.values) for trial in self.seen]


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    spy = Spy()
    monkeypatch.setattr("sweep.search.optuna_search.build_sampler", lambda *_: spy)
    return spy


def test_a_sampler_learns_from_the_first_seed_on(spy: Spy) -> None:
    sweep = Sweep(config_of({"patch_mix.beta": BETA}))
    sweep.add()
    assert spy.sees(sweep) == [("RUNNING", None)]
    sweep.train(0, 1, 0.2, 0.5)
    assert spy.sees(sweep)[0] == ("COMPLETE", [0.5])
    assert spy.seen[0].intermediate_values == {1: 0.2, 2: 0.5}
    sweep.train(0, 2, 0.7)
    assert spy.sees(sweep)[0] == ("COMPLETE", [pytest.approx(0.6)])


def test_what_one_seed_taught_stays_known_when_seeds_are_added(spy: Spy) -> None:
    first = Sweep(config_of({"patch_mix.beta": BETA}, seeds=[1]))
    learnt = [("COMPLETE", [score_at(point)]) for point in first.go_on(2)]
    again = Sweep(config_of({"patch_mix.beta": BETA}, seeds=[1, 2]), first.events)
    assert spy.sees(again) == learnt


def test_what_was_dropped_in_the_race_still_teaches_its_score_and_what_was_pruned_does_not(spy: Spy) -> None:
    sweep = Sweep(config_of({"patch_mix.beta": BETA}))
    for _ in range(3):
        sweep.add()
    sweep.train(0, 1, 0.2, 0.5)
    sweep.record(ConfigurationDropped(0, "hopeless"))
    sweep.record(UnitStarted(1, 1))
    sweep.record(EpochReported(1, 1, epoch(1, 0.3)))
    sweep.end(UnitPruned(1, 1, "slow"))
    sweep.train(2, 1, 0.4)
    sweep.record(UnitStarted(2, 2))
    sweep.end(UnitFailed(2, 2, "the loss is NaN"))
    expected = [("COMPLETE", [0.5]), ("PRUNED", [0.3]), ("FAIL", None)]
    assert spy.sees(sweep)[:3] == expected
    again = Sweep(config_of({"patch_mix.beta": BETA}), sweep.events)
    assert spy.sees(again)[:3] == expected


def test_tpe_turns_to_what_one_seed_showed_to_be_good() -> None:
    search = {
        "smoothing.kernel_size": {"type": "int", "low": 1, "high": 31, "step": 2},
        "patch_mix.beta": BETA,
    }
    sweep = Sweep(config_of(search, sampler=eager("tpe")))
    while len(sweep.board.configurations) < 30:
        configuration = sweep.add()
        assert configuration is not None
        sweep.train(configuration.number, 1, score_at(configuration.values))
    sizes = [configuration.values["smoothing.kernel_size"] for configuration in sweep.board.configurations]
    assert sum(sizes[-10:]) < sum(sizes[:10]) / 2
