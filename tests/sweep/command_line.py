"""The command as people type it, a small study file, and a study that is over, for tests of what it prints."""

import sys
from pathlib import Path

import pytest
import yaml

from sweep.cli import main
from sweep.config.study_config import StudyConfig
from sweep.driver.provenance import provenance_of
from sweep.folder.study_folder import StudyFolder
from sweep.study.events import (
    Event,
    StudyStarted,
    StudyStopped,
)
from tests.studies import TINY_RECIPE
from tests.sweep.histories import added, trained, write_journal

RECIPE = {
    **TINY_RECIPE,
    "optimiser": {"learning_rate": 1e-3},
    "epochs": 2,
}
STUDY = {
    "data": {"patients": 12, "seed": 0},
    "recipe": RECIPE,
    "search": {"patch_mix.temperature": {"type": "float", "low": 0.05, "high": 0.5}},
    "seeds": [1, 2],
    "budget": {"configurations": 1},
}
EVENTS: list[Event] = [
    StudyStarted((1, 2)),
    *added(0, **{"patch_mix.temperature": 0.2}),
    *trained(0, 1, 0.6),
    *trained(0, 2, 0.6),
    StudyStopped("over"),
]


def respsweep(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["respsweep", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    code = ended.value.code
    return code if isinstance(code, int) else int(code is not None)


def written(path: str, content: object) -> Path:
    Path(path).write_text(yaml.safe_dump(content))
    return Path(path)


def changed(**changes: object) -> dict[str, object]:
    return {**STUDY, **changes}


def finished_study() -> StudyFolder:
    folder = StudyFolder.at(Path("studies"), "done").create(StudyConfig.model_validate(STUDY))
    folder.write_provenance({"study_id": "0" * 32, **provenance_of("icbhi", "d" * 64, "f" * 64, None)})
    write_journal(folder.journal, EVENTS)
    return folder
