"""The bill of materials holds each package of the locks, with what is known of it."""

import json
import sys

import pytest
import sbom
from lock_files import LOCKS, pinned


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict:
    path = tmp_path_factory.mktemp("sbom") / "sbom.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["sbom.py", str(path)])
        assert sbom.main() == 0
    return json.loads(path.read_text())


def test_it_is_cyclonedx_and_of_this_project(bill: dict) -> None:
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    about = bill["metadata"]["component"]
    assert (about["name"], about["licenses"]) == ("respsweep", [{"license": {"id": "Apache-2.0"}}])


def test_each_package_is_there_with_its_hashes_and_its_lock(bill: dict) -> None:
    scopes: dict[str, str] = dict(zip(LOCKS, ("required", "optional", "excluded"), strict=True))
    found = {component["bom-ref"]: component for component in bill["components"]}
    assert len(found) == len(pinned())
    for package in pinned():
        component = found[f"{package.name}=={package.version}"]
        assert component["purl"] == f"pkg:pypi/{package.name}@{package.version}"
        assert {one["content"] for one in component["hashes"]} == set(package.hashes)
        # What is required is so unless it says otherwise.
        assert component.get("scope", "required") == scopes[package.lock]
    (torch,) = (component for component in found.values() if component["name"] == "torch")
    assert torch["licenses"] == [{"license": {"id": "BSD-3-Clause"}}]


def test_it_says_what_depends_on_what(bill: dict) -> None:
    graph = {entry["ref"]: entry.get("dependsOn", []) for entry in bill["dependencies"]}
    names = {ref.split("==")[0] for ref in graph["respsweep"]}
    assert {"torch", "ray", "optuna", "mlflow", "boto3", "pytest"} <= names
    (numba,) = (refs for name, refs in graph.items() if name.startswith("numba=="))
    assert {ref.split("==")[0] for ref in numba} == {"llvmlite", "numpy"}


def test_equal_locks_have_equal_numbers() -> None:
    one, same, other = (str(vars(sbom.bill(pinned()[:count]))["_serial_number"]) for count in (2, 2, 3))
    assert one == same != other


def test_no_place_of_the_registry_is_named(bill: dict) -> None:
    assert "://" not in json.dumps(bill["components"])
