"""Answers of a study's networks to recordings that nobody has labelled: probabilities by cycle and by recording."""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from data.audio_file import recording_length
from data.batches import Examples
from data.cycle import SHORTEST_CYCLE_S, check_times
from data.cycle_features import cycle_features
from data.errors import DataError
from data.given_recordings import Span, Windows, annotated_spans
from data.population import in_words, written
from data.settings import ConfigError
from data.task import Task
from model.scan_engines import DEVICES
from model.training.prediction import RecordingPrediction, load_network, predict
from model.training.recipe import Recipe
from sweep.evaluation.finish import FinishError, check_finishes, finishing_folder
from sweep.evaluation.finished_units import FinishedUnits, finished_units
from sweep.evaluation.sealed_recordings import SealedRecordings, sealed_recordings
from sweep.evaluation.weights_folder import is_weights_folder, read_weights_folder
from sweep.folder.study_folder import StudyFolder
from sweep.report.which_configuration import which_configuration

NO_DIAGNOSIS = "not a medical device: probabilities of sounds, from a research program, and no diagnosis"


@dataclass(frozen=True)
class Cutting:
    """What of a recording is a cycle, as a user wishes.

    `annotations`: the folder in which every recording has its annotation; None: beside the recording, where there is
    one, and windows elsewhere. `window_s` and `hop_s`: windows for every recording, annotated or not.
    """

    annotations: Path | None = None
    window_s: float | None = None
    hop_s: float | None = None

    @property
    def asks_for_windows(self) -> bool:
        return self.window_s is not None or self.hop_s is not None

    def windows(self, longest_s: float) -> Windows:
        """Make the windows, by default as long as the cycles of a recipe are, `longest_s`, end to end.

        Raises ConfigError for windows that no recording can be cut into, and for some with annotations.
        """
        if self.annotations is not None and self.asks_for_windows:
            raise ConfigError("annotations say which cycles there are, so leave out window and hop")
        window_s = longest_s if self.window_s is None else self.window_s
        hop_s = window_s if self.hop_s is None else self.hop_s
        _check_length("window", window_s, longest_s, "features.duration_s of the recipe")
        _check_length("hop", hop_s, window_s, "the window, so that all is heard")
        return Windows(float(window_s), float(hop_s))


@dataclass(frozen=True)
class HeardRecording:
    """What of a recording networks answer to: start and end of its cycles in seconds, and the log-mels of each.

    `features` are computed as they are taken, before the resize in front of the network, (frames, mels) each.
    """

    duration_s: float
    spans: tuple[Span, ...]
    features: Iterator[Tensor]


@dataclass(frozen=True)
class Predictor:
    """Networks of a study, one for each of some seeds, which answer to recordings together.

    `study` and `configuration` name where they are from, and `learned` what they learned from.
    """

    study: str
    configuration: int
    seeds: tuple[int, ...]
    learned: str
    task: Task
    recipe: Recipe
    networks: tuple[nn.Module, ...]
    device: torch.device
    cutting: Cutting
    windows: Windows
    sealed: SealedRecordings

    def notes(self) -> Iterator[str]:
        """Say in lines who answers and from what it learned, and what the answers are not."""
        seeds = f"seed{'s' * (len(self.seeds) > 1)} {', '.join(map(str, self.seeds))}"
        yield f"networks: {self.study}, configuration {self.configuration}, {seeds}"
        if (population := self.recipe.population) != "all":
            yield f"for {in_words(population)} alone, on whom they were trained"
        yield f"learned: task {self.task.name} ({', '.join(self.task.labels)}) from {self.learned}"
        if self.sealed.unknown is not None:
            yield (
                "recordings of the official test part are not refused, as the study's are not here: "
                f"{self.sealed.unknown}"
            )
        yield NO_DIAGNOSIS

    def about(self) -> dict[str, Any]:
        """Say as plain values who answers and from what it learned, and what the answers are not."""
        return {
            "study": self.study,
            "configuration": self.configuration,
            "seeds": list(self.seeds),
            "task": self.task.name,
            "labels": list(self.task.labels),
            "learned": self.learned,
            **({} if self.recipe.population == "all" else {"population": written(self.recipe.population)}),
            "note": NO_DIAGNOSIS,
        }

    def predict(self, audio: Path) -> RecordingPrediction:
        """Compute the probabilities of the task's labels for each cycle of a recording: the mean over the seeds.

        The answer rests on this recording alone, not on others. Raises DataError for a recording or an annotation that
        cannot be read, and SealedPartError for a recording of the study's official test part.
        """
        heard = self.hear(audio)
        answers = []
        # Few at a time: narrow hops make many windows.
        while some := list(islice(heard.features, 4 * self.recipe.batch_size)):
            table = torch.stack(some)
            examples = Examples(table, torch.zeros(len(table), dtype=torch.int64))
            by_seed = [predict(network, examples, self.recipe, self.device)[0] for network in self.networks]
            answers.append(np.mean(by_seed, axis=0, dtype=np.float64))
        probabilities = np.concatenate(answers)
        if not np.isfinite(probabilities).all():
            raise DataError(
                f"{audio}: the network's answers are not finite numbers; nothing can be said of it"
            )
        return RecordingPrediction(audio, heard.duration_s, self.task.labels, heard.spans, probabilities)

    def hear(self, audio: Path) -> HeardRecording:
        """Cut a recording into cycles. Raises DataError and SealedPartError, as `predict` does."""
        self.sealed.check(audio)
        rate, frames = recording_length(audio)
        duration_s = frames / rate
        spans = self._spans(audio, duration_s)
        number: torch.dtype = getattr(torch, self.recipe.features.storage)
        features = (each.to(number) for each in cycle_features(audio, spans, self.recipe.features))
        return HeardRecording(duration_s, spans, features)

    def _spans(self, audio: Path, duration_s: float) -> tuple[Span, ...]:
        check_times(str(audio), 0.0, duration_s, duration_s)
        if self.cutting.asks_for_windows:
            return self.windows.spans(duration_s)
        if self.task.whole_recordings:
            return ((0.0, duration_s),)
        found = annotated_spans(audio, duration_s, self.cutting.annotations or audio.parent)
        if found is not None:
            return found
        if self.cutting.annotations is not None:
            raise DataError(
                f"{audio}: no annotation; expected {audio.stem}.txt or {audio.stem}.json in {self.cutting.annotations}"
            )
        return self.windows.spans(duration_s)


