"""The shipped quickstart does what the README says it does."""

from pathlib import Path

import pytest
from rich.console import Console

from sweep.config import read_study
from sweep.run import run_study

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_quickstart_finds_a_better_configuration_than_the_papers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    config = read_study(ROOT / "search_spaces" / "quickstart.yaml")
    board = run_study(config, tmp_path, "quickstart", "local", Console(width=160)).board()
    means = {configuration.number: configuration.summary() for configuration in board.ranking()}
    scores = {number: summary.mean for number, summary in means.items() if summary is not None}
    assert max(scores.values()) >= 0.8
    assert max(scores.values()) - min(scores.values()) >= 0.1
    assert max(scores.values()) > scores[0] + 0.1
    assert any(len(configuration.units) == 1 for configuration in board.configurations), "nothing was pruned"
