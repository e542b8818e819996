"""Spectral responses of layers as people read them: a figure as SVG, and every number as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Protocol

import numpy as np

PANELS = 3
"""Layers side by side."""
PANEL_INCHES = (2.2, 1.9)
COLUMNS = ("layer", "smoothed", "cycles_per_cell", "response", "scaled")


class Curve(Protocol):
    """A layer's response by frequency, see `sweep.evaluation.spectral_curves.SpectralCurve`."""

    @property
    def layer(self) -> str: ...
    @property
    def smoothed(self) -> bool: ...
    @property
    def frequencies(self) -> np.ndarray: ...
    @property
    def response(self) -> np.ndarray: ...
    @property
    def scaled(self) -> np.ndarray: ...


def spectral_csv(curves: Sequence[Curve]) -> str:
    """Write every curve as lines of CSV: layer, smoothed or not, cycles a cell, response, and that from 0 to 1."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for curve in curves:
        for row in zip(curve.frequencies, curve.response, curve.scaled, strict=True):
            table.writerow([curve.layer, str(curve.smoothed).lower(), *(f"{number:.9g}" for number in row)])
    return text.getvalue()


def spectral_svg(curves: Sequence[Curve], title: str) -> bytes:
    """Draw a panel for each layer, its curves from 0 to 1 without and with smoothing. Equal curves give equal bytes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    layers = list(dict.fromkeys(curve.layer for curve in curves))
    rows, columns = -(-len(layers) // PANELS), min(PANELS, len(layers))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "respsweep", "font.size": 8}):
        figure = Figure(layout="constrained")
        figure.set_size_inches(PANEL_INCHES[0] * columns, 0.4 + PANEL_INCHES[1] * rows)
        figure.suptitle(title.replace("$", r"\$"), fontsize=8)
        for at, layer in enumerate(layers):
            axes = figure.add_subplot(rows, columns, at + 1, title=layer, xlabel="cycles a cell")
            for curve in curves:
                if curve.layer == layer:
                    colour, label = ("#d55e00", "smoothed") if curve.smoothed else ("0.4", None)
                    axes.plot(curve.frequencies, curve.scaled, linewidth=1, color=colour, label=label)
            if at % columns == 0:
                axes.set_ylabel("response, from 0 to 1")
        if any(curve.smoothed for curve in curves):
            figure.axes[0].legend(frameon=False)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()
