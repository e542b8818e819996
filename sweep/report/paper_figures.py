"""The figures of a report as matplotlib draws them, for papers: black on white, PDF or SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.atomic import make_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Facts = Mapping[str, Any]
FATES = {
    "complete": ("#0072b2", "o"),
    "dropped": ("#e69f00", "^"),
    "pruned": ("#8c8c8c", "x"),
    "failed": ("#d55e00", "D"),
    "open": ("#56b4e9", "s"),
}
"""Okabe and Ito's colours, and shapes, as on the page."""
FORMATS = ("pdf", "svg")
WIDTH = 6.5
"""Inches: the width of a text column of A4."""
PANELS = 3
"""Slices side by side."""


def paper_figure(name: str, facts: Facts) -> Figure:
    """Draw a figure of `FIGURES` from what a report shows (`sweep.report.page.facts.report_facts`).

    Where there is nothing to draw, the figure says why. Raises KeyError for another name.
    """
    from matplotlib.figure import Figure

    draw, facts = FIGURES[name], _without_formulas(facts)
    figure = Figure(layout="constrained")
    figure.set_size_inches(WIDTH, 3.2)
    if not draw(figure, facts):
        figure.clear()
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.text(0.5, 0.5, facts["findings"][PARTS.get(name, name)], ha="center", va="center", wrap=True)
    return figure


def write_figures(facts: Facts, directory: Path) -> list[Path]:
    """Write each figure as PDF and SVG into a folder, which is made; return the files. Equal facts give equal bytes."""
    import matplotlib as mpl

    make_folder(directory, exist_ok=True)
    written = []
    # Text stays text, and nothing is drawn from the clock or at random.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "respsweep", "pdf.fonttype": 42}):
        for name in FIGURES:
            figure = paper_figure(name, facts)
            for form in FORMATS:
                written.append(directory / f"{name}.{form}")
                undated: dict[str, Any] = {"Date": None} if form == "svg" else {"CreationDate": None}
                figure.savefig(written[-1], metadata=undated)
    return written


