"""A frozen encoder's features as units find them, and units that train heads on them."""

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import sweep.worker.embedded_data as embedded_data
from data.settings import parse
from data.synthetic import write_breaths
from data.task import ICBHI
from evidence.ledger import Seal
from model import registry
from model.frozen import FrozenNetwork
from model.training.checkpoint import save_checkpoint
from model.training.embeddings import embed
from model.training.fit import fit
from model.training.prediction import load_network, predict
from model.training.recipe import Recipe
from model.training.training import Training
from sweep.config.study_parts import ResourcesConfig
from sweep.worker.embedded_data import load_embedded, load_tested_embedded
from sweep.worker.local_data import load_examples
from sweep.worker.prepared_data import DataPreparation, PreparedData
from sweep.worker.step_result import Finished, StepResult
from sweep.worker.trainable import UnitTrainable
from sweep.worker.unit_config import unit_config
from sweep.worker.unit_results import WEIGHTS, read_weights
from sweep.worker.weights import Weights, weights_of
from tests.studies import TINY_RECIPE

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def breaths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("breaths") / "data"
    write_breaths(folder, patients=12, seed=0)
    return folder


@pytest.fixture(scope="module")
def encoder(breaths: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a run of an epoch on the same breaths."""
    folder = tmp_path_factory.mktemp("encoder")
    recipe = parse(Recipe, {**TINY_RECIPE, "epochs": 1}, "test")
    prepared = DataPreparation(breaths, folder / "cache", progress=False).prepare(recipe)
    parts = load_examples(prepared, 0)
    list(fit(recipe, 1, *parts, task=ICBHI, device="cpu", checkpoint=folder / "run.pt"))
    return folder / "run.pt"


@pytest.fixture(autouse=True)
def _nothing_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose cache is empty, and a process that has opened nothing."""
    embedded_data.forget_embedded()
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "machine"))


def frozen(encoder: Path, **changes: Any) -> Recipe:
    return parse(
        Recipe,
        {
            **TINY_RECIPE,
            "backbone": {"name": "dass", "variant": "tiny", "pretrained": str(encoder)},
            "frozen": {"encoder": True, "hidden": 8},
            "patch_mix": {"axes": []},
            "augment": {"probability": 0},
            "optimiser": {"learning_rate": 0.01},
            "epochs": 3,
            **changes,
        },
        "test",
    )


def prepared_for(breaths: Path, tmp_path: Path, recipe: Recipe) -> PreparedData:
    return DataPreparation(breaths, tmp_path / "machine", progress=False).prepare(recipe)


def weights(recipe: Recipe) -> Weights:
    found = weights_of(recipe)
    assert found is not None
    return found


