"""How a driver runs a study and lets go of it, on an executor that only reports scores."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from data.bands import BandRanking, written_ranking
from data.errors import UserError
from data.settings import ConfigError
from sweep.config.study_config import StudyConfig
from sweep.driver.driver import InterruptedStudyError
from sweep.folder.study_folder import StudyFolder
from sweep.study.coordinator import Coordinator, UnitConfig
from sweep.study.events import Event, StudyStarted, StudyStopped, UnitFinished
from sweep.study.journal import Journal
from sweep.study.units import Configuration, State
from tests.studies import tiny_study
from tests.sweep.driver.driving import NoTracker, ScoresOnly, drive

pytestmark = pytest.mark.usefixtures("own_cache")
CONFIG = StudyConfig.model_validate(tiny_study(2, budget={"configurations": 2}))


class Spoken:
    """A display that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.shown = 0

    def say(self, line: str) -> None:
        self.lines.append(line)

    def warn(self, line: str) -> None:
        self.warnings.append(line)

    def show(self, *parts: object) -> None:
        self.shown += 1

    def hear(self, event: Event) -> None: ...

    def live(self) -> None:
        return None


def test_a_study_runs_to_its_end_and_lets_go_of_everything(folder: StudyFolder) -> None:
    executor, tracker, display, heard = ScoresOnly(), NoTracker(), Spoken(), list[Event]()
    clock = itertools.count(1000.0)
    drive(
        CONFIG,
        folder,
        executor,
        tracker=tracker,
        display=display,
        listeners=[heard.append],
        clock=lambda: next(clock),
        close_s=7.0,
    )
    assert executor.units == [(0, 1), (1, 1), (0, 2), (1, 2)]
    assert executor.stopped == 1
    assert tracker.waited == [7.0]
    assert folder.events() == heard
    assert isinstance(heard[0], StudyStarted)
    assert all(1000 <= event.at < 2000 for event in heard)
    assert folder.board().stopped == "over"
    assert not list(folder.units.glob("*"))
    assert not (folder.path / "tune").exists()
    assert folder.lock().held_by() is None
    beginning = next(line for line in display.lines if line.startswith("study "))
    assert beginning == f"study {folder.path}: configurations 0 of 2; 1 units at a time"
    assert display.lines[-1].startswith(
        "over (configurations 2 of 2); for more, raise the limit: respsweep run "
    )
    assert display.lines[-1].endswith(" --set budget.configurations=4")
    assert display.shown == 1


@pytest.mark.parametrize(
    ("until", "begins", "ends"),
    [
        (None, "every point of the search", "over (every point of the search)"),
        (
            {"for_configurations": 1, "no_improvement_of": 0.9},
            "until it stops improving",
            "over (no longer impro",
        ),
    ],
)
def test_a_study_without_a_limit_says_what_ended_it(
    folder: StudyFolder, until: object, begins: str, ends: str
) -> None:
    search = {"patch_mix.beta": {"type": "categorical", "choices": [0.5, 1.0, 1.5, 2.0]}}
    settings = {
        "search": search,
        "enqueue": [],
        "sampler": "grid",
        "budget": {"until": until} if until else {},
    }
    display = Spoken()
    drive(StudyConfig.model_validate(tiny_study(2, **settings)), folder, ScoresOnly(), display=display)
    (beginning,) = (line for line in display.lines if line.startswith("study "))
    assert beginning.startswith(f"study {folder.path}: {begins}; ")
    assert display.lines[-1].startswith(ends)


@pytest.mark.parametrize("sampler", ["grid", "random"])
def test_points_that_make_no_recipe_are_told_once_and_take_no_part_of_the_budget(
    folder: StudyFolder, sampler: str
) -> None:
    balance = {
        "loss.class_weights": {"type": "categorical", "choices": ["none", "inverse_frequency"]},
        "sampling.name": {"type": "categorical", "choices": ["shuffle", "weighted"]},
        "patch_mix.beta": {"type": "float", "low": 0.5, "high": 9.5, "step": 1.0},
    }
    if sampler == "random":
        balance["patch_mix.beta"].pop("step")
    settings = {"search": balance, "enqueue": [], "sampler": {"name": sampler}, "seeds": [1]}
    config = StudyConfig.model_validate(tiny_study(2, budget={"configurations": 30}, **settings))
    display = Spoken()
    drive(config, folder, ScoresOnly(), display=display)
    board = folder.board()
    assert board.ended == {State.FINISHED: 30}
    assert board.stopped == "over"
    said = [line for line in display.lines if "contradict each other" in line]
    assert len(said) == 1
    if sampler == "grid":
        assert said[0].startswith("skipped 10 points whose values contradict each other; the first: ")
        assert display.lines.index(said[0]) == 2
    assert "sampling.name weighted and loss.class_weights inverse_frequency both correct" in said[0]


