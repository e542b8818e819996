"""What a report of an epoch changes, and when it ends the unit."""

import math
import re
from typing import Any

import numpy as np
import pytest

from model.domain_parts import DeviceContrastConfig, PatientAlignmentConfig
from model.training.domain_losses import DomainLosses
from sweep.study.board import Board
from sweep.study.epoch_report import DOMAIN_LOSSES, drawn
from sweep.study.events import EpochReported, UnitFailed
from sweep.study.units import Fate, State
from tests.sweep.histories import epoch
from tests.sweep.study.worlds import World


def test_an_epoch_heard_before_changes_nothing() -> None:
    world = World(bar=0.3)
    world.start()
    world.coordinator.report(0, 1, epoch(1, 0.4))
    world.coordinator.report(0, 1, epoch(2, 0.5))
    past = list(world.heard)
    assert not world.coordinator.report(0, 1, epoch(1, 0.1))
    assert not world.coordinator.report(0, 1, epoch(2, 0.1))
    assert world.heard == past


def test_a_note_is_kept_though_its_epoch_was_heard_before() -> None:
    world = World()
    world.start()
    world.coordinator.report(0, 1, epoch(1, 0.5))
    world.coordinator.report(0, 1, epoch(1, 0.5, note="the checkpoint was damaged"))
    last = world.heard[-1]
    assert isinstance(last, EpochReported)
    assert last.report["note"] == "the checkpoint was damaged"
    assert len(world.board.unit(0, 1).curve) == 1


def test_every_loss_that_a_recipe_can_have_is_drawn_over_the_epochs() -> None:
    devices = DeviceContrastConfig(weight=1.0, adversarial_weight=1.0)
    patients = PatientAlignmentConfig(cohesion_weight=1.0, alignment_weight=1.0)
    losses = DomainLosses(devices, patients, 4, 2, 1)
    assert tuple(losses.weights) == DOMAIN_LOSSES
    assert all(map(drawn, ("train_loss", "contrast_time", *DOMAIN_LOSSES)))
    assert not any(map(drawn, ("epoch", "confusion", "skipped_steps", "device_seconds")))


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (epoch(3, 0.5), "epoch 3 was reported, and epoch 2 is the next one"),
        (epoch(3, 0.5, note="a checkpoint was damaged"), "epoch 3 was reported, and epoch 2 is the next one"),
        (epoch(0, 0.5), "epoch 0 was reported, and epoch 2 is the next one"),
        (epoch(2, math.nan), "epoch 2 was reported with score: nan; every number has to be finite"),
        (epoch(2, 0.5, train_loss=math.inf), "epoch 2 was reported with train_loss: inf; every number"),
        (epoch(2, 0.5, loss=np.float32("nan")), "epoch 2 was reported with loss: nan; every number"),
        (epoch(2, 0.5, shares=[[0.5], [-math.inf]]), "epoch 2 was reported with shares: "),
        (epoch(2, 0.5, losses={"time": math.nan}), "epoch 2 was reported with losses: "),
        (epoch(2, 1.5), "epoch 2 was reported with score: 1.5; rates lie in 0 to 1"),
        (epoch(2, 0.5, specificity=-0.1), "epoch 2 was reported with specificity: -0.1; rates lie in 0 to 1"),
        (epoch(2, 0.5, patient_cohesion="9"), "epoch 2 was reported with patient_cohesion: '9'; expected a"),
        (epoch(2, 0.5, seconds="9"), "epoch 2 was reported with seconds: '9'; expected a number"),
        (epoch(2, 0.5, repeated="9"), "epoch 2 was reported with repeated: '9'; expected a number"),
        (epoch(2, 0.5, repeated=-9.0), "epoch 2 was reported with repeated: -9.0; expected seconds"),
        (epoch(2, 0.5, carried=-9.0), "epoch 2 was reported with carried: -9.0; expected seconds"),
        ({"epoch": 2}, "epoch 2 was reported without a score"),
        ({"score": 0.5}, "a report whose epoch is null; expected a whole number"),
        (
            epoch(1, 0.4, note="words", train_loss=math.nan),
            "epoch 1 was reported with train_loss: nan; every number",
        ),
        (epoch(2, 0.5, note=["words"]), "epoch 2 was reported with note: ['words']; expected text"),
    ],
)
def test_a_unit_whose_report_cannot_be_fails_and_the_board_is_as_it_was(
    report: dict[str, Any], reason: str
) -> None:
    world = World(bar=0.3)
    world.start()
    world.coordinator.report(0, 1, epoch(1, 0.4))
    with pytest.raises(ValueError, match=re.escape(f"0000-seed1: {reason}")):
        world.board.apply(EpochReported(0, 1, report))
    unit = world.board.unit(0, 1)
    assert (unit.state, unit.curve) == (State.RUNNING, [epoch(1, 0.4)])

    assert world.coordinator.report(0, 1, report)
    assert (unit.state, unit.curve) == (State.FAILED, [epoch(1, 0.4)])
    assert (unit.reason or "").startswith(reason)
    assert isinstance(world.heard[-1], UnitFailed)
    assert Board(events=world.heard).fate(0) is Fate.FAILED
    # The study goes on.
    assert world.start() == (1, 1)


