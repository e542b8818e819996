"""A confusion matrix for people: counts, and the rates that follow from them."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from data.task import task_named
from model.training.epoch_metrics import EpochMetrics
from sweep.study.score_table import METRICS


def epoch_row(metrics: EpochMetrics) -> dict[str, Any]:
    """Tell all numbers of an epoch by name: rates as fractions, losses, and counts by true class and prediction.

    Among the losses are those beside the classification loss, before their weights; sharpness is told where measured.
    """
    return {
        "epoch": metrics.epoch,
        **{
            name: getattr(metrics, name)
            for name in (*METRICS, "harmonic_score", "train_loss", "cross_entropy")
        },
        **metrics.terms,
        **({} if metrics.sharpness is None else {"sharpness": metrics.sharpness}),
        "learning_rate": metrics.learning_rate,
        "skipped_steps": metrics.skipped_steps,
        "seconds": metrics.seconds,
        "confusion": metrics.confusion,
    }


def confusion_table(metrics: EpochMetrics) -> Group:
    """Make a table of counts, a row a true class; below, the task's score, strict and any-abnormal, in percent."""
    title = f"validation, epoch {metrics.epoch}: rows are truth, columns predictions"
    labels = task_named(metrics.task).labels
    table = Table("")
    for label in labels:
        table.add_column(label, justify="right")
    for label, row in zip(labels, metrics.confusion, strict=True):
        table.add_row(label, *map(str, row))
    rates = (
        f"score {100 * metrics.score:.2f} %  (specificity {100 * metrics.specificity:.2f} %, "
        f"sensitivity {100 * metrics.sensitivity:.2f} %; "
        f"any abnormal: score {100 * metrics.any_abnormal_score:.2f} %)"
    )
    return Group(Text(title), table, Text(rates))
