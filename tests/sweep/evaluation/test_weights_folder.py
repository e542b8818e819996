"""A folder of weights is read back as it was written, and what was changed in it is refused in a line."""

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch
import yaml

from data.dataset import SealedPartError
from data.errors import UserError
from data.settings import parse
from data.task import ICBHI
from model.training.prediction import load_network, random_network
from model.training.recipe import Recipe
from sweep.evaluation.finished_units import FinishedUnits
from sweep.evaluation.weights_folder import (
    WeightsFolderError,
    is_weights_folder,
    read_weights_folder,
    save_weights,
)
from sweep.study.units import unit_id
from tests.studies import TINY_RECIPE

RECIPE = parse(Recipe, {**TINY_RECIPE, "epochs": 3}, "recipe")


def units_in(
    folder: Path, configuration: int = 2, seeds: tuple[int, ...] = (4, 3), recipe: Recipe = RECIPE
) -> FinishedUnits:
    """Networks of random weights, as units leave them."""
    folder.mkdir()
    weights, sha256 = {}, {}
    for seed in seeds:
        torch.manual_seed(seed)
        weights[seed] = folder / f"{unit_id(configuration, seed)}.safetensors"
        tensors = {
            name: value.contiguous() for name, value in random_network(recipe, ICBHI).state_dict().items()
        }
        safetensors.torch.save_file(tensors, weights[seed])
        sha256[seed] = hashlib.sha256(weights[seed].read_bytes()).hexdigest()
    return FinishedUnits("first", configuration, ICBHI, recipe, "ward breaths", weights, sha256)


@pytest.fixture
def units(tmp_path: Path) -> FinishedUnits:
    return units_in(tmp_path / "units")


@pytest.fixture
def folder(tmp_path: Path, units: FinishedUnits) -> Path:
    folder = tmp_path / "exported"
    folder.mkdir()
    save_weights(units, "first", "5" * 32, ["ab" * 32, "cd" * 32], folder)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE.model_dump(mode="json")))
    return folder


def test_it_is_read_back_as_it_was_written(folder: Path, units: FinishedUnits) -> None:
    found = read_weights_folder(folder).units
    assert (found.recipe, found.task, found.configuration, found.learned) == (
        RECIPE,
        ICBHI,
        2,
        "ward breaths",
    )
    # In the order of the study, in which probabilities are summed.
    assert list(found.weights) == [4, 3]
    assert found.sha256 == units.sha256
    assert found.study == f"{folder} (study first)"
    for seed, path in found.weights.items():
        theirs = load_network(RECIPE, ICBHI, path, "cpu").state_dict()
        for name, value in load_network(RECIPE, ICBHI, units.weights[seed], "cpu").state_dict().items():
            torch.testing.assert_close(theirs[name], value, rtol=0, atol=0)


def test_networks_with_low_rank_pairs_are_read_back_without_their_pretrained_weights(tmp_path: Path) -> None:
    backbone = {"name": "beats", "variant": "tiny", "pretrained": "gone.pt", "lora": {"rank": 2}}
    recipe = parse(Recipe, {"backbone": backbone, "smoothing": {"stage": None}}, "recipe")
    units = units_in(tmp_path / "units", recipe=recipe)
    folder = tmp_path / "exported"
    folder.mkdir()
    save_weights(units, "first", "5" * 32, None, folder)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    found = read_weights_folder(folder).units
    assert found.recipe == recipe
    assert load_network(recipe, ICBHI, found.weights[4], "cpu").state_dict().keys() == (
        random_network(recipe, ICBHI).state_dict().keys()
    )


def test_each_file_says_what_it_is(folder: Path, units: FinishedUnits) -> None:
    with safetensors.safe_open(folder / "0002-seed3.safetensors", "pt") as file:
        notes = file.metadata()
    assert (
        notes.items()
        >= {
            "study": "first",
            "configuration": "2",
            "seed": "3",
            "seeds": "4,3",
            "recipe": RECIPE.digest(),
            "task": "icbhi",
            "unit_sha256": units.sha256[3],
            "version.torch": torch.__version__.partition("+")[0],
        }.items()
    )
    assert {"version.respsweep", "version.safetensors"} <= notes.keys()


