"""The machine that runs the tests is examined; then parts of it are broken."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from model.selective_scan import available_engines, numba_cpu
from sweep.cli import main
from sweep.machine import doctor as doctor_module
from sweep.machine.doctor import Check, _store, examine
from sweep.worker.gpu_facts import gpu_facts
from tests.sweep.worker.nvml import Card, FakeNVML


@pytest.fixture(autouse=True)
def _without_interpreted_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    # They take half a minute. What does not work here is remembered, so it is asked for before.
    available_engines()
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))


def doctor(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["respsweep", "doctor", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    code = ended.value.code
    return code if isinstance(code, int) else int(code is not None)


def findings() -> dict[str, Check]:
    return {finding.what: finding for finding in examine("studies")}


def break_scans(monkeypatch: pytest.MonkeyPatch, change: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Let both scans of the engine numba return `change(y, u)`."""
    for name in ("selective_scan", "cross_selective_scan"):
        scan: Callable[..., Tensor] = getattr(numba_cpu, name)

        def changed(u: Tensor, *others: Any, scan: Callable[..., Tensor] = scan) -> Tensor:
            return change(scan(u, *others), u)

        monkeypatch.setattr(numba_cpu, name, changed)


def test_what_the_driver_says_of_shared_gpus_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "to share GPUs" not in {check.what for check in doctor_module._devices()}
    cut = Card("A100", mig=1, slices=[("1g.5gb", 5 * 2**30)] * 2)
    monkeypatch.setattr(doctor_module, "gpu_facts", lambda: gpu_facts(FakeNVML([cut])))
    found = {check.what: check for check in doctor_module._devices()}["to share GPUs"]
    assert found.found.startswith(
        "GPU 0 (A100) is cut by MIG into 2 slices of 5.00 GiB; for a unit on each slice"
    )
    assert not found.broken


def test_of_gpus_that_a_study_may_not_use_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [Card("A100", mode=2), Card("A100", mig=1, slices=[("a", 2**32), ("b", 2**32)])]
    monkeypatch.setattr(doctor_module, "gpu_facts", lambda: gpu_facts(FakeNVML(cards)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-b")
    found = {check.what: check.found for check in doctor_module._devices()}["to share GPUs"]
    assert found.startswith("GPU 1 (A100) is cut by MIG; CUDA_VISIBLE_DEVICES shows 1 slice of 4.00 GiB of 2")
    assert "GPU 0" not in found
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "to share GPUs" not in {check.what for check in doctor_module._devices()}


def test_the_machine_that_runs_the_tests_is_well(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert doctor(monkeypatch) == 0
    # As wide as the longest path here, and broken between any two words.
    printed = " ".join(capfd.readouterr().out.split())
    assert "BROKEN" not in printed
    assert torch.__version__ in printed
    assert "ray 2.60" in printed
    for engine in available_engines():
        assert f"scan {engine}" in printed
    assert not Path("studies").exists()
    assert not Path("cache").exists()


def test_the_engine_that_is_used_is_named() -> None:
    found = findings()
    assert found["scan used on cpu"] == Check("scan used on cpu", "numba")
    assert "works on cpu, largest relative error" in found["scan numba"].found


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (4e-3, "our kernels work, largest relative error 4e-03 in bfloat16"),
        (0.5, "wrong: largest relative error 5.0e-01, 0.01 may be; until that is repaired train with"),
        (float("nan"), "wrong: largest relative error nan"),
        (RuntimeError("no C compiler\nat all"), "fails: RuntimeError: no C compiler"),
    ],
)
def test_our_kernels_of_the_layer_norm_are_tried_where_they_are_used(
    monkeypatch: pytest.MonkeyPatch, error: float | Exception, told: str
) -> None:
    def measured(device: torch.device) -> float:
        if isinstance(error, Exception):
            raise error
        return error

    assert list(doctor_module._norms()) == []
    monkeypatch.setattr(doctor_module, "norm_error", measured)
    monkeypatch.setattr(doctor_module, "runs_triton", lambda engine, device: True)
    check = next(doctor_module._norms())
    assert check.what == "layer norm on cpu"
    assert check.found.startswith(told)
    assert check.broken == (error != 4e-3)


def test_an_engine_that_does_not_work_here_says_why() -> None:
    reasons = {name: reason for name, reason in available_engines().items() if reason is not None}
    found = findings()
    for name, reason in reasons.items():
        assert found[f"scan {name}"] == Check(f"scan {name}", f"not here: {reason}")


@pytest.mark.parametrize(
    "change",
    [
        lambda y, u: 1.01 * y,
        lambda y, u: y + 0.01 * (u - u.detach()).sum() * y.detach(),
        lambda y, u: y * float("nan"),
        lambda y, u: torch.cat([y[:1], y[:1]]),
    ],
    ids=["values", "gradients", "nan", "one sample"],
)
def test_an_engine_that_computes_something_else_is_broken(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], change: Callable[..., Tensor]
) -> None:
    break_scans(monkeypatch, change)
    assert doctor(monkeypatch) == 1
    broken = [line for line in capfd.readouterr().out.splitlines() if "BROKEN" in line]
    assert len(broken) == 1
    assert "scan numba" in broken[0]
    assert "wrong on cpu: largest relative error" in broken[0]


