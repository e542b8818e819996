"""What all tests share: run-time shape checks, the folder of real recordings, one thread."""

import os
from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

pytest_plugins = ["tests.object_store", "tests.servers"]

GROUP = pytest.StashKey[int]()
STARTS_RAY_OR_SERVERS = (
    "scenarios/",
    "sweep/driver/test_run.py",
    "sweep/test_cli.py",
    "sweep/tracking/test_server.py",
)
"""Tests, by where they lie in this folder, that are run one after the other, and before all others."""

# Read when Triton is first imported: without a GPU its kernels are tested on the CPU, step by step.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

# Shapes and types written in signatures are checked whenever a test calls them.
install_import_hook(["data", "model"], "beartype.beartype")

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)  # xdist itself reads the marks in this hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests of a file stay in one process, for its fixtures' sake, and all that start Ray in one, too."""
    groups = dict.fromkeys(["ray"], 0)
    for item in items:
        mark = item.get_closest_marker("xdist_group")
        place = item.path.relative_to(Path(__file__).parent).as_posix()
        group = mark.args[0] if mark else "ray" if place.startswith(STARTS_RAY_OR_SERVERS) else place
        if mark is None:
            item.add_marker(pytest.mark.xdist_group(group))
        groups.setdefault(group, len(groups))
        item.stash[GROUP] = groups[group]
    items.sort(key=lambda item: item.stash[GROUP])


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real recordings and annotations of ICBHI; tests that need them are skipped without it."""
    default = Path(__file__).parents[2] / "shared"
    folder = Path(os.environ.get("RESPSWEEP_SHARED", default))
    if not (folder / "icbhi_sample").is_dir():
        pytest.skip(f"no recordings at {folder}; set RESPSWEEP_SHARED to their folder")
    return folder


@pytest.fixture(autouse=True)
def _one_thread_and_a_known_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
