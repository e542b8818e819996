"""Histories of studies in few words: events that tests feed to boards, tables, trackers and journals."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweep.study.events import ConfigurationAdded, EpochReported, Event, UnitFinished, UnitStarted
from sweep.study.journal import Journal


def epoch(number: int, score: float = 0.6, **other: Any) -> dict[str, Any]:
    """The report of an epoch whose rates differ by a tenth each, within 0 to 1; `other`: further fields or rates."""
    apart = min(0.1, score, 1 - score)
    return {
        "epoch": number,
        "score": score,
        "sensitivity": score - apart,
        "specificity": score + apart,
        "any_abnormal_score": min(1.0, score + 0.2),
        **other,
    }


def added(*configurations: int, **values: Any) -> list[Event]:
    """Configurations are proposed, with `values` or with their number as `patch_mix.beta`."""
    return [
        ConfigurationAdded(number, values or {"patch_mix.beta": float(number)}) for number in configurations
    ]


def reported(configuration: int, seed: int, *scores: float, **other: Any) -> list[Event]:
    """A unit starts and reports an epoch with each of `scores`; `other` stands in each report."""
    reports = [epoch(number, score, **other) for number, score in enumerate(scores, start=1)]
    return [
        UnitStarted(configuration, seed),
        *(EpochReported(configuration, seed, report) for report in reports),
    ]


def trained(configuration: int, seed: int, *scores: float, **other: Any) -> list[Event]:
    """A unit starts, reports an epoch with each of `scores` and ends; its last epoch stands for it."""
    return [*reported(configuration, seed, *scores, **other), UnitFinished(configuration, seed, len(scores))]


def timed(*events: Event, start: float = 1.7e9, apart: float = 1.0) -> list[Event]:
    """The events with times, `apart` seconds between two of them; without `start` they begin in November 2023."""
    return [replace(event, at=start + apart * place) for place, event in enumerate(events)]


def write_journal(path: Path, events: Iterable[Event]) -> Path:
    """Write a journal of these events, in the place of one that is there."""
    path.unlink(missing_ok=True)
    journal = Journal(path)
    for event in events:
        journal.write(event)
    journal.close()
    return path