class Counting:
    """Embeds, and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.times += 1
        return embed(*arguments, **named)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting()
    monkeypatch.setattr(embedded_data, "embed", counting)
    return counting


@pytest.mark.slow
def test_all_units_of_an_encoder_share_features_that_are_computed_once(
    breaths: Path, encoder: Path, tmp_path: Path, counted: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = frozen(encoder)
    prepared = prepared_for(breaths, tmp_path, recipe)
    train, validation = load_embedded(prepared, recipe, weights(recipe), "cpu")
    whole, held_out = load_examples(prepared, recipe.folds.fold)
    assert train.labels.tolist() == whole.labels.tolist()
    assert validation.labels.tolist() == held_out.labels.tolist()
    other = frozen(encoder, frozen={"encoder": True}, mixup={"alpha": 0.5}, epochs=9)
    again, _ = load_embedded(prepared, other, weights(other), "cpu")
    assert again.features is train.features
    monkeypatch.setattr(embedded_data, "_held", {})
    in_another_process, _ = load_embedded(prepared, recipe, weights(recipe), "cpu")
    assert torch.equal(in_another_process.table(), train.table())
    assert counted.times == 1


def test_without_a_fold_all_cycles_are_trained_on(breaths: Path, encoder: Path, tmp_path: Path) -> None:
    recipe = frozen(encoder, folds={"fold": None})
    train, validation = load_embedded(prepared_for(breaths, tmp_path, recipe), recipe, weights(recipe), "cpu")
    assert len(train) == len(validation) == len(train.features)


def test_another_machine_fetches_features_from_the_shared_place(
    breaths: Path, encoder: Path, tmp_path: Path, counted: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = frozen(encoder)
    preparation = DataPreparation(breaths, tmp_path / "machine", progress=False)
    preparation.share(str(tmp_path / "shared"))
    prepared = preparation.prepare(recipe)
    first, _ = load_embedded(prepared, recipe, weights(recipe), "cpu")
    monkeypatch.setattr(embedded_data, "_held", {})
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "another"))
    second, _ = load_embedded(prepared, recipe, weights(recipe), "cpu")
    assert counted.times == 1
    assert torch.equal(first.table(), second.table())
    assert len(list((tmp_path / "another" / "embeddings").glob("train-*"))) == 1


def test_damaged_features_are_replaced_with_a_warning(
    breaths: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = frozen(encoder)
    prepared = prepared_for(breaths, tmp_path, recipe)
    first, _ = load_embedded(prepared, recipe, weights(recipe), "cpu")
    expected = first.table()
    (file,) = (tmp_path / "machine" / "embeddings").glob("train-*/embeddings.npy")
    file.write_bytes(file.read_bytes()[:-4] + b"\0\0\0\0")
    monkeypatch.setattr(embedded_data, "_held", {})
    with pytest.warns(UserWarning, match="they are replaced"):
        again, _ = load_embedded(prepared, recipe, weights(recipe), "cpu")
    assert torch.equal(again.table(), expected)


def test_test_parts_have_features_only_where_their_reading_is_written_down(
    breaths: Path, encoder: Path, tmp_path: Path
) -> None:
    recipe = frozen(encoder)
    preparation = DataPreparation(breaths, tmp_path / "machine", progress=False)
    assert load_tested_embedded(preparation.prepare(recipe), recipe, weights(recipe), "cpu") == []
    preparation.unseal(Seal(preparation.data_hash, 1), ["test"])
    prepared = preparation.prepare(recipe)
    (tested,) = load_tested_embedded(prepared, recipe, weights(recipe), "cpu")
    assert tested.embedded
    assert len(tested) > 0


def config(prepared: PreparedData, recipe: Recipe, folder: Path) -> dict[str, Any]:
    return unit_config(
        0,
        1,
        recipe,
        prepared,
        folder / "units",
        ResourcesConfig(),
        predictions=str(folder / "predictions"),
        weights=weights_of(recipe),
    )


def unit(prepared: PreparedData, recipe: Recipe, folder: Path) -> UnitTrainable:
    return UnitTrainable(config(prepared, recipe, folder))


def test_a_unit_tells_all_its_epochs_at_once_and_leaves_a_network_that_answers_as_its_head_did(
    breaths: Path, encoder: Path, tmp_path: Path
) -> None:
    recipe = frozen(encoder)
    prepared = prepared_for(breaths, tmp_path, recipe)
    told = StepResult.from_tune(unit(prepared, recipe, tmp_path).train())
    assert [report["epoch"] for report in told.reports] == [1, 2, 3]
    assert told.ending == Finished(3)
    assert not list((tmp_path / "units").rglob("checkpoint.pt"))
    (of_the_unit,) = (tmp_path / "units").rglob(WEIGHTS)
    (of_the_encoder,) = (tmp_path / "units").glob("shared-*.safetensors")
    assert all(name.startswith("head.") for name in load_file(of_the_unit))
    assert all(name.startswith("encoder.") for name in load_file(of_the_encoder))
    file = tmp_path / "whole.safetensors"
    file.write_bytes(read_weights(str(tmp_path / "units"), 0, 1))
    # The file that the encoder was read from need not be there any more.
    gone = recipe.model_copy(
        update={"backbone": recipe.backbone.model_copy(update={"pretrained": "gone.pt"})}
    )
    network = load_network(gone, ICBHI, file, "cpu")
    _, validation = load_examples(prepared, recipe.folds.fold)
    probabilities, _ = predict(network, validation, recipe, CPU)
    (kept,) = (tmp_path / "predictions").rglob("*.npy")
    np.testing.assert_allclose(np.load(kept), probabilities, atol=1e-3)  # kept as float16


def test_a_unit_with_long_epochs_is_saved_and_goes_on_with_the_same_numbers(
    breaths: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = frozen(encoder)
    prepared = prepared_for(breaths, tmp_path, recipe)
    whole = StepResult.from_tune(unit(prepared, recipe, tmp_path / "whole").train())
    monkeypatch.setattr("sweep.worker.trainable.LEAST_STEP_S", 0.0)
    first = StepResult.from_tune(unit(prepared, recipe, tmp_path / "lost").train())
    assert (len(first.reports), first.ending) == (1, None)
    again = unit(prepared, recipe, tmp_path / "lost")
    reports: list[Any] = []
    while not reports or len(reports) < recipe.epochs:
        reports += StepResult.from_tune(again.train()).reports
    assert [{**report, "seconds": 0} for report in reports] == [
        {**report, "seconds": 0} for report in whole.reports
    ]


@pytest.fixture
def uncollected() -> Iterator[None]:
    """What still refers to itself stays: on a GPU nothing else would free it in time either."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Held:
    """Counts, whenever a run is built, what is left of units before: encoders, features and copies of log-mels."""

    def __init__(self) -> None:
        self.left: list[weakref.ref[Any]] = []
        self.there: list[int] = []

    def __call__(self, recipe: Recipe, seed: int, train: Any, *others: Any, **named: Any) -> Training:
        self.there.append(sum(one() is not None for one in self.left))
        training = Training(recipe, seed, train, *others, **named)
        if isinstance(training.model, FrozenNetwork):
            self.left += [weakref.ref(training.model.encoder), weakref.ref(train.features)]
        else:
            # As a copy on a GPU is; the CPU needs none.
            train.copies[torch.device("meta")] = copy = train.features[:1].clone()
            self.left.append(weakref.ref(copy))
        return training


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    holding = Held()
    monkeypatch.setattr("sweep.worker.trainable.Training", holding)
    return holding


