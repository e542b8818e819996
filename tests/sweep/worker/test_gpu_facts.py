"""What a fake of NVML tells; that Ray's copy of nvidia-ml-py has all that is asked for; no GPU was there."""

import subprocess
import sys
from pathlib import Path

import pytest

from sweep.worker.gpu_facts import GpuFacts, GpuSlice, gpu_facts, mps_runs, rays_nvml
from tests.sweep.worker.nvml import Card, FakeNVML


@pytest.mark.parametrize(
    ("mode", "told"),
    [(0, "shared"), (1, "exclusive"), (2, "prohibited"), (3, "exclusive"), (None, "shared")],
)
def test_who_may_use_a_gpu(mode: int | None, told: str) -> None:
    nvml = FakeNVML([Card(mode=mode, uuid=b"GPU-1")])
    assert gpu_facts(nvml) == [GpuFacts(0, "NVIDIA A100-SXM4-40GB", 40 * 2**30, told, None, "GPU-1")]  # pyright: ignore[reportArgumentType]
    assert nvml.open == 0


def test_slices_of_a_gpu_are_told_and_one_without_has_none() -> None:
    cut = Card(b"A100", mig=1, slices=[("1g.5gb", 5 * 2**30), ("2g.10gb", 10 * 2**30)])
    nvml = FakeNVML([cut, Card(mig=1), Card(mig=0), Card(mig=None)])
    first, empty, whole, old = gpu_facts(nvml)
    assert first.name == "A100"
    assert first.slices == (
        GpuSlice("MIG-1g.5gb", "1g.5gb", 5 * 2**30),
        GpuSlice("MIG-2g.10gb", "2g.10gb", 10 * 2**30),
    )
    assert (empty.slices, whole.slices, old.slices) == ((), None, None)


def test_a_machine_without_a_driver_has_no_gpus() -> None:
    assert gpu_facts(FakeNVML([Card()], driver=False)) == []


def test_a_driver_that_does_not_know_one_of_its_gpus_tells_of_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(self: FakeNVML, handle: Card) -> str:
        raise FakeNVML.NVMLError("GPU is lost")

    nvml = FakeNVML([Card()])
    monkeypatch.setattr(FakeNVML, "nvmlDeviceGetName", lost)
    assert gpu_facts(nvml) == []
    assert nvml.open == 0


def test_rays_copy_of_nvidias_library_has_all_that_is_asked_for() -> None:
    pynvml = rays_nvml()
    asked = [name for name in dir(FakeNVML) if name.startswith(("nvml", "NVML"))]
    assert [name for name in asked if not hasattr(pynvml, name)] == []
    constants = [name for name in asked if name.startswith("NVML_")]
    assert {name: getattr(pynvml, name) for name in constants} == {
        name: getattr(FakeNVML, name) for name in constants
    }


def test_a_machine_is_asked_without_ray() -> None:
    code = (
        "import sys; from sweep.worker.gpu_facts import gpu_facts; gpu_facts(); print('ray' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


@pytest.mark.parametrize(
    ("pipe", "process", "runs"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
def test_mps_runs_where_its_pipe_and_its_process_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipe: bool, process: bool, runs: bool
) -> None:
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    if pipe:
        (tmp_path / "control").touch()
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "7" / "comm").write_text("nvidia-cuda-mps\n" if process else "bash\n")
    assert mps_runs(tmp_path / "proc") is runs
