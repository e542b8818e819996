"""Units given to actors one after the other: with a made-up Ray that answers at once, and with a real one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ray.tune import Trainable

from data.settings import parse
from data.synthetic import write_breaths
from data.task import ICBHI
from model.training.fit import fit
from model.training.recipe import Recipe, read_recipe
from sweep.config.study_config import StudyConfig
from sweep.config.study_parts import ResourcesConfig
from sweep.driver.run import run_study
from sweep.execution import brief_units
from sweep.execution.brief_units import LOOK_EVERY_S, BriefUnits
from sweep.execution.ray_session import RaySession
from sweep.folder.study_folder import StudyFolder
from sweep.study.events import UnitLost, UnitPlaced
from sweep.study.units import Configuration, State
from sweep.worker.embedded_data import load_embedded
from sweep.worker.leave_notice import UnitLeavesError
from sweep.worker.local_data import load_examples
from sweep.worker.prepared_data import DataPreparation
from sweep.worker.step_result import Failed, StepResult
from sweep.worker.trainable import UnitTrainable
from sweep.worker.weights import weights_of
from tests.ray_heads import RayHead
from tests.studies import TINY_RECIPE
from tests.sweep.execution.made_up_ray import HERE, THERE, Actor, MadeUpRay, Room, Steps, of
from tests.sweep.study.worlds import World


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[World, MadeUpRay]]:
    def play(
        steps: Mapping[tuple[int, int], Steps],
        places: Mapping[str, int] | None = None,
        room: int = 99,
        **world: Any,
    ) -> tuple[World, MadeUpRay]:
        """Run a study of two seeds to its end; units are on the nodes in the order in which actors are made."""
        places = places or {HERE: 1}
        clock = [0.0]
        ray = MadeUpRay(steps, clock, room)
        one = World(clock=lambda: clock[0], slots=sum(places.values()), **world)
        monkeypatch.setattr(brief_units, "ray", ray)
        names = list(places)

        def node_of(actor: str) -> str:
            number = int(actor.removeprefix("actor"))
            return names[number % len(names)] if ray.has_room(number) else ""

        monkeypatch.setattr(brief_units, "node_of", node_of)

        def config(configuration: Configuration, seed: int) -> dict[str, Any]:
            return {"configuration": configuration.number, "seed": seed}

        BriefUnits(
            one.coordinator,
            ResourcesConfig(cpu=1, gpu=0.5, custom={"fast": 1}),
            config,
            lambda: None,
            Trainable,
            Room(places),
            lambda: clock[0],
        ).run()
        return one, ray

    return play


Play = Callable[..., tuple[World, MadeUpRay]]


def test_units_follow_each_other_in_one_actor_which_is_told_to_let_go_at_the_end(play: Play) -> None:
    steps: dict[tuple[int, int], Steps] = {
        (0, 1): [of(0.5, 0.6)],
        (0, 2): [of(0.4, over=False), of(0.7, first=2)],
    }
    world, ray = play(steps, budget={"configurations": 1})
    assert [unit.state for unit in world.board.units()] == [State.FINISHED] * 2
    assert [len(unit.curve) for unit in world.board.units()] == [2, 2]
    (actor,) = ray.actors
    assert actor.asked == ["step", "reset_config", "step", "step", "stop"]
    assert actor.options == {
        "num_cpus": 1,
        "num_gpus": 0.5,
        "resources": {"fast": 1},
        "label_selector": None,
    }
    assert ray.killed == [0]
    placed = [event.node for event in world.heard if isinstance(event, UnitPlaced)]
    assert placed == [HERE, HERE]


def test_a_unit_that_fails_leaves_its_worker_to_the_next_one(play: Play) -> None:
    steps: dict[tuple[int, int], Steps] = {
        (0, 1): [StepResult(ending=Failed("TrainingError: NaN"))],
        (1, 1): [of(0.5)],
        (1, 2): [of(0.5)],
    }
    world, ray = play(steps, budget={"configurations": 2})
    assert [(unit.configuration, unit.state) for unit in world.board.units()] == [
        (0, State.FAILED),
        (1, State.FINISHED),
        (1, State.FINISHED),
    ]
    assert len(ray.actors) == 1


def test_a_unit_that_the_pruner_gives_up_takes_no_further_step(play: Play) -> None:
    steps: dict[tuple[int, int], Steps] = {
        (0, 1): [of(0.1, over=False), of(0.9, first=2)],
        (1, 1): [of(0.5)],
        (1, 2): [of(0.5)],
    }
    world, ray = play(steps, budget={"configurations": 2}, bar=0.3)
    assert world.board.unit(0, 1).state is State.PRUNED
    assert len(ray.steps[0, 1]) == 1


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (RuntimeError("CUDA error: an illegal memory access"), "worker"),
        (UnitLeavesError("its node is about to be taken back"), "notice"),
    ],
)
def test_a_worker_that_is_gone_is_replaced_and_its_unit_goes_on(
    play: Play, error: Exception, cause: str
) -> None:
    steps: dict[tuple[int, int], Steps] = {(0, 1): [error, of(0.5)], (0, 2): [of(0.5)]}
    world, ray = play(steps, budget={"configurations": 1})
    assert world.board.unit(0, 1).state is State.FINISHED
    (lost,) = [event for event in world.heard if isinstance(event, UnitLost)]
    assert lost.cause == cause
    assert lost.reason.startswith(f"{type(error).__name__}: {error}\n")
    assert [actor.number for actor in ray.actors] == [0, 1]
    assert ray.killed[0] == 0


def test_a_unit_goes_to_another_node_after_it_died_on_one(play: Play) -> None:
    dies = RuntimeError("killed by signal 11")
    steps: dict[tuple[int, int], Steps] = {
        (0, 1): [dies, of(0.5)],
        (1, 1): [of(0.5, over=False), of(0.5, first=2)],
        (0, 2): [of(0.5)],
        (1, 2): [of(0.5)],
    }
    world, ray = play(steps, {HERE: 1, THERE: 1}, budget={"configurations": 2})
    assert ray.killed[0] == 0
    (lost,) = [event for event in world.heard if isinstance(event, UnitLost)]
    assert lost.node == HERE
    placed = [event for event in world.heard if isinstance(event, UnitPlaced)]
    assert [event.node for event in placed if (event.configuration, event.seed) == (0, 1)] == [HERE, THERE]
    assert world.board.unit(0, 1).state is State.FINISHED


def test_a_worker_that_gives_no_news_is_killed_and_its_unit_is_lost_to_silence(play: Play) -> None:
    steps: dict[tuple[int, int], Steps] = {(0, 1): [], (0, 2): [of(0.5)]}
    killed: list[int] = []

    def kill(self: MadeUpRay, actor: Actor) -> None:
        killed.append(actor.number)
        self.killed.append(actor.number)
        self.steps[0, 1] = [of(0.5)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MadeUpRay, "kill", kill)
        world, _ = play(steps, budget={"configurations": 1}, patience=1 / 60)
    (lost,) = [event for event in world.heard if isinstance(event, UnitLost)]
    assert lost.cause == "silence"
    assert lost.reason.startswith("no news for ")
    assert world.board.unit(0, 1).state is State.FINISHED
    assert killed[0] == 0


def test_a_unit_that_waits_for_room_goes_to_a_worker_that_has_nothing_to_do(play: Play) -> None:
    units = [(number, seed) for number in range(2) for seed in (1, 2)]
    steps: dict[tuple[int, int], Steps] = {unit: [of(0.5)] for unit in units}
    # As many units as nodes may come for, and room for one.
    world, ray = play(steps, {HERE: 2}, room=1, budget={"configurations": 2})
    assert [unit.state for unit in world.board.units()] == [State.FINISHED] * 4
    assert ray.heard == [0] * 4
    placed = {
        (event.configuration, event.seed): event.node
        for event in world.heard
        if isinstance(event, UnitPlaced)
    }
    assert placed == dict.fromkeys(units, HERE)


def test_all_workers_that_have_answered_are_heard_before_one_is_heard_again(play: Play) -> None:
    steps: dict[tuple[int, int], Steps] = {
        (number, 1): [*(of(0.5, over=False, first=place) for place in range(1, 6)), of(0.5, first=6)]
        for number in range(3)
    }
    world, ray = play(steps, {HERE: 3}, seeds=(1,), budget={"configurations": 3})
    assert [unit.state for unit in world.board.units()] == [State.FINISHED] * 3
    assert all(sorted(ray.heard[place : place + 3]) == [0, 1, 2] for place in range(0, 18, 3))


def test_a_worker_that_answers_as_it_is_killed_is_heard_and_gets_no_other_unit(play: Play) -> None:
    steps: dict[tuple[int, int], Steps] = {(0, 1): [], (0, 2): [of(0.5)]}
    dying: list[int] = []

    def kill(self: MadeUpRay, actor: Actor) -> None:
        if dying:
            self.killed.append(actor.number)
        else:
            dying.append(actor.number)
            self.steps[0, 1] = [of(0.5)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MadeUpRay, "kill", kill)
        world, ray = play(steps, budget={"configurations": 1}, patience=1 / 60)
    assert [unit.state for unit in world.board.units()] == [State.FINISHED] * 2
    assert not [event for event in world.heard if isinstance(event, UnitLost)]
    assert ray.heard == [0, 1]


def test_a_halt_ends_the_loop_and_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    world = World(clock=lambda: clock[0], budget={"configurations": 1})
    ray = MadeUpRay({}, clock)
    monkeypatch.setattr(brief_units, "ray", ray)
    monkeypatch.setattr(brief_units, "node_of", lambda actor: HERE)
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(clock[0])
        if len(ticks) == 3:
            world.coordinator.halt("interrupted")

    def config(configuration: Configuration, seed: int) -> dict[str, Any]:
        return {"configuration": configuration.number, "seed": seed}

    BriefUnits(
        world.coordinator, ResourcesConfig(), config, tick, Trainable, Room({HERE: 1}), lambda: clock[0]
    ).run()
    assert len(ticks) == 3
    assert ticks[1] - ticks[0] >= LOOK_EVERY_S
    assert ray.killed == [0]
    assert world.board.unit(0, 1).state is State.RUNNING


def dying(place: Path) -> type[UnitTrainable]:
    """The unit's trainable, of which one process dies when its second unit is trained and not yet told."""

    class Dying(UnitTrainable):
        def step(self) -> dict[str, Any]:
            result = super().step()
            (place / str(os.getpid())).touch()
            self._steps = getattr(self, "_steps", 0) + 1
            if self._steps == 2 and not (place / "died").exists():
                (place / "died").touch()
                os._exit(1)
            return result

    return Dying