def test_one_wrong_scan_of_two_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    scan = numba_cpu.cross_selective_scan
    monkeypatch.setattr(numba_cpu, "cross_selective_scan", lambda *inputs: 1.01 * scan(*inputs))
    assert findings()["scan numba"].broken


def test_an_engine_that_fails_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(y: Tensor, u: Tensor) -> Tensor:
        raise RuntimeError("no kernel image\nfor this device")

    break_scans(monkeypatch, fail)
    assert findings()["scan numba"] == Check(
        "scan numba", "fails on cpu: RuntimeError: no kernel image", broken=True
    )


@pytest.mark.filterwarnings("ignore:no fast engine for the selective scan")
def test_falling_back_to_the_definition_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = {**available_engines(), "numba": "ImportError: no LLVM"}
    monkeypatch.setattr("model.selective_scan._missing", reasons.get)
    found = findings()
    assert found["scan numba"] == Check("scan numba", "not here: ImportError: no LLVM")
    assert found["scan used on cpu"].broken
    assert found["scan used on cpu"].found.startswith("reference: ")


def test_packages_that_are_missing_or_of_another_version_are_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ["numpy>=999", "no-such-package[all]>=1", "einops", "mamba-ssm>=2.3.2; extra == 'cuda'"]
    monkeypatch.setattr("sweep.machine.doctor.metadata.requires", lambda name: asked)
    found = findings()
    assert found["package numpy"].broken
    assert found["package numpy"].found.endswith("; numpy>=999 is asked for")
    assert found["package no-such-package"] == Check(
        "package no-such-package", "missing; no-such-package[all]>=1 is asked for", broken=True
    )
    assert found["packages"].found.startswith("einops ")
    assert "mamba" not in found["packages"].found


def test_a_folder_that_cannot_be_written_to_is_broken(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("taken").write_text("a file")
    assert doctor(monkeypatch, "--studies", "taken") == 1
    # In a narrow table the path and the words are broken over lines.
    printed = "".join(capfd.readouterr().out.replace("│", "").split())
    assert "taken:Notadirectory;chooseafolderthatcanbewrittento" in printed


def test_what_works_is_written_for_programs(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    checks = [Check("GPU", "none"), Check("ray", "missing, or | broken", broken=True)]
    monkeypatch.setattr("sweep.machine.doctor.examine", lambda studies: checks)
    shown = {}
    for form in ("json", "csv", "markdown", "latex"):
        assert doctor(monkeypatch, "--format", form) == 1
        shown[form] = capfd.readouterr().out
    assert json.loads(shown["json"])[1] == {"what": "ray", "found": "missing, or | broken", "broken": True}
    assert shown["csv"].splitlines()[:2] == ["what,found,broken", "GPU,none,False"]
    assert r"| ray | BROKEN missing, or \| broken |" in shown["markdown"]
    assert r"GPU & none \\" in shown["latex"]


def test_recordings_without_a_recipe_to_pack_are_refused(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert doctor(monkeypatch, "--data", "breaths") == 1
    assert (
        "error: --data and --task are what --pack trains on; give --pack RECIPE too" in capfd.readouterr().err
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpus_are_named_and_their_engines_checked() -> None:
    found = findings()
    assert torch.cuda.get_device_name(0) in found["GPU 0"].found
    assert found["scan used on cuda"].found != "reference"
    assert not any(finding.broken for finding in found.values())


def test_an_object_store_is_written_to_and_read_back(s3: Any) -> None:
    found = _store(s3.place("lab"))
    assert not found.broken
    assert found.found == "s3://bucket/lab, written and read back"
    assert s3.names() == []


def test_a_store_that_does_not_take_a_file_is_broken(s3: Any) -> None:
    assert _store("s3://nobody-has-this/lab").broken


def test_a_store_on_which_two_drivers_could_hold_a_study_is_broken(s3: Any) -> None:
    with s3.without_conditions():
        found = _store(s3.place("lab"))
    assert found.broken
    assert "ignores the conditions of writes" in found.found
    assert s3.names() == []
