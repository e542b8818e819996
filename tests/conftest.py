"""What all tests share: run-time shape checks, the folder of real recordings, one thread."""

import os
from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

pytest_plugins = ["tests.object_store", "tests.servers"]

# Read when Triton is first imported: without a GPU its kernels are tested on the CPU, step by step.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

# Shapes and types written in signatures are checked whenever a test calls them.
install_import_hook(["data", "model"], "beartype.beartype")

os.environ.setdefault("OMP_NUM_THREADS", "1")


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
