"""docs/python.md and the example notebook, run as they stand; the study file they name is a tiny one here."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from model.training.recipe import Recipe
from sweep.config.study_config import StudyConfig
from sweep.folder.study_folder import StudyFolder
from sweep.study.events import StudyStarted, StudyStopped
from tests.studies import tiny_study
from tests.sweep.histories import added, reported, trained, write_journal

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "search_spaces").mkdir()
    study = yaml.safe_dump(tiny_study(1, budget={"configurations": 2}))
    (tmp_path / "search_spaces" / "quickstart.yaml").write_text(study)
    (tmp_path / "ward").mkdir()
    breath = 0.1 * np.random.default_rng(0).normal(size=3 * 4000)
    for path in ("breath.wav", "ward/one.wav"):
        soundfile.write(tmp_path / path, breath, 4000)


@pytest.mark.slow
@pytest.mark.usefixtures("kept_ray")
def test_the_page_runs_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    for snippet in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        exec(compile(snippet, "docs/python.md", "exec"), names)
    study = names["study"]
    assert (study.name, study.place, study.state) == ("first", "studies/first", "over")
    assert len(names["board"]) == 4
    assert study.leaderboard()["seeds"].tolist() == [2] * 4
    assert study.curves()[["configuration", "seed", "epoch"]].values.tolist() == [
        [configuration, seed, 1] for configuration in range(4) for seed in (1, 2)
    ]
    best = study.best()
    assert isinstance(best.recipe, Recipe)
    assert best.recipe.patch_mix.temperature == best.values["patch_mix.temperature"]
    assert best.metrics["score"].seeds == 2
    assert names["path"] == Path("best.yaml")
    assert yaml.safe_load(names["path"].read_text())["provenance"]["configuration"] == best.number
    printed = capsys.readouterr().out
    assert "synthetic breaths of 12 patients" in printed
    assert "score %" in printed
    assert "budget.unit: no such field; did you mean budget.units" in printed


def test_the_notebook_reads_a_study_that_ran(capsys: pytest.CaptureFixture[str]) -> None:
    folder = StudyFolder.at("studies", "first").create(StudyConfig.model_validate(tiny_study(2)))
    proposed = [*added(0, **{"patch_mix.temperature": 0.1}), *added(1, **{"patch_mix.temperature": 0.2})]
    past = [*trained(0, 1, 0.5, 0.6), *trained(0, 2, 0.6, 0.7), *reported(1, 1, 0.9)]
    write_journal(folder.journal, (StudyStarted((1, 2)), *proposed, *past, StudyStopped("halted")))
    notebook = json.loads((ROOT / "examples" / "read_a_study.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "read_a_study.ipynb", "exec"), names)
    assert names["study"].name == "first"
    assert "0 {'patch_mix.temperature': 0.1} 65.0 ± 7.1 %" in capsys.readouterr().out
