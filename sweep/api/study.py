"""A study as a Python object: what `sweep.run` and `sweep.open` return."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.api.arguments import require, require_whole
from sweep.api.configuration_result import ConfigurationResult, result_of
from sweep.api.plots import Plots
from sweep.config.study_config import StudyConfig
from sweep.folder.note import read_note, write_note
from sweep.folder.study_folder import StudyFolder
from sweep.report.which_configuration import NoConfigurationError
from sweep.study.board import Board
from sweep.study.events import Event

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Study:
    """A study in its folder. Each call reads what has happened until now, also while another process runs the study.

    Of a study on an object store the files are those of when it was opened, or last refreshed.
    """

    folder: StudyFolder

    def __repr__(self) -> str:
        return f"Study({self.place!r})"

    @property
    def name(self) -> str:
        """The study's name among the others."""
        return self.folder.name

    @property
    def place(self) -> str:
        """Path or URI of the study."""
        return self.folder.place

    @property
    def config(self) -> StudyConfig:
        """The study's settings, with every default written out."""
        return self.folder.config()

    @property
    def protocol(self) -> str:
        """`honest`, or `published`: scores are of the test part, by which everything was chosen."""
        return self.config.protocol

    @property
    def state(self) -> str:
        """`not begun`, `running`, `its driver died`, or why the study stopped: `over` when nothing is left to do."""
        if self.folder.lock().held_by() is not None:
            return "running"
        board = self._board()
        return board.stopped or ("its driver died" if board.drivers else "not begun")

    @property
    def note(self) -> str:
        """The note that a person keeps with the study; empty where there is none."""
        return read_note(self.folder)

    def write_note(self, text: str) -> None:
        """Keep a note with the study in the place of an earlier one, also while the study runs; an empty one removes it.

        Raises NoteError for a text that is too long or a place that cannot be written, ConfigError for what is no text.
        """
        require(isinstance(text, str), "note: must be a text", text)
        write_note(self.folder, text)

    def rename(self, name: str) -> Study:
        """Give the study another name, and the studies that belong to it with it; return it as it is called then.

        Raises RenameError when the name is taken, and for a study that belongs to another and is found by its name;
        FolderError for what can be no name, LockedError while it runs, ConfigError for what is no text.
        """
        require(isinstance(name, str), "name: must be a text", name)
        from sweep.driver.rename import rename_study

        return Study(rename_study(self.folder, name))

    def delete(self) -> list[str]:
        """Delete the study for good, without asking; return lines on what stays, ledgers of readings above all.

        Raises DeleteError for a study that another one finishes, LockedError while it runs.
        """
        from sweep.driver.delete import delete_study

        return delete_study(self.folder)

    def refresh(self) -> None:
        """Fetch what has come to an object store since. Raises StorageError when it does not answer."""
        self.folder.pull()

    def leaderboard(self) -> pd.DataFrame:
        """Return a table of configurations, best first; its columns: `sweep.report.frames.leaderboard_frame`.

        `attrs` of the table has the study's `protocol`, and `label`: what it does with the official test part, or None.
        """
        from sweep.report.frames import leaderboard_frame
        from sweep.report.special_points import special_points

        config, board = self.config, self._board()
        table = leaderboard_frame(board, config.objectives, special_points(config, board))
        table.attrs.update(protocol=config.protocol, label=config.label)
        return table

    def curves(self) -> pd.DataFrame:
        """Return a table of epochs, a row for each epoch of each unit: `configuration`, `seed`, `epoch`, `score`, ..."""
        from sweep.report.frames import curves_frame

        return curves_frame(self._board())

    def units(self) -> pd.DataFrame:
        """Return a table of units: `configuration`, `seed`, `state`, `epochs`, `seconds`, `reason`, ..."""
        from sweep.report.frames import units_frame

        return units_frame(self._board(), time.time())

    def best(self) -> ConfigurationResult:
        """Return the configuration with the best mean among those with all seeds, by the study's objective.

        Of finalists that were trained on all folds of patients (`folds: all`) it is the best of these, over all folds.

        Raises NoConfigurationError while there is none.
        """
        from sweep.evaluation.cross_fold_ranking import chosen_configuration

        board = self._board()
        if not board.competes:
            raise NoConfigurationError(
                f"{self.place}: trains the finalists of another study on other folds; the best is that study's"
            )
        return result_of(self.folder, board, chosen_configuration(self.folder, board))

    def on_all_folds(self) -> pd.DataFrame:
        """Return a table of the finalists on all folds of patients (`folds: all`), the best first.

        Its columns: `sweep.report.frames.cross_fold_frame`. Raises NoConfigurationError when they were not trained.
        """
        from evidence.objectives import OBJECTIVES
        from sweep.evaluation.cross_fold_ranking import read_ranking
        from sweep.report.frames import cross_fold_frame

        ranking = read_ranking(self.folder)
        if ranking is None:
            raise NoConfigurationError(
                f"{self.place}: its finalists were not trained on all folds; run it on with folds: all"
            )
        return cross_fold_frame(ranking.numbers, OBJECTIVES[ranking.objective])

    def configuration(self, number: int) -> ConfigurationResult:
        """Return a configuration by its number, from 0.

        Raises NoConfigurationError when the study has none with that number, ConfigError for what is no number.
        """
        require_whole("configuration", number, 0)
        board = self._board()
        for configuration in board.configurations:
            if configuration.number == number:
                return result_of(self.folder, board, configuration)
        raise NoConfigurationError(f"{self.place}: there is no configuration {number}")

    def events(self) -> list[Event]:
        """Return all that happened, in order: the journal, as classes of `sweep.study.events`."""
        return self.folder.events()

    def export(self, path: Path | str | None = None, configuration: int | None = None) -> Path:
        """Write the best configuration, or the one with a number, as a recipe with its provenance; return the file.

        The default is `best.yaml` in the study's folder, of another configuration than the best
        `configuration-NUMBER.yaml`. Raises NoConfigurationError for a configuration without all its seeds, ExportError
        for a file that cannot be written and for a study of other folds, ConfigError for what is no path or no number.
        """
        require(path is None or isinstance(path, Path | str), "path: must be a path", path)
        if configuration is not None:
            require_whole("configuration", configuration, 0)
        from sweep.driver.export import export

        return export(self.folder, None if path is None else Path(path), configuration)

    def report(
        self, path: Path | str | None = None, *, sounds: bool = False, data: Path | str | None = None
    ) -> str:
        """Write the study as one HTML page that works without a network; return the file's place.

        The default is `report.html` in the study's folder. `sounds`: also the most confident errors of the best
        configuration, with the sound of their cycles. `data`: where the recordings lie, unless where the study says.
        Raises ReportError for a file that cannot be written, and for a study of other folds, of which the report of its
        search tells; BundleExportError for `sounds` of a study without predictions, and for other recordings at `data`;
        ConfigError for what is no path.
        """
        require(path is None or isinstance(path, Path | str), "path: must be a path", path)
        require(data is None or isinstance(data, Path | str), "data: must be a path", data)
        from sweep.driver.report import report

        return report(
            self.folder,
            None if path is None else Path(path),
            None if data is None else Path(data),
            sounds=sounds,
        )

    @property
    def plot(self) -> Plots:
        """The figures of the report, for a notebook or a paper: `study.plot.history()`, and others."""
        return Plots(self.folder)

    def predict(
        self,
        audio: Path | str | Sequence[Path | str],
        *,
        seed: int | None = None,
        annotations: Path | str | None = None,
        window_s: float | None = None,
        hop_s: float | None = None,
        age_years: float | None = None,
    ) -> pd.DataFrame:
        """Return the probabilities of each label in each cycle of new recordings, and in each recording.

        `audio`: WAV and FLAC files, or folders of them. `seed`: one seed's network alone; otherwise the mean of all.
        `annotations`, or `window_s` and `hop_s`: what is a cycle (`sweep.evaluation.predict.Cutting`). `age_years`: that
        of the patient, of whom networks for some ages ask it unless names or the data set say. The columns:
        `sweep.report.prediction_table.prediction_frame`. Raises DataError for the first recording that cannot be read,
        NoConfigurationError when no configuration has all its seeds, ConfigError for an argument that cannot be.
        """
        given = list(audio) if isinstance(audio, Sequence) and not isinstance(audio, str) else [audio]
        for path in given:
            require(isinstance(path, Path | str), "audio: must be a path, or several", path)
        require(
            annotations is None or isinstance(annotations, Path | str),
            "annotations: must be a path",
            annotations,
        )
        for name, told, unit in (
            ("window_s", window_s, "seconds"),
            ("hop_s", hop_s, "seconds"),
            ("age_years", age_years, "years"),
        ):
            number = isinstance(told, Real) and not isinstance(told, bool)
            require(told is None or number, f"{name}: must be a number of {unit}", told)
        if seed is not None:
            require_whole("seed", seed)
        from data.given_recordings import audio_files
        from sweep.evaluation.predict import Cutting
        from sweep.evaluation.routing import router
        from sweep.report.prediction_table import prediction_frame

        cutting = Cutting(None if annotations is None else Path(annotations), window_s, hop_s)
        recordings = [path for each in given for path in audio_files(Path(each))]
        networks = router([self.name], self.folder.studies, seed, cutting, age_years=age_years)
        return prediction_frame([networks.predict(path) for path in recordings], networks.labels)

    def retry(self, configuration: int | None = None) -> list[str]:
        """Have failed units tried again by the next `run`, all or those of one configuration; return their names.

        Raises RetryError when no such unit has failed, LockedError while the study runs, ConfigError for what is no
        number.
        """
        if configuration is not None:
            require_whole("configuration", configuration, 0)
        from sweep.driver.retry import retry

        return retry(self.folder, configuration)

    def export_curves(self, path: Path | str) -> Path:
        """Write the learning curves so far as one small file of numbers, for `simulate(curves=...)`; return the file.

        Raises ConfigError when no unit has finished, or the file cannot be written, or `path` is no path.
        """
        require(isinstance(path, Path | str), "path: must be a path", path)
        from sweep.simulation.curves_file import export_curves

        return export_curves(self.folder, Path(path))

    def export_weights(
        self, path: Path | str, configuration: int | None = None, *, data: Path | str | None = None
    ) -> Path:
        """Write the weights of the best configuration's seeds, or of one by its number, into a new folder; return it.

        Recipe and model card are in it, and `respsweep predict` takes it. `data`: where the recordings lie, unless where
        the study says. Raises NoConfigurationError for a configuration without all its seeds, UnitResultError for one
        whose weights were not kept, FinishError for a study with `protocol: published`, ExportError when something is at
        `path` already, ConfigError for what is no path or no number.
        """
        require(isinstance(path, Path | str), "path: must be a path", path)
        require(data is None or isinstance(data, Path | str), "data: must be a path", data)
        if configuration is not None:
            require_whole("configuration", configuration, 0)
        from sweep.driver.weights_export import export_weights

        return export_weights(self.folder, Path(path), configuration, None if data is None else Path(data))

    def _board(self) -> Board:
        return self.folder.board()
