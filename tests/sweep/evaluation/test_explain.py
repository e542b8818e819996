from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.cycle_features import cycle_features
from data.recordings import read_recordings
from data.settings import ConfigError, parse
from data.synthetic import write_breaths
from data.task import ICBHI
from model.training.prediction import random_network
from model.training.recipe import Recipe
from sweep.evaluation.explain import explain
from sweep.evaluation.predict import Cutting, Predictor
from sweep.evaluation.sealed_recordings import SealedRecordings

FEATURES: dict[str, Any] = {
    "sample_rate": 4000,
    "duration_s": 2,
    "n_mels": 32,
    "frame_length_ms": 64,
    "frame_shift_ms": 64,
    "target_frames": None,
}


def predictor_of(**features: Any) -> Predictor:
    content = {
        "backbone": {"name": "cnn_tsa", "variant": "tiny"},
        "smoothing": {"stage": None},
        "features": {**FEATURES, **features},
    }
    recipe = parse(Recipe, content, "test")
    networks = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        networks.append(random_network(recipe, ICBHI).eval())
    cutting = Cutting()
    return Predictor(
        study="first",
        configuration=0,
        seeds=(1, 2),
        learned="nothing",
        task=ICBHI,
        recipe=recipe,
        networks=tuple(networks),
        device=torch.device("cpu"),
        cutting=cutting,
        windows=cutting.windows(2.0),
        sealed=SealedRecordings({}),
    )


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    write_breaths(tmp_path / "breaths", patients=8, seed=0)
    return read_recordings(tmp_path / "breaths").part("train")[0].path


@pytest.mark.parametrize("mode", ["drop", "fill"])
def test_kept_bands_have_values_and_all_of_the_shares(audio: Path, mode: str) -> None:
    predictor = predictor_of(bands={"ranges": [[4, 23]]}, band_mode=mode)
    found = explain(predictor, audio, 1, method="integrated_gradients")
    answered = predictor.predict(audio)
    assert found.span == answered.spans[1]
    assert found.probability == answered.probabilities[1].max()
    assert np.isnan(found.values).all(axis=0).tolist() == [band not in range(4, 24) for band in range(32)]
    (features,) = cycle_features(audio, [found.span], predictor.recipe.features)
    assert np.array_equal(found.values[:, 4:24], features.double().numpy()[:, 4:24])
    assert found.shares.sum() == pytest.approx(1)
    assert found.shares[:, 4:24].sum() == pytest.approx(1)


def test_another_label_can_be_asked_for_and_an_unknown_one_not(audio: Path) -> None:
    predictor = predictor_of()
    found = explain(predictor, audio, label=ICBHI.labels[2])
    assert (found.label, found.method) == (ICBHI.labels[2], "grad_cam")
    assert found.probability == predictor.predict(audio).probabilities[0, 2]
    with pytest.raises(ConfigError, match="label: must be one of"):
        explain(predictor, audio, label="Cough")
    with pytest.raises(ConfigError, match="method: attention_rollout is for ast and beats, got cnn_tsa"):
        explain(predictor, audio, method="attention_rollout")
    with pytest.raises(ConfigError, match="has cycles 0 to"):
        explain(predictor, audio, 99)
