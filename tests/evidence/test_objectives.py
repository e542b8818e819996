import pytest

from evidence.objectives import OBJECTIVES, TITLES, objective_of


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_an_objective_is_found_again_by_its_number(objective: str) -> None:
    assert objective_of([OBJECTIVES[objective]]) == objective  # type: ignore[index]
    assert OBJECTIVES[objective] in TITLES  # type: ignore[index]


def test_two_objectives_rank_by_the_score() -> None:
    assert objective_of(("sensitivity", "specificity")) == "score"
