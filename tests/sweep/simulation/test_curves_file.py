"""A file of curves: what stands in it, that a replay from it is that of its study, and how broken ones are refused."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.settings import ConfigError
from sweep.config.study_config import StudyConfig
from sweep.folder.study_folder import StudyFolder
from sweep.simulation.curves_file import export_curves, read_curves
from sweep.simulation.made_up_curves import SyntheticCurves, WorldConfig
from sweep.simulation.recorded_curves import RecordedCurves, RecordedStudy
from sweep.simulation.simulate import Simulation, simulate
from sweep.simulation.simulated_study import simulate_study
from sweep.simulation.study_curves import StudyCurves, study_curves
from sweep.study.events import Event, StudyStarted, StudyStopped
from tests.sweep.histories import added, timed, trained, write_journal

SEARCH = {
    "patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0},
    "patch_mix.axes": {"type": "categorical", "choices": [["time"], ["time", "frequency"]]},
    "smoothing.stage": {"type": "categorical", "choices": [None, 1]},
}
POINT = {"patch_mix.beta": 1.0, "patch_mix.axes": ("time",), "smoothing.stage": None}
PROVENANCE = {"data_hash": "d" * 64, "fold_hash": "f" * 64, "commit": "89ab"}
EVENTS = timed(
    StudyStarted((1, 2)),
    *added(0, **POINT),
    *trained(0, 1, 0.5, 2 / 3),
    *trained(0, 2, 0.7, 0.6),
    StudyStopped("over"),
)


def recorded_in(path: Path, events: list[Event], **settings: Any) -> StudyFolder:
    content = {"recipe": {"epochs": 2}, "search": SEARCH, "seeds": [1, 2], **settings}
    folder = StudyFolder.at(path, "first").create(StudyConfig.model_validate(content))
    write_journal(folder.journal, events)
    folder.write_provenance(PROVENANCE)
    return folder


def played_study(path: Path, configurations: int, epochs: int, seeds: int, **settings: Any) -> StudyFolder:
    """The folder of a study that was played on made-up curves, whose epochs differ in how long they take."""
    content = {
        "recipe": {"epochs": epochs},
        "search": SEARCH,
        "seeds": list(range(1, seeds + 1)),
        "sampler": {"name": "random"},
        "budget": {"configurations": configurations},
        **settings,
    }
    config = StudyConfig.model_validate(content)
    curves = SyntheticCurves(WorldConfig(epoch_seconds_sd=0.3), config.space, 0)
    return recorded_in(path, [*simulate_study(config, curves, 2).events], **content)


def replayed(curves: StudyCurves) -> Simulation:
    made = partial(RecordedCurves, RecordedStudy(curves))
    return simulate(curves.config, made, workers=2, repeats=3, processes=1)


@pytest.mark.parametrize(
    "settings", [{"racing": {"name": "none"}, "pruner": {"name": "none"}}, {}], ids=["whole", "with gaps"]
)
def test_a_replay_from_the_file_is_that_of_the_study(tmp_path: Path, settings: dict[str, Any]) -> None:
    folder = played_study(tmp_path, configurations=12, epochs=6, seeds=3, **settings)
    file = export_curves(folder, tmp_path / "curves.jsonl")
    own, read = replayed(study_curves(folder)), replayed(read_curves(file))
    assert own == read
    assert len({outcome.hours for outcome in own.study}) == 3


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    folder = played_study(tmp_path, configurations=6, epochs=3, seeds=2)
    curves, read = study_curves(folder), read_curves(export_curves(folder, tmp_path / "curves.jsonl"))
    assert read.name == "first"
    assert read.config == curves.config
    assert len(read.units) == len(curves.units)
    for unit, again in zip(curves.units, read.units, strict=True):
        assert (unit.configuration, unit.seed, unit.finished) == (
            again.configuration,
            again.seed,
            again.finished,
        )
        assert unit.values == again.values
        assert np.array_equal(unit.metrics, again.metrics)
        assert np.array_equal(unit.seconds, again.seconds)


def test_48_configurations_of_five_seeds_and_twelve_epochs_stay_small(tmp_path: Path) -> None:
    whole = {"racing": {"name": "none"}, "pruner": {"name": "none"}}
    file = export_curves(played_study(tmp_path, 48, 12, 5, **whole), tmp_path / "curves.jsonl")
    assert len(file.read_text().splitlines()) == 1 + 48 * 5
    assert file.stat().st_size < 300_000


def test_the_lines_say_what_they_are_of(tmp_path: Path) -> None:
    file = export_curves(recorded_in(tmp_path, EVENTS), tmp_path / "curves.jsonl")
    header, first, second = map(json.loads, file.read_text().splitlines())
    assert (header["curves"], header["format"], header["name"]) == ("respsweep", 1, "first")
    assert (header["configurations"], header["units"]) == (1, 2)
    assert header["date"] == "2023-11-14"
    assert header["provenance"] == PROVENANCE
    assert (header["study"]["seeds"], header["study"]["recipe"]["epochs"]) == ([1, 2], 2)
    assert first == {
        "configuration": 0,
        "seed": 1,
        "finished": True,
        "values": {"patch_mix.beta": 1.0, "patch_mix.axes": ["time"], "smoothing.stage": None},
        "score": [0.5, 0.666667],
        "sensitivity": [0.4, 0.566667],
        "specificity": [0.6, 0.766667],
        "any_abnormal_score": [0.7, 0.866667],
        "seconds": [2.0, 0.0],
    }
    assert second["seed"] == 2


def test_a_study_that_is_over_gives_the_same_bytes_again(tmp_path: Path) -> None:
    folder = recorded_in(tmp_path, EVENTS)
    assert (
        export_curves(folder, tmp_path / "a").read_bytes()
        == export_curves(folder, tmp_path / "b").read_bytes()
    )


def test_no_place_of_this_machine_gets_into_the_file(tmp_path: Path) -> None:
    weights = {"backbone": {"pretrained": "/home/lovelace/weights/dass.pth"}, "epochs": 2}
    folder = recorded_in(
        tmp_path, EVENTS, recipe=weights, data="/home/lovelace/ICBHI", tracking_uri="http://lovelace:5000"
    )
    text = export_curves(folder, tmp_path / "curves.jsonl").read_text()
    assert "lovelace" not in text
    assert json.loads(text.splitlines()[0])["study"]["recipe"]["backbone"]["pretrained"] == "dass.pth"


def test_a_metric_that_was_not_reported_is_null_and_read_as_nan(tmp_path: Path) -> None:
    events = [
        StudyStarted((1, 2)),
        *added(0, **POINT),
        *trained(0, 1, 0.5),
    ]
    del events[-2].report["any_abnormal_score"]  # type: ignore[union-attr]
    file = export_curves(recorded_in(tmp_path, events), tmp_path / "curves.jsonl")
    assert json.loads(file.read_text().splitlines()[1])["any_abnormal_score"] == [None]
    assert np.isnan(read_curves(file).units[0].metrics[0]).tolist() == [False, False, False, True]


def changed(line: int, **fields: Any) -> Callable[[list[str]], list[str]]:
    """Give fields of a line, from 1, other values."""

    def change(lines: list[str]) -> list[str]:
        lines[line - 1] = json.dumps({**json.loads(lines[line - 1]), **fields})
        return lines

    return change


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda _: [], r"curves\.jsonl: empty; expected learning curves"),
        (lambda lines: lines[1:], r"curves\.jsonl:1: curves: required, but not given"),
        (changed(1, curves="other"), r"jsonl:1: curves: .*'respsweep'.*got 'other'"),
        (changed(1, format=2), r"jsonl:1: format: must be 1, got 2"),
        (changed(1, studdy={}), r"jsonl:1: studdy: no such field; did you mean study\?"),
        (changed(1, study={}), r"jsonl:1: study\.search: required"),
        (lambda lines: lines[:2], r"jsonl: its first line promises 2 units, and 1 follow"),
        (changed(1, configurations=2), r"promises 2 configurations, and 1 follow"),
        (
            lambda lines: [*lines[:2], lines[2][:40]],
            r"jsonl:3: expected a unit as one object of JSON, found '\{",
        ),
        (lambda lines: [*lines, "3"], r"jsonl:4: expected a unit as one object of JSON, found '3'"),
        (lambda lines: ["x", *lines], r"jsonl:1: expected the study's name and settings .* found 'x'"),
        (lambda lines: [*lines, lines[1]], r"jsonl:4: configuration 0 has seed 1 already"),
        (lambda lines: [*lines[:2], '{"a":' * 100_000], r"jsonl:3: expected a unit as one object of JSON"),
        (changed(3, seed=True), r"jsonl:3: seed: must be a whole number, got true"),
        (changed(3, finished="yes"), r"jsonl:3: finished: must be true or false, got 'yes'"),
        (
            changed(3, score=[0.7, 1.0], sensitivity=[0.6, 0.0], specificity=[0.8, 0.0]),
            r"jsonl:3: epoch 2: score 1, but sensitivity 0 and specificity 0 make 0\.000000",
        ),
        (changed(3, seed=3), r"jsonl:3: seed 3 is not among the study's \[1, 2\]"),
        (changed(3, score=[0.5]), r"jsonl:3: sensitivity has 2 epochs and score 1; they must be as many"),
        (changed(3, seconds=[0.5]), r"jsonl:3: seconds has 1 epochs and score 2"),
        (changed(3, score=[]), r"jsonl:3: score: must have at least 1 entry"),
        (changed(3, score=[0.5, 61.0]), r"jsonl:3: score\.1: .*less than or equal to 1, got 61\.0"),
        (changed(3, score=[0.5, None]), r"jsonl:3: score\.1: must be a number, got null"),
        (changed(3, score=[0.5, "0.6"]), r"jsonl:3: score\.1: must be a number, got '0\.6'"),
        (changed(3, score=[0.5, float("nan")]), r"jsonl:3: expected a unit as one object of JSON"),
        (changed(3, values={"patch_mix.beta": 1.0}), r"jsonl:3: values: no value for patch_mix\.axes"),
        (changed(3, values={"patch_mix.beat": 1.0}), r"jsonl:3: values: patch_mix\.beat: .*did you mean"),
        (
            changed(3, values={"patch_mix.beta": 1.5, "patch_mix.axes": ["time"], "smoothing.stage": 1}),
            r"jsonl:3: values: configuration 0 has \{'patch_mix.beta': 1\.0,.*\} further up",
        ),
        (
            changed(
                3, **dict.fromkeys(("score", "sensitivity", "specificity", "any_abnormal_score"), [0.5] * 3)
            ),
            r"seconds has 2 epochs and score 3",
        ),
        (
            changed(
                3,
                **dict.fromkeys(
                    ("score", "sensitivity", "specificity", "any_abnormal_score", "seconds"), [0.5] * 3
                ),
            ),
            r"jsonl:3: 3 epochs, but this configuration trains 2",
        ),
    ],
)
def test_a_broken_file_is_refused_with_its_line(
    tmp_path: Path, change: Callable[[list[str]], list[str]], complaint: str
) -> None:
    file = export_curves(recorded_in(tmp_path, EVENTS), tmp_path / "curves.jsonl")
    file.write_text("".join(f"{line}\n" for line in change(file.read_text().splitlines())))
    with pytest.raises(ConfigError, match=complaint):
        read_curves(file)


def test_files_that_cannot_be_read_or_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.jsonl: cannot be read: No such file"):
        read_curves(tmp_path / "gone.jsonl")
    with pytest.raises(ConfigError, match="cannot be read: embedded null byte"):
        read_curves(tmp_path / "a\0b")
    with pytest.raises(ConfigError, match=r"gone/curves\.jsonl: cannot be written: No such file"):
        export_curves(recorded_in(tmp_path, EVENTS), tmp_path / "gone" / "curves.jsonl")


def test_a_name_may_hold_what_unicode_calls_a_line_separator(tmp_path: Path) -> None:
    file = export_curves(recorded_in(tmp_path, EVENTS), tmp_path / "curves.jsonl")
    file.write_text(file.read_text().replace('"first"', '"fi\u2028rst"'), encoding="utf-8")
    assert read_curves(file).name == "fi\u2028rst"


def test_the_score_of_a_challenge_is_made_of_both_means(tmp_path: Path) -> None:
    equal = {"sensitivity": 0.5, "specificity": 0.5}
    events = [StudyStarted((1, 2)), *added(0, **POINT)]
    events += [event for seed in (1, 2) for event in trained(0, seed, 0.5, 0.5, **equal)]
    file = export_curves(recorded_in(tmp_path, events, task="2-1"), tmp_path / "curves.jsonl")
    lines = file.read_text().splitlines()
    rates = {"sensitivity": [0.5, 0.0], "specificity": [1.0, 1.0]}
    for number in (2, 3):
        lines = changed(number, score=[0.708333, 0.25], **rates)(lines)
    file.write_text("\n".join(lines))
    assert read_curves(file).units[1].metrics[:, 0].tolist() == [0.708333, 0.25]


def test_a_whole_number_stands_for_a_real_one(tmp_path: Path) -> None:
    file = export_curves(recorded_in(tmp_path, EVENTS), tmp_path / "curves.jsonl")
    file.write_text(file.read_text().replace('"patch_mix.beta": 1.0', '"patch_mix.beta": 1'))
    assert repr(read_curves(file).units[0].values["patch_mix.beta"]) == "1.0"


def test_a_study_in_which_nothing_finished_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"study [^:]*: no unit has finished"):
        export_curves(recorded_in(tmp_path, [StudyStarted((1, 2))]), tmp_path / "curves.jsonl")
    assert not (tmp_path / "curves.jsonl").exists()
