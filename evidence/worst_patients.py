"""The patients whose cycles are answered worst, and what was mixed up in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evidence.scores import confusion_matrix

_NORMAL_975 = 1.959964


@dataclass(frozen=True)
class PatientAnswers:
    """How a patient's cycles were answered.

    `right`: share of right answers over all cycles and seeds. `true` and `given`: the two labels that were mixed up
    most often, `mixed` times of the `asked` answers to cycles of the first; None and 0 where no answer was wrong.
    """

    patient: int
    cycles: int
    right: float
    true: int | None
    given: int | None
    mixed: int
    asked: int


def worst_patients(
    labels: np.ndarray, patients: np.ndarray, answers: Sequence[np.ndarray], classes: int
) -> list[PatientAnswers]:
    """List how each patient's cycles were answered, the worst first.

    `labels` and `patients` are (cycles,), as is each seed's entry of `answers`. Patients are sorted by how high the
    share of right answers may be, the upper end of Wilson's 95 % interval over their cycles, so that one wrong answer
    to a single cycle does not come before many.

    Reference: Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    """
    found = []
    for patient in np.unique(patients):
        own = patients == patient
        confusion = sum(
            (confusion_matrix(labels[own], given[own], classes) for given in answers),
            np.zeros((classes, classes), dtype=np.int64),
        )
        wrong = confusion - np.diag(np.diag(confusion))
        true, given = np.unravel_index(wrong.argmax(), wrong.shape)
        mixed = int(wrong[true, given])
        found.append(
            PatientAnswers(
                patient=int(patient),
                cycles=int(own.sum()),
                right=float(np.trace(confusion) / confusion.sum()),
                true=int(true) if mixed else None,
                given=int(given) if mixed else None,
                mixed=mixed,
                asked=int(confusion[true].sum()) if mixed else 0,
            )
        )
    return sorted(found, key=lambda one: (highest_share(one.right, one.cycles), -one.cycles, one.patient))


def highest_share(share: float, cycles: int) -> float:
    """Upper end of Wilson's 95 % interval of a share that was seen in so many cycles."""
    z2 = _NORMAL_975**2
    centre = share + z2 / (2 * cycles)
    reach = _NORMAL_975 * math.sqrt(share * (1 - share) / cycles + z2 / (4 * cycles**2))
    return (centre + reach) / (1 + z2 / cycles)
