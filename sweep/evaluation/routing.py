"""Which of some studies' networks answers to a recording: the one for patients of its age, or the one for all."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data.digests import file_digests
from data.errors import DataError, UserError
from data.population import OLDEST, Ages, Population, ages_of, belongs, in_words, written
from data.recordings import read_recordings
from data.settings import ConfigError
from data.sprsound_files import age_in_name
from model.training.prediction import RecordingPrediction
from sweep.evaluation.predict import NO_DIAGNOSIS, Cutting, Predictor, predictor_named
from sweep.evaluation.recordings_of import recordings_of
from sweep.evaluation.weights_folder import is_weights_folder
from sweep.folder.study_folder import StudyFolder

KnownAges = Mapping[str, tuple[Path, Ages]]
"""By the name of a recording, without suffix: its file, and what is known of its patient's age in years."""


@dataclass(frozen=True)
class Router:
    """Networks by the name that a user gave each; a recording goes to one of them, by the age of its patient.

    `age_years`: that of all recordings, where the user says; otherwise each recording's own, as its name in SPRSound's
    form says, or as the data set of a study does that it is of (`known`).
    """

    predictors: Mapping[str, Predictor]
    known: KnownAges
    age_years: float | None = None

    def age_of(self, audio: Path) -> Ages | None:
        """Tell what is known of the age of a recording's patient; None where nothing is."""
        if self.age_years is not None:
            return (self.age_years, self.age_years)
        if (named := age_in_name(audio.stem)) is not None:
            return (named, named)
        path, ages = self.known.get(audio.stem, (None, None))
        try:
            return ages if path is not None and len(set(file_digests([audio, path]))) == 1 else None
        except OSError:
            # Whoever reads the file says what is wrong with it.
            return None

    def choose(self, audio: Path) -> str:
        """Name the networks that answer to a recording: the first for its age, else those for all patients.

        Raises DataError where there are none for it.
        """
        ages = self.age_of(audio)
        populations: dict[str, Population] = {
            name: predictor.recipe.population for name, predictor in self.predictors.items()
        }
        some = [name for name, own in populations.items() if own != "all" and belongs(own, ages)]
        everybody = [name for name, own in populations.items() if own == "all"]
        if chosen := [*some, *everybody]:
            return chosen[0]
        answered = " and ".join(in_words(population) for population in populations.values())
        raise DataError(
            f"{audio}: refused, as its patient's age is not known, and networks for {answered} alone answer here; say "
            "it with --age YEARS, or name networks for all patients with --also NAME"
            if ages is None
            else f"{audio}: refused, as its patient is {_in_years(ages)}, and networks for {answered} alone answer "
            "here; name others with --also NAME"
        )

    def predict(self, audio: Path) -> RecordingPrediction:
        """Have the networks for a recording answer to it; the answer names them where there are several.

        Raises what `Predictor.predict` raises, and DataError for a recording that no networks are for.
        """
        name = self.choose(audio)
        answered = self.predictors[name].predict(audio)
        return replace(answered, answered_by=name) if len(self.predictors) > 1 else answered

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the task, the same for all networks."""
        return next(iter(self.predictors.values())).task.labels

    def notes(self) -> Iterator[str]:
        """Say in lines who answers to whom and from what each learned, and what the answers are not."""
        for name, predictor in self.predictors.items():
            lines = [line for line in predictor.notes() if line != NO_DIAGNOSIS]
            if len(self.predictors) > 1:
                yield f"{name}: for {in_words(predictor.recipe.population)}"
            yield from lines
        yield NO_DIAGNOSIS

    def about(self) -> dict[str, Any]:
        """Say as plain values who answers; of several networks under `networks`, by name."""
        told = {name: predictor.about() for name, predictor in self.predictors.items()}
        if len(told) == 1:
            return next(iter(told.values()))
        first = next(iter(told.values()))
        shared = {key: first[key] for key in ("task", "labels", "note")}
        networks = {name: {key: one[key] for key in one if key not in shared} for name, one in told.items()}
        return {**shared, "networks": networks}


def router(
    names: Sequence[str],
    studies: Path | str,
    seed: int | None = None,
    cutting: Cutting | None = None,
    data: Path | None = None,
    age_years: float | None = None,
) -> Router:
    """Load the networks of several studies, or folders of weights, and route recordings among them.

    `data`: where the recordings of the first study lie, unless where it says. Raises ConfigError for networks of
    different tasks, two for the same population, or an age that nobody has, and what `predictor_named` raises.
    """
    if age_years is not None and not 0 <= age_years < OLDEST:
        raise ConfigError(f"age: must be 0 to below {OLDEST:g} years, got {age_years:g}")
    predictors: dict[str, Predictor] = {}
    known: dict[str, tuple[Path, Ages]] = {}
    for position, name in enumerate(names):
        if name in predictors:
            raise ConfigError(f"also: {name} is named twice")
        given = None if position else data
        predictors[name] = predictor_named(name, studies, seed, cutting, given)
    first, *others = predictors.items()
    for name, other in others:
        if (other.task.name, other.task.labels) != (first[1].task.name, first[1].task.labels):
            raise ConfigError(
                f"also: {name} answers with the labels of task {other.task.name}, {first[0]} with those of "
                f"{first[1].task.name}; expected one task"
            )
    by_population: dict[Any, str] = {}
    for name, predictor in predictors.items():
        population = predictor.recipe.population
        if (twin := by_population.setdefault(population, name)) != name:
            raise ConfigError(
                f"also: {twin} and {name} are both for {in_words(population)} ({written(population)}); expected one"
            )
    if age_years is None and any(population != "all" for population in by_population):
        for position, name in enumerate(names):
            known = {**ages_in_study(name, studies, None if position else data), **known}
    return Router(predictors, known, age_years)


def ages_in_study(name: str, studies: Path | str, data: Path | None = None) -> KnownAges:
    """Tell the ages of the patients of a study's recordings, where these lie on this machine; of others nothing."""
    if is_weights_folder(Path(name)) and not ("/" not in name and StudyFolder.find(studies, name).exists):
        return {}
    folder = StudyFolder.open(studies, name)
    try:
        with warnings.catch_warnings(action="ignore"):
            recordings = read_recordings(recordings_of(folder, data), folder.config().scored_task.name)
    except (UserError, OSError):
        return {}
    ages = ages_of(recordings)
    return {
        recording.path.stem: (recording.path, ages[recording.patient])
        for recording in recordings.recordings
        if recording.patient in ages
    }


def _in_years(ages: Ages) -> str:
    low, high = ages
    return f"{low:g} years old" if low == high else f"{low:g} years old or more"