def test_recordings_of_the_test_part_are_known_by_their_bytes(folder: Path, tmp_path: Path) -> None:
    sealed = read_weights_folder(folder).sealed
    assert (sealed.unknown, sealed.digests) == (None, {"ab" * 32, "cd" * 32})
    (tmp_path / "mine.wav").write_bytes(b"breath")
    sealed.check(tmp_path / "mine.wav")
    (folder / "test_part.sha256").unlink()
    with pytest.raises(WeightsFolderError, match=r"test_part\.sha256: cannot be read: No such file"):
        read_weights_folder(folder)
    (folder / "test_part.sha256").write_text("")
    with pytest.raises(WeightsFolderError, match="not the list that the weights were exported with"):
        read_weights_folder(folder)


def test_a_recording_of_the_test_part_is_refused(units: FinishedUnits, tmp_path: Path) -> None:
    (tmp_path / "mine.wav").write_bytes(b"breath")
    (tmp_path / "to").mkdir()
    save_weights(units, "first", "5" * 32, [hashlib.sha256(b"breath").hexdigest()], tmp_path / "to")
    (tmp_path / "to" / "recipe.yaml").write_text(yaml.safe_dump(RECIPE.model_dump(mode="json")))
    with pytest.raises(
        SealedPartError, match=r"mine\.wav: refused, as it is a recording of the study's official test part"
    ):
        read_weights_folder(tmp_path / "to").sealed.check(tmp_path / "mine.wav")


def test_where_the_test_part_was_not_known_that_is_said(units: FinishedUnits, tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    save_weights(units, "first", "5" * 32, None, tmp_path / "to")
    (tmp_path / "to" / "recipe.yaml").write_text(yaml.safe_dump(RECIPE.model_dump(mode="json")))
    assert (
        read_weights_folder(tmp_path / "to").sealed.unknown
        == "they were not known when the weights were exported"
    )


def _lose_a_seed(folder: Path) -> None:
    (folder / "0002-seed4.safetensors").unlink()


def _rename(folder: Path) -> None:
    (folder / "0002-seed4.safetensors").rename(folder / "0002-seed5.safetensors")


def _foreign_name(folder: Path) -> None:
    (folder / "0002-seed4.safetensors").rename(folder / "model.safetensors")


def _other_recipe(folder: Path) -> None:
    content = RECIPE.model_copy(update={"epochs": 4}).model_dump(mode="json")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(content))


def _no_recipe(folder: Path) -> None:
    (folder / "recipe.yaml").unlink()


def _not_a_recipe(folder: Path) -> None:
    (folder / "recipe.yaml").write_text("recipe: {epochs: many}")


def _no_weights(folder: Path) -> None:
    for path in folder.glob("*.safetensors"):
        path.unlink()


def _cut(folder: Path) -> None:
    path = folder / "0002-seed4.safetensors"
    path.write_bytes(path.read_bytes()[:-40])


def _nothing_in_it(folder: Path) -> None:
    (folder / "0002-seed4.safetensors").write_bytes(b"")


def _a_units_own(folder: Path) -> None:
    path = folder / "0002-seed4.safetensors"
    notes = {"unit": path.stem, "recipe": RECIPE.digest(), "epoch": "3", "task": "icbhi"}
    safetensors.torch.save_file(safetensors.torch.load_file(path), path, notes)


def _rewritten(change: Callable[[dict[str, torch.Tensor], dict[str, str]], object]) -> Callable[[Path], None]:
    """Change tensors or notes of one file, whose check sum stays what it was."""

    def rewrite(folder: Path) -> None:
        path = folder / "0002-seed4.safetensors"
        with safetensors.safe_open(path, "pt") as file:
            notes = dict(file.metadata())
        tensors = safetensors.torch.load_file(path)
        change(tensors, notes)
        safetensors.torch.save_file(tensors, path, notes)

    return rewrite


