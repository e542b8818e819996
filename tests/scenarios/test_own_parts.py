"""A network and a data set from outside the repository, as docs/own_parts.md has them: run, test part, predict."""

import hashlib
import re
from pathlib import Path

import pytest
import yaml

from tests.own_parts import PAGE, write_coughs, write_modules
from tests.scenarios.test_honest_number import typed


@pytest.mark.slow
def test_a_study_of_an_own_network_on_an_own_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    modules = tmp_path / "lab"
    modules.mkdir()
    write_modules(modules)
    monkeypatch.setenv("PYTHONPATH", str(modules))
    coughs = write_coughs(tmp_path / "coughs")
    task = "--data", str(coughs), "--task", "my_coughs:COUGHS"
    assert re.search(r"train\s+12\s+12\s+36\s+12\s+12\s+12", typed(tmp_path, "data", str(coughs), *task[2:]))

    (snippet,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    study = yaml.safe_load(snippet)
    study["recipe"] |= {
        "features": {"n_mels": 32, "frame_length_ms": 64, "frame_shift_ms": 32, "target_frames": 32},
        "epochs": 4,
        "batch_size": 8,
    }
    study |= {"seeds": [1, 2], "budget": {"configurations": 2}, "pruner": {"name": "none"}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    ran = typed(tmp_path, "run", "study.yaml", "--name", "own", *task)
    assert "width" in ran
    folder = tmp_path / "studies" / "own"
    best = yaml.safe_load((folder / "best.yaml").read_text())
    assert best["recipe"]["backbone"]["name"] == "my_networks:Recurrent"
    assert best["recipe"]["backbone"]["config"]["width"] in (16, 32, 64)
    assert best["provenance"]["task"] == "my_coughs:COUGHS"
    assert best["provenance"]["own_code"] == {
        name: hashlib.sha256((modules / f"{name}.py").read_bytes()).hexdigest()
        for name in ("my_networks", "my_coughs")
    }
    predicted = typed(tmp_path, "predict", "own", str(coughs / "p1.wav"), "--window", "1", "--hop", "1")
    assert any(label in predicted for label in ("normal", "dry", "wet"))

    with (modules / "my_networks.py").open("a") as module:
        module.write("# another one\n")
    again = typed(tmp_path, "run", "--resume", "own", "--configurations", "3")
    assert re.search(r"own_code\.my_networks: \w+ -> \w+", again)