def _without_formulas(value: Any) -> Any:
    r"""Have matplotlib take dollar signs in names and values of a user as such: between two it reads a formula."""
    if isinstance(value, Mapping):
        return {key: _without_formulas(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_formulas(item) for item in value]
    return value.replace("$", r"\$") if isinstance(value, str) else value


def _scored(facts: Facts) -> list[dict[str, Any]]:
    return sorted(
        (one for one in facts["configurations"] if one["so_far"] is not None), key=lambda one: one["number"]
    )


def _best(facts: Facts) -> dict[str, Any] | None:
    return next((one for one in facts["configurations"] if one["rank"] == 1), None)


def _marks(axes: Axes, shown: list[tuple[Any, float, str]], *, legend: bool = True) -> None:
    """Draw (x, y, fate) with the colour and shape of each fate."""
    for fate, (colour, marker) in FATES.items():
        points = [(x, y) for x, y, own in shown if own == fate]
        if points:
            face = colour if marker == "x" else "none"
            style = {"color": colour} if marker == "x" else {"edgecolors": colour, "facecolors": face}
            axes.scatter(*zip(*points, strict=True), marker=marker, s=22, label=fate, zorder=3, **style)
    if legend and shown:
        axes.legend(frameon=False, fontsize="small")


def _ring(axes: Axes, x: Any, y: float) -> None:
    axes.scatter([x], [y], s=110, facecolors="none", edgecolors="black", zorder=4)


def _history(figure: Figure, facts: Facts) -> bool:
    shown, best = _scored(facts), _best(facts)
    axes = figure.add_subplot(
        xlabel="configuration, in the order tried", ylabel=f"{facts['study']['score']} %"
    )
    numbers, scores = [one["number"] for one in shown], [100 * one["so_far"] for one in shown]
    axes.step(numbers, np.maximum.accumulate(scores or [0.0])[: len(scores)], where="post", color="0.6")
    for one in shown:
        if one["sd"] is not None:
            reach = [100 * (one["so_far"] + side * one["sd"]) for side in (-1, 1)]
            axes.plot([one["number"]] * 2, reach, color=FATES[one["fate"]][0], linewidth=1)
    _marks(axes, [(one["number"], 100 * one["so_far"], one["fate"]) for one in shown])
    if best is not None:
        _ring(axes, best["number"], 100 * best["so_far"])
    return bool(shown)


def _slices(figure: Figure, facts: Facts) -> bool:
    shown, best = _scored(facts), _best(facts)
    parameters = facts["parameters"] if shown else []
    rows = -(-len(parameters) // PANELS)
    figure.set_size_inches(WIDTH, 0.4 + 2.2 * max(1, rows))
    for at, parameter in enumerate(parameters):
        axes = figure.add_subplot(rows, min(PANELS, len(parameters)), at + 1, xlabel=parameter["name"])
        path, choices = parameter["path"], parameter.get("choices")
        having = [one for one in shown if path in one["values"]]

        def place(one: dict[str, Any], path: str = path, choices: Any = choices) -> float:
            return one["values"][path] if choices is None else choices.index(one["values"][path])

        if choices is not None:
            axes.set_xticks(range(len(choices)), choices)
        elif parameter["kind"] == "log":
            axes.set_xscale("log")
        for one in having:
            seeds = [100 * seed[facts["study"]["metric"]] for seed in one["seeds"]]
            axes.scatter([place(one)] * len(seeds), seeds, s=5, color=FATES[one["fate"]][0], alpha=0.5)
        _marks(axes, [(place(one), 100 * one["so_far"], one["fate"]) for one in having], legend=False)
        if best is not None and path in best["values"]:
            _ring(axes, place(best), 100 * best["so_far"])
        if at % PANELS == 0:
            axes.set_ylabel(f"{facts['study']['score']} %")
    return bool(parameters)


def _importance(figure: Figure, facts: Facts) -> bool:
    shares = facts["importance"]["shares"][::-1]
    names = {parameter["path"]: parameter["name"] for parameter in facts["parameters"]}
    figure.set_size_inches(WIDTH, 0.8 + 0.35 * len(shares))
    axes = figure.add_subplot(xlabel="share of what fields tell, %", xlim=(0, 100))
    axes.barh([names[one["path"]] for one in shares], [100 * one["share"] for one in shares], color="#0072b2")
    for at, one in enumerate(shares):
        axes.plot([100 * end for end in one["interval"]], [at, at], color="black", linewidth=2)
    return bool(shares)


def _race(figure: Figure, facts: Facts) -> bool:
    shown = [one for one in facts["race"] if one["behind"] is not None]
    axes = figure.add_subplot(xlabel="configuration, in the order tried", ylabel="points behind the best")
    axes.axhline(0, color="black", linewidth=0.8)
    _marks(axes, [(one["number"], 100 * one["behind"], one["kind"]) for one in shown])
    axes.invert_yaxis()
    return bool(shown)


def _curves(figure: Figure, facts: Facts) -> bool:
    from matplotlib.ticker import MaxNLocator

    best = _best(facts)
    axes = figure.add_subplot(xlabel="epoch", ylabel=f"{facts['study']['score']} %")
    for curve in facts["curves"]:
        own = best is not None and curve["configuration"] == best["number"]
        style = {"color": "#0072b2", "linewidth": 1.6} if own else {"color": "0.6", "linewidth": 0.6}
        scores = [np.nan if score is None else 100 * score for score in curve["scores"]]
        # A unit of one epoch has no line.
        axes.plot(range(1, len(scores) + 1), scores, marker="." if len(scores) == 1 else None, **style)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return bool(facts["curves"])


def _parallel(figure: Figure, facts: Facts) -> bool:
    import matplotlib as mpl

    shown, parameters = sorted(_scored(facts), key=lambda one: one["so_far"]), facts["parameters"]
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(-0.5, len(parameters) + 0.3)
    axes.set_ylim(-0.05, 1.2)
    heights = [_height(parameter) for parameter in parameters]
    scores = [one["so_far"] for one in shown] or [0.0]
    low, span = min(scores), (max(scores) - min(scores)) or 1.0
    for one in shown:
        share = (one["so_far"] - low) / span
        places = [
            height(one["values"][parameter["path"]]) if parameter["path"] in one["values"] else np.nan
            for parameter, height in zip(parameters, heights, strict=True)
        ]
        axes.plot([*places, share], color=mpl.colormaps["cividis"](share), linewidth=0.9)
    ends = [_ends(parameter) for parameter in parameters]
    names = [*(parameter["name"] for parameter in parameters), "score %"]
    ends.append({0.0: f"{100 * low:.1f}", 1.0: f"{100 * (low + span):.1f}"})
    for at, (name, labels) in enumerate(zip(names, ends, strict=True)):
        axes.plot([at, at], [0, 1], color="black", linewidth=0.8)
        axes.text(at, 1.1, name, ha="center").set_in_layout(False)
        for height, label in labels.items():
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}
            text = axes.text(at - 0.02, height, label, ha="right", va="center", fontsize="small", bbox=box)
            text.set_in_layout(False)
    return bool(shown)


def _height(parameter: Mapping[str, Any]) -> Callable[[Any], float]:
    """How far up its axis, from 0 to 1, a value of a field lies."""
    if parameter["kind"] == "choice":
        return lambda value: (parameter["choices"].index(value) + 0.5) / len(parameter["choices"])
    scale = np.log if parameter["kind"] == "log" else float
    low, high = float(scale(parameter["low"])), float(scale(parameter["high"]))
    return lambda value: (float(scale(value)) - low) / ((high - low) or 1.0)


def _ends(parameter: Mapping[str, Any]) -> dict[float, str]:
    if parameter["kind"] == "choice":
        return {_height(parameter)(choice): choice for choice in parameter["choices"]}
    return {0.0: f"{parameter['low']:g}", 1.0: f"{parameter['high']:g}"}


def _front(figure: Figure, facts: Facts) -> bool:
    both = [one for one in facts["configurations"] if one["means"]["sensitivity"] is not None]
    best = _best(facts)
    rates = [(100 * one["means"]["specificity"], 100 * one["means"]["sensitivity"]) for one in both]
    figure.set_size_inches(4.5, 4)
    axes = figure.add_subplot(xlabel="specificity %", ylabel="sensitivity %")
    undominated = sorted(
        own for own in rates if not any(a >= own[0] and b >= own[1] and (a, b) != own for a, b in rates)
    )
    for (a, b), (c, d) in pairwise(undominated):
        axes.plot([a, c], [b, d], color="0.6")
    _marks(axes, [(*own, one["fate"]) for own, one in zip(rates, both, strict=True)])
    if best is not None:
        _ring(axes, 100 * best["means"]["specificity"], 100 * best["means"]["sensitivity"])
    return bool(both)


def _confusion(figure: Figure, facts: Facts) -> bool:
    labels = facts["study"]["labels"]
    counts = np.array((facts["confusion"] or {"counts": [[0]]})["counts"])
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    figure.set_size_inches(1.6 + 0.9 * len(counts), 1.2 + 0.6 * len(counts))
    axes = figure.add_subplot(xlabel="answered", ylabel="true")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if facts["confusion"] is not None:
        axes.set_xticks(range(len(labels)), labels)
        axes.set_yticks(range(len(labels)), labels)
    for (true, given), count in np.ndenumerate(counts):
        share = shares[true, given]
        text, colour = f"{100 * share:.1f} %\n{count}", "white" if share > 0.5 else "black"
        axes.text(given, true, text, ha="center", va="center", fontsize="small", color=colour)
    return facts["confusion"] is not None


FIGURES: dict[str, Callable[[Figure, Facts], bool]] = {
    "history": _history,
    "slices": _slices,
    "importance": _importance,
    "race": _race,
    "curves": _curves,
    "parallel": _parallel,
    "front": _front,
    "confusion": _confusion,
}
"""What draws each figure; whether there was anything to draw."""
PARTS = {"front": "rates"}
"""Parts of the page that are called otherwise there than in `FIGURES`."""