@pytest.mark.slow
def test_heads_on_a_frozen_encoder_are_trained_by_actors_of_a_real_ray(
    kept_ray: RayHead, tmp_path: Path
) -> None:
    plain = parse(Recipe, {**TINY_RECIPE, "epochs": 1}, "test")
    write_breaths(tmp_path / "data", patients=12, seed=0)
    preparation = DataPreparation(tmp_path / "data", kept_ray.cache, progress=False)
    parts = load_examples(preparation.prepare(plain), 0)
    list(fit(plain, 1, *parts, task=ICBHI, device="cpu", checkpoint=tmp_path / "encoder.pt"))
    config = parse(
        StudyConfig,
        {
            "data": str(tmp_path / "data"),
            "recipe": {
                **TINY_RECIPE,
                "epochs": 4,
                "frozen": {"encoder": True},
                "backbone": {**TINY_RECIPE["backbone"], "pretrained": str(tmp_path / "encoder.pt")},
                "smoothing": {"stage": None},
                "patch_mix": {"axes": []},
                "augment": {"probability": 0},
            },
            "search": {"frozen.hidden": {"type": "categorical", "choices": [0, 4]}},
            "sampler": {"name": "grid"},
            "pruner": {"name": "none"},
            "racing": {"name": "none"},
            "seeds": [1, 2],
        },
        "test",
    )
    assert config.trains_heads
    (workers := tmp_path / "workers").mkdir()
    folder = run_study(
        config,
        StudyFolder.find(tmp_path / "studies", "heads"),
        start_executor=partial(RaySession.start, trainable=dying(workers)),
    )
    units = folder.board().units()
    assert [unit.state for unit in units] == [State.FINISHED] * 4
    (lost,) = [event for event in folder.events() if isinstance(event, UnitLost)]
    assert lost.cause == "worker"
    assert lost.node
    assert len({*workers.iterdir()}) >= 3, "two actors, and the one in place of the dead one"
    assert not (folder.path / "tune").exists()

    best = read_recipe(folder.best)
    weights = weights_of(best)
    assert weights is not None
    train, validation = load_embedded(preparation.prepare(best), best, weights, "cpu")
    board = folder.board().best()
    assert board is not None
    for unit in board.units.values():
        alone = fit(best, unit.seed, train, validation, task=ICBHI)
        assert [report["score"] for report in unit.curve] == [metrics.score for metrics in alone]
