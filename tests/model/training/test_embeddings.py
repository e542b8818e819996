"""Features of a frozen encoder: what they depend on, and runs on them."""

from pathlib import Path
from typing import Any

import pytest
import torch

from data.settings import parse
from data.task import ICBHI
from model.training.checkpoint import CheckpointError, save_checkpoint
from model.training.embeddings import embed, encoder_settings
from model.training.fit import fit
from model.training.prediction import load_network, predict
from model.training.recipe import Recipe
from model.training.training import Training
from tests.model.training.tiny_run import recipe as tiny
from tests.model.training.tiny_run import tones, without_time

CPU = torch.device("cpu")
FROZEN: dict[str, Any] = {
    "smoothing": {"stage": None},
    "patch_mix": {"axes": []},
    "augment": {"probability": 0},
    "optimiser": {"learning_rate": 0.03, "weight_blend": 0.2},
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a run of ours."""
    path = tmp_path_factory.mktemp("encoder") / "run.pt"
    list(fit(tiny(epochs=1), 1, tones(32, 1), tones(16, 2), task=ICBHI, device="cpu", checkpoint=path))
    return path


def frozen(encoder: Path, **changes: Any) -> Recipe:
    backbone = {"name": "dass", "variant": "tiny", "pretrained": str(encoder)}
    return tiny(**{**FROZEN, "backbone": backbone, "frozen": {"encoder": True}, **changes})


def training(recipe: Recipe, seed: int = 1, *, embedded: bool = False) -> Training:
    train, validation = tones(64, 1), tones(24, 2)
    if embedded:
        network = Training(recipe, seed, train, validation, task=ICBHI, device="cpu").model
        train, validation = (embed(network, one, recipe, CPU) for one in (train, validation))  # pyright: ignore[reportArgumentType]
    return Training(recipe, seed, train, validation, task=ICBHI, device="cpu", data="tones")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"frozen": {"encoder": True, "hidden": 16, "dropout": 0.3}},
        {"mixup": {"alpha": 0.4}},
        {"optimiser": {"learning_rate": 0.03, "sam_rho": 0.05}},
        {"loss": {"focal_gamma": 2.0, "class_weights": "inverse_frequency"}},
    ],
    ids=["linear", "hidden", "mixup", "sam", "focal"],
)
def test_a_head_learns_and_goes_on_in_the_middle_of_an_epoch_with_the_same_bits(
    encoder: Path, changes: dict[str, Any]
) -> None:
    recipe = frozen(encoder, epochs=4, **changes)
    whole, begun = training(recipe), training(recipe)
    while not whole.done:
        whole.run_epoch()
    begun.run_epoch()
    asked = iter([False, False, True])
    assert begun.run_epoch_unless(lambda: next(asked)) is None
    again = training(recipe)
    again.load_state_dict(begun.state_dict())
    while not again.done:
        again.run_epoch()
    assert without_time(again.history) == without_time(whole.history)
    assert all(
        torch.equal(value, whole.model.state_dict()[name]) for name, value in again.model.state_dict().items()
    )
    assert whole.history[-1].score > 0.9


def test_a_state_holds_the_head_alone(encoder: Path) -> None:
    run = training(frozen(encoder))
    names = {name.removeprefix("model.") for name in run.state_dict()["modules"]}
    assert names == {"mean", "scale", "classifier.weight", "classifier.bias"}


def test_stored_features_and_log_mels_train_to_the_same_bits(encoder: Path) -> None:
    recipe = frozen(encoder, epochs=2)
    histories = []
    for embedded in (False, True):
        run = training(recipe, embedded=embedded)
        while not run.done:
            run.run_epoch()
        histories.append(without_time(run.history))
    assert histories[0] == histories[1]


def test_the_whole_network_answers_cycles_as_the_head_answered_their_features(
    encoder: Path, tmp_path: Path
) -> None:
    recipe = frozen(encoder, epochs=2, frozen={"encoder": True, "hidden": 16, "dropout": 0.3})
    run = training(recipe, embedded=True)
    while not run.done:
        run.run_epoch()
    of_features, _ = run.predict(run.validation)
    torch.save(run.model.state_dict(), tmp_path / "weights.pt")
    network = load_network(recipe, ICBHI, tmp_path / "weights.pt", "cpu")
    of_cycles, _ = predict(network, tones(24, 2), recipe, CPU)
    torch.testing.assert_close(torch.from_numpy(of_cycles), torch.from_numpy(of_features), atol=1e-5, rtol=0)
    answered, _ = run.predict(tones(24, 2))
    torch.testing.assert_close(torch.from_numpy(answered), torch.from_numpy(of_features), atol=1e-5, rtol=0)


def test_a_batch_in_chunks_gives_the_features_of_a_whole_one(encoder: Path) -> None:
    recipe = frozen(encoder)
    network: Any = training(recipe).model
    whole, chunked = (embed(network, tones(40, 3), recipe, CPU, chunks=chunks) for chunks in (1, 4))
    assert whole.embedded
    assert whole.features.shape == (40, network.feature_dim)
    torch.testing.assert_close(whole.features, chunked.features, atol=1e-5, rtol=1e-5)
    assert torch.equal(whole.labels, tones(40, 3).labels)


@pytest.mark.parametrize(
    "changes",
    [
        {"frozen": {"encoder": True, "hidden": 8, "dropout": 0.1}},
        {"optimiser": {"sam_rho": 0.1}},
        {"mixup": {"alpha": 1.0}},
        {"sampling": {"name": "weighted"}},
        {"batch_size": 32},
        {"epochs": 9},
        {"folds": {"fold": 1}},
    ],
)
def test_features_do_not_depend_on_how_a_head_is_trained(encoder: Path, changes: dict[str, Any]) -> None:
    assert encoder_settings(frozen(encoder, **changes)) == encoder_settings(frozen(encoder))


@pytest.mark.parametrize(
    "changes",
    [
        {"smoothing": {"stage": 1, "kernel_size": 3}},
        {"features": {"target_frames": 36, "n_mels": 32}},
        {"features": {"target_frames": 32, "n_mels": 32, "bands": [0, 1, 2, 3, 4, 5]}},
    ],
)
def test_features_depend_on_what_the_encoder_is_given_and_how_it_smooths(
    encoder: Path, changes: dict[str, Any]
) -> None:
    assert encoder_settings(frozen(encoder, **changes)) != encoder_settings(frozen(encoder))


def test_smoothing_of_no_stage_has_no_settings(encoder: Path) -> None:
    one = parse(Recipe, frozen(encoder).model_dump(), "test")
    other = frozen(encoder, smoothing={"stage": None, "sigma": 1.0})
    assert encoder_settings(one) == encoder_settings(other)


def test_sharpness_is_that_of_the_head_on_the_features(encoder: Path) -> None:
    recipe = frozen(encoder, epochs=1, sharpness_rho=0.05)
    first, second = (training(recipe, embedded=embedded).run_epoch().sharpness for embedded in (False, True))
    assert first is not None
    assert first == second
    assert first > 0


def test_a_head_does_not_go_on_over_another_encoder_in_the_same_file(encoder: Path, tmp_path: Path) -> None:
    file, checkpoint = tmp_path / "encoder.pt", tmp_path / "head.pt"
    file.write_bytes(encoder.read_bytes())
    recipe = frozen(file, epochs=2)
    cycles = tones(32, 1), tones(16, 2)
    run = fit(recipe, 1, *cycles, task=ICBHI, device="cpu", checkpoint=checkpoint)
    next(run)
    other = Training(tiny(epochs=1), 2, *cycles, task=ICBHI, device="cpu")
    other.run_epoch()
    save_checkpoint(file, other.state_dict())
    with pytest.raises(CheckpointError, match=r"on other recordings, folds or frozen weights"):
        next(fit(recipe, 1, *cycles, task=ICBHI, device="cpu", checkpoint=checkpoint))
