"""What papers print for the official test parts, and how they came to it: to be read beside a reading, not ranked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BEST_TEST_EPOCH = "best epoch chosen on the test part"
NOT_TOLD = "how the epoch was chosen is not known"


@dataclass(frozen=True)
class PublishedScore:
    """A published result, in percent as printed; None where nothing was printed.

    `specificity`, `sensitivity` and `score` are strict, those of the task's labels; `any_abnormal` is the score in which
    an abnormal cycle counts as found under any abnormal label. `chosen` says how the epoch was chosen, `source` where
    the numbers stand.
    """

    system: str
    specificity: float | None
    sensitivity: float | None
    score: float | None
    any_abnormal: float | None
    chosen: str
    source: str


_ICBHI = (
    PublishedScore(
        "AST fine-tuning", 77.14, 41.97, 59.55, 66.77, BEST_TEST_EPOCH, "Bae 2023; position table scrambled"
    ),
    PublishedScore(
        "AST, Patch-Mix CL", 81.66, 43.07, 62.37, 68.71, BEST_TEST_EPOCH, "Bae 2023; position table scrambled"
    ),
    PublishedScore(
        "AST, SAM, weighted sampling",
        None,
        None,
        None,
        68.10,
        f"{BEST_TEST_EPOCH}, one run",
        "arXiv 2512.22564",
    ),
    PublishedScore("DASS fine-tuning", 74.68, 47.43, 61.06, 68.20, BEST_TEST_EPOCH, "arXiv 2606.11922"),
    PublishedScore("DASS, smoothing", 76.72, 47.72, 62.22, 68.40, BEST_TEST_EPOCH, "arXiv 2606.11922"),
    PublishedScore("Lung-SRAD", 79.53, 49.42, 64.48, 72.57, BEST_TEST_EPOCH, "arXiv 2606.11922"),
    PublishedScore("CNN-TSA", None, None, 58.08, None, NOT_TOLD, "arXiv 2507.20052; labels not told"),
    PublishedScore("CNN6, contrastive", 75.95, 39.15, 57.55, None, BEST_TEST_EPOCH, "2022, its README"),
    PublishedScore("SG-SCL", 79.87, 43.55, 61.71, 68.93, BEST_TEST_EPOCH, "as quoted in arXiv 2606.11922"),
    PublishedScore("LungAdapter", 80.43, 44.37, 62.40, None, NOT_TOLD, "as quoted in arXiv 2606.11922"),
    PublishedScore("BTS", 81.40, 45.67, 63.54, None, NOT_TOLD, "as quoted in arXiv 2606.11922"),
    PublishedScore(
        "PAFA", 82.05, 47.63, 64.84, 72.08, BEST_TEST_EPOCH, "Interspeech 2025; any abnormal by another model"
    ),
    PublishedScore("BTS++", 89.49, 41.89, 65.69, None, NOT_TOLD, "as quoted in arXiv 2606.11922"),
    PublishedScore("CycleGuardian", 82.06, 44.47, 63.26, None, NOT_TOLD, "2025, its abstract"),
    PublishedScore("ADD-RSC", None, None, 65.53, None, NOT_TOLD, "Interspeech 2025, its abstract"),
    PublishedScore("M2D2", 84.34, 44.25, 64.30, None, "on validation patients", "2026, its README"),
)
_SPRSOUND = "arXiv 2303.04104, its abstract; which part is not told there"
PUBLISHED: Mapping[tuple[str, str], tuple[PublishedScore, ...]] = {
    ("ICBHI 2017", "icbhi"): _ICBHI,
    ("SPRSound 2022", "2-1"): (
        PublishedScore("challenge baseline", None, None, 56.7, None, NOT_TOLD, _SPRSOUND),
        PublishedScore("inception-residual", None, None, 74.5, None, NOT_TOLD, _SPRSOUND),
    ),
    ("SPRSound 2022", "2-2"): (
        PublishedScore("challenge baseline", None, None, 37.8, None, NOT_TOLD, _SPRSOUND),
        PublishedScore("inception-residual", None, None, 53.9, None, NOT_TOLD, _SPRSOUND),
    ),
}
"""By public database and task. For the challenge baseline the abstract prints by how much it was beaten."""


def published_scores(database: str | None, task: str) -> tuple[PublishedScore, ...]:
    """Return what was published on a database for a task; empty where nothing is known."""
    return () if database is None else PUBLISHED.get((database, task), ())
