"""The sections of `benchmarks/gpu_check.py`: each measures one thing on a device, prints it, and sums it up in a line.

Bars are for one H100 and bf16. `scan` bytes: the map is read and written once in each pass, and the gradients once.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import bench
import scan
import torch
from step_check import check_same_maths
from step_setups import Ours, Plain, Setup, published_scan
from torch import Tensor, nn

from data.batches import Examples
from data.task import ICBHI
from model.selective_scan.cross_selective_scan import cross_selective_scan
from model.training.recipe import Recipe
from model.training.training import Training

ROOT = Path(__file__).parents[1]
STAGES = ((32, 256, 96, 6), (16, 128, 192, 12), (8, 64, 384, 24), (4, 32, 768, 48))
"""Height, width, channels and rank of the maps of DASS at 1024 frames of 128 mel bands."""
TINY_STAGES = ((4, 8, 32, 2),)
ODD_STAGE = (13, 37, 65, 3)
MOST_ERROR = {torch.float32: 1e-4, torch.bfloat16: 2e-2}
MOST_MS = {"small": 60.0, "medium": 95.0}
"""Of a dual-axis step at batch 16."""
LEAST_OF_PUBLISHED = 3.0
MOST_OF_BYTES = 1.5
LEAST_OF_PACKING = 1.5


class NotHereError(Exception):
    """What a section needs is not on this machine; says what."""


@dataclass(frozen=True)
class Found:
    """What a section found, in a line, and the bars that it missed."""

    line: str = ""
    missed: tuple[str, ...] = field(default=())


def doctor(device: torch.device) -> Found:
    """Show what `respsweep doctor` says, where its packages are."""
    from sweep.machine.doctor import examine

    with tempfile.TemporaryDirectory() as studies:
        checks = examine(studies)
    for check in checks:
        print(f"  {'BROKEN ' if check.broken else ''}{check.what}: {check.found}")
    broken = [check.what for check in checks if check.broken]
    return Found(f"{len(checks)} looked at" + (f", broken: {', '.join(broken)}" if broken else ""))


def scans(device: torch.device) -> Found:
    """Compare values and gradients of the scan with the definition in double precision, at every stage's shape."""
    rows, worst, missed = [], 0.0, []
    for stage in (*_stages(device), ODD_STAGE):
        for dtype in (torch.float32, torch.bfloat16) if device.type == "cuda" else (torch.float32,):
            inputs = _maps(2, stage, device, dtype)
            # The definition steps through time in Python: on long maps our kernel in double precision stands for it.
            truth = "reference" if stage[0] * stage[1] < 600 or device.type != "cuda" else "triton"
            expected = _outcome(partial(cross_selective_scan, engine=truth), [x.double() for x in inputs])
            found = _outcome(cross_selective_scan, inputs)
            errors = [
                float((a.double() - b).abs().max() / b.abs().max())
                for a, b in zip(found, expected, strict=True)
            ]
            error = max(errors)
            worst = max(worst, error)
            rows.append((str(stage), _short(dtype), truth, f"{errors[0]:.1e}", f"{max(errors[1:]):.1e}"))
            if not error <= MOST_ERROR[dtype]:
                missed.append(
                    f"scan at {stage}, {_short(dtype)}: off by {error:.1e}, above {MOST_ERROR[dtype]}"
                )
    bench.print_table(("height, width, channels, rank", "dtype", "truth by", "values", "gradients"), rows)
    if missed and device.type != "cuda":
        raise AssertionError("; ".join(missed))
    return Found(f"largest error {worst:.1e}", tuple(missed))


def unit(device: torch.device) -> Found:
    """Pause a unit in the middle of an epoch, take it up from its state, and compare it with one that was left alone."""
    variant = "small" if device.type == "cuda" else "tiny"
    recipe = _recipe(variant, 256 if device.type == "cuda" else 32, epochs=1)
    data = _noise(recipe, 48), _noise(recipe, 16)
    data = data[0].to(str(device)), data[1].to(str(device))

    def begin() -> Training:
        return Training(recipe, 1, *data, device=str(device), task=ICBHI)

    alone = begin().run_epoch()
    first, asked = begin(), iter([False, True])
    assert first.run_epoch_unless(lambda: next(asked)) is None
    state = first.state_dict()
    second = begin()
    second.load_state_dict(state)
    resumed = second.run_epoch()
    off = abs(resumed.train_loss / alone.train_loss - 1)
    # A GPU adds up in an order of its own.
    assert off < (1e-3 if device.type == "cuda" else 1e-12), f"the loss is off by {off:.1e}"
    size = sum(x.nbytes for x in _tensors(state)) / 2**20
    return Found(f"paused and resumed: loss off by {off:.0e}; state {size:.0f} MiB")


