"""What a reading of the test part came to, as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from data.population import Population, in_words
from sweep.report.published_scores import PublishedScore

COLUMNS = {
    "score": "score",
    "sensitivity": "SE",
    "specificity": "SP",
    "average_score": "AS",
    "harmonic_score": "HS",
    "any_abnormal_score": "any abnormal",
}
UNIFIED = "networks for patients of any age"
"""What stands beside networks for some patients, read on the same ones."""


def reading_tables(
    numbers: Mapping[str, Any],
    readings: int,
    missing: Sequence[str] = (),
    published: Sequence[PublishedScore] = (),
    at_every_epoch: Sequence[str] = (),
    population: Population = "all",
) -> Iterator[RenderableType]:
    """Make the tables of a reading: each part by seed and together, and by groups; then what to think of it.

    `readings`: how many there are of these recordings, this one included. `missing`: what of the published data set was
    not there, a line each. `published`: what papers print for the same part. `at_every_epoch`: the studies that read
    these recordings after every epoch. `population`: whose cycles alone were read.
    """
    for line in missing:
        yield Text(f"not the whole data set, and not comparable with numbers of it: {line}")
    if population != "all":
        yield Text(
            f"of {in_words(population)} alone, and so of other patients than a score of the whole part: compare it with "
            "scores on the same patients only"
        )
    for part, found in numbers["parts"].items():
        yield Text(f"{part}: {found['cycles']} cycles of {found['patients']} patients", style="bold")
        yield _by_seed(found)
        yield Text(_in_words(found))
        if "unified" in found:
            yield Text(_beside(UNIFIED, found["unified"]["above"]))
        for name, rates in found["baselines"].items():
            yield Text(_beside(name, rates["above"]))
    for part, found in numbers["parts"].items():
        if not part.endswith(", clean"):
            yield Text(
                f"{part}, by groups; each interval is 95 % over other patients and seeds", style="bold"
            )
            yield _by_group(found["groups"])
    if published:
        yield Text(
            "published for these recordings, % (most chose their best epoch on the test part, so that 2 to 3 points of "
            "theirs are luck)",
            style="bold",
        )
        yield _published(published)
    if readings > 1:
        yield Text(
            f"This is reading {readings} of the test part of these recordings. A number that was looked at before is "
            "no longer held out: say so wherever it is told."
        )
    if at_every_epoch:
        yield Text(f"Read at every epoch, before or since, by: {', '.join(at_every_epoch)}.")


def reading_rows(numbers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the rates of each part as plain rows, fractions: by seed, their mean, all together, and by plain methods."""
    return [
        {"part": part, "what": what, **{metric: rates[metric] for metric in COLUMNS}}
        for part, found in numbers["parts"].items()
        for what, rates in (
            *((f"seed {seed}", rates) for seed, rates in found["seeds"].items()),
            ("mean", found["mean"]),
            ("sd", found["sd"]),
            ("seeds together", found["ensemble"]),
            *(
                (f"{UNIFIED}, {what}", found["unified"][what])
                for what in ("mean", "sd")
                if "unified" in found
            ),
            *found["baselines"].items(),
        )
    ]


def _by_seed(found: Mapping[str, Any]) -> Table:
    table = Table(header_style="bold")
    table.add_column("seed")
    for heading in COLUMNS.values():
        table.add_column(f"{heading} %", justify="right")
    for seed, rates in found["seeds"].items():
        table.add_row(seed, *(percent(rates[metric]) for metric in COLUMNS))
    table.add_row(
        "mean ± sd",
        *(_spread(found, metric) for metric in COLUMNS),
        style="bold",
    )
    if "unified" in found:
        table.add_row(UNIFIED, *(_spread(found["unified"], metric) for metric in COLUMNS))
    table.add_row("seeds together", *(percent(found["ensemble"][metric]) for metric in COLUMNS))
    for name, rates in found["baselines"].items():
        table.add_row(name, *(percent(rates[metric]) for metric in COLUMNS))
    return table


def _spread(found: Mapping[str, Any], metric: str) -> str:
    """Write mean and deviation over the seeds in percent."""
    deviation = found["sd"][metric]
    return percent(found["mean"][metric]) + ("" if deviation is None else f" ± {100 * deviation:.1f}")


def _published(rows: Sequence[PublishedScore]) -> Table:
    table = Table(header_style="bold")
    for column in ("system", "SE", "SP", "score", "any abnormal", "epoch", "source"):
        table.add_column(
            column, justify="right" if column in ("SE", "SP", "score", "any abnormal") else "left"
        )
    for row in rows:
        rates = (row.sensitivity, row.specificity, row.score, row.any_abnormal)
        cells = ("" if rate is None else f"{rate:.2f}".removesuffix("0") for rate in rates)
        table.add_row(row.system, *cells, row.chosen, row.source)
    return table


def _in_words(found: Mapping[str, Any]) -> str:
    calibration = found["calibration"]
    risks = ", ".join(f"{100 * risk:.1f} at {100 * share:.0f} %" for share, risk in found["risk_coverage"])
    error = percent(calibration["expected_calibration_error"])
    seeds, both = interval_text(found["interval"]["score"]), interval_text(found["patient_interval"])
    return (
        f"score {percent(found['mean']['score'])} %; 95 % over other seeds: {seeds}, "
        f"over other patients and seeds: {both}; expected calibration error {error} %, "
        f"Brier score {calibration['brier_score']:.3f}; % wrong among the most confident of the seeds together: {risks}"
    )


def _beside(name: str, above: Sequence[float] | None) -> str:
    if above is None:
        return f"beside {name}: too few seeds or patients for an interval"
    mean, low, high = (100 * value for value in above)
    difference = f"{abs(mean):.1f} points {'above' if mean >= 0 else 'below'} {name} (95 %: {low:+z.1f} to {high:+z.1f})"
    return f"{difference}: {'no difference is shown' if low <= 0 <= high else 'more than chance, at 5 %'}"


def _by_group(groups: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(header_style="bold")
    for column in ("group", "", "cycles", "patients", "score %", "95 %"):
        table.add_column(column, justify="left" if column in ("group", "") else "right")
    for name, values in groups.items():
        for value, found in values.items():
            cells = (str(found["cycles"]), str(found["patients"]), percent(found["score"]))
            table.add_row(name, value, *cells, interval_text(found["patient_interval"]))
            name = ""
    return table


def percent(value: float | None) -> str:
    """Write a fraction in percent, without the sign."""
    return "undefined" if value is None else f"{100 * value:.1f}"


def interval_text(interval: Sequence[float] | None) -> str:
    """Write an interval of fractions in percent; says why where there is none."""
    return (
        "too few seeds or patients"
        if interval is None
        else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
    )
