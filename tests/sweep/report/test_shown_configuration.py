from pathlib import Path

import pytest

from sweep.config.study_config import StudyConfig
from sweep.folder.study_folder import StudyFolder
from sweep.report.plain_console import as_text
from sweep.report.shown_configuration import shown_configuration
from sweep.report.which_configuration import NoConfigurationError
from sweep.study.events import ConfigurationDropped, StudyStarted, UnitFailed, UnitPruned
from tests.studies import tiny_study
from tests.sweep.histories import added, reported, timed, trained, write_journal


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """Configurations that are complete, pruned, dropped, failed, and under way."""
    folder = StudyFolder.at(tmp_path, "one").create(StudyConfig.model_validate(tiny_study(2)))
    points = [
        event
        for number in range(5)
        for event in added(number, **{"patch_mix.temperature": 0.1 * (number + 1) ** 0.5})
    ]
    events = [
        StudyStarted((1, 2)),
        *points,
        *trained(0, 1, 0.5, 0.6),
        *trained(0, 2, 0.6, 0.7),
        *reported(1, 1, 0.4),
        UnitPruned(1, 1, "pruned at epoch 1: score 0.400, its best 0.400"),
        *trained(2, 1, 0.5, 0.5),
        ConfigurationDropped(2, "given up after 1 of 2 seeds: 0.100 below the best"),
        *reported(3, 1),
        UnitFailed(3, 1, "TrainingError: the loss is NaN\nin step 3"),
        *reported(4, 1, 0.6),
    ]
    write_journal(folder.journal, timed(*events))
    return folder


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "rank 1 of 1 with all seeds"),
        (1, "pruned, seed 1: pruned at epoch 1: score 0.400, its best 0.400"),
        (2, "dropped in the race over the seeds: given up after 1 of 2 seeds: 0.100 below the best"),
        (3, "failed, seed 1: TrainingError: the loss is NaN"),
        (4, "running: seed 1, epoch 1"),
    ],
)
def test_a_configuration_says_why_it_trains_no_further(
    folder: StudyFolder, number: int, expected: str
) -> None:
    first = as_text(shown_configuration(folder, number), 300).splitlines()[0]
    assert first == f"configuration {number} of {folder.place}: {expected}"


def test_a_configuration_shows_its_values_scores_and_recipe(folder: StudyFolder) -> None:
    text = as_text(shown_configuration(folder, 0), 300)
    lines = text.splitlines()
    assert "searched: τ 0.1 (patch_mix.temperature)" in lines
    assert (
        "score: 65.0 ± 7.1 % over 2 of 2 seeds; of held-out patients of the official training part" in lines
    )
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]
    assert ["2", "finished", "2", "2", "70.0", "60.0", "80.0", ""] in cells
    assert "    temperature: 0.1" in lines
    pruned = as_text(shown_configuration(folder, 1), 300)
    assert "(40.0)" in pruned
    assert "no seed has finished" in pruned


def test_a_configuration_that_is_not_there_is_refused(folder: StudyFolder) -> None:
    with pytest.raises(NoConfigurationError, match="there is no configuration 5 among its 5"):
        shown_configuration(folder, 5)
