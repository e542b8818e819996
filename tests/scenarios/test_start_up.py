"""What people type often starts quickly: it imports nothing that takes seconds. Ratios: benchmarks/start_up.py."""

import subprocess
import sys
from pathlib import Path

import pytest

from sweep.config.study_config import StudyConfig
from sweep.folder.study_folder import StudyFolder
from sweep.study.events import StudyStarted, StudyStopped
from sweep.study.journal import Journal
from tests.studies import tiny_study
from tests.sweep.histories import added, trained

HEAVY = (
    "torch",
    "torchaudio",
    "ray",
    "mlflow",
    "optuna",
    "scipy.stats",
    "sklearn",
    "pandas",
    "pyarrow",
    "obstore",
)
RUN = (
    "import sys; from sweep.cli import main\n"
    "try: main()\n"
    "except SystemExit as ended: code = ended.code\n"
    f"print('imported:', *[name for name in {HEAVY} if name in sys.modules]); sys.exit(code)"
)


def respsweep(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", RUN, *arguments], cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start")
    study = StudyFolder.at(folder / "studies", "done").create(StudyConfig.model_validate(tiny_study(1)))
    journal = Journal(study.journal)
    history = [*added(0, **{"patch_mix.temperature": 0.2}), *trained(0, 1, 0.6), *trained(0, 2, 0.7)]
    for event in (StudyStarted((1, 2)), *history, StudyStopped("over")):
        journal.write(event)
    journal.close()
    study.write_provenance({"study_id": "0" * 32})
    (folder / "refused.yaml").write_text("sede: [1]\n")
    return folder


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("status", "done"), 0, "units: 2 finished"),
        (("leaderboard", "done"), 0, "1 configuration, 0 dropped"),
        (("export", "done"), 0, "studies/done/best.yaml"),
        (("run", "refused.yaml"), 1, "sede: no such field; did you mean seeds?"),
    ],
    ids=["status", "leaderboard", "export", "refusal"],
)
def test_looking_at_a_study_and_a_refusal_import_nothing_heavy(
    folder: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = respsweep(folder, *arguments)
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "imported:"
