"""Which actor is whose, and which is killed: with a made-up head and controller; real ones are in tests/scenarios."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray.tune.experiment import Trial

from sweep.execution import nodes, unit_actors
from sweep.execution.losses import Loss
from sweep.execution.unit_actors import LOOK_EVERY_S, UnitActors
from sweep.study.events import UnitPlaced
from tests.sweep.histories import epoch
from tests.sweep.study.worlds import World


class Ray:
    """A head that knows where some actors are, a controller that has some trials' actors, and a clock."""

    def __init__(self) -> None:
        self.at: dict[str, dict[str, str]] = {}
        self.killed: list[str] = []
        self.now = 0.0
        self._actor_manager = SimpleNamespace(_live_actors_to_ray_actors_resources={})
        self._trial_to_actor: dict[Any, str] = {}

    def actor_table(self, actor: str) -> dict[str, Any]:
        return {"Address": self.at.get(actor, {})}

    def kill(self, actor: Any) -> None:
        self.killed.append(actor._actor_id.hex())

    def start(self, trial: Trial, actor: str) -> None:
        """Let Tune ask Ray for an actor for a trial; its name has two bytes in hexadecimal digits."""
        self._trial_to_actor[trial] = actor
        self._actor_manager._live_actors_to_ray_actors_resources[actor] = (
            SimpleNamespace(_actor_id=bytes.fromhex(actor)),
            None,
        )


class Execution:
    """A study of one seed whose units get trials; `look` is called every two seconds."""

    def __init__(self, ray: Ray) -> None:
        self.ray = ray
        self.world = World(seeds=(1,), budget={"configurations": 2}, slots=2)
        self.actors = UnitActors(self.world.coordinator, lambda: ray.now)
        self.trials: list[Trial] = []

    def hand_out(self) -> Trial:
        started = self.world.coordinator.next_unit(placed=False)
        assert started is not None
        config = {"configuration": started[0].number, "seed": started[1]}
        made = SimpleNamespace(trial_id=f"trial{len(self.trials)}", config=config)
        # A key of Tune's dictionaries, as trials are.
        trial = cast(Trial, type("ATrial", (), vars(made))())
        self.trials.append(trial)
        self.actors.add(self.ray, trial)
        return trial

    def look(self, seconds: float = LOOK_EVERY_S) -> None:
        for _ in range(round(seconds / LOOK_EVERY_S)):
            self.ray.now += LOOK_EVERY_S
            self.world.clock.now = self.ray.now
            self.actors.look()

    @property
    def placed(self) -> list[tuple[float, int, str]]:
        return [(e.at, e.configuration, e.node) for e in self.world.heard if isinstance(e, UnitPlaced)]


@pytest.fixture
def execution(monkeypatch: pytest.MonkeyPatch) -> Execution:
    ray = Ray()
    monkeypatch.setattr(nodes, "cluster_state", ray)
    monkeypatch.setattr(unit_actors.ray, "kill", ray.kill)
    nodes._node_of.cache_clear()
    return Execution(ray)


def test_a_unit_is_placed_when_ray_has_a_worker_for_its_set_up(execution: Execution) -> None:
    trial = execution.hand_out()
    execution.look(100)
    execution.ray.start(trial, "a1")
    execution.look(100)
    execution.ray.at["a1"] = {"NodeID": "1f2e", "IPAddress": ""}
    execution.look(100)
    assert execution.placed == []
    execution.ray.at["a1"]["IPAddress"] = "10.0.0.7"
    execution.look()
    assert execution.placed == [(302.0, 0, "10.0.0.7/1f2e")]
    # Tune tells the end of its set-up.
    execution.actors.began(trial)
    execution.look(100)
    assert len(execution.placed) == 1


def test_a_unit_that_tune_moves_to_a_free_worker_is_placed_again(execution: Execution) -> None:
    trial = execution.hand_out()
    for actor, node in (("a1", "1f2e"), ("a2", "3d4c")):
        execution.ray.at[actor] = {"NodeID": node, "IPAddress": "10.0.0.7"}
    execution.ray.start(trial, "a1")
    execution.look(4)
    execution.ray.start(trial, "a2")
    execution.look(4)
    assert execution.placed == [(2.0, 0, "10.0.0.7/1f2e"), (6.0, 0, "10.0.0.7/3d4c")]
    unit = execution.world.board.unit(0, 1)
    assert unit.node == "10.0.0.7/3d4c"
    assert unit.seconds(10.0) == 8.0


def test_a_unit_whose_set_up_is_over_is_placed_though_ray_does_not_tell_where(execution: Execution) -> None:
    trial = execution.hand_out()
    execution.ray.start(trial, "a1")
    execution.actors.began(trial)
    assert execution.placed == [(0.0, 0, "")]


def test_a_worker_that_gives_no_news_is_killed_and_the_loss_says_so(execution: Execution) -> None:
    trial, other = execution.hand_out(), execution.hand_out()
    for place, actor in ((trial, "a1"), (other, "a2")):
        execution.ray.start(place, actor)
        execution.ray.at[actor] = {"NodeID": "1f2e", "IPAddress": "10.0.0.7"}
    execution.look()
    for number in (1, 2, 3):
        execution.look(8)
        execution.world.coordinator.report(1, 1, epoch(number, 0.5))
    execution.look(574)
    assert execution.ray.killed == []
    execution.look(6)
    assert set(execution.ray.killed) == {"a1"}
    assert execution.actors.loss_of(other) is None
    assert execution.actors.loss_of(trial) == Loss(
        "no news for 10:02, while the longest epoch took 0:08 (resources.patience)", "silence"
    )
    execution.actors.remove(trial)
    execution.world.coordinator.lost(0, 1, "no news", cause="silence")
    killed = list(execution.ray.killed)
    execution.look(100)
    assert execution.ray.killed == killed


def test_a_unit_that_waits_for_a_place_is_left_alone(execution: Execution) -> None:
    execution.hand_out()
    execution.look(100_000)
    assert execution.ray.killed == []


def test_the_end_of_an_earlier_trial_of_a_unit_is_not_the_end_of_a_later_one(execution: Execution) -> None:
    first = execution.hand_out()
    execution.ray.start(first, "a1")
    execution.actors.began(first)
    execution.world.coordinator.lost(0, 1, "it died")
    second = execution.hand_out()
    assert second.config == first.config
    execution.actors.remove(first)
    execution.ray.start(second, "a2")
    execution.ray.at["a2"] = {"NodeID": "1f2e", "IPAddress": "10.0.0.7"}
    execution.look()
    assert execution.placed[-1][2] == "10.0.0.7/1f2e"
