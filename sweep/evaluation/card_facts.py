"""What a model card tells, gathered from a study, the one that searched, recordings, ledger and bundles."""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data.dataset import TRAINING_PART, DataSet
from data.errors import UserError
from data.population import as_population
from data.population import in_words as population_in_words
from data.population_cycles import chosen_rows, patients_of
from data.recordings import read_recordings
from evidence.bundle import BundleError, Cycles, read_bundle
from evidence.ledger import Entry
from evidence.reading import reading_numbers
from model.training.prediction import load_network
from model.training.recipe import Recipe
from sweep.config.study_parts import SyntheticConfig
from sweep.evaluation.cross_fold_ranking import chosen_configuration, in_words, read_ranking
from sweep.evaluation.cycles_table import AGE_GROUPS, cycles_of, folds_of
from sweep.evaluation.finish import check_finishes
from sweep.evaluation.finished_units import FinishedUnits
from sweep.evaluation.ledgers import Ledgers, own_ledger, part_hash
from sweep.evaluation.recordings_of import recordings_of
from sweep.folder.study_folder import StudyFolder
from sweep.report.model_card_facts import CardFacts, Heard, TestReading, Validation
from sweep.report.which_configuration import NoConfigurationError
from sweep.report.winner import what_to_expect
from sweep.storage.open_storage import open_storage
from sweep.storage.patience import patiently
from sweep.study.board import shown_metrics
from sweep.study.comparison import comparison_of
from sweep.study.units import Configuration


class CardError(UserError):
    """Recordings that a model card cannot speak of."""


def study_recordings(folder: StudyFolder, data: Path | None = None) -> tuple[DataSet | None, str]:
    """Read the recordings that a study learned from, or say why they are not at hand.

    `data`: where they lie, unless where the study says. Raises CardError when others lie at `data`, and DataError when
    nothing that can be read does.
    """
    known = folder.provenance().get("data_hash")
    try:
        with warnings.catch_warnings(action="ignore"):
            recordings = read_recordings(recordings_of(folder, data), folder.config().scored_task.name)
        found = recordings.content_hash()
    except (UserError, OSError) as error:
        if data is not None:
            raise
        return None, str(error)
    if found != known:
        said = f"other recordings (data_hash {found[:12]}) than the study learned from ({str(known)[:12]})"
        if data is not None:
            raise CardError(f"{recordings.directory}: {said}")
        return None, said
    return recordings, ""


def card_facts(
    folder: StudyFolder,
    chosen: Configuration,
    units: FinishedUnits,
    recordings: DataSet | None,
    unheard: str,
) -> CardFacts:
    """Gather what a model card tells of a configuration's networks.

    `recordings`: what `study_recordings` found, with the reason where it found none. Raises PretrainedError for weights
    that are damaged, and ReadingError for a ledger that is none.
    """
    config, provenance = folder.config(), folder.provenance()
    ledger = own_ledger(folder)
    readings, faults = len(ledger.readings("sealed")), ledger.faults()
    if recordings is not None:
        readings = Ledgers(folder, part_hash(recordings)).readings()
    tested = []
    for entry in ledger.readings():
        if (seal := _seal_of(entry, ledger.readings("sealed"), units)) is not None:
            try:
                tested.append(_reading(folder, entry, seal))
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                faults.append(f"reading {entry.reading} has no numbers that can be shown ({error!r})")
    versions = provenance.get("versions")
    return CardFacts(
        study=folder.name,
        configuration=chosen.number,
        finishes=None if config.finishes is None else config.finishes.study,
        task=units.task,
        recipe=units.recipe,
        parameters=_parameters(units),
        seeds=tuple(units.weights),
        values=chosen.values,
        data_name=_data_name(config.data, recordings),
        data_hash=str(provenance.get("data_hash")),
        held_out=_held_out(units.recipe),
        heard=None if recordings is None else _heard(recordings, units.recipe),
        unheard=unheard,
        validation=_validation(folder, chosen.number),
        tested=tuple(tested),
        readings=readings,
        label=config.label,
        faults=tuple(faults),
        commit=provenance.get("commit"),
        versions=versions if isinstance(versions, dict) else {},
    )


def _parameters(units: FinishedUnits) -> int:
    """Count the parameters of a network, once every one of them has been loaded."""
    parameters = 0
    for path in units.weights.values():
        network = load_network(units.recipe, units.task, path, "cpu")
        parameters = sum(parameter.numel() for parameter in network.parameters())
    return parameters


def _data_name(told: SyntheticConfig | str | None, recordings: DataSet | None) -> str:
    if isinstance(told, SyntheticConfig):
        return f"synthetic breaths of {told.patients} patients, seed {told.seed}"
    if recordings is not None and recordings.published is not None:
        return recordings.published.name
    return (told and Path(told).name) or "recordings without a name"


def _held_out(recipe: Recipe) -> str | None:
    folds = recipe.folds
    return None if folds.fold is None else f"the patients of validation fold {folds.fold} of {folds.folds}"


def _scored_on(recipe: Recipe) -> str:
    scored = _held_out(recipe) or "the cycles that it was trained on"
    population = recipe.folds.population
    return scored if population == "all" else f"{scored}, {population_in_words(population)} alone"


