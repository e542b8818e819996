"""The scores of networks as Markdown for their model card: on validation patients, on the test part, and by groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from data.population import in_words
from data.quantities import counted
from sweep.report.markdown import plain, table
from sweep.report.model_card_facts import CardFacts, Heard, TestReading
from sweep.report.reading_table import COLUMNS, interval_text, percent

POOR = 0.05
"""A group whose score is lower than that of its part by so much is named among the limits."""


def scores_of_choice(facts: CardFacts) -> Iterator[str]:
    """Tell in paragraphs by which scores the configuration was chosen."""
    told = facts.validation
    if told is None:
        yield "Not known: the study that searched is not beside this one any more, or is another one now."
        return
    yield (
        f"Study {plain(told.study)}, seeds {', '.join(map(str, told.seeds))}: {told.scored_on}. ± is the standard "
        "deviation over seeds; the interval is that of the mean over other seeds, on the same patients."
    )
    rows = []
    for metric in COLUMNS:
        if (summary := told.metrics.get(metric)) is not None:
            deviation = "" if summary.sd is None else f" ± {100 * summary.sd:.1f}"
            interval = summary.interval()
            cell = "too few seeds" if interval is None else interval_text(interval)
            rows.append((COLUMNS[metric], f"{percent(summary.mean)}{deviation}", cell))
    yield table(("", "%", "95 %"), rows)
    yield told.expectation
    if told.tied:
        numbers = ", ".join(map(str, told.tied))
        yield f"Not told from the best at 5 % (tied): {counted(len(told.tied), 'configuration')}, no. {numbers}."


def scores_of_readings(facts: CardFacts) -> Iterator[str]:
    """Tell in paragraphs what came out on the official test part, and how often it was read."""
    if facts.label is not None:
        yield f"**{plain(facts.label)}.**"
    elif not facts.tested:
        known = (
            f" The ledger knows {counted(facts.readings, 'reading')} of these recordings, none by these networks."
            if facts.readings
            else ""
        )
        yield (
            "**No reading of the official test part by these networks is known.** What they are worth on patients that "
            f"had no share in any choice has not been measured.{known}"
        )
    for fault in facts.faults:
        yield f"**The ledger is not as it was written, so that its numbers cannot be relied on:** {plain(fault)}"
    if facts.tested:
        times = "once" if facts.readings == 1 else f"{facts.readings} times"
        yield (
            f"The ledger knows that the test part of these recordings was read {times}, by whatever networks and "
            "broken-off readings included."
            + ("" if facts.readings == 1 else " What was looked at before is no longer held out.")
        )
    for reading in facts.tested:
        yield from _reading(reading)


def _reading(reading: TestReading) -> Iterator[str]:
    yield f"### Reading {reading.number}, {plain(reading.at)}"
    yield f"Protocol: {plain(reading.protocol)}."
    if reading.population != "all":
        yield f"Of {in_words(reading.population)} alone: to be compared with scores on the same patients only."
    for line in reading.missing:
        yield f"Not the whole data set, and not comparable with numbers of it: {plain(line)}."
    if reading.bundle is None:
        yield "The bundle of this reading is not at hand; these are the numbers that the ledger keeps."
    headings = ("part", "cycles", "patients", *(f"{name} %" for name in COLUMNS.values()), "95 %")
    rows = []
    for part, found in reading.numbers.items():
        deviations = found.get("sd", {})
        cells = [
            percent(found["mean"].get(metric))
            + ("" if deviations.get(metric) is None else f" ± {100 * deviations[metric]:.1f}")
            for metric in COLUMNS
        ]
        rows.append(
            (
                plain(part),
                str(found["cycles"]),
                str(found["patients"]),
                *cells,
                interval_text(found["patient_interval"]),
            )
        )
    yield table(headings, rows)
    yield (
        "Mean ± standard deviation over the seeds; the interval is that of the score, over other patients of this kind "
        "and other seeds at once."
    )
    for part, found in reading.numbers.items():
        if (unified := found.get("unified")) is not None:
            yield (
                f"Part {plain(part)}: networks trained alike on patients of any age score "
                f"{percent(unified['mean']['score'])} % on the same patients; the networks of this card lie "
                f"{_difference(unified['above'])}."
            )
        if "groups" not in found:
            continue
        calibration = found["calibration"]
        risks = ", ".join(f"{percent(risk)} at {100 * share:.0f} %" for share, risk in found["risk_coverage"])
        yield (
            f"Part {plain(part)}: the seeds together reach {percent(found['ensemble']['score'])} %. Expected "
            f"calibration error {percent(calibration['expected_calibration_error'])} %, Brier score "
            f"{calibration['brier_score']:.3f}; % wrong among the most confident of the seeds together: {risks}."
        )
        if not part.endswith(", clean"):
            yield table(
                (plain(part), "", "cycles", "patients", "score %", "95 %"),
                [
                    (
                        plain(name),
                        plain(value),
                        str(group["cycles"]),
                        str(group["patients"]),
                        percent(group["score"]),
                        interval_text(group["patient_interval"]),
                    )
                    for name, values in found["groups"].items()
                    for value, group in values.items()
                ],
            )


def _difference(above: Sequence[float] | None) -> str:
    if above is None:
        return "above or below them, too few seeds or patients to say how far"
    mean, low, high = (f"{100 * value:+z.1f}" for value in above)
    return f"{mean} points above (95 %, over other patients and seeds: {low} to {high})"


def weak_groups(reading: TestReading, heard: Heard | None) -> Iterator[str]:
    """Name in lines the groups on which a reading found the networks worse, and those too small to say.

    Groups of the test part that the networks never heard are named too. `heard`: what the networks were trained on,
    where that is known.
    """
    for part, found in reading.numbers.items():
        mean = found["mean"].get("score")
        if part.endswith(", clean") or "groups" not in found or mean is None:
            continue
        rows = [
            (f"{plain(name)} {plain(value)}", group)
            for name, values in found["groups"].items()
            for value, group in values.items()
        ]
        poor = [
            f"{name} ({percent(group['score'])} %, {counted(group['cycles'], 'cycle')} of "
            f"{counted(group['patients'], 'patient')})"
            for name, group in rows
            if group["score"] is not None and group["score"] <= mean - POOR
        ]
        if poor:
            yield (
                f"Part {plain(part)}: at least {100 * POOR:.0f} points below the {percent(mean)} % of all: "
                f"{', '.join(poor)}."
            )
        unheard = [
            f"{plain(name)} {plain(value)} ({percent(group['score'])} %)"
            for name, values in found["groups"].items()
            for value, group in values.items()
            if heard is not None and value not in heard.groups.get(name, {})
        ]
        if unheard:
            yield f"Part {plain(part)}: tested, but never heard in training: {', '.join(unheard)}."
        few = [name for name, group in rows if group["patient_interval"] is None]
        if few:
            yield f"Part {plain(part)}: too few patients or seeds to say how sure a score is: {', '.join(few)}."