@pytest.mark.usefixtures("uncollected")
def test_what_the_next_unit_does_not_use_is_gone_before_it_is_built(
    breaths: Path, encoder: Path, tmp_path: Path, held: Held
) -> None:
    head = frozen(encoder, epochs=1)
    whole = parse(Recipe, {**TINY_RECIPE, "epochs": 1}, "test")
    prepared = prepared_for(breaths, tmp_path, head)
    process = unit(prepared, head, tmp_path)
    process.train()
    assert process.reset_config(config(prepared, head, tmp_path / "second"))
    process.train()
    # Another head has the encoder and its features; a whole network has neither, nor a head its log-mels.
    assert held.there == [0, 2]
    assert process.reset_config(config(prepared, whole, tmp_path / "third"))
    process.train()
    assert process.reset_config(config(prepared, head, tmp_path / "fourth"))
    assert held.there == [0, 2, 0, 0]


@pytest.mark.usefixtures("uncollected")
def test_an_encoder_is_gone_before_another_one_is_built(encoder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pt"
    other.write_bytes(encoder.read_bytes())
    first, second = (frozen(path) for path in (encoder, other))
    network = build(first)
    left = weakref.ref(network.encoder)
    assert build(first).encoder is network.encoder
    del network
    assert left() is not None
    with pytest.MonkeyPatch.context() as patch:
        built: list[bool] = []
        loaded = registry._loaded
        patch.setattr(registry, "_loaded", lambda *given: (built.append(left() is None), loaded(*given))[1])
        build(second)
    assert built == [True]


def build(recipe: Recipe) -> FrozenNetwork:
    network = registry.build_backbone(
        recipe.backbone, recipe.smoothing, 4, recipe.input_shape, recipe.dropped_to, recipe.frozen
    )
    assert isinstance(network, FrozenNetwork)
    return network


def test_other_weights_under_the_same_name_have_other_features(
    breaths: Path, encoder: Path, tmp_path: Path, counted: Counting
) -> None:
    copy = tmp_path / "copy.pt"
    copy.write_bytes(encoder.read_bytes())
    recipe = frozen(copy)
    prepared = prepared_for(breaths, tmp_path, recipe)
    first, _ = load_embedded(prepared, recipe, weights(recipe), "cpu")
    state = torch.load(encoder, weights_only=True)
    state["modules"] = {
        name: value * 1.5 if value.is_floating_point() else value for name, value in state["modules"].items()
    }
    save_checkpoint(copy, state)
    second, _ = load_embedded(prepared, recipe, replace(weights(recipe)), "cpu")
    assert counted.times == 2
    assert not torch.equal(first.table(), second.table())