def _heard(recordings: DataSet, recipe: Recipe) -> Heard:
    """Count what the networks of a recipe were trained on."""
    cycles = cycles_of(recordings, [TRAINING_PART])
    rows = np.arange(len(cycles))
    if recipe.folds.fold is not None:
        with warnings.catch_warnings(action="ignore"):
            folds = folds_of(recordings, cycles, recipe.folds)
        rows, _ = folds.split(cycles.patients, recipe.folds.fold)
    rows = chosen_rows(rows, cycles.patients, patients_of(recordings, recipe.population))
    labels = np.bincount(cycles.labels[rows], minlength=recordings.task.num_classes)
    groups = {name: dict(_counts(cycles, name, rows)) for name in sorted(cycles.groups)}
    return Heard(
        cycles=len(rows),
        patients=len(np.unique(cycles.patients[rows])),
        labels=dict(zip(recordings.task.labels, labels.tolist(), strict=True)),
        groups=groups,
        ages_unheard=tuple(name for *_, name in AGE_GROUPS if name not in groups["age"]),
    )


def _counts(cycles: Cycles, name: str, rows: np.ndarray) -> Iterator[tuple[str, tuple[int, int]]]:
    """Count cycles and patients for each value of a property, the commonest first."""
    values = np.array(cycles.groups[name])[rows]
    found, counts = np.unique(values, return_counts=True)
    for place in np.argsort(-counts, kind="stable"):
        patients = np.unique(cycles.patients[rows][values == found[place]])
        yield str(found[place]), (int(counts[place]), len(patients))


def _validation(folder: StudyFolder, number: int) -> Validation | None:
    """Find the scores by which a configuration was chosen; None when the study that searched is not there as it was."""
    finishes = folder.config().finishes
    searched = folder
    try:
        if finishes is not None:
            searched, number = StudyFolder.open(folder.studies, finishes.study), finishes.configuration
            with warnings.catch_warnings(action="ignore"):
                check_finishes(folder, searched)
        board = searched.board()
        chosen = chosen_configuration(searched, board, number)
    except (UserError, OSError) as error:
        if finishes is None and not isinstance(error, NoConfigurationError):
            raise
        return None
    compared = comparison_of(board)
    assert compared is not None, "the configuration has finished all seeds"
    recipe = searched.config().space.recipe(chosen.values)
    summaries = {metric: chosen.summary(metric) for metric in shown_metrics(board)}
    ranking = read_ranking(searched)
    on_all_folds = "" if ranking is None else f" {in_words(ranking)}"
    return Validation(
        study=searched.name,
        seeds=tuple(board.seeds),
        scored_on=f"{_scored_on(recipe)}, of the official training part",
        metrics={metric: summary for metric, summary in summaries.items() if summary is not None},
        expectation=what_to_expect(compared, number) + on_all_folds,
        tied=tuple(one.number for one in board.configurations if compared.is_tied(one.number)),
    )


def _seal_of(entry: Entry, seals: tuple[Entry, ...], units: FinishedUnits) -> Mapping[str, Any] | None:
    """Find the seal of a reading that was done with these very weights; None for a reading with others."""
    weights = {str(seed): digest for seed, digest in units.sha256.items()}
    return next(
        (seal.content for seal in seals if seal.id == entry.id and seal.content.get("weights") == weights),
        None,
    )


def _reading(folder: StudyFolder, entry: Entry, seal: Mapping[str, Any]) -> TestReading:
    """Tell what a reading came to: computed from its bundle, or where that is gone or another, as the ledger has it."""
    file = str(entry.content["file"])
    computed = _numbers(folder, file, str(entry.content["bundle"]))
    return TestReading(
        number=entry.reading,
        at=entry.at,
        protocol=str(seal["protocol"]),
        bundle=None if computed is None else file,
        numbers=_kept(entry) if computed is None else computed,
        missing=tuple(map(str, seal.get("missing", ()))),
        population=as_population(seal.get("population", "all")),
    )


def _kept(entry: Entry) -> dict[str, Any]:
    """The numbers of a reading that its line in the ledger keeps, by part."""
    return {
        str(part): {
            "cycles": int(found["cycles"]),
            "patients": int(found["patients"]),
            "mean": {name: None if value is None else float(value) for name, value in found["mean"].items()},
            "patient_interval": found["patient_interval"]
            and [float(end) for end in found["patient_interval"]],
            **({} if "unified" not in found else {"unified": found["unified"]}),
        }
        for part, found in entry.content["numbers"].items()
    }


def _numbers(folder: StudyFolder, file: str, digest: str) -> Mapping[str, Any] | None:
    """Compute the numbers of a bundle, by part; None when it is not there, or not the one of that digest."""
    storage = open_storage(folder.place)
    try:
        content = patiently(lambda: storage.read(file))
    except FileNotFoundError:
        return None
    with tempfile.TemporaryDirectory(prefix="respsweep-card-") as scratch:
        path = Path(scratch) / hashlib.sha256(file.encode()).hexdigest()
        path.write_bytes(content)
        try:
            bundle, found = read_bundle(path)
        except BundleError:
            return None
    return reading_numbers(bundle)["parts"] if found == digest else None
