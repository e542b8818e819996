"""Whoever has a bundle sees whether its numbers follow from its predictions, with numpy alone."""

import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evidence.bundle import Bundle, write_bundle
from evidence.reading import reading_numbers
from evidence.validation import validation_numbers
from evidence.verify import differences, main
from tests.evidence.bundles import a_bundle, answers

ROOT = Path(__file__).parents[2]


def claimed(kind: str) -> Bundle:
    units = [(number, seed) for number in range(1 if kind == "test" else 3) for seed in (1, 2, 3)]
    bundle = a_bundle(kind=kind, cycles=120, units=units)
    about = {**bundle.about, "seeds": [1, 2, 3], "closed": []}
    if kind == "test":
        weak = answers(bundle.cycles, 9, sure=0.5)
        bundle = replace(
            bundle, about={**about, "numpy": np.__version__}, baselines={"logistic regression": weak}
        )
    else:
        bundle = replace(bundle, about={**about, "tried": 4, "pruned": 1, "without_predictions": []})
    numbers = reading_numbers(bundle) if kind == "test" else validation_numbers(bundle)
    return replace(bundle, claims=numbers)


def saved(bundle: Bundle, path: Path) -> Path:
    path.write_bytes(write_bundle(bundle)[0])
    return path


@pytest.mark.parametrize("kind", ["test", "validation"])
def test_true_claims_pass(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(saved(claimed(kind), tmp_path / "a.bundle"))]) == 0
    assert "PASS" in capsys.readouterr().out


def numbers_in(claims: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(claims, dict):
        return [place for key, value in claims.items() for place in numbers_in(value, (*where, key))]
    if isinstance(claims, list):
        return [place for key, value in enumerate(claims) for place in numbers_in(value, (*where, key))]
    return [where] if isinstance(claims, int | float) else []


@pytest.mark.parametrize("kind", ["test", "validation"])
def test_every_number_that_is_changed_is_found(kind: str) -> None:
    bundle = claimed(kind)
    places = numbers_in(bundle.claims)
    random = np.random.default_rng(2)
    assert len(places) > 50
    for index in random.choice(len(places), 60, replace=False):
        *way, last = places[index]
        holder: Any = bundle.claims
        for key in way:
            holder = holder[key]
        true, holder[last] = holder[last], holder[last] + 0.001
        assert [where for where, *_ in differences(bundle)] == [".".join(map(str, places[index]))]
        holder[last] = true
    assert differences(bundle) == []


def test_another_numpy_may_draw_other_patients_and_changes_nothing_else() -> None:
    bundle = claimed("test")
    (part,) = bundle.claims["parts"].values()
    assert part["patient_interval"] is not None
    bundle = replace(bundle, about={**bundle.about, "numpy": "0.0"})
    part["patient_interval"][0] += 0.004
    part["baselines"]["logistic regression"]["above"][1] += 0.004
    assert differences(bundle) == []
    part["mean"]["score"] += 0.004
    assert [where for where, *_ in differences(bundle)] == ["parts.train.mean.score"]


def test_a_claim_that_is_missing_or_made_up_is_found() -> None:
    bundle = claimed("test")
    claims = {"parts": {**bundle.claims["parts"], "secret": {"score": 0.9}}}
    assert [where for where, *_ in differences(replace(bundle, claims=claims))] == ["parts.secret"]
    assert differences(replace(bundle, claims={"parts": {}}))


def test_a_place_without_a_bundle_is_told_with_what_a_bundle_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "first"), str(tmp_path)]) == 1
    missing, folder = capsys.readouterr().err.splitlines()
    assert missing.startswith(
        f"FAIL: {tmp_path / 'first'}: cannot be read: No such file or directory; expected a bundle"
    )
    assert folder.startswith(f"FAIL: {tmp_path}: cannot be read: Is a directory; expected a bundle")


def test_other_answers_under_the_same_claims_are_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = claimed("validation")
    unit, kept = next(iter(bundle.predictions.items()))
    better = np.roll(kept, 1, axis=1)
    path = saved(replace(bundle, predictions={**bundle.predictions, unit: better}), tmp_path / "a.bundle")
    assert main([str(path)]) == 1
    said = capsys.readouterr().out
    assert "FAIL" in said
    assert "is claimed, the predictions give" in said


def test_a_bundle_without_claims_proves_nothing(tmp_path: Path) -> None:
    assert main([str(saved(a_bundle(), tmp_path / "a.bundle"))]) == 1


def test_a_bundle_that_lacks_what_its_numbers_rest_on_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = claimed("validation")
    for spoilt in (replace(bundle, about={}), replace(bundle, predictions={}), replace(bundle, kind="hope")):
        assert main([str(saved(spoilt, tmp_path / "a.bundle"))]) == 1
        assert "a.bundle: a bundle that cannot be" in capsys.readouterr().err


def test_what_is_no_bundle_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("bundle.json", "{}")
    assert main([str(tmp_path / "a.zip"), str(tmp_path / "none")]) == 1
    said = capsys.readouterr().err
    assert "a.zip: not a bundle" in said
    assert "none" in said


def test_numpy_alone_is_enough(tmp_path: Path) -> None:
    path = saved(claimed("test"), tmp_path / "a.bundle")
    program = f"""
import sys

class Alone:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in ("numpy", "evidence"):
            raise ImportError(f"{{name}} is not there")

sys.meta_path.insert(0, Alone())
sys.path.insert(0, {str(ROOT)!r})
from evidence.verify import main
sys.exit(main([{str(path)!r}]))
"""
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "PASS" in done.stdout


def test_a_claimed_objective_is_said_and_a_false_one_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = a_bundle(cycles=120, units=[(0, 1), (0, 2), (1, 1), (1, 2)])
    about = {**bundle.about, "seeds": [1, 2], "closed": [], "objective": "harmonic"}
    bundle = replace(bundle, about=about)
    bundle = replace(bundle, claims=validation_numbers(bundle))
    assert main([str(saved(bundle, tmp_path / "a.bundle"))]) == 0
    assert "ranked by the harmonic score" in capsys.readouterr().out
    false = replace(bundle, about={**about, "objective": "score"})
    assert main([str(saved(false, tmp_path / "b.bundle"))]) == 1
    assert (
        main([str(saved(replace(bundle, about={**about, "objective": "auc"}), tmp_path / "c.bundle"))]) == 1
    )
    assert "objective 'auc'" in capsys.readouterr().err