def test_a_report_of_large_whole_numbers_and_words_is_taken() -> None:
    world = World()
    world.start()
    report = epoch(1, 0.5, confusion=[[10**400]], note="words", kept=True, weights=None)
    assert not world.coordinator.report(0, 1, report)
    assert world.board.unit(0, 1).curve == [report]


@pytest.mark.parametrize("chosen", [0, 2])
def test_a_unit_that_ends_with_an_epoch_it_never_reported_fails(chosen: int) -> None:
    world = World()
    world.start()
    world.coordinator.report(0, 1, epoch(1, 0.5))
    world.coordinator.finished(0, 1, chosen)
    unit = world.board.unit(0, 1)
    assert unit.state is State.FAILED
    assert unit.reason == f"ended, and chose epoch {chosen} of the 1 that it reported"


def test_a_pruned_unit_stops_and_says_why() -> None:
    world = World(bar=0.3)
    world.start()
    assert not world.coordinator.report(0, 1, epoch(1, 0.4))
    assert world.coordinator.report(0, 1, epoch(2, 0.2))
    unit = world.board.unit(0, 1)
    assert unit.state is State.PRUNED
    assert unit.reason == "pruned at epoch 2: score 20.0 %, its best 40.0 %; against 30.0 %, the bar"
    assert world.search.told == [("pruned", 0)]
    assert world.pruner.ended == [0]


def test_a_unit_that_is_over_is_told_to_stop_again() -> None:
    world = World(bar=0.3)
    world.start()
    world.coordinator.report(0, 1, epoch(1, 0.1))
    past = list(world.heard)
    assert world.coordinator.report(0, 1, epoch(2, 0.9))
    assert world.heard == past


def test_only_the_first_seed_is_watched_by_the_pruner() -> None:
    world = World(budget={"configurations": 1}, bar=0.3)
    world.start()
    world.train(0, 1, 0.4)
    world.start()
    assert not world.coordinator.report(0, 2, epoch(1, 0.1))
    assert world.pruner.ended == [0]


def test_the_last_epoch_heard_is_judged_again_by_what_was_heard_first() -> None:
    first = World()
    first.start()
    first.coordinator.report(0, 1, epoch(1, 0.2))
    again = World(past=first.heard, bar=0.3)
    again.start()
    assert again.coordinator.report(0, 1, epoch(1, 0.9))
    assert again.board.unit(0, 1).state is State.PRUNED


def test_two_objectives_spare_what_no_configuration_beats_in_both() -> None:
    world = World(bar=0.9, objectives=("sensitivity", "specificity"))
    world.start()
    assert not world.coordinator.report(0, 1, epoch(1, 0.5, sensitivity=0.5, specificity=0.5))
    world.coordinator.finished(0, 1, 1)
    world.start()
    world.start()
    assert not world.coordinator.report(1, 1, epoch(1, 0.4, sensitivity=0.6, specificity=0.2))
    assert world.coordinator.report(2, 1, epoch(1, 0.4, sensitivity=0.4, specificity=0.4))