def full_memory(device: torch.device) -> Found:
    """Fill the memory until a step does not fit, tell that it did not, and train on in chunks."""
    from sweep.worker.out_of_memory import is_out_of_memory

    if device.type != "cuda":
        raise NotHereError("a CPU pages before its memory is full")
    recipe = _recipe("small", 512, epochs=1)
    data = tuple(_noise(recipe, 32).to("cuda") for _ in range(2))
    free, _ = torch.cuda.mem_get_info()
    held = torch.empty(max(0, free - 5 * 2**30), dtype=torch.uint8, device="cuda")
    try:
        Training(recipe, 1, *data, device="cuda", task=ICBHI).run_epoch()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        told = "a step that did not fit was told as such"
    else:
        told = "all fitted in 5 GiB"
    torch.cuda.empty_cache()
    metrics = Training(recipe, 1, *data, device="cuda", task=ICBHI, accumulate=8).run_epoch()
    del held
    return Found(f"{told}; in 8 chunks the epoch ends, loss {metrics.train_loss:.2f}")


def steps(device: torch.device) -> Found:
    """Time dual-axis and plain steps, host and device apart, beside the published way; look for waits inside a step."""
    cuda = device.type == "cuda"
    print(f"  beside the plain definition: {check_same_maths(device.type)}")
    sizes = (("small", 16), ("medium", 16)) if cuda else (("small", 2),)
    rows, missed, lines = [], [], []
    for variant, batch in sizes:
        setup = Setup(variant, batch, 1024 if cuda else 32, device.type, torch.bfloat16 if cuda else None)
        ours = Ours(setup)
        timed: dict[str, Callable[[], object]] = {
            "dual-axis": partial(ours.step, "reference"),
            "plain": ours.forward_backward,
        }
        way, _why = published_scan()
        if cuda:
            timed["published way"] = Plain(setup._replace(autocast=torch.float16, scan=way)).step
        times = bench.time_in_turn(timed, 5 if cuda else 1, device, 2 if cuda else 1)
        for name, action in timed.items():
            host, peak, waits = _host(action) if cuda else (0.0, 0, 0)
            row = (
                f"{variant}, {name}",
                times[name].cell("ms"),
                bench.number(host),
                f"{peak / 2**30:.1f}",
                waits,
            )
            rows.append(row)
            if cuda and name == "dual-axis":
                milliseconds = 1e3 * times[name].median
                lines.append(f"{variant} {milliseconds:.0f} ms")
                missed += _step_bars(variant, milliseconds, host, waits)
        if cuda:
            faster = bench.ratio(times["published way"], times["dual-axis"])
            lines.append(f"{faster:.1f} times the published way")
            if faster < LEAST_OF_PUBLISHED:
                missed.append(
                    f"{variant}: {faster:.2f} times as fast as the published way, below {LEAST_OF_PUBLISHED}"
                )
            _print_kernels(timed["dual-axis"])
        del ours, timed
    bench.print_table(("step", "ms", "host alone, ms", "peak, GiB", "waits for the device"), rows)
    return Found(", ".join(lines) or f"{len(rows)} steps", tuple(missed))


def kernels(device: torch.device) -> Found:
    """Time the scan at every stage, beside the bytes it must move over the measured copy rate."""
    cuda = device.type == "cuda"
    rate = bench.copy_rate(device) if cuda else bench.copy_rate(device, 1)
    rows, worst = [], 0.0
    for batch in (16, 48) if cuda else (1,):
        for number, stage in enumerate(_stages(device)):
            inputs = _maps(batch, stage, device, torch.bfloat16 if cuda else torch.float32)
            with torch.no_grad():
                forward = bench.time_in_turn({"": partial(cross_selective_scan, *inputs)}, 5, device)[""]
            both = bench.time_in_turn({"": partial(_outcome, cross_selective_scan, inputs)}, 5, device)[""]
            least, least_both = scan.floors(inputs, rate)
            worst = max(worst, both.median / least_both)
            elements = inputs[0].numel() * 4
            per_element = both.median * rate / elements
            rows.append(
                (
                    *(number, batch, forward.cell("ms"), f"{forward.median / least:.2f}", both.cell("ms")),
                    *(f"{both.median / least_both:.2f}", bench.number(per_element)),
                )
            )
    head = (
        "stage",
        "batch",
        "forward, ms",
        "x bytes",
        "forward + backward, ms",
        "x bytes",
        "bytes an element",
    )
    bench.print_table(head, rows)
    line = f"copy rate {rate / 1e12:.2f} TB/s; at most {worst:.2f} times the bytes"
    slow = (f"scan forward + backward: {worst:.2f} times its bytes, above {MOST_OF_BYTES}",)
    return Found(line, slow if worst > MOST_OF_BYTES else ())


