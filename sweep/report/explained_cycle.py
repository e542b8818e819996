"""A cycle's spectrogram with the cells that an answer rests on: as a figure, and as a table."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from data.bands import MelScale
from sweep.report.band_table import band_edges

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONTOURS = (0.5, 0.8)
"""Shares of all attribution that the drawn lines enclose: the inner and the outer."""


@dataclass(frozen=True)
class ExplainedCycle:
    """What networks were given of a cycle, and how much of a label's logit each cell accounts for.

    `values`: normalised log-mels, NaN in bands that the networks are not given; `shares`: 0 or more, 1 together, mean
    over the networks. Both span `seconds` of the clip that the cycle was cut or padded to.
    """

    audio: Path
    span: tuple[float, float]
    seconds: float
    scale: MelScale
    label: str
    probability: float
    method: str
    values: Float[np.ndarray, "frames mels"]
    shares: Float[np.ndarray, "frames mels"]

    @property
    def title(self) -> str:
        start_s, end_s = self.span
        return (
            f"{self.audio.name}, {start_s:.2f} to {end_s:.2f} s: {self.label} {100 * self.probability:.0f} %, "
            f"{self.method}"
        )


def explained_csv(found: ExplainedCycle) -> str:
    """Write a row a cell: its second in the clip, band, Hz from and to, value (empty where not given) and share."""
    edges, frames = band_edges(found.scale), len(found.values)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("second", "band", "low_hz", "high_hz", "value", "share"))
    for frame in range(frames):
        second = found.seconds * frame / frames
        for band in range(found.scale.n_mels):
            value, share = found.values[frame, band], found.shares[frame, band]
            shown = "" if np.isnan(value) else f"{value:.6g}"
            rows.writerow(
                (f"{second:.4f}", band, f"{edges[band]:.1f}", f"{edges[band + 2]:.1f}", shown, f"{share:.6g}")
            )
    return text.getvalue()


def explained_figure(found: ExplainedCycle) -> Figure:
    """Draw the spectrogram in grey, the shares over it in red, and beside it the share of each band.

    Lines enclose the fewest cells that hold half, and four fifths, of all shares.
    """
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    figure.set_size_inches(6.5, 3.2)
    axes, beside = figure.subplots(1, 2, width_ratios=(5, 1), sharey=True)
    # Names of files are no formulas.
    axes.set_title(found.title.replace("$", r"\$"), fontsize="small", wrap=True)
    mels = found.scale.n_mels
    extent = (0.0, found.seconds, -0.5, mels - 0.5)
    axes.imshow(
        found.values.T, origin="lower", aspect="auto", extent=extent, cmap="gray_r", interpolation="nearest"
    )
    most = float(found.shares.max())
    over = np.sqrt(found.shares.T / most) if most > 0 else found.shares.T
    axes.imshow(
        over,
        origin="lower",
        aspect="auto",
        extent=extent,
        cmap="Reds",
        alpha=0.7 * over,
        interpolation="nearest",
    )
    if levels := _levels(found.shares):
        seconds = found.seconds * (np.arange(len(found.shares)) + 0.5) / len(found.shares)
        axes.contour(seconds, np.arange(mels), found.shares.T, levels=levels, colors="black", linewidths=0.6)
    centres = band_edges(found.scale)[1:-1]
    ticks = np.linspace(0, mels - 1, min(6, mels)).round().astype(int)
    axes.set_yticks(ticks, [f"{centres[tick]:.0f}" for tick in ticks])
    axes.set_xlabel("s")
    axes.set_ylabel("Hz")
    beside.barh(np.arange(mels), 100 * found.shares.sum(axis=0), height=1.0, color="#d55e00")
    beside.set_xlabel("share %")
    return figure


def write_explained(found: ExplainedCycle, folder: Path, name: str) -> tuple[Path, Path]:
    """Write the figure as NAME.svg and the table as NAME.csv into a folder; equal cycles give equal bytes."""
    import matplotlib as mpl

    from data.atomic import write_whole

    figure, table = folder / f"{name}.svg", folder / f"{name}.csv"
    drawn = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "respsweep"}):
        explained_figure(found).savefig(drawn, format="svg", metadata={"Date": None})
    write_whole(figure, drawn.getvalue())
    write_whole(table, explained_csv(found))
    return figure, table


def _levels(shares: Float[np.ndarray, "frames mels"]) -> list[float]:
    """Share of a cell above which lie the fewest cells that hold each of `CONTOURS`; rising, without repetition."""
    falling = np.sort(shares, axis=None)[::-1]
    held = np.cumsum(falling)
    if not held[-1] > 0:
        return []
    found = {float(falling[np.searchsorted(held, part * held[-1])]) for part in CONTOURS}
    return sorted(level for level in found if shares.min() < level < shares.max())
