"""The shipped quickstart does what the README says it does."""

from pathlib import Path

import pytest

from sweep.config.study_config import read_study, with_settings
from sweep.driver.run import run_study
from sweep.folder.study_folder import StudyFolder

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_quickstart_finds_a_better_configuration_than_the_papers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    # Half of its configurations, and two of its five seeds; the rest changes nothing of what is promised.
    config = with_settings(
        read_study(ROOT / "search_spaces" / "quickstart.yaml"),
        {"budget": {"configurations": 4}, "seeds": [1, 2]},
        "quickstart",
    )
    board = run_study(config, StudyFolder.find(tmp_path, "quickstart")).board()
    summaries = {configuration.number: configuration.summary() for configuration in board.configurations}
    scores = {number: summary.mean for number, summary in summaries.items() if summary is not None}
    best = board.best()
    assert best is not None
    assert scores[best.number] >= 0.7
    assert scores[best.number] - min(scores.values()) >= 0.1
    assert scores[best.number] > scores[0] + 0.1, "the paper's point was not beaten"
    assert len(board.ranking()) >= 2
