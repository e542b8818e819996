"""The main numbers of a bundle as plain lines, as they stand on leaderboards and in papers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evidence.objectives import TITLES
from evidence.validation import ranked_by

RATES = ("score", "sensitivity", "specificity")
ROWS = 20


def shown_numbers(kind: str, about: Mapping[str, Any], numbers: Mapping[str, Any]) -> Iterator[str]:
    """Write the numbers that `evidence.verify` computed of a bundle of that kind; rates in percent, mean ± deviation.

    Of a validation the ranking, where = is tied with the best; of all folds the ranking; of a reading each part.
    """
    if kind == "test":
        yield from _parts(numbers["parts"])
    else:
        yield from _ranking(about, numbers)


def _ranking(about: Mapping[str, Any], numbers: Mapping[str, Any]) -> Iterator[str]:
    metrics = list(dict.fromkeys((ranked_by(about), *RATES)))
    compared = numbers.get("comparison")
    tied = set(compared["tied"]) if compared else set()
    yield "  ".join(["rank", " no.", *(f"{TITLES.get(metric, metric) + ' %':>14}" for metric in metrics)])
    for rank, number in enumerate(numbers["ranking"][:ROWS], start=1):
        found = numbers["configurations"][str(number)]
        rates = (f"{_mean(found.get(metric)):>14}" for metric in metrics)
        yield "  ".join([f"{rank}{'=' if number in tied else ' '}".rjust(4), f"{number:>4}", *rates])
    if compared and (best := compared["configurations"][str(compared["best"])])["expected"] is not None:
        expected = best["expected"]
        yield (
            f"no. {compared['best']} was chosen among {compared['chosen_among']}; with other seeds expect "
            f"{_percent(expected['mean'])} % (95 % over seeds: {_percent(expected['low'])} to "
            f"{_percent(expected['high'])})"
        )


def _parts(parts: Mapping[str, Any]) -> Iterator[str]:
    for part, found in parts.items():
        ends = found["patient_interval"]
        between = f", 95 % over patients and seeds {_percent(ends[0])} to {_percent(ends[1])}" if ends else ""
        rates = ", ".join(
            f"{metric} {_percent(found['mean'][metric])}"
            + ("" if found["sd"][metric] is None else f" ± {_percent(found['sd'][metric])}")
            for metric in RATES
        )
        yield f"{part!r}: {found['cycles']} cycles of {found['patients']} patients: {rates} %{between}"
        if (unified := found.get("unified")) is not None:
            theirs = _percent(unified["mean"]["score"])
            yield f"  networks for all patients, on the same: score {theirs} %{_above(unified)}"
        for name, plain in found["baselines"].items():
            yield f"  beside {name}: {', '.join(f'{metric} {_percent(plain[metric])}' for metric in RATES)} %"


def _above(unified: Mapping[str, Any]) -> str:
    if unified["above"] is None:
        return ""
    mean, low, high = (f"{100 * value:+z.1f}" for value in unified["above"])
    return f"; those above less these: {mean} points (95 % over patients and seeds {low} to {high})"


def _mean(summary: Mapping[str, Any] | None) -> str:
    if summary is None:
        return ""
    return _percent(summary["mean"]) + ("" if summary["sd"] is None else f" ± {_percent(summary['sd'])}")


def _percent(rate: float | None) -> str:
    return "undefined" if rate is None else f"{100 * rate:.1f}"
