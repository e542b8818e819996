"""What the report of an epoch must hold before anything is decided by it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from data.errors import as_read
from evidence.scores import harmonic_score
from sweep.study.score_table import METRICS

OF_LAST_EPOCH = ("sharpness",)
"""Numbers of a unit's last weights, which it reports with its last epoch alone, where its recipe asks for them."""
CURVES = (
    *METRICS,
    "harmonic_score",
    "train_loss",
    "cross_entropy",
    "learning_rate",
    "seconds",
    *OF_LAST_EPOCH,
)
"""Numbers of a report that are drawn over the epochs, beside the losses that only some recipes have."""
REPEATED = "repeated"
"""Seconds that went into epochs which the study knew and no checkpoint held, before the epoch that reports them."""
CARRIED = "carried"
"""Seconds that an earlier attempt spent on the epoch that reports them, and saved in the middle of it as it left."""
_SECONDS = (REPEATED, CARRIED)
DOMAIN_LOSSES = ("device_contrast", "device_adversary", "patient_cohesion", "patient_alignment")
"""Losses that know devices and patients; those of Patch-Mix begin with `contrast_`."""
_NEEDED = {
    "any_abnormal_score": ("score", "any_abnormal_score"),
    "harmonic_score": ("score", "sensitivity", "specificity"),
}
"""What a report must hold beside its score where a study ranks by something else."""
_LONGEST = 60


def drawn(name: str) -> bool:
    """Whether a field of a report is a number that is drawn over the epochs."""
    return name in CURVES or name in DOMAIN_LOSSES or name.startswith("contrast_")


def shape_fault(report: Mapping[str, Any]) -> str | None:
    """Say why a report, also of an epoch that was heard before, says nothing; None when it names its epoch."""
    epoch = report.get("epoch")
    if isinstance(epoch, bool) or not isinstance(epoch, int):
        return f"a report whose epoch is {_shown(epoch)}; expected a whole number"
    if not isinstance(report.get("note", ""), str):
        return f"epoch {epoch} was reported with note: {_shown(report['note'])}; expected text"
    return None


def content_fault(report: Mapping[str, Any], metric: str = "score") -> str | None:
    """Say what a report holds that cannot be: numbers that are not finite, rates outside 0 to 1, no score.

    `metric`: the number that the study ranks by; a report says it, or holds what it is made of.
    """
    for name, value in report.items():
        if not _is_finite(value):
            problem = "every number has to be finite"
        elif (drawn(name) or name in _SECONDS) and not _is_number(value):
            problem = "expected a number"
        elif name in _SECONDS and value < 0:
            problem = "expected seconds"
        elif (name in METRICS or name == "harmonic_score") and not 0 <= value <= 1:
            problem = "rates lie in 0 to 1"
        else:
            continue
        return f"epoch {report['epoch']} was reported with {name}: {_shown(value)}; {problem}"
    missing = next((name for name in _NEEDED.get(metric, ("score",)) if name not in report), None)
    if missing is None:
        return None
    return f"epoch {report['epoch']} was reported without {'a score' if missing == 'score' else missing}"


def completed(report: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """Copy a report, with the number that the study ranks by written out: `harmonic_score` follows from two rates."""
    if metric != "harmonic_score":
        return dict(report)
    return {**report, metric: harmonic_score(report["specificity"], report["sensitivity"])}


def _is_finite(value: Any) -> bool:
    """Whether no number in a value, its lists and mappings is infinite or NaN, however deep."""
    left = [value]
    while left:
        one = left.pop()
        kind = type(one)
        # Nearly all that there is; asking for the kind of a number takes longer.
        if kind is int or kind is str or (kind is float and math.isfinite(one)):
            continue
        if kind is list or kind is tuple:
            left += one
        elif isinstance(one, Mapping):
            left += one.values()
        elif isinstance(one, Real) and not isinstance(one, Integral) and not math.isfinite(one):
            return False
    return True


def _is_number(value: Any) -> bool:
    """Whether a value is a number that a float can hold."""
    if type(value) is float:
        return True
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        float(value)
    except OverflowError:
        return False
    return True


def _shown(value: Any) -> str:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    text = str(value) if is_number else as_read(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
