"""Bundles of invented cycles, for tests of what is computed from them."""

from collections.abc import Sequence

import numpy as np

from evidence.bundle import Bundle, Cycles
from evidence.predictions import answers_of, rounded

LABELS = ("normal", "crackle", "wheeze", "both")


def some_cycles(cycles: int = 60, patients: int = 12, parts: tuple[str, ...] = ("train",)) -> Cycles:
    random = np.random.default_rng(5)
    whose = np.sort(random.integers(0, patients, cycles)) + 101
    return Cycles(
        labels=random.choice(4, cycles, p=[0.5, 0.25, 0.15, 0.1]),
        patients=whose,
        recordings=tuple(f"{patient}_1b1_Al_sc_Meditron" for patient in whose),
        positions=np.arange(cycles),
        parts=tuple(parts[patient % len(parts)] for patient in whose.tolist()),
        groups={"device": tuple("Meditron" if patient % 2 else "AKGC417L" for patient in whose.tolist())},
    )


def answers(cycles: Cycles, seed: int, sure: float = 2.0) -> np.ndarray:
    """Probabilities of a network that mostly knows."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(len(cycles), len(LABELS))) * 1.5
    logits[np.arange(len(cycles)), cycles.labels] += sure
    powers = np.exp(logits)
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    return rounded(probabilities, answers_of(probabilities))


def a_bundle(
    cycles: int = 60,
    units: Sequence[tuple[int, int]] = ((0, 1), (0, 2), (3, 1)),
    kind: str = "validation",
    parts: tuple[str, ...] = ("train",),
) -> Bundle:
    table = some_cycles(cycles, parts=parts)
    return Bundle(
        kind=kind,
        labels=LABELS,
        formula="average",
        about={"study": "first", "data_hash": "0" * 64},
        claims={},
        cycles=table,
        predictions={unit: answers(table, 100 * unit[0] + unit[1]) for unit in units},
    )
