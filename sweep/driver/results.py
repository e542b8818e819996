"""What a study that is over leaves: its best configuration as a file, its report, and what that found in short."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from data.errors import UserError
from sweep.driver.display import Display
from sweep.driver.export import export
from sweep.driver.report import report
from sweep.folder.study_folder import StudyFolder
from sweep.report.device_time import epochs_saved
from sweep.report.markdown import plain
from sweep.report.page.write import FILE as REPORT


class Results:
    """What a study that is over leaves, `best.yaml` and its report, each written once; none of one that crosses."""

    def __init__(self, folder: StudyFolder, display: Display) -> None:
        self._folder = folder
        self._display = display
        self._crosses = folder.config().crosses is not None
        self._exported = False
        self._problem: UserError | None = None
        self._findings: list[str] = []
        self._answer: list[str] = []

    def __call__(self) -> list[Path]:
        """Write both, whatever either stumbles over; returns these and the study file, as far as they are there."""
        folder = self._folder
        if not self._crosses:
            self._export()
            write_the_report(folder, self._display, self._find)
        return [path for path in (folder.study_file, folder.best, folder.path / REPORT) if path.exists()]

    def settle(self) -> None:
        """Say what the study found, and raise the UserError that `best.yaml` stumbled over.

        Writes `best.yaml`, if that was not tried before.
        """
        for line in self._findings:
            self._display.say(line)
        if not (self._crosses or self._exported):
            self._export()
        if self._problem is not None:
            raise self._problem

    def answer(self) -> str:
        """The answer of the report as a list in Markdown, and which field matters; empty before there is a report."""
        return "\n".join(f"- {plain(line)}" for line in self._answer)

    def _find(self, facts: Mapping[str, Any]) -> None:
        """Keep the answer, what race and pruner saved and which field matters, of the facts of a report."""
        self._findings = [epochs_saved(facts["time"]["epochs"], facts["time"]["epochs_of_all"])]
        self._answer = [*facts["answer"]]
        if facts["importance"]["shares"]:
            matters = f"which field matters: {facts['findings']['importance']}"
            self._findings.append(matters)
            self._answer.append(matters[0].upper() + matters[1:])

    def _export(self) -> None:
        self._exported = True
        try:
            export(self._folder)
        except UserError as error:
            self._problem = error


def write_the_report(
    folder: StudyFolder, display: Display, hear: Callable[[Mapping[str, Any]], None] = lambda _: None
) -> None:
    """Write the report of a study that is over. Whatever it stumbles over, the study has ended well.

    `hear` is called with the facts of the report, unless it stumbled before.
    """
    try:
        report(folder, hear=hear)
    except Exception as error:
        display.warn(
            f"no report was written: {error or repr(error)}; again with: respsweep report {folder.arguments}"
        )