def suspects(device: torch.device) -> Found:
    """Time what reading the code makes one suspect: the product for dt weights, and the depthwise convolution."""
    cuda = device.type == "cuda"
    rows_of = 48 * 8192 if cuda else 512
    half = torch.bfloat16 if cuda else torch.float32
    d, low = torch.randn(4, rows_of, 96, device=device), torch.randn(4, rows_of, 6, device=device)
    products: dict[str, Callable[[], object]] = {
        "dweight, batched product": lambda: d.transpose(1, 2) @ low,
        "dweight, four products": lambda: [d[k].T @ low[k] for k in range(4)],
        "dweight, K split in 64": lambda: (
            d.view(4, 64, -1, 96).transpose(2, 3) @ low.view(4, 64, -1, 6)
        ).sum(1),
    }
    image = torch.randn(48 if cuda else 2, 96, 32, 256 if cuda else 8, device=device, dtype=half)
    for name, form in (("channels last", torch.channels_last), ("channels first", torch.contiguous_format)):
        layer = nn.Conv2d(96, 96, 3, padding=1, groups=96, bias=False).to(device, half)
        x = image.to(memory_format=form).requires_grad_()
        gradient = torch.ones_like(x)
        products[f"depthwise 3 x 3, {name}, forward + backward"] = partial(_backward, layer, x, gradient)
    times = bench.time_in_turn(products, 5 if cuda else 1, device, 2)
    bench.print_table(("suspect", "ms"), [(name, timing.cell("ms")) for name, timing in times.items()])
    return Found(f"{len(times)} timed")


def sharing(device: torch.device) -> Found:
    """Time one unit and four beside each other on one GPU, without and with NVIDIA's MPS; then four through Ray."""
    from sweep.machine.gpu_sharing_processes import Workload, measure

    cuda = device.type == "cuda"
    recipe = _recipe("small" if cuda else "tiny", 256 if cuda else 32, epochs=1)
    work = Workload(recipe, None, device.type, 4 if cuda else 2, 8.0 if cuda else 0.5)
    rows, rates = [], {}
    for name, processes, context in (
        ("one", 1, contextlib.nullcontext()),
        ("four", 4 if cuda else 2, contextlib.nullcontext()),
        ("four, MPS", 4, mps() if cuda else None),
    ):
        if context is None:
            continue
        try:
            with context:
                found = measure(work, processes, 2 if cuda else 1)
        except NotHereError as reason:
            rows.append((name, processes, str(reason), ""))
            continue
        rates[name] = found.steps_per_second
        rows.append((name, processes, bench.number(found.steps_per_second), found.problem or ""))
    bench.print_table(("units", "processes", "steps a second, together", ""), rows)
    gain = rates["four"] / rates["one"]
    through_ray = _small_sweep(device) if importlib.util.find_spec("ray") else "ray is not here"
    line = f"side by side {gain:.2f} times one; {through_ray}"
    packed = (f"four units do {gain:.2f} times the steps of one, below {LEAST_OF_PACKING}",)
    return Found(line, packed if gain < LEAST_OF_PACKING else ())


