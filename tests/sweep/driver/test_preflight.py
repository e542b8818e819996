"""What is refused before anything of a study is touched; how the command line says it is in tests/sweep/test_cli.py."""

import dataclasses
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from data import synthetic
from data.settings import ConfigError
from model.weights_file import PretrainedError
from sweep.config.study_config import StudyConfig
from sweep.driver.display import NoDisplay
from sweep.driver.preflight import CheckedStudy, preflight
from sweep.execution import this_machine
from sweep.execution.errors import ExecutorError
from sweep.folder.study_folder import StudyFolder
from sweep.study.events import ConfigurationAdded, StudyStarted, StudyStopped
from sweep.study.journal import JournalError
from tests.own_parts import write_modules
from tests.studies import TINY_RECIPE, tiny_study
from tests.sweep.command_line import respsweep, written
from tests.sweep.histories import write_journal

pytestmark = pytest.mark.usefixtures("own_cache")


def study(**changes: Any) -> StudyConfig:
    return StudyConfig.model_validate(tiny_study(2, **changes))


def contents(folder: StudyFolder) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}


TOO_MUCH = {"use_separable_cma": True, "with_margin": True}
HALVING = {"name": "successive_halving", "arguments": {"bootstrap_count": 3}}


def checked(folder: StudyFolder, config: StudyConfig) -> CheckedStudy:
    """The preflight of a study, whose folder it must leave as it was."""
    before = contents(folder)
    try:
        return preflight(config, folder, NoDisplay())
    finally:
        assert contents(folder) == before


def test_a_new_study_passes_and_is_left_as_it_was(tmp_path: Path) -> None:
    folder = StudyFolder.at(tmp_path, "one").create(study())
    found = checked(folder, study())
    assert (found.past, found.changes, found.warnings) == ([], [], [])
    assert found.board.configurations == []
    assert found.config.task == found.provenance["task"] == "icbhi"
    assert set(found.provenance) >= {"study_id", "data_hash", "fold_hash", "weights_hash", "versions"}
    assert found.search.propose() is not None
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.config = study()  # type: ignore[misc]


def test_made_up_recordings_are_named_so_that_they_can_be_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = StudyFolder.at(tmp_path, "one").create(study())
    named = checked(folder, study()).provenance
    again = named["synthetic"]["again"]
    assert again == "respsweep synth DIR --patients 12 --seed 0"
    assert respsweep(monkeypatch, *again.replace("DIR", str(tmp_path / "breaths")).split()[1:]) == 0
    made = checked(folder, study(data=str(tmp_path / "breaths"))).provenance
    assert {key: made[key] for key in ("data_hash", "fold_hash", "synthetic")} == {
        key: named[key] for key in ("data_hash", "fold_hash", "synthetic")
    }
    (tmp_path / "breaths" / "official_split.txt").open("a").write("\n")
    assert "synthetic" not in checked(folder, study(data=str(tmp_path / "breaths"))).provenance


def test_a_study_that_goes_on_keeps_its_id_and_tells_what_changed(tmp_path: Path) -> None:
    folder = StudyFolder.at(tmp_path, "one").create(study())
    first = checked(folder, study())
    folder.write_provenance({**first.provenance, "commit": "0123"})
    write_journal(folder.journal, [StudyStarted((1, 2))])
    found = checked(folder, study(seeds=[1, 2, 3]))
    assert found.provenance["study_id"] == first.provenance["study_id"]
    assert [line.partition(":")[0] for line in found.changes] == ["seeds", "commit"]
    assert [type(event) for event in found.past] == [StudyStarted]
    assert found.board.seeds == (1, 2)


def test_uneven_folds_are_told_when_a_study_begins_and_not_when_it_goes_on(tmp_path: Path) -> None:
    folder = StudyFolder.at(tmp_path, "one").create(study())
    with pytest.warns(UserWarning, match="^folds: none of 100 draws gives every fold "):
        first = checked(folder, study())
    folder.write_provenance(dict(first.provenance))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        checked(folder, study())
    assert not [str(one.message) for one in told if "fold" in str(one.message)]


