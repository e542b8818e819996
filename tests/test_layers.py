"""Imports go one way: data <- model <- model.training <- sweep, and each outside system has its own door."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ["data", "model", "model.training", "sweep"]
DOORS = {
    "ray": (
        "sweep.executor",
        "sweep.executor_drain",
        "sweep.executor_losses",
        "sweep.executor_nodes",
        "sweep.search",
        "sweep.pruning",
        "sweep.unit",
        "sweep.unit_notice",
    ),
    "optuna": (
        "sweep.search_optuna",
        "sweep.search_parameters",
        "sweep.search_samplers",
        "sweep.search_storage",
        "sweep.pruning_optuna",
    ),
    "pyarrow": ("sweep.storage_uri",),
    "fsspec": ("sweep.storage_uri",),
    "mlflow": ("sweep.tracking", "sweep.tracking_runs"),
}


def modules() -> dict[str, Path]:
    paths = [path for top in ("data", "model", "sweep") for path in (ROOT / top).rglob("*.py")]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in paths
    }


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def layer(module: str) -> int | None:
    inside = [rank for rank, name in enumerate(LAYERS) if module == name or module.startswith(name + ".")]
    return max(inside) if inside else None


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_from_its_layer_or_below(module: str) -> None:
    own = layer(module)
    assert own is not None
    above = [
        name for name in imports(modules()[module]) if (other := layer(name)) is not None and other > own
    ]
    assert not above, f"{module} imports upwards: {above}"


@pytest.mark.parametrize("module", modules())
def test_outside_systems_come_in_by_their_own_door(module: str) -> None:
    for system, doors in DOORS.items():
        if module not in doors:
            used = [name for name in imports(modules()[module]) if name.split(".")[0] == system]
            assert not used, f"{module} imports {used}; only {doors} may"


def test_there_is_something_to_read() -> None:
    assert len(modules()) > 10