def load_predictor(
    folder: StudyFolder, seed: int | None = None, cutting: Cutting | None = None, data: Path | None = None
) -> Predictor:
    """Load the networks of a study that answer: those of the study that finishes it, where that has finished.

    Otherwise those of its best configuration. `seed`: one of these networks alone. `data`: where the study's recordings
    lie, unless where the study says; those of the test part are refused. Raises NoConfigurationError when no
    configuration has all its seeds, UnitResultError when weights were not kept, ConfigError for a seed that the study
    does not have, and for a cutting that cannot be.
    """
    folder = _best_known(folder)
    board = folder.board()
    chosen = which_configuration(board, folder.place)
    with tempfile.TemporaryDirectory(prefix="respsweep-predict-") as scratch:
        units = finished_units(folder, chosen, _asked(seed, board.seeds, folder.place), Path(scratch))
        return _predictor(units, cutting or Cutting(), sealed_recordings(folder, data))


def predictor_named(
    name: str,
    studies: Path | str,
    seed: int | None = None,
    cutting: Cutting | None = None,
    data: Path | None = None,
) -> Predictor:
    """Load the networks of the study `name`, or where there is none, those in the folder of that path.

    A name with a slash is the path of a folder, unless a study lies there. Raises what `load_predictor` and
    `load_exported` raise, and FolderError when neither is there.
    """
    exported = is_weights_folder(Path(name))
    if exported and not ("/" not in name and StudyFolder.find(studies, name).exists):
        if data is not None:
            raise ConfigError(
                "--data: a folder of weights says by itself what the test part is; leave it out"
            )
        return load_exported(Path(name), seed, cutting)
    return load_predictor(StudyFolder.open(studies, name), seed, cutting, data)


def load_exported(folder: Path, seed: int | None = None, cutting: Cutting | None = None) -> Predictor:
    """Load the networks in a folder that `respsweep export --weights` wrote, or one `seed`'s alone.

    Raises WeightsFolderError, ConfigError or PretrainedError for a folder that holds something else, ConfigError for a
    seed that it does not have, and for a cutting that cannot be.
    """
    exported = read_weights_folder(folder)
    seeds = _asked(seed, tuple(exported.units.weights), str(folder))
    weights = {one: exported.units.weights[one] for one in seeds}
    return _predictor(replace(exported.units, weights=weights), cutting or Cutting(), exported.sealed)


def _asked(seed: int | None, seeds: tuple[int, ...], place: str) -> tuple[int, ...]:
    if seed is not None and seed not in seeds:
        raise ConfigError(f"seed: must be one of {', '.join(map(str, seeds))}, which {place} has, got {seed}")
    return seeds if seed is None else (seed,)


def _predictor(units: FinishedUnits, cutting: Cutting, sealed: SealedRecordings) -> Predictor:
    task, recipe = units.task, units.recipe
    if task.whole_recordings and cutting.annotations is not None:
        raise ConfigError(f"annotations: must be left out, as task {task.name} is about whole recordings")
    windows = cutting.windows(recipe.features.duration_s)
    # An engine of the selective scan may run on one kind of device alone.
    here = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(DEVICES.get(recipe.backbone.scan_engine, here))
    return Predictor(
        study=units.study,
        configuration=units.configuration,
        seeds=tuple(units.weights),
        learned=units.learned,
        task=task,
        recipe=recipe,
        networks=tuple(load_network(recipe, task, file, device) for file in units.weights.values()),
        device=device,
        cutting=cutting,
        windows=windows,
        sealed=sealed,
    )


def _best_known(folder: StudyFolder) -> StudyFolder:
    """Choose the study that finishes `folder`, where it has finished; else `folder` itself."""
    if folder.config().finishes is None:
        finishing = finishing_folder(folder)
        if finishing.exists and finishing.board().best() is not None:
            # One of an earlier study of the name, or of other recordings, does not answer for this study.
            with contextlib.suppress(FinishError):
                check_finishes(finishing, folder)
                return finishing
    return folder


def _check_length(name: str, length_s: float, most_s: float, what: str) -> None:
    if not (math.isfinite(length_s) and SHORTEST_CYCLE_S <= length_s <= most_s):
        raise ConfigError(
            f"{name}: must be {SHORTEST_CYCLE_S:g} to {most_s:g} seconds ({what}), got {length_s:g}"
        )
