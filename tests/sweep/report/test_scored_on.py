import pytest

from data.population import Population
from sweep.report.scored_on import what_scores_are_of


@pytest.mark.parametrize(
    ("held_out", "label", "population", "words"),
    [
        (True, None, "all", "held-out patients of the official training part"),
        (True, "a note", "all", "held-out patients of the official training part"),
        (
            True,
            None,
            "child",
            "held-out patients of the official training part, children (under 18 years) alone",
        ),
        (False, None, "all", "the cycles that were trained on, as nobody was held out"),
        (False, "the official test part", "all", "the official test part"),
    ],
)
def test_it_is_said_of_which_cycles_scores_are(
    held_out: bool, label: str | None, population: Population, words: str
) -> None:
    assert what_scores_are_of(held_out, label, population) == words
