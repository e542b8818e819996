"""The whole path on real breaths: the ICBHI sample through Ray, Optuna and MLflow to best.yaml."""

from pathlib import Path

import mlflow
import pytest

from model.training.recipe import read_recipe
from sweep.config.study_config import StudyConfig, read_study
from sweep.driver.run import run_study
from sweep.folder.study_folder import StudyFolder
from sweep.tracking.tracker import database_uri

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.filterwarnings("default:.*a subset")
@pytest.mark.usefixtures("kept_ray")
def test_a_sweep_of_real_recordings_ends_with_a_best_file_and_mlflow_runs(
    shared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = read_study(ROOT / "search_spaces" / "quickstart.yaml").model_dump()
    content |= {"data": str(shared / "icbhi_sample"), "seeds": (1,), "budget": {"configurations": 2}}
    content["recipe"]["epochs"] = 1
    config = StudyConfig.model_validate(content)
    folder = run_study(config, StudyFolder.find(tmp_path / "studies", "real"))
    assert "a subset: 216 of the 920" in caplog.text
    board = folder.board()
    assert len(board.ranking()) == 2
    for unit in board.units():
        assert unit.selected is not None
        validated = sum(map(sum, unit.selected["confusion"]))
        assert 100 < validated < 1168 / 2
    assert read_recipe(folder.best).epochs == 1
    client = mlflow.MlflowClient(database_uri(folder.path))
    experiment = client.get_experiment_by_name("real")
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id])) == 2 + 2
