"""Answers to recordings as people and other programs read them: table, CSV, JSON, labels for Audacity, pandas."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.table import Table

from data.errors import one_line
from data.settings import ConfigError
from model.training.prediction import RecordingPrediction
from sweep.report.plain_console import as_text

if TYPE_CHECKING:
    import pandas as pd

Form = Literal["table", "csv", "json", "audacity"]
DECIMALS = 6
"""Decimals of times and probabilities in files."""


def prediction_text(
    form: Form, predictions: Sequence[RecordingPrediction], labels: Sequence[str], about: Mapping[str, Any]
) -> str:
    """Write answers in one of the forms, to be printed or to become a file; Audacity's labels name no recording."""
    if form == "csv":
        return prediction_csv(predictions, labels)
    if form == "json":
        return prediction_json(predictions, about)
    if form == "audacity":
        return "".join(map(audacity_labels, predictions))
    return as_text(prediction_table(predictions, labels))


def prediction_table(predictions: Sequence[RecordingPrediction], labels: Sequence[str]) -> Table:
    """Make a table with a row for each cycle, and below them one for the recording; probabilities in percent."""
    table = Table(header_style="bold")
    table.add_column("recording", overflow="fold")
    for column in ("start s", "end s"):
        table.add_column(column, justify="right", no_wrap=True)
    routed = _are_routed(predictions)
    if routed:
        table.add_column("answered by", overflow="fold")
    table.add_column("answer", no_wrap=True)
    for label in labels:
        table.add_column(f"{label} %", justify="right")
    for prediction in predictions:
        name = one_line(prediction.path.name)
        for place, row in enumerate(_rows(prediction)):
            whole = row["row"] == "recording"
            table.add_row(
                "" if place else name,
                *("whole", "") if whole else (f"{row['start_s']:.2f}", f"{row['end_s']:.2f}"),
                *(["" if place else one_line(prediction.answered_by)] if routed else []),
                row["answer"],
                *(f"{100 * row[label]:.1f}" for label in labels),
                style="bold" if whole else None,
                end_section=whole,
            )
    return table


def prediction_csv(predictions: Sequence[RecordingPrediction], labels: Sequence[str]) -> str:
    """Write a line for each cycle (`row` is `cycle`), and one for each recording (`recording`), under a heading."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(labels, _are_routed(predictions)), lineterminator="\n")
    writer.writeheader()
    for prediction in predictions:
        writer.writerows(_rows(prediction))
    return text.getvalue()


def prediction_json(predictions: Sequence[RecordingPrediction], about: Mapping[str, Any]) -> str:
    """Write an object with what it is `about`, and `recordings`, of which each has its `cycles`."""
    recordings = []
    for prediction in predictions:
        *cycles, whole = map(_nested(prediction.labels), _rows(prediction))
        recordings.append(
            {
                "recording": one_line(str(prediction.path)),
                "duration_s": whole["end_s"],
                **({"answered_by": one_line(prediction.answered_by)} if prediction.answered_by else {}),
                "answer": whole["answer"],
                "probabilities": whole["probabilities"],
                "cycles": cycles,
            }
        )
    return json.dumps({**about, "recordings": recordings}, indent=2) + "\n"


def audacity_labels(prediction: RecordingPrediction) -> str:
    """Write a line for each cycle of a recording as Audacity imports labels: start, end, answer and its probability."""
    return "".join(
        f"{start_s:.{DECIMALS}f}\t{end_s:.{DECIMALS}f}\t{answer} {probabilities.max():.2f}\n"
        for (start_s, end_s), answer, probabilities in zip(
            prediction.spans, prediction.answers, prediction.probabilities, strict=True
        )
    )


def label_files(recordings: Sequence[Path]) -> dict[Path, str]:
    """Name a file of labels for each recording, `STEM.labels.txt`, which is no annotation's name.

    Raises ConfigError for two recordings that would have the same.
    """
    names: dict[str, Path] = {}
    for path in recordings:
        other = names.setdefault(path.stem.casefold(), path)
        if other is not path:
            raise ConfigError(
                f"{path}: the same name as {other}, so that their labels would be one file; give them one at a time"
            )
    return {path: f"{path.stem}.labels.txt" for path in recordings}


def prediction_frame(predictions: Sequence[RecordingPrediction], labels: Sequence[str]) -> pd.DataFrame:
    """Make a pandas table with a row for each cycle, and one for each recording.

    Columns: `recording` (its path), `row` (`cycle` or `recording`), `start_s`, `end_s`, `answer` (the most probable
    label), then the probability of each label; `answered_by` where several networks could have.
    """
    import pandas as pd

    rows = [row for prediction in predictions for row in _rows(prediction)]
    return pd.DataFrame(rows, columns=pd.Index(_columns(labels, _are_routed(predictions))))


def _are_routed(predictions: Sequence[RecordingPrediction]) -> bool:
    """Whether several networks could have answered, so that each answer names who did."""
    return any(prediction.answered_by for prediction in predictions)


def _columns(labels: Sequence[str], routed: bool) -> list[str]:
    return ["recording", "row", "start_s", "end_s", *(["answered_by"] if routed else []), "answer", *labels]


def _rows(prediction: RecordingPrediction) -> Iterator[dict[str, Any]]:
    """Tell each cycle, and then the whole recording, by the names of columns."""
    name = one_line(str(prediction.path))
    cycles = zip(prediction.spans, prediction.answers, prediction.probabilities, strict=True)
    whole = ((0.0, prediction.duration_s), prediction.answer, prediction.of_recording)
    for kind, ((start_s, end_s), answer, probabilities) in (
        *(("cycle", cycle) for cycle in cycles),
        ("recording", whole),
    ):
        yield {
            "recording": name,
            "row": kind,
            "start_s": round(start_s, DECIMALS),
            "end_s": round(end_s, DECIMALS),
            **({"answered_by": one_line(prediction.answered_by)} if prediction.answered_by else {}),
            "answer": answer,
            **{
                label: round(float(probability), DECIMALS)
                for label, probability in zip(prediction.labels, probabilities, strict=True)
            },
        }


def _nested(labels: Sequence[str]) -> Any:
    def nested(row: Mapping[str, Any]) -> dict[str, Any]:
        kept = {name: row[name] for name in ("start_s", "end_s", "answer")}
        return {**kept, "probabilities": {label: row[label] for label in labels}}

    return nested
