"""Sections of `benchmarks/gpu_check.py` about kernels: is the scan right, how near its bytes, what else is suspect.

The bytes of a scan: the map is read and written once in each pass, and its gradients once; beside them what our kernels
move by `model.selective_scan.triton_traffic`. Bars are for one H100.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import bench
import scan
import torch
from gpu_found import Found
from torch import Tensor, nn

from model.layer_norm import CastingLayerNorm
from model.layer_norm_triton import bytes_an_element as bytes_of_a_norm
from model.selective_scan.cross_selective_scan import cross_selective_scan
from model.selective_scan.triton_cuda import map_size
from model.selective_scan.triton_traffic import bytes_an_element

STAGES = ((32, 256, 96, 6), (16, 128, 192, 12), (8, 64, 384, 24), (4, 32, 768, 48))
"""Height, width, channels and rank of the maps of DASS at 1024 frames of 128 mel bands."""
TINY_STAGES = ((4, 8, 32, 2),)
ODD_STAGE = (13, 37, 65, 3)
MOST_ERROR = {torch.float32: 1e-4, torch.bfloat16: 2e-2}
MOST_OF_BYTES = 1.5


def scans(device: torch.device) -> Found:
    """Compare values and gradients of the scan with the definition in double precision, at every stage's shape."""
    rows, worst, missed = [], 0.0, []
    for stage in (*_stages(device), ODD_STAGE):
        for dtype in (torch.float32, torch.bfloat16) if device.type == "cuda" else (torch.float32,):
            inputs = _maps(2, stage, device, dtype)
            # The definition steps through time in Python: on long maps our kernel in double precision stands for it.
            truth = "reference" if stage[0] * stage[1] < 600 or device.type != "cuda" else "triton"
            expected = scan.outcome(partial(cross_selective_scan, engine=truth), [x.double() for x in inputs])
            found = scan.outcome(cross_selective_scan, inputs)
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
            both = bench.time_in_turn({"": partial(scan.outcome, cross_selective_scan, inputs)}, 5, device)[
                ""
            ]
            least, least_both = scan.floors(inputs, rate)
            worst = max(worst, both.median / least_both)
            elements = inputs[0].numel() * 4
            per_element = both.median * rate / elements
            rows.append(
                (
                    *(number, batch, forward.cell("ms"), f"{forward.median / least:.2f}", both.cell("ms")),
                    *(f"{both.median / least_both:.2f}", bench.number(per_element)),
                    bench.number(sum(bytes_an_element(map_size(*inputs)).values())),
                )
            )
    head = (
        "stage",
        "batch",
        "forward, ms",
        "x bytes",
        "forward + backward, ms",
        "x bytes",
        "bytes an element that the time would copy",
        "that our kernels move",
    )
    bench.print_table(head, rows)
    line = f"copy rate {rate / 1e12:.2f} TB/s; at most {worst:.2f} times the bytes"
    slow = (f"scan forward + backward: {worst:.2f} times its bytes, above {MOST_OF_BYTES}",)
    return Found(line, slow if worst > MOST_OF_BYTES else ())


def suspects(device: torch.device) -> Found:
    """Time what reading the code makes one suspect: the product for dt weights, depthwise convolutions, layer norms."""
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
    return Found(f"{len(times)} timed; {_norms(device)}")


def _norms(device: torch.device) -> str:
    """Time layer norms forward and backward under autocast, torch's and ours, beside the bytes that ours must move.

    Before a product a norm reads single precision and is read in bfloat16, after a convolution the other way round.
    """
    cuda = device.type == "cuda"
    rate, rows, ratios = bench.copy_rate(device, 5 if cuda else 1), [], []
    stages = _stages(device)
    for height, width, channels, _ in dict.fromkeys((stages[0], stages[-1])):
        for place, read, written in (
            ("before a product", torch.float32, torch.bfloat16),
            ("after a convolution", torch.bfloat16, torch.float32),
        ):
            x = torch.randn(48 if cuda else 1, height, width, channels, device=device, dtype=read)
            gradient = torch.randn(x.shape, device=device, dtype=written)
            ours = CastingLayerNorm(channels, feeds_product=written == torch.bfloat16)
            passes = {
                name: partial(_norm_pass, norm.to(device), x.requires_grad_(), gradient)
                for name, norm in (("torch", nn.LayerNorm(channels)), ("ours", ours))
            }
            times = bench.time_in_turn(passes, 5 if cuda else 1, device, 2)
            least = sum(bytes_of_a_norm(read, written).values()) * x.numel() / rate
            ratios.append(times["torch"].median / times["ours"].median)
            rows.append(
                (
                    *(f"{channels} channels, {place}", times["torch"].cell("ms"), times["ours"].cell("ms")),
                    *(bench.number(1000 * least), f"{times['ours'].median / least:.2f}"),
                )
            )
    head = ("layer norm, forward + backward", "torch's, ms", "ours, ms", "ms of our bytes", "ours x bytes")
    bench.print_table(head, rows)
    return f"our layer norm {min(ratios):.2f} to {max(ratios):.2f} times as fast as torch's"


def _norm_pass(norm: nn.Module, x: Tensor, gradient: Tensor) -> None:
    with torch.autocast(x.device.type, torch.bfloat16):
        y = norm(x).to(gradient.dtype)
    torch.autograd.grad(y, [x, *norm.parameters()], gradient)


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


def _backward(layer: nn.Module, x: Tensor, gradient: Tensor) -> None:
    layer(x).backward(gradient)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
