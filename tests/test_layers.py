"""Imports go one way, from floor to floor, and each outside system has its own door. HOUSE: `docs/code.md`."""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = [
    {"evidence"},
    {"data"},
    {"model"},
    {"model.training"},
    {"sweep.storage", "sweep.study"},
    {"sweep.config"},
    {"sweep.search", "sweep.worker", "sweep.folder", "sweep.tracking", "sweep.cluster"},
    {"sweep.execution", "sweep.simulation", "sweep.machine"},
    {"sweep.report"},
    {"sweep.evaluation"},
    {"sweep.driver"},
    {"sweep.api", "sweep.commands"},
    {"sweep.cli"},
]
"""A package imports from floors above it in this list, never from its own or one below."""
ROOMS_WITH_FEW_NEIGHBOURS = {
    "evidence": {"numpy", *sys.stdlib_module_names},
    "sweep.study": {
        "evidence",
        "data.settings",
        "data.errors",
        "data.json_text",
        "data.quantities",
        "numpy",
        "scipy",
        "pydantic",
        *sys.stdlib_module_names,
    },
}
"""Packages that know these modules and libraries alone."""
ROOMS_WITH_ONE_VISITOR = {"sweep.cluster": "sweep.commands"}
"""Packages that one other imports, and no more."""
DOORS = {
    "ray": {"sweep.execution", "sweep.worker", "sweep.cluster.rules.schema"},
    "optuna": {"sweep.search"},
    "mlflow": {"sweep.tracking"},
    "obstore": {"sweep.storage.object_store"},
    "matplotlib": {
        "sweep.report.paper_figures",
        "sweep.report.notebook_figure",
        "sweep.report.spectral_figure",
        "sweep.report.explained_cycle",
    },
    "pyarrow": set(),
    "fsspec": set(),
    "typer": {"sweep.commands"},
    "rich": {"data.store", "sweep.report", "sweep.driver", "sweep.commands"},
    "torch": {"data", "model", "sweep.worker", "sweep.machine", "sweep.evaluation"},
}
"""Who may import an outside system: packages, or single modules."""


def modules() -> dict[str, str]:
    """Source of every module by its dotted name."""
    paths = [path for top in ("evidence", "data", "model", "sweep") for path in (ROOT / top).rglob("*.py")]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path.read_text(
            encoding="utf-8"
        )
        for path in paths
    }


def imports(source: str) -> set[str]:
    """Dotted names that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import of {node.module}"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def is_in(name: str, places: Iterable[str]) -> str | None:
    """The longest of `places` that is `name`, or a package around it."""
    around = [place for place in places if name == place or name.startswith(f"{place}.")]
    return max(around, key=len, default=None)


PACKAGES = {package: floor for floor, packages in enumerate(FLOORS) for package in packages}


def broken_rules(sources: Mapping[str, str]) -> Iterator[str]:
    """A line for each import that goes up, sideways, or around a door."""
    for module, source in sources.items():
        names = sorted(imports(source))
        package = is_in(module, PACKAGES)
        if package is None:
            if module != "sweep":
                yield f"{module}: on no floor"
            continue
        for name in names:
            other = is_in(name, PACKAGES)
            if other is None and name.split(".")[0] == "sweep":
                yield f"{module} imports {name}, which is on no floor"
            elif other not in (None, package) and PACKAGES[other] >= PACKAGES[package]:
                yield f"{module} imports {name}, which is not below it"
            known = ROOMS_WITH_FEW_NEIGHBOURS.get(package)
            if known is not None and other != package and is_in(name, known) is None:
                yield f"{module} imports {name}, which {package} does not know"
            visitor = ROOMS_WITH_ONE_VISITOR.get(other or "")
            if visitor is not None and package not in (other, visitor):
                yield f"{module} imports {name}; only {visitor} may"
            door = DOORS.get(name.split(".")[0])
            if door is not None and is_in(module, door) is None:
                yield f"{module} imports {name}; only {', '.join(sorted(door))} may"


def test_imports_go_down_and_through_doors() -> None:
    assert list(broken_rules(modules())) == []


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (f"{package}.planted", f"{other}.anything")
        for package, floor in sorted(PACKAGES.items())
        for other, above in sorted(PACKAGES.items())
        if package != other and above >= floor and not package.startswith(other)
    ],
)
def test_a_planted_import_in_a_forbidden_direction_is_found(module: str, name: str) -> None:
    assert list(broken_rules({module: f"import {name}"}))


@pytest.mark.parametrize("system", DOORS)
def test_a_planted_import_around_a_door_is_found(system: str) -> None:
    for package in PACKAGES:
        allowed = is_in(package, DOORS[system]) is not None
        found = list(broken_rules({f"{package}.planted": f"from {system} import anything"}))
        assert bool(found) != allowed, package


@pytest.mark.parametrize("name", ["requests", "yaml", "sweep.storage.storage", "data.audio"])
def test_the_rules_of_a_study_know_little(name: str) -> None:
    assert list(broken_rules({"sweep.study.planted": f"import {name}"}))


def test_the_cluster_check_is_for_its_command() -> None:
    planted = "from sweep.cluster.check import check_cluster_file"
    assert list(broken_rules({"sweep.driver.planted": planted}))
    assert list(broken_rules({"sweep.commands.planted": planted})) == []


def test_a_room_on_no_floor_is_found() -> None:
    assert list(broken_rules({"sweep.utils": ""})) == ["sweep.utils: on no floor"]


def test_no_package_imports_itself_through_others() -> None:
    """Floors forbid it for packages on them; this looks at what is there, floors or not."""
    arrows: dict[str, set[str]] = {package: set() for package in PACKAGES}
    for module, source in modules().items():
        package = is_in(module, PACKAGES)
        others = {is_in(name, PACKAGES) for name in imports(source)} - {None, package}
        if package is not None:
            arrows[package] |= {other for other in others if other is not None}
    for package in arrows:
        reached, todo = set(), set(arrows[package])
        while todo:
            reached |= todo
            todo = {after for step in todo for after in arrows[step]} - reached
        assert package not in reached


def test_there_is_something_to_read() -> None:
    assert len(modules()) > 90
