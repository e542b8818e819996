"""Of which cycles the scores of a study are, in words."""

from __future__ import annotations

from data.population import Population, in_words

HELD_OUT = "held-out patients of the official training part"
TRAINED_ON = "the cycles that were trained on, as nobody was held out"


def what_scores_are_of(held_out: bool, label: str | None, population: Population = "all") -> str:
    """Say of which cycles the scores of a study are, with its `label` if it is scored on neither of the usual ones.

    `population`: whose cycles alone are scored (`folds.population`).
    """
    alone = "" if population == "all" else f", {in_words(population)} alone"
    return f"{HELD_OUT if held_out else label or TRAINED_ON}{alone}"
