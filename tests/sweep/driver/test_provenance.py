import hashlib
import re
import subprocess
from pathlib import Path

from data.settings import parse
from data.synthetic import VERSION, write_breaths
from model.training.recipe import Recipe
from sweep.config.study_config import StudyConfig
from sweep.driver.provenance import (
    provenance_of,
    searched_weights_hashes,
    synthetic_breaths,
    weights_hash,
)


def test_provenance_names_task_data_folds_versions_and_the_commit() -> None:
    provenance = provenance_of("1-2", "0123", "4567", None)
    assert (provenance["task"], provenance["data_hash"], provenance["fold_hash"]) == ("1-2", "0123", "4567")
    assert {"torch", "ray", "optuna", "mlflow"} <= set(provenance["versions"])
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    if head.returncode:
        assert provenance["commit"] is None
    else:
        assert re.fullmatch(f"{head.stdout.strip()}(-dirty)?", provenance["commit"])


def test_random_weights_have_no_hash() -> None:
    assert weights_hash(parse(Recipe, {"backbone": {"variant": "tiny"}}, "recipe")) is None


def test_each_file_among_which_is_searched_has_its_hash_and_a_missing_one_none(tmp_path: Path) -> None:
    one, two, gone = (str(tmp_path / name) for name in ("one.pth", "two.pth", "gone.pth"))
    for path in (one, two):
        Path(path).write_bytes(path.encode())
    search = {"backbone.pretrained": {"type": "categorical", "choices": [None, one, gone, "author/name"]}}
    config = StudyConfig.model_validate({"search": search, "enqueue": [{"backbone.pretrained": one}]})
    assert searched_weights_hashes(config) == {one: hashlib.sha256(one.encode()).hexdigest()}
    fixed = {
        "recipe": {"backbone": {"pretrained": two}},
        "search": {"epochs": {"type": "int", "low": 1, "high": 2}},
    }
    assert searched_weights_hashes(StudyConfig.model_validate(fixed)) == {}


def test_recordings_that_no_command_makes_again_are_told_without_one(tmp_path: Path) -> None:
    write_breaths(tmp_path, patients=2, seed=5, recordings=1, cycles=(1, 1))
    made = {"version": VERSION, "patients": 2, "seed": 5, "recordings": 1, "cycles": [1, 1]}
    assert synthetic_breaths(tmp_path) == made