def test_a_study_whose_id_was_edited_away_is_refused_and_gets_no_other(tmp_path: Path) -> None:
    folder = StudyFolder.at(tmp_path, "one").create(study())
    first = checked(folder, study())
    folder.write_provenance({key: value for key, value in first.provenance.items() if key != "study_id"})
    write_journal(folder.journal, [StudyStarted((1, 2))])
    before = folder.provenance_file.read_text()
    with pytest.raises(ConfigError, match=r"provenance\.yaml: has no study_id, .* put that line back"):
        checked(folder, study())
    assert folder.provenance_file.read_text() == before


@pytest.mark.parametrize("searched", [False, True])
def test_pretrained_weights_that_were_changed_are_refused_when_the_study_goes_on(
    tmp_path: Path, searched: bool
) -> None:
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"first")
    if searched:
        choices = {"type": "categorical", "choices": [None, str(weights)]}
        config = study(search={"backbone.pretrained": choices}, enqueue=[])
    else:
        config = study(recipe={**TINY_RECIPE, "backbone": {"variant": "tiny", "pretrained": str(weights)}})
    folder = StudyFolder.at(tmp_path, "one").create(config)
    folder.write_provenance(dict(checked(folder, config).provenance))
    assert checked(folder, config).changes == []
    weights.write_bytes(b"other")
    with pytest.raises(ConfigError, match=r"study one: its scores so far (may )?rest on other weights \("):
        checked(folder, config)
    weights.write_bytes(b"first")
    assert checked(folder, config).changes == []