class SmallDisk:
    """A file that takes so many lines and half of the next one."""

    def __init__(self, file: Any, lines: int) -> None:
        self._file, self._left = file, lines

    def write(self, content: bytes) -> int:
        self._left -= 1
        if self._left < 0:
            self._file.write(content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._file.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class AsCallbacks(ScoresOnly):
    """Tells scores as the callbacks of Tune do."""

    def run(
        self, coordinator: Coordinator, unit_config: UnitConfig, folder: Path, on_tick: Callable[[], None]
    ) -> None:
        with coordinator.halting_on_full_disk():
            super().run(coordinator, unit_config, folder, on_tick)


def test_a_full_disk_stops_the_study_and_freeing_it_lets_it_go_on(folder: StudyFolder) -> None:
    journal = Journal(folder.create(CONFIG).journal)
    journal._file = SmallDisk(journal._file, lines=4)  # type: ignore[assignment]
    with pytest.raises(InterruptedStudyError, match=r"No space left on device: .*journal\.jsonl after \d"):
        drive(CONFIG, folder, AsCallbacks(), journal=journal)
    drive(CONFIG, folder, AsCallbacks())
    board = folder.board()
    assert board.stopped == "over"
    assert all(configuration.complete((1, 2)) for configuration in board.configurations)


def test_a_programming_error_comes_out_as_it_is_and_the_study_can_go_on(folder: StudyFolder) -> None:
    def stumble(configuration: Configuration, seed: int) -> dict[str, Any]:
        raise TypeError("a bug")

    with pytest.raises(TypeError, match=r"a bug"):
        drive(CONFIG, folder, ScoresOnly(), unit_config=stumble)
    board = folder.board()
    assert board.stopped == "TypeError in the driver"
    assert (board.unit(0, 1).state, board.unit(0, 1).failures) == (State.WAITING, 0)
    drive(CONFIG, folder, ScoresOnly())
    assert folder.board().stopped == "over"


def stumble_at_the_end(event: Event) -> None:
    if isinstance(event, StudyStopped):
        raise RuntimeError("a bug at the end")


def test_a_driver_that_stumbles_at_the_end_still_lets_go_of_everything(folder: StudyFolder) -> None:
    executor, tracker = ScoresOnly(), NoTracker()
    journal = Journal(folder.create(CONFIG).journal)
    with pytest.raises(RuntimeError, match="a bug at the end"):
        drive(CONFIG, folder, executor, tracker=tracker, journal=journal, listeners=[stumble_at_the_end])
    assert executor.stopped == 1
    assert len(tracker.waited) == 1
    assert not (folder.path / "tune").exists()
    with pytest.raises(ValueError, match="closed file"):
        journal.write(StudyStarted((1, 2)))


def test_of_two_errors_the_first_comes_out(folder: StudyFolder) -> None:
    def stumble(configuration: Configuration, seed: int) -> dict[str, Any]:
        raise TypeError("a bug")

    tracker = NoTracker()
    with pytest.raises(TypeError, match="a bug"):
        drive(
            CONFIG,
            folder,
            ScoresOnly(),
            tracker=tracker,
            unit_config=stumble,
            listeners=[stumble_at_the_end],
        )
    assert len(tracker.waited) == 1


def test_what_one_configuration_lacks_halts_the_study_in_one_line(
    folder: StudyFolder, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.pth"
    content = tiny_study(
        1,
        search={"backbone.pretrained": {"type": "categorical", "choices": [None, str(weights)]}},
        sampler={"name": "grid"},
        budget={"configurations": 2},
    )
    config = StudyConfig.model_validate(content)
    with pytest.raises(
        InterruptedStudyError,
        match=r"weights\.pth: no such file.* complete configurations; go on with: respsweep",
    ):
        drive(config, folder, ScoresOnly())
    assert folder.board().ended[State.FAILED] == 0
    weights.write_bytes(b"weights")
    executor = ScoresOnly()
    drive(config, folder, executor)
    assert len({number for number, _ in executor.units}) == 2
    assert folder.board().stopped == "over"


def test_what_a_worker_saves_after_its_units_end_does_not_stay(folder: StudyFolder) -> None:
    executor, left = ScoresOnly(), folder.units / "0000-seed1"

    def save() -> None:
        assert not left.exists()
        left.mkdir(parents=True)
        (left / "checkpoint.pt").write_bytes(b"late")

    executor.on_stop = save
    drive(CONFIG, folder, executor)
    assert not left.exists()


def test_what_the_tracker_lacks_is_a_warning(folder: StudyFolder) -> None:
    def lack() -> None:
        raise UserError("MLflow misses some results")

    display = Spoken()
    drive(CONFIG, folder, ScoresOnly(), tracker=NoTracker(lack), display=display)
    assert display.warnings == ["MLflow misses some results"]
    assert folder.board().stopped == "over"


def test_a_driver_whose_machines_are_gone_says_once_that_it_waits(folder: StudyFolder) -> None:
    here, display = iter([1, 1, 0, 0, 1, 0]), Spoken()
    drive(CONFIG, folder, ScoresOnly(here=lambda: next(here, 1)), display=display)
    assert display.lines.count("no node is there that can take a unit; waiting for one") == 2


def test_a_refusal_when_the_study_begins_is_no_interruption(folder: StudyFolder) -> None:
    drive(CONFIG, folder, ScoresOnly())
    wider = StudyConfig.model_validate(tiny_study(3))
    before = {path: path.read_bytes() for path in folder.path.glob("*.*l*") if path.is_file()}
    with pytest.raises(ConfigError, match=r"begin a study of another name for:\n  recipe.epochs: 2 -> 3"):
        drive(wider, folder, ScoresOnly())
    assert before == {path: path.read_bytes() for path in before}


def test_the_settings_of_the_last_run_are_written_down_and_what_changed_is_said(folder: StudyFolder) -> None:
    drive(CONFIG, folder, ScoresOnly())
    more, display = CONFIG.model_copy(update={"seeds": (1, 2, 3)}), Spoken()
    drive(more, folder, ScoresOnly(), display=display)
    assert "\n  changed: seeds: [1, 2] -> [1, 2, 3]" in next(
        line for line in display.lines if line.startswith("study ")
    )
    assert yaml.safe_load(folder.study_file.read_text())["seeds"] == [1, 2, 3]
    kinds = [type(event) for event in folder.events()]
    assert kinds.count(StudyStarted) == kinds.count(StudyStopped) == 2
    assert kinds.count(UnitFinished) == 6


def test_a_ranking_of_bands_that_was_changed_is_refused_and_a_resumed_study_has_its_own(
    folder: StudyFolder, tmp_path: Path
) -> None:
    file = tmp_path / "ranking.json"
    scale = CONFIG.any_recipe().features.mel_scale
    low, high = tuple(range(16)), tuple(range(16, 32))
    file.write_text(written_ranking(BandRanking(groups=(low, high), scale=scale)))
    content = tiny_study(2, search={"features.bands.keep": {"type": "categorical", "choices": [16, 32]}})
    features = {**content["recipe"]["features"], "bands": {"ranking": str(file)}}
    recipe = {**content["recipe"], "features": features}
    named = StudyConfig.model_validate({**content, "recipe": recipe, "sampler": "grid", "enqueue": []})
    display = Spoken()
    drive(named.resolved(), folder, ScoresOnly(), display=display)
    assert "the ranking that the study began with" not in "".join(display.lines)

    file.write_text(written_ranking(BandRanking(groups=(high, low), scale=scale)))
    complaint = (
        r"begin a study of another name for:\n  recipe\.features\.bands: a ranking file with SHA-256 [0-9a-f]{12} -> "
        r"[0-9a-f]{12}; put that file back, or go on with the study's own copy of its ranking: respsweep run --resume "
        + rf"{folder.name}$"
    )
    with pytest.raises(ConfigError, match=complaint):
        drive(named.resolved(), folder, ScoresOnly())

    drive(folder.config().model_copy(update={"seeds": (1, 2, 3)}), folder, ScoresOnly(), display=display)
    said = "\n".join(display.lines)
    assert (
        f"bands: by the ranking that the study began with (SHA-256 of its file {hash_of(folder)}), what"
        in said
    )
    assert folder.config().space.recipe({"features.bands.keep": 16}).features.kept_bands == low


def hash_of(folder: StudyFolder) -> str:
    return folder.provenance()["band_ranking_hash"][:12]