def tests(device: torch.device) -> Found:
    """Run the tests that are marked `gpu`, where pytest is."""
    if importlib.util.find_spec("pytest") is None:
        raise NotHereError("pytest is not installed")
    words = ["-m", "gpu", "-q", "-p", "no:cacheprovider", "tests/model", "tests/data", "tests/sweep/machine"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    print(done.stdout[-3000:], done.stderr[-1000:])
    last = done.stdout.strip().splitlines()[-1:] or ["nothing was printed"]
    if done.returncode not in (0, 5):
        raise AssertionError(last[0])
    return Found(last[0].strip("= "))


@contextlib.contextmanager
def mps() -> Iterator[None]:
    """Run NVIDIA's MPS for this process and what it starts, in folders of its own, and end it."""
    if shutil.which("nvidia-cuda-mps-control") is None:
        raise NotHereError("no nvidia-cuda-mps-control here")
    with tempfile.TemporaryDirectory() as folder:
        names = ("CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY")
        before = {name: os.environ.get(name) for name in names}
        os.environ.update(dict.fromkeys(names, folder))
        try:
            if subprocess.run(["nvidia-cuda-mps-control", "-d"], capture_output=True, timeout=30).returncode:
                raise NotHereError("nvidia-cuda-mps-control does not start")
            try:
                yield
            finally:
                subprocess.run(["nvidia-cuda-mps-control"], input=b"quit\n", capture_output=True, timeout=30)
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


def _small_sweep(device: torch.device) -> str:
    """Train four units through the whole product, a quarter of the GPU each; says how long that took.

    Raises AssertionError unless all four have finished.
    """
    from sweep.folder.study_folder import StudyFolder

    settings = [
        "budget.configurations=2",
        "seeds=[1,2]",
        "recipe.epochs=1",
        "racing.name=none",
        "pruner={name: none}",
    ]
    if device.type == "cuda":
        settings += ["resources.gpu=0.25", "resources.cpu=1"]
    words = [word for setting in settings for word in ("--set", setting)]
    with tempfile.TemporaryDirectory() as studies:
        begun = time.perf_counter()
        done = subprocess.run(
            [
                *(sys.executable, "-c", "from sweep.cli import main; main()", "run"),
                *("search_spaces/quickstart.yaml", "--name", "four", "--studies", studies, *words),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode:
            raise AssertionError(f"the sweep ended with {done.returncode}: {done.stderr[-500:]}")
        seconds = time.perf_counter() - begun
        folder = StudyFolder.at(studies, "four")
        finished = sum(unit.state == "finished" for unit in folder.board().units()) if folder.exists else 0
        assert finished == 4, f"{finished} of 4 units have finished: {done.stdout[-500:]}"
        return f"four units through Ray in {seconds:.0f} s"


def _step_bars(variant: str, milliseconds: float, host: float, waits: int) -> Iterator[str]:
    if milliseconds > MOST_MS[variant]:
        yield f"{variant}: {milliseconds:.0f} ms a dual-axis step, above {MOST_MS[variant]:.0f}"
    if host > milliseconds:
        yield f"{variant}: the host takes {host:.0f} ms for a step, the device {milliseconds:.0f}"
    if waits:
        yield f"{variant}: {waits} waits for the device inside a step"


def _host(action: Callable[[], object]) -> tuple[float, int, int]:
    """Measure milliseconds until the host is done with a step, peak bytes, and count waits for the device."""
    import warnings

    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    begun = time.perf_counter()
    action()
    host = 1e3 * (time.perf_counter() - begun)
    torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            action()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return host, peak, sum("synchroniz" in str(warning.message) for warning in seen)


def _print_kernels(action: Callable[[], object]) -> None:
    """Print the kernels of a step that take longest, and how many the host starts."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as profiled:
        action()
        torch.cuda.synchronize()
    averages = profiled.key_averages()
    launches = sum(event.count for event in averages if "LaunchKernel" in event.key)
    print(averages.table(sort_by="self_cuda_time_total", row_limit=25, max_name_column_width=60))
    print(f"  kernels started by the host: {launches}")


def _stages(device: torch.device) -> tuple[tuple[int, int, int, int], ...]:
    return STAGES if device.type == "cuda" else TINY_STAGES


def _maps(
    batch: int, stage: tuple[int, int, int, int], device: torch.device, dtype: torch.dtype
) -> list[Tensor]:
    """Draw the arguments of `cross_selective_scan` for maps of a stage, with one state."""
    height, width, channels, rank = stage
    draw = torch.Generator().manual_seed(0)
    normal = partial(torch.randn, generator=draw)
    u, projected = normal(batch, height, width, channels), normal(batch, height, width, 4 * (rank + 2))
    parameters = (
        normal(4, channels, rank) / rank,
        normal(4, channels) - 4,
        -torch.exp(0.3 * normal(4 * channels, 1)),
        1 + 0.1 * normal(4 * channels),
    )
    return [u.to(device, dtype), projected.to(device, dtype), *(x.to(device) for x in parameters)]


def _outcome(function: Callable[..., Tensor], inputs: list[Tensor]) -> list[Tensor]:
    leaves = [x.detach().requires_grad_() for x in inputs]
    y = function(*leaves)
    return [y.detach(), *torch.autograd.grad(y, leaves, torch.ones_like(y))]


def _backward(layer: nn.Module, x: Tensor, gradient: Tensor) -> None:
    layer(x).backward(gradient)


def _recipe(variant: str, frames: int, epochs: int) -> Recipe:
    return Recipe.model_validate(
        {
            "backbone": {"name": "dass", "variant": variant},
            "features": {"n_mels": 128 if variant != "tiny" else 32, "target_frames": frames},
            "augment": {"time_masks": 0, "frequency_masks": 0},
            "epochs": epochs,
        }
    )


def _noise(recipe: Recipe, cycles: int) -> Examples:
    """Draw log-mels that are noise, with the four classes in turn."""
    draw = torch.Generator().manual_seed(cycles)
    features = torch.randn(cycles, recipe.features.frames, recipe.features.n_mels, generator=draw)
    return Examples(features, torch.arange(cycles) % 4)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
