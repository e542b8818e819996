"""The scan's engines against golden/dass/selective_scan and small_meta, and each other."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from model.selective_scan import available_engines, choose_engine, selective_scan, triton_layout
from tests.goldens import Golden, facts

ROOT = Path(__file__).parents[3]
CASES = [
    "k4_n1_l7",
    "k4_n2_l17",
    "k1_n16_l33",
    "k4_n1_l1",
    "k4_n1_l257",
    "k4_n1_l129_noD",
    "k4_n1_l65_nobias",
    "k2_n4_l40_nosoftplus",
    "k4_n1_l1023_fastdecay",
    "k4_n1_l1023_slowdecay",
]
INPUTS = ("u", "delta", "A", "B", "C", "D", "delta_bias")
ENGINES = ("reference", "numba", "triton")
DEVICE = {"triton": "cuda" if torch.cuda.is_available() else "cpu", "mamba": "cuda"}


def cases_of_engines(slow_up_to: int) -> list[Any]:
    """Triton's interpreter takes a second for a few steps, so without a GPU long cases are slow or left out.

    `slow_up_to`: steps of the longest of the cases that are slow there; the longer ones need a GPU.
    """

    def marks(engine: str, case: str) -> tuple[pytest.MarkDecorator, ...]:
        length = int(case.split("_")[2][1:])
        if engine != "triton" or torch.cuda.is_available() or length <= 40:
            return ()
        needs_a_gpu = pytest.mark.skip(reason="minutes in Triton's interpreter; needs a CUDA device")
        return (pytest.mark.slow,) if length <= slow_up_to else (pytest.mark.gpu, needs_a_gpu)

    return [pytest.param(engine, case, marks=marks(engine, case)) for engine in ENGINES for case in CASES]


@pytest.fixture(autouse=True)
def _few_chunks_at_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the sequences of tests are long enough for states to be carried in turns."""
    monkeypatch.setattr(triton_layout, "CARRIED", 2)


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden("dass/selective_scan")


@pytest.fixture(scope="module")
def meta() -> dict[str, Any]:
    return facts("dass/small_meta")["cases"]


def scan_inputs(
    batch: int = 2,
    groups: int = 4,
    width: int = 3,
    states: int = 1,
    length: int = 9,
    dtype: torch.dtype = torch.float64,
    decay: float = 1.0,
    seed: int = 0,
) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    channels = groups * width
    inputs = {
        "u": normal(batch, channels, length),
        "delta": normal(batch, channels, length) - 1,
        "A": -decay * normal(channels, states).exp(),
        "B": normal(batch, groups, states, length),
        "C": normal(batch, groups, states, length),
        "D": normal(channels),
        "delta_bias": normal(channels),
    }
    return {name: value.requires_grad_() for name, value in inputs.items()}