def _set(name: str, text: str) -> Callable[[Path], None]:
    return _rewritten(lambda _, notes: notes.update({name: text}))


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (_lose_a_seed, r"files of seeds 3, expected 4,3: the networks answer together"),
        (_rename, r"weights of 0002-seed5: of unit '0002-seed4'; expected '0002-seed5'"),
        (
            _foreign_name,
            r"model\.safetensors: not the name of a seed's weights; expected 0000-seed1\.safetensors, say",
        ),
        (_other_recipe, r"0002-seed3: of recipe "),
        (_no_recipe, r"exported: no recipe\.yaml in it; expected a folder of respsweep export --weights"),
        (_not_a_recipe, r"recipe\.yaml: recipe: epochs: must be a whole number"),
        (_no_weights, r"exported: 0 files of weights; expected one for each seed"),
        (_cut, r"0002-seed4\.safetensors: .*not a file of weights"),
        (_nothing_in_it, r"0002-seed4\.safetensors: .*not a file of weights"),
        (
            _a_units_own,
            r"0002-seed4\.safetensors: does not say its study; expected a file of respsweep export",
        ),
        (_set("study_id", "another"), r"0002-seed4\.safetensors: of another study_id than 0002-seed3"),
        (_set("learned", "x" * 20_000), r"0002-seed4\.safetensors: does not say its learned"),
        (_set("seed", "four"), r"seed: expected a whole number, got 'four'"),
        (_set("seed", "3"), r"0002-seed4\.safetensors: says that it is of 0002-seed3"),
        (
            _set("version.torch", "9"),
            r"0002-seed4\.safetensors: not as it was exported: its check sum is another",
        ),
        (
            _rewritten(lambda tensors, _: next(iter(tensors.values())).add_(1)),
            r"0002-seed4\.safetensors: not as it was exported",
        ),
        (
            _rewritten(lambda tensors, _: tensors.update({"classifier.head.weight": torch.zeros(5, 96)})),
            r"classifier\.head\.weight: F32 of shape \[5, 96\]; expected F32 of shape \[4, \d+\], as the network of",
        ),
        (
            _rewritten(lambda tensors, _: tensors.update({k: v.half() for k, v in tensors.items()})),
            r"F16 of shape .*; expected F32",
        ),
        (
            _rewritten(lambda tensors, _: tensors.update({"more": torch.zeros(1)})),
            r"more: F32 of shape \[1\]; expected no such tensor",
        ),
    ],
)
def test_what_is_damaged_or_foreign_is_refused_in_a_line(
    folder: Path, spoil: Callable[[Path], None], complaint: str
) -> None:
    spoil(folder)
    with pytest.raises(UserError, match=complaint) as refused:
        read_weights_folder(folder)
    assert "\n" not in str(refused.value)


def test_one_changed_bit_anywhere_is_found(folder: Path) -> None:
    path = folder / "0002-seed4.safetensors"
    content = path.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    draw = random.Random(0)
    places = [draw.randrange(header) for _ in range(40)] + [draw.randrange(len(content)) for _ in range(20)]
    for place in places:
        path.write_bytes(
            content[:place] + bytes([content[place] ^ 1 << draw.randrange(8)]) + content[place + 1 :]
        )
        with pytest.raises(UserError):
            read_weights_folder(folder)
    path.write_bytes(content)
    read_weights_folder(folder)


def test_no_more_is_read_of_a_large_file_than_its_header(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _rewritten(lambda tensors, _: tensors.update({"more": torch.zeros(4_000_000)}))(folder)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read whole"))
    with pytest.raises(WeightsFolderError, match="more: F32"):
        read_weights_folder(folder)


def test_folders_of_weights_are_told_from_studies_and_others(folder: Path, tmp_path: Path) -> None:
    assert is_weights_folder(folder)
    (folder / "study.yaml").touch()
    assert not is_weights_folder(folder)
    assert not is_weights_folder(tmp_path)
    assert not is_weights_folder(tmp_path / "gone")