@pytest.mark.parametrize(
    ("changes", "error", "complaint"),
    [
        ({"data": None}, ConfigError, r"no recordings: give --data DIR \(in Python: data=DIR\)"),
        ({"sampler": {"name": "cmaes", "arguments": TOO_MUCH}}, ConfigError, "CmaEsSampler refuses"),
        (
            {"pruner": HALVING},
            ConfigError,
            "HalvingPruner refuses",
        ),
        (
            {"recipe": {"backbone": {"variant": "tiny", "pretrained": "gone.pth"}}},
            PretrainedError,
            "gone.pth: no such file",
        ),
    ],
)
def test_what_cannot_run_is_refused(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception], complaint: str
) -> None:
    config = study(**changes)
    with pytest.raises(error, match=complaint):
        checked(StudyFolder.at(tmp_path, "one").create(config), config)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"resources": {"cpu": 2, "gpu": 1}}, ExecutorError),
        ({"sampler": {"name": "cmaes", "arguments": TOO_MUCH}}, ConfigError),
        ({"pruner": HALVING}, ConfigError),
        ({"recipe": {"backbone": {"variant": "tiny", "pretrained": "gone.pth"}}}, PretrainedError),
    ],
)
def test_what_can_be_refused_at_once_is_refused_before_features_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], error: type[Exception]
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(this_machine, "machine_resources", lambda: {"CPU": 2.0})
    config = study(**changes)
    with pytest.raises(error):
        checked(StudyFolder.at(tmp_path, "one").create(config), config)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("backbone", "complaint"),
    [
        ({"name": "nowhere:Net"}, "nowhere:Net: module nowhere cannot be imported"),
        ({"name": "my_networks:Recurrent"}, r"patch_mix\.axes: .*leave axes empty"),
    ],
)
def test_an_own_network_that_cannot_be_trained_is_refused_before_features_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backbone: dict[str, Any], complaint: str
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    write_modules(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    recipe = {**TINY_RECIPE, "backbone": backbone, "smoothing": {"stage": None}}
    config = study(recipe=recipe)
    with pytest.raises(ConfigError, match=complaint):
        checked(StudyFolder.at(tmp_path, "one").create(config), config)
    assert not list((tmp_path / "cache").glob("features/*/*.npy"))


@pytest.mark.parametrize("searched", [False, True])
def test_devices_are_not_told_apart_where_one_recorded_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, searched: bool
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(synthetic, "DEVICES", synthetic.DEVICES[:1])
    synthetic.write_breaths(tmp_path / "breaths", patients=12, seed=0)
    changes: dict[str, Any] = (
        {"search": {"device_contrast.weight": {"type": "categorical", "choices": [0.0, 1.0]}}}
        if searched
        else {"recipe": {**TINY_RECIPE, "epochs": 2, "device_contrast": {"weight": 1.0}}}
    )
    config = study(data=str(tmp_path / "breaths"), **changes)
    name = synthetic.DEVICES[0].name
    with pytest.raises(
        ConfigError,
        match=f"device_contrast.weight: tells devices apart, and all cycles of the training part in .*breaths come "
        rf"from one device \({name}\); set it to 0",
    ):
        checked(StudyFolder.at(tmp_path, "one").create(config), config)
    if not searched:
        assert not list((tmp_path / "cache").glob("features/*/*.npy"))


def test_devices_are_not_told_apart_where_a_fold_trains_on_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    # The second patient of the training part alone was recorded by another device.
    one, *_ = synthetic.DEVICES
    monkeypatch.setattr(synthetic, "DEVICES", (one, one, synthetic.DEVICES[1], *[one] * 9))
    synthetic.write_breaths(tmp_path / "breaths", patients=12, seed=0)
    recipe = {**TINY_RECIPE, "epochs": 2, "folds": {"folds": 2}, "device_contrast": {"weight": 1.0}}
    config = study(data=str(tmp_path / "breaths"), recipe=recipe, folds="all")
    with pytest.raises(
        ConfigError,
        match=r"device_contrast.weight: tells devices apart, and all cycles of the training part in .*breaths without "
        rf"fold [01] of 2 come from one device \({one.name}\)",
    ):
        checked(StudyFolder.at(tmp_path, "one").create(config), config)
    assert not list((tmp_path / "cache").glob("features/*/*.npy"))


def test_patients_are_not_told_apart_where_a_fold_trains_on_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    two_patients_to_train_on(tmp_path / "breaths")
    recipe = {
        **TINY_RECIPE,
        "epochs": 2,
        "folds": {"folds": 2},
        "patient_alignment": {"cohesion_weight": 1.0},
    }
    content = {**tiny_study(2, recipe=recipe), "data": None}
    written("study.yaml", content)
    written("recipe.yaml", recipe)
    commands = ["run", "study.yaml", "--name", "one"], ["train", "recipe.yaml", "--seed", "1"]
    for command in commands:
        assert respsweep(monkeypatch, *command, "--data", "breaths") == 1
        (line,) = (line for line in capfd.readouterr().err.splitlines() if line.startswith("error: "))
        assert re.fullmatch(
            r"error: patient_alignment\.cohesion_weight: tells patients apart, and all cycles of the training part in "
            r"\S*breaths without fold 0 of 2 come from one patient \(\d+\); set it to 0, or take recordings of several "
            "patients",
            line,
        )
    assert not (tmp_path / "studies" / "one").exists()
    assert not list((tmp_path / "cache").glob("features/*/*.npy"))


def two_patients_to_train_on(folder: Path) -> None:
    """Write synthetic breaths, and leave two patients of the training part."""
    synthetic.write_breaths(folder, patients=8, seed=0)
    split = folder / "official_split.txt"
    lines = [line.split() for line in split.read_text().splitlines()]
    kept = sorted({name.split("_")[0] for name, part in lines if part == "train"})[:2]
    gone = [name for name, part in lines if part == "train" and name.split("_")[0] not in kept]
    for file in folder.iterdir():
        if file.stem in gone:
            file.unlink()
    split.write_text("".join(f"{name}\t{part}\n" for name, part in lines if name not in gone))


def test_the_machines_of_a_cluster_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(this_machine, "machine_resources", lambda: {"CPU": 1.0})
    config = study(resources={"cpu": 2, "gpu": 1})
    folder = StudyFolder.at(tmp_path, "one").create(config)
    assert preflight(config, folder, NoDisplay(), "auto").config.resources == config.resources
    with pytest.raises(
        ExecutorError, match=r"this machine has 1 CPU and 0 GPU: --set resources\.cpu=1 --set"
    ):
        preflight(config, folder, NoDisplay(), "local")


def test_other_recordings_are_refused(tmp_path: Path) -> None:
    folder = StudyFolder.at(tmp_path, "one").create(study())
    folder.write_provenance(dict(checked(folder, study()).provenance))
    with pytest.raises(ConfigError, match=r"its scores so far rest on other recordings \(data_hash "):
        checked(folder, study(data={"patients": 13, "seed": 0}))


def test_a_damaged_journal_is_refused_with_the_number_of_its_line(tmp_path: Path) -> None:
    folder = StudyFolder.at(tmp_path, "one").create(study())
    write_journal(folder.journal, [StudyStarted((1, 2)), StudyStopped("interrupted")])
    lines = folder.journal.read_bytes().splitlines(keepends=True)
    lines[1] = bytes(len(lines[1]) - 1) + b"\n"
    folder.journal.write_bytes(b"".join(lines))
    with pytest.raises(JournalError, match=r"one/journal\.jsonl:2: not an event of this version: "):
        checked(folder, study())


@pytest.mark.parametrize(
    "values",
    [{"patch_mix.beta": "1"}, {"patch_mix.beta": 10**400}, {"patch_mix.beta": ("a",)}, {"epochs": 3}],
)
def test_a_point_that_the_search_cannot_have_proposed_is_refused(
    tmp_path: Path, values: dict[str, object]
) -> None:
    config = study(search={"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}})
    folder = StudyFolder.at(tmp_path, "one").create(config)
    events = [StudyStarted((1, 2)), ConfigurationAdded(0, values), StudyStopped("interrupted")]  # pyright: ignore[reportArgumentType]
    write_journal(folder.journal, events)
    (path,) = values
    with pytest.raises(
        JournalError, match=rf"journal\.jsonl: configuration 0: {path}: .* is outside what"
    ) as caught:
        checked(folder, config)
    assert len(str(caught.value)) < 300


def test_notes_that_no_sampler_made_are_refused(tmp_path: Path) -> None:
    folder = StudyFolder.at(tmp_path, "one").create(study())
    code = {"trial": {"cma:optimizer:0": pickle.dumps(print).hex()}}
    events = [StudyStarted((1, 2)), ConfigurationAdded(0, {}, code), StudyStopped("interrupted")]
    write_journal(folder.journal, events)
    with pytest.raises(
        JournalError, match=r"configuration 0: sampler_state: cma:optimizer: not the state of CMA-ES"
    ):
        checked(folder, study())


def test_a_journal_that_somebody_changed_goes_on_with_a_warning(tmp_path: Path) -> None:
    folder = StudyFolder.at(tmp_path, "one").create(study())
    write_journal(folder.journal, [StudyStarted((1, 2)), StudyStopped("interrupted")])
    folder.journal.write_text(folder.journal.read_text().replace("interrupted", "over"))
    (warning,) = checked(folder, study()).warnings
    assert warning.startswith(f"{folder.journal}: line 3 does not follow from the lines before")


def test_a_network_that_starts_from_random_weights_is_a_warning(tmp_path: Path) -> None:
    config = study(recipe={**tiny_study(1)["recipe"], "backbone": {"name": "dass", "variant": "small"}})
    (warning,) = checked(StudyFolder.at(tmp_path, "one").create(config), config).warnings
    assert warning.startswith("dass small starts from random weights")


def test_values_that_make_a_recipe_only_together_are_checked_by_an_enqueued_point(tmp_path: Path) -> None:
    # The fixed settings alone contradict each other.
    recipe = {**tiny_study(1)["recipe"], "sampling": {"name": "weighted"}}
    recipe["loss"] = {"class_weights": "inverse_frequency"}
    config = study(
        recipe=recipe,
        search={"sampling.name": {"type": "categorical", "choices": ["shuffle"]}},
        enqueue=[{"sampling.name": "shuffle"}],
    )
    assert checked(StudyFolder.at(tmp_path, "one").create(config), config).provenance["data_hash"]


def test_the_hash_of_searched_weights_is_known_also_while_the_file_is_away(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"weights")
    search = {"backbone.pretrained": {"type": "categorical", "choices": [None, str(weights)]}}
    config = study(search=search, enqueue=[])
    folder = StudyFolder.at(tmp_path, "one").create(config)
    found = checked(folder, config).provenance["searched_weights"]
    assert found.keys() == {str(weights)}
    folder.write_provenance(dict(checked(folder, config).provenance))
    weights.unlink()
    away = checked(folder, config)
    assert away.provenance["searched_weights"] == found
    folder.write_provenance(dict(away.provenance))
    weights.write_bytes(b"others")
    with pytest.raises(ConfigError, match=r"may rest on other weights"):
        checked(folder, config)