def on_device(engine: str, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies of the inputs where the engine runs."""
    device = DEVICE.get(engine, "cpu")
    return {name: value.detach().to(device, copy=True).requires_grad_() for name, value in inputs.items()}


def scan_and_gradients(
    engine: str, inputs: dict[str, Tensor], dy: Tensor | None = None, softplus: bool = True
) -> dict[str, Tensor]:
    """y and the gradients of sum(y * dy), by name."""
    leaves = on_device(engine, inputs)
    y = selective_scan(**leaves, delta_softplus=softplus, engine=engine)
    y.backward(
        (torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y) if dy is None else dy).to(y.device)
    )
    gradients = {f"grad_{name}": value.grad for name, value in leaves.items()}
    assert all(gradient is not None for gradient in gradients.values())
    results = {"y": y.detach()} | {name: value for name, value in gradients.items() if value is not None}
    return {name: value.cpu() for name, value in results.items()}


@pytest.mark.parametrize(("engine", "case"), cases_of_engines(slow_up_to=65))
def test_values_and_gradients_are_the_published_ones_in_float64(
    golden: Golden, meta: dict[str, Any], engine: str, case: str
) -> None:
    inputs = {name: golden[f"{case}.{name}"] for name in INPUTS if f"{case}.{name}" in golden}
    found = scan_and_gradients(engine, inputs, golden[f"{case}.dy"], meta[case]["delta_softplus"])
    for name, value in found.items():
        golden.check(f"{case}.{name}", value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("engine", "case"), cases_of_engines(slow_up_to=40))
def test_float32_stays_within_two_hundred_thousandths_of_the_largest_output(
    golden: Golden, meta: dict[str, Any], engine: str, case: str
) -> None:
    inputs = {name: golden[f"{case}.{name}"].float() for name in INPUTS if f"{case}.{name}" in golden}
    found = scan_and_gradients(engine, inputs, golden[f"{case}.dy"].float(), meta[case]["delta_softplus"])
    for name, value in found.items():
        assert value.dtype == torch.float32
        golden.check(f"{case}.{name}", value, atol=2e-5 * golden.largest(f"{case}.{name}"))


@given(
    batch=st.integers(1, 3),
    groups=st.sampled_from([1, 2, 4]),
    width=st.integers(1, 5),
    states=st.sampled_from([1, 2, 3, 16]),
    length=st.integers(1, 40),
    decay=st.sampled_from([1e-4, 1.0, 100.0]),
    softplus=st.booleans(),
    threads=st.integers(1, 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_numba_agrees_with_the_definition(threads: int, softplus: bool, **shape: Any) -> None:
    torch.set_num_threads(threads)
    inputs = scan_inputs(**shape)
    if not softplus:  # else a negative step would make states grow without bound
        inputs |= {name: inputs[name].detach().abs() for name in ("delta", "delta_bias")}
    expected = scan_and_gradients("reference", inputs, softplus=softplus)
    found = scan_and_gradients("numba", inputs, softplus=softplus)
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-9, atol=1e-9, msg=name)


@given(
    groups=st.sampled_from([1, 2, 4]),
    width=st.sampled_from([1, 3, 33]),  # more than a warp
    states=st.sampled_from([1, 2, 3, 16]),
    length=st.integers(1, 20),
    decay=st.sampled_from([1e-4, 1.0, 100.0]),
    softplus=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_triton_agrees_with_the_definition(softplus: bool, **shape: Any) -> None:
    inputs = scan_inputs(batch=1, **shape)
    if not softplus:
        inputs |= {name: inputs[name].detach().abs() for name in ("delta", "delta_bias")}
    expected = scan_and_gradients("reference", inputs, softplus=softplus)
    for name, value in scan_and_gradients("triton", inputs, softplus=softplus).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-9, atol=1e-9, msg=name)


@pytest.mark.parametrize("engine", ["reference", "numba"])
def test_gradients_are_slopes(engine: str) -> None:
    inputs = on_device(engine, scan_inputs(batch=1, groups=2, width=2, states=2, length=5))

    def scan(*values: Tensor) -> Tensor:
        named: dict[str, Any] = dict(zip(inputs, values, strict=True))
        return selective_scan(**named, delta_softplus=True, engine=engine)

    assert torch.autograd.gradcheck(scan, tuple(inputs.values()))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_scan_worked_by_hand(engine: str) -> None:
    def row(*values: float) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=DEVICE.get(engine, "cpu"))

    halving = torch.log(row(0.5))  # exp(1 * A) = 0.5
    y = selective_scan(
        u=row(1, 1, 2).view(1, 1, 3),
        delta=row(1, 1, 1).view(1, 1, 3),
        A=halving.view(1, 1),
        B=row(2, 2, 2).view(1, 1, 1, 3),
        C=row(1, 10, 100).view(1, 1, 1, 3),
        D=row(7),
        engine=engine,
    )
    # h = 2, then 0.5 * 2 + 2 = 3, then 0.5 * 3 + 4 = 5.5
    torch.testing.assert_close(y, row(2 + 7, 30 + 7, 550 + 14).view(1, 1, 3))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_is_scanned_in_float32(engine: str, half: torch.dtype) -> None:
    inputs = {name: value.to(half) for name, value in on_device(engine, scan_inputs(length=20)).items()}
    in_full = {name: value.float() for name, value in inputs.items()}
    with torch.autocast(inputs["u"].device.type, dtype=torch.bfloat16):
        y = selective_scan(**inputs, delta_softplus=True, engine=engine)
    assert y.dtype == torch.float32
    assert torch.equal(y, selective_scan(**in_full, delta_softplus=True, engine=engine))


@pytest.mark.parametrize("engine", ENGINES)
def test_it_does_not_matter_how_tensors_lie_in_memory(engine: str) -> None:
    inputs = {name: value.detach() for name, value in on_device(engine, scan_inputs(states=2)).items()}
    inputs["D"] = inputs["D"][:1].expand(12)
    inputs["delta_bias"] = inputs["delta_bias"][:1].expand(12)
    spread = {name: value.mT.contiguous().mT for name, value in inputs.items() if value.ndim > 1}
    assert not any(value.is_contiguous() for value in spread.values())
    expected = selective_scan(
        **{name: value.contiguous() for name, value in inputs.items()},
        delta_softplus=True,
        engine="reference",
    )
    y = selective_scan(**(inputs | spread), delta_softplus=True, engine=engine)
    torch.testing.assert_close(y, expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_overflows_when_delta_and_decay_are_extreme(engine: str) -> None:
    inputs = scan_inputs(batch=1, length=24, dtype=torch.float32)
    inputs["delta"] = torch.linspace(-200, 200, inputs["delta"].numel()).view_as(inputs["delta"])
    for value in scan_and_gradients(engine, inputs).values():
        assert value.isfinite().all()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_nan_is_not_hidden(engine: str) -> None:
    inputs = on_device(engine, scan_inputs(dtype=torch.float32))
    inputs["delta"].data[0, 0, 4] = torch.nan
    y = selective_scan(**inputs, delta_softplus=True, engine=engine)
    assert y[0, 0, :4].isfinite().all()
    assert y[0, 0, 4:].isnan().all()


class Work(TorchDispatchMode):
    """Counts the calls into torch and the numbers they return."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.calls += 1
        views = ("view", "unbind", "select", "slice", "expand", "unsqueeze", "detach", "alias", "transpose")
        if isinstance(result, Tensor) and not any(view in func.name() for view in views):
            self.numbers += result.numel()
        return result


def work_and_saved(engine: str, length: int) -> tuple[int, int, int]:
    """Calls, numbers computed and numbers saved for the backward pass, in one scan forward and backward."""
    inputs = on_device(engine, scan_inputs(length=length, dtype=torch.float32))
    saved: dict[int, int] = {}

    def save(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().size()
        return tensor

    with Work() as work, torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        selective_scan(**inputs, delta_softplus=True, engine=engine).sum().backward()
    return work.calls, work.numbers, sum(saved.values())


@pytest.mark.parametrize("engine", ["reference", "numba"])
def test_work_and_memory_grow_no_faster_than_the_length(engine: str) -> None:
    _, work, saved = work_and_saved(engine, 30)
    _, work_of_four, saved_of_four = work_and_saved(engine, 120)
    assert 0 < work_of_four <= 4 * work
    assert 0 < saved_of_four <= 4 * saved


def test_numba_has_no_python_loop_over_time_and_saves_its_inputs_only() -> None:
    calls, _, saved = work_and_saved("numba", 10)
    calls_of_long, _, saved_of_long = work_and_saved("numba", 1000)
    assert calls_of_long == calls
    batch, channels, groups, float32 = 2, 12, 4, 4
    assert saved_of_long - saved == 990 * (2 * batch * channels + 2 * batch * groups) * float32


def test_every_engine_works_or_says_why_not() -> None:
    engines = available_engines()
    assert set(engines) == {"reference", "numba", "triton", "mamba"}
    assert engines["reference"] is None
    assert engines["numba"] is None
    assert engines["triton"] is None
    if not torch.cuda.is_available():
        assert engines["mamba"] == "torch sees no CUDA device"


def test_triton_needs_a_gpu_or_its_interpreter() -> None:
    """In a process of its own, as the interpreter is chosen when Triton is imported."""
    ask = "import model.selective_scan as scan; print(scan.available_engines()['triton'])"
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    environment["CUDA_VISIBLE_DEVICES"] = ""
    answer = subprocess.run(
        [sys.executable, "-c", ask], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "torch sees no CUDA device"


def test_auto_is_numba_on_cpu() -> None:
    assert choose_engine("auto", torch.device("cpu")) == "numba"


def test_where_no_fast_engine_works_auto_says_why_and_takes_the_definition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("model.selective_scan._missing", lambda engine: f"no {engine} today")
    told = r"no fast engine .* on cuda \(triton: no triton today; mamba: no mamba today\)"
    with pytest.warns(UserWarning, match=told):
        assert choose_engine("auto", torch.device("cuda")) == "reference"


@pytest.mark.parametrize(
    ("engine", "device", "message"),
    [
        ("cuda", "cpu", "no scan engine 'cuda'; there are auto, reference, numba, triton, mamba"),
        ("mamba", "cpu", "the scan engine mamba runs on cuda, not on cpu"),
        ("numba", "cuda", "the scan engine numba runs on cpu, not on cuda"),
    ],
)
def test_an_engine_that_cannot_run_is_refused(engine: str, device: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose_engine(engine, torch.device(device))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_mamba_is_refused_where_there_is_no_cuda() -> None:
    with pytest.raises(ValueError, match="mamba does not work here: torch sees no CUDA device"):
        choose_engine("mamba", torch.device("cuda"))


def test_channels_that_do_not_divide_into_groups_are_refused() -> None:
    inputs = scan_inputs(groups=1, width=6)
    inputs["B"] = inputs["C"] = torch.zeros(2, 4, 1, 9, dtype=torch.float64)
    with pytest.raises(ValueError, match="6 channels do not divide into the 4 groups"):
        selective_scan(**inputs, delta_softplus=True, engine="reference")


@pytest.mark.gpu
@pytest.mark.skipif(available_engines()["mamba"] is not None, reason=str(available_engines()["mamba"]))
@pytest.mark.parametrize("case", CASES)
def test_mamba_agrees_with_the_golden_numbers(golden: Golden, meta: dict[str, Any], case: str) -> None:
    inputs = {name: golden[f"{case}.{name}"].float().cuda() for name in INPUTS if f"{case}.{name}" in golden}
    dy = golden[f"{case}.dy"].float().cuda()
    for name, value in scan_and_gradients("mamba", inputs, dy, meta[case]["delta_softplus"]).items():
        golden.check(f"{case}.{name}", value.cpu(), atol=2e-5 * golden.largest(f"{case}.{name}"))
