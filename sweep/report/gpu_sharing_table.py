"""How many units share a device best, for people."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from data.quantities import gibibytes, size
from sweep.machine.gpu_sharing import Sharing, best_sharing, recommended


def gpu_sharing_table(sharing: Sharing) -> Group:
    """Tell what was trained where; then a row for each number of processes, and what to write into a study file."""
    done = sharing.measurements
    table = Table(header_style="bold")
    for column in (
        "units at a time",
        "threads each",
        "steps/s",
        "times one",
        "peak memory of one",
        "memory left",
        "checkpoint",
    ):
        table.add_column(column, justify="right")
    one_alone = done[0].steps_per_second
    for row in done:
        if row.problem is None:
            times = f"{row.steps_per_second / one_alone:.2f}"
            pace = (f"{row.steps_per_second:.3g}", times if row.doubt is None else f"{times} ?")
            saved = f"{row.checkpoint_seconds:.2g} s"
            figures = (*pace, gibibytes(row.peak), gibibytes(row.left), saved)
        else:
            figures = ("does not fit", "", "", "", "")
        table.add_row(str(row.processes), str(row.threads), *figures)
    plain = [
        f"{row.processes} at a time: steps were not replayed from a CUDA graph: {row.why_plain}"
        for row in done
        if row.why_plain is not None
    ]
    problems = [f"{row.processes} at a time: {row.problem}" for row in done if row.problem is not None]
    saved = max(row.checkpoint_bytes for row in done)
    checkpoints = (
        [f"a checkpoint after each epoch, counted in steps/s: {size(saved)} a unit"] if saved else []
    )
    lines = [*problems, *plain, *checkpoints, *sharing.advice, _recommendation(sharing)]
    return Group(Text(_story(sharing)), table, Text("\n".join(lines)))


def _recommendation(sharing: Sharing) -> str:
    done = sharing.measurements
    doubt = next((f"{row.processes} at a time: {row.doubt}" for row in done if row.doubt is not None), None)
    if doubt is not None:
        return f"nothing is recommended: {doubt}"
    resources = recommended(best_sharing(done), sharing.device)
    shown = resources.model_dump(include={"cpu", "gpu", "concurrent"})
    written = ", ".join(f"{name}: {value:g}" for name, value in shown.items() if value)
    return f"in the study file: resources: {{{written}}}"


def _story(sharing: Sharing) -> str:
    noise = "noise of the recipe's shape (real cycles: --data)"
    source = noise if sharing.data is None else f"cycles of {sharing.data}"
    graphs = ", replayed from a CUDA graph where that can be done" if sharing.cuda_graphs else ""
    return (
        f"{sharing.recipe} on {source}\n"
        f"{sharing.device_name}, cores for it: {sharing.cores}; each for {sharing.seconds:g} s or more, "
        f"in epochs of {sharing.steps} steps{graphs}"
    )
