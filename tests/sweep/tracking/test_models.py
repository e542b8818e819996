"""MLflow has the best configuration's networks as models that give the same logits, once each, and marks former ones."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests
import safetensors.torch
import torch
from mlflow import MlflowClient, get_tracking_uri, set_tracking_uri
from mlflow.models import Model, get_model_info

from data.settings import parse
from data.task import ICBHI
from model.training.prediction import load_network, random_network
from model.training.recipe import Recipe
from sweep.study.events import StudyStopped
from sweep.study.units import unit_id
from sweep.tracking.messages import Models, Target, TrackingError
from sweep.tracking.models import FORMER, TAG
from sweep.tracking.tracker import Tracker, database_uri
from sweep.tracking.writer import Writer
from tests.studies import TINY_RECIPE
from tests.sweep.histories import timed
from tests.sweep.tracking.tracked import STUDY, runs_of

RECIPE = parse(Recipe, TINY_RECIPE, "recipe")
OVER = [*STUDY, *timed(StudyStopped("over"))]


@pytest.fixture
def study(tmp_path: Path, empty_tables: Path) -> Path:
    """The folder of a study, with a database and the weights of three units."""
    folder = tmp_path / "study"
    (folder / "units").mkdir(parents=True)
    shutil.copy(empty_tables, folder)
    for number, seed in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(10 * number + seed)
        (folder / "units" / unit_id(number, seed)).mkdir()
        tensors = {
            name: value.contiguous() for name, value in random_network(RECIPE, ICBHI).state_dict().items()
        }
        safetensors.torch.save_file(tensors, weights_of(folder, unit_id(number, seed)))
    return folder


def weights_of(study: Path, unit: str) -> Path:
    return study / "units" / unit / "weights.safetensors"


def models(study: Path, *units: str, recipe: Recipe = RECIPE) -> Models:
    settings = recipe.model_dump(mode="json")
    return Models(units, str(study / "units"), "weights.safetensors", settings, "icbhi", {"study": "first"})


def kept(study: Path, wanted: Models) -> None:
    """One driver: sends what MLflow lacks of the study, and the models."""
    uri = database_uri(study)
    target = Target(
        uri, "first", study / "artifacts", "first", tuple(OVER), {}, gather_s=0.05, retry_after_s=0.05
    )
    writer = Writer(target)
    writer.keep_models(wanted)
    writer.close(20)


def tags(study: Path) -> dict[str, str]:
    return {
        name: run.data.tags[TAG]
        for name, run in runs_of(database_uri(study), "first").items()
        if TAG in run.data.tags
    }


@pytest.fixture
def loading(study: Path) -> Iterator[None]:
    """What `runs:/...` means, as somebody who loads a model says."""
    before = get_tracking_uri()
    set_tracking_uri(database_uri(study))
    yield
    set_tracking_uri(before)


@pytest.mark.filterwarnings("ignore::UserWarning:mlflow", "ignore:.*Any type hint is inferred")
@pytest.mark.usefixtures("loading")
def test_a_network_with_low_rank_pairs_is_a_model_in_which_they_are_part_of_its_weights(study: Path) -> None:
    from mlflow.pytorch import load_model

    backbone = {"name": "ast", "variant": "tiny", "pretrained": "kept.pth", "lora": {"rank": 2}}
    recipe = parse(
        Recipe,
        {**TINY_RECIPE, "backbone": backbone, "smoothing": {"stage": None}, "patch_mix": {"axes": []}},
        "recipe",
    )
    unit, network = unit_id(0, 1), random_network(recipe, ICBHI).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(".B"):
                parameter.normal_()
    safetensors.torch.save_file(network.state_dict(), weights_of(study, unit))
    kept(study, models(study, unit, recipe=recipe))
    run = runs_of(database_uri(study), "first")[unit]
    loaded = load_model(f"runs:/{run.info.run_id}/model")
    features = torch.randn(3, *recipe.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(loaded(features), network(features), rtol=1e-4, atol=1e-5)


# MLflow's own, when its part for PyTorch is imported, and as it reads a pickle.
@pytest.mark.filterwarnings("ignore::UserWarning:mlflow", "ignore:.*Any type hint is inferred")
@pytest.mark.usefixtures("loading")
def test_a_model_is_loaded_and_gives_the_logits_of_the_network(study: Path) -> None:
    from mlflow.pytorch import load_model

    units = unit_id(0, 1), unit_id(0, 2)
    kept(study, models(study, *units))
    runs = runs_of(database_uri(study), "first")
    features = torch.randn(3, *RECIPE.features.input_shape, generator=torch.Generator().manual_seed(0))
    for unit in units:
        uri = f"runs:/{runs[unit].info.run_id}/model"
        loaded = load_model(uri)
        network = load_network(RECIPE, ICBHI, weights_of(study, unit), "cpu")
        with torch.no_grad():
            torch.testing.assert_close(loaded(features), network(features), rtol=0, atol=0)
        info = get_model_info(uri)
        assert info.signature is not None
        assert info.signature.inputs.inputs[0].shape == (-1, *RECIPE.features.input_shape)
        assert info.signature.outputs.inputs[0].shape == (-1, 4)
        assert info.metadata is not None
        assert (
            info.metadata.items()
            >= {
                "study": "first",
                "unit": unit,
                "labels": "normal, crackle, wheeze, both",
                "weights_sha256": hashlib.sha256(weights_of(study, unit).read_bytes()).hexdigest(),
            }.items()
        )
        example = Model.load(uri).load_input_example()
        assert np.asarray(example).shape == (1, *RECIPE.features.input_shape)


def test_a_study_that_is_taken_up_again_does_not_send_its_models_again(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = unit_id(0, 1), unit_id(0, 2)
    kept(study, models(study, *units))
    first = tags(study)
    assert first == {unit: hashlib.sha256(weights_of(study, unit).read_bytes()).hexdigest() for unit in units}
    sent: list[object] = []
    monkeypatch.setattr(MlflowClient, "log_artifacts", lambda *arguments: sent.append(arguments))
    kept(study, models(study, *units))
    assert (sent, tags(study)) == ([], first)
    # Another network of the same unit is another model.
    weights_of(study, units[0]).write_bytes(weights_of(study, units[1]).read_bytes())
    kept(study, models(study, *units))
    assert len(sent) == 1
    assert tags(study)[units[0]] == first[units[1]]


def test_models_of_a_configuration_that_is_no_longer_the_best_are_marked(study: Path) -> None:
    kept(study, models(study, unit_id(0, 1)))
    kept(study, models(study, unit_id(1, 1)))
    assert tags(study)[unit_id(0, 1)] == FORMER
    assert tags(study)[unit_id(1, 1)] != FORMER
    kept(study, models(study, unit_id(0, 1)))
    assert tags(study)[unit_id(0, 1)] != FORMER
    assert tags(study)[unit_id(1, 1)] == FORMER


def test_units_without_weights_or_run_are_passed_over(study: Path) -> None:
    weights_of(study, unit_id(0, 2)).unlink()
    kept(study, models(study, unit_id(0, 1), unit_id(0, 2), unit_id(7, 1)))
    assert list(tags(study)) == [unit_id(0, 1)]


def test_weights_that_are_damaged_are_told_of_and_the_events_are_written(study: Path) -> None:
    path = weights_of(study, unit_id(0, 1))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(
        TrackingError, match=r"MLflow misses some results \(the model of 0000-seed1: .*checkpoint"
    ):
        kept(study, models(study, unit_id(0, 1)))
    assert tags(study) == {}
    assert len(runs_of(database_uri(study), "first")) == 7


def test_a_server_that_is_away_for_a_while_gets_the_models_all_the_same(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, answers = (
        MlflowClient.log_artifacts,
        iter([ConnectionError("away"), ConnectionError("away"), None]),
    )

    def log_artifacts(
        client: MlflowClient, run_id: str, local_dir: str, artifact_path: str | None = None
    ) -> None:
        if next(answers) is not None:
            raise requests.ConnectionError("away")
        sound(client, run_id, local_dir, artifact_path)

    monkeypatch.setattr(MlflowClient, "log_artifacts", log_artifacts)
    kept(study, models(study, unit_id(0, 1)))
    assert list(tags(study)) == [unit_id(0, 1)]
    assert list(answers) == []


def test_a_study_that_was_moved_gets_none_as_its_files_would_lie_where_it_was(
    study: Path, tmp_path: Path
) -> None:
    kept(study, models(study, unit_id(0, 1)))
    moved = tmp_path / "moved"
    study.rename(moved)
    kept(moved, models(moved, unit_id(0, 1), unit_id(0, 2)))
    assert list(tags(moved)) == [unit_id(0, 1)]
    assert not study.exists()


def test_another_process_sends_what_the_first_could_not(study: Path) -> None:
    tracker = Tracker(database_uri(study), "first", study / "artifacts", "first", OVER, {})
    wanted = models(study, unit_id(0, 1))
    tracker._process.end()
    tracker.keep_models(wanted)
    tracker.close(120)
    assert list(tags(study)) == [unit_id(0, 1)]
