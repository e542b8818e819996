from pathlib import Path
from typing import Any

import pytest
import yaml

from data.settings import ConfigError
from sweep.driver.which_study import choose_study
from sweep.folder.study_folder import FolderError, StudyFolder
from sweep.study.events import StudyStarted, StudyStopped
from sweep.study.journal import Journal
from tests.sweep.histories import added, trained

CONTENT: dict[str, Any] = {
    "search": {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}},
    "recipe": {"epochs": 5},
}


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "beta.yaml"
    path.write_text(yaml.safe_dump(CONTENT))
    return path


def begun(studies: Path, name: str, space: Path, *stopped: str) -> None:
    """A study that was run until it stopped, or still runs."""
    _, config = choose_study(studies, space, name, None, {})
    journal = Journal(StudyFolder.at(studies, name).create(config).journal)
    journal.write(StudyStarted((1, 2, 3, 4, 5)))
    for reason in stopped:
        journal.write(StudyStopped(reason))
    journal.close()


def test_a_study_is_named_after_its_file(tmp_path: Path, space: Path) -> None:
    assert choose_study(tmp_path, space, None, None, {})[0].name == "beta"
    assert choose_study(tmp_path, space, "mine", None, {})[0].name == "mine"


@pytest.mark.parametrize("stopped", [["interrupted"], ["budget spent: gpu_hours 8 of 8"], []])
def test_the_same_command_again_goes_on(tmp_path: Path, space: Path, stopped: list[str]) -> None:
    begun(tmp_path, "beta", space, "over")
    begun(tmp_path, "beta-2", space, *stopped)
    assert choose_study(tmp_path, space, None, None, {})[0].name == "beta-2"


def test_the_same_command_after_the_end_begins_another_study(tmp_path: Path, space: Path) -> None:
    begun(tmp_path, "beta", space, "over")
    assert choose_study(tmp_path, space, None, None, {})[0].name == "beta-2"


def test_another_search_begins_another_study(tmp_path: Path, space: Path) -> None:
    begun(tmp_path, "beta", space, "interrupted")
    assert choose_study(tmp_path, space, None, None, {"recipe.epochs": 6})[0].name == "beta-2"
    assert choose_study(tmp_path, space, None, None, {"budget.configurations": 6})[0].name == "beta"


def test_other_recordings_begin_another_study(tmp_path: Path, space: Path) -> None:
    begun(tmp_path, "beta", space, "interrupted")
    assert choose_study(tmp_path, space, None, None, {"data": "elsewhere"})[0].name == "beta-2"


def test_a_study_of_an_earlier_version_is_left_alone(tmp_path: Path, space: Path) -> None:
    begun(tmp_path, "beta", space, "interrupted")
    (tmp_path / "beta" / "journal.jsonl").write_text('{"journal": "respsweep", "format": 1}\n')
    assert choose_study(tmp_path, space, None, None, {})[0].name == "beta-2"


def test_a_study_whose_best_was_not_written_down_goes_on(tmp_path: Path, space: Path) -> None:
    begun(tmp_path, "beta", space)
    journal = Journal(tmp_path / "beta" / "journal.jsonl")
    units = [event for seed in (1, 2, 3, 4, 5) for event in trained(0, seed, 0.5)]
    for event in [*added(0), *units, StudyStopped("over")]:
        journal.write(event)
    journal.close()
    assert choose_study(tmp_path, space, None, None, {})[0].name == "beta"
    best = tmp_path / "beta" / "best.yaml"
    # What a halt wrote down before the last units had ended is not the end's.
    held = [
        f"{{configuration: {number}, seeds: {seeds}}}"
        for number, seeds in ((1, [1, 2, 3, 4, 5]), (0, [1, 2]))
    ]
    for provenance in (*held, "[0]", "x", "1", "null"):
        best.write_text(f"provenance: {provenance}")
        assert choose_study(tmp_path, space, None, None, {})[0].name == "beta"
    best.write_text("provenance: {configuration: 0, seeds: [1, 2, 3, 4, 5]}")
    assert choose_study(tmp_path, space, None, None, {})[0].name == "beta-2"


def test_resuming_takes_the_study_as_it_was_but_for_what_is_given(tmp_path: Path, space: Path) -> None:
    begun(tmp_path, "beta", space, "interrupted")
    folder, config = choose_study(tmp_path, None, None, "beta", {"budget.configurations": 6})
    assert (folder.name, config.budget.configurations) == ("beta", 6)
    assert config.space.recipe({}).epochs == 5


def test_what_cannot_be_meant_is_refused(tmp_path: Path, space: Path) -> None:
    with pytest.raises(ConfigError, match=r"--name a and --resume b both name the study"):
        choose_study(tmp_path, space, "a", "b", {})
    with pytest.raises(ConfigError, match=r"no study file: give one, .* or name a study"):
        choose_study(tmp_path, None, None, None, {})
    with pytest.raises(FolderError, match=r"no study 'b' in"):
        choose_study(tmp_path, None, None, "b", {})


def test_a_study_whose_finalists_were_not_ranked_on_all_folds_goes_on(tmp_path: Path, space: Path) -> None:
    begun(tmp_path, "beta", space)
    folder = StudyFolder.at(tmp_path, "beta")
    journal = Journal(folder.journal)
    whole = [event for seed in range(1, 6) for event in trained(0, seed, 0.5)]
    for event in (*added(0), *whole, StudyStopped("over")):
        journal.write(event)
    journal.close()
    provenance = {"configuration": 0, "seeds": [1, 2, 3, 4, 5]}
    folder.best.write_text(yaml.safe_dump({"provenance": provenance}))
    assert choose_study(tmp_path, space, None, None, {})[0].name == "beta-2"
    assert choose_study(tmp_path, space, None, None, {"folds": "all"})[0].name == "beta"
