"""What all tests share: run-time shape checks, the folder of real recordings, one thread."""

import os
import signal
from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

pytest_plugins = [
    "tests.made_breaths",
    "tests.object_store",
    "tests.ray_heads",
    "tests.mlflow_tables",
    "tests.mlflow_servers",
]

LONGEST = (
    "sweep/driver/test_whole_studies.py",
    "sweep/driver/test_stopped_studies.py",
    "model/selective_scan/test_selective_scan.py",
    "sweep/test_cli.py",
    "sweep/worker/test_trainable.py",
    "model/selective_scan/test_cross_selective_scan.py",
    "sweep/tracking/test_server",
    "sweep/tracking/test_tracker.py",
    "sweep/tracking/test_lost_requests.py",
    "sweep/evaluation/",
    "scenarios/",
    "sweep/test_api.py",
    "test_python_page.py",
    "sweep/machine/test_gpu_sharing_processes.py",
    "sweep/worker/",
    "sweep/driver/test_run.py",
    "sweep/search/test_resumed_search.py",
    "model/training/",
)
"""Folders and files whose tests take longest, the longest first."""

# Read when Triton is first imported: without a GPU its kernels are tested on the CPU, step by step.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

ROOT = Path(__file__).parents[1]


def _modules_with_shapes() -> list[str]:
    paths = [path for folder in ("data", "model") for path in (ROOT / folder).rglob("*.py")]
    with_shapes = [path for path in paths if "from jaxtyping import" in path.read_text(encoding="utf-8")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in with_shapes]
    return [name.removesuffix(".__init__") for name in names]


# Where signatures write shapes, these and all types are checked whenever a test calls them. Done in all modules, that
# was a quarter of the time of the tests of settings and files, whose types are checked before anything runs.
install_import_hook(_modules_with_shapes(), "beartype.beartype")

os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell ignores Ctrl-C for what it starts in the background, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no process is left with one of them at the end."""
    tests = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        path = item.path.relative_to(tests).as_posix()
        return next((rank for rank, long in enumerate(LONGEST) if path.startswith(long)), len(LONGEST))

    items.sort(key=rank)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real recordings and annotations of ICBHI; tests that need them are skipped without it."""
    default = Path(__file__).parents[2] / "shared"
    folder = Path(os.environ.get("RESPSWEEP_SHARED", default))
    if not (folder / "icbhi_sample").is_dir():
        pytest.skip(f"no recordings at {folder}; set RESPSWEEP_SHARED to their folder")
    return folder


@pytest.fixture(scope="session")
def cases(shared: Path) -> Path:
    """The folder with inputs that went wrong, `use` and `hostile`, the right outcome of each in its README."""
    folder = shared / "cases"
    if not folder.is_dir():
        pytest.skip(f"no inputs at {folder}; set RESPSWEEP_SHARED to the folder that holds cases")
    return folder


@pytest.fixture(scope="session")
def sprsound(shared: Path) -> Path:
    """The folder with all of SPRSound 2022; tests that need it are skipped without it."""
    folder = shared / "sprsound"
    if not folder.is_dir():
        pytest.skip(f"no SPRSound at {folder}")
    return folder


@pytest.fixture(autouse=True)
def _one_thread_and_a_known_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
