"""Known truths: what is believed of the best of many, in simulation with fixed seeds."""

import numpy as np
import pytest

from evidence.luck import Belief, believe

SEEDS = 5


def believed(scores: np.ndarray, given_up: int = 0) -> Belief:
    belief = believe(scores, given_up)
    assert belief is not None
    return belief


def raced(random: np.random.Generator, truth: np.ndarray, seed_sd: float, finalists: int) -> np.ndarray:
    """Scores of a race: one seed for all, and five for those with the best first ones."""
    scores = truth[:, None] + random.normal(0, seed_sd, (len(truth), SEEDS))
    scores[np.argsort(-scores[:, 0])[finalists:], 1:] = np.nan
    return scores


@pytest.mark.parametrize(
    ("configurations", "seed_sd", "bad", "repeats"),
    [
        (20, 0.015, 0.2, 25),
        pytest.param(8, 0.015, 0.0, 150, marks=pytest.mark.slow),
        pytest.param(8, 0.03, 0.2, 150, marks=pytest.mark.slow),
        pytest.param(30, 0.03, 0.2, 150, marks=pytest.mark.slow),
        pytest.param(30, 0.03, 0.0, 150, marks=pytest.mark.slow),
        pytest.param(100, 0.015, 0.2, 100, marks=pytest.mark.slow),
    ],
)
def test_the_winners_luck_is_right_on_average_and_its_interval_holds_the_truth(
    configurations: int, seed_sd: float, bad: float, repeats: int
) -> None:
    random = np.random.default_rng(configurations)
    off, covered, luck = [], [], []
    for _ in range(repeats):
        truth = random.normal(0.6, 0.02, configurations)
        truth -= random.exponential(0.1, configurations) * (random.random(configurations) < bad)
        scores = raced(random, truth, seed_sd, max(2, configurations // 6))
        complete = np.flatnonzero(~np.isnan(scores).any(1))
        best = int(complete[scores[complete].mean(1).argmax()])
        belief = believed(scores)
        luck.append(scores[best].mean() - truth[best])
        off.append(luck[-1] - (scores[best].mean() - belief.expected(best)))
        low, high = belief.interval(best)
        covered.append(low <= truth[best] <= high)
    error = np.std(off) / np.sqrt(len(off))
    assert abs(np.mean(off)) < 0.002 + 2 * error
    assert np.mean(luck) > 2 * np.std(luck) / np.sqrt(len(luck))
    assert np.mean(covered) >= 0.88


@pytest.mark.slow
def test_the_probability_of_being_best_comes_true_as_often_as_it_says() -> None:
    random = np.random.default_rng(3)
    said, true = [], []
    for _ in range(100):
        truth = random.normal(0.6, 0.02, 12)
        scores = raced(random, truth, 0.02, 4)
        probability = believed(scores).best()
        assert probability.sum() == pytest.approx(1)
        said.append(probability)
        true.append(truth == truth.max())
    said, true = np.array(said), np.array(true)
    for low, high in ((0.0, 0.05), (0.05, 0.3), (0.3, 0.7), (0.7, 1.0)):
        chosen = (said >= low) & (said < high)
        error = np.sqrt(said[chosen].mean() * (1 - said[chosen].mean()) / chosen.sum())
        assert true[chosen].mean() == pytest.approx(said[chosen].mean(), abs=3 * error + 0.02)


def scores_of(*rows: list[float]) -> np.ndarray:
    return np.array([row + [np.nan] * (3 - len(row)) for row in rows])


CLOSE = scores_of([0.60, 0.62, 0.64], [0.59, 0.61, 0.63], [0.60, 0.61, 0.63], [0.58, 0.61, 0.62])
APART = scores_of([0.60, 0.62, 0.64], [0.49, 0.51, 0.53], [0.40, 0.41, 0.43], [0.68, 0.71, 0.72])


def test_a_winner_among_equals_was_lucky_and_one_far_ahead_was_not() -> None:
    luck = [
        scores.mean(1).max() - believed(scores).expected(int(scores.mean(1).argmax()))
        for scores in (CLOSE, APART)
    ]
    assert luck[0] > 0.004 > 0.002 > luck[1] > 0


def test_a_row_with_one_seed_is_believed_less_than_one_with_all() -> None:
    scores = np.vstack([CLOSE, scores_of([0.66], [0.66, 0.65, 0.67])])
    belief = believed(scores)
    assert belief.expected(4) < belief.expected(5) < 0.66
    narrow, wide = (np.ptp(belief.interval(row)) for row in (5, 4))
    assert wide > narrow


@pytest.mark.slow
def test_the_luck_is_right_where_most_were_given_up_on_their_first_seed() -> None:
    random = np.random.default_rng(1)
    off = []
    for _ in range(150):
        truth = random.normal(0.6, 0.02, 60)
        first = truth + random.normal(0, 0.015, 60)
        kept = np.argsort(-first)[:20]
        scores = truth[kept, None] + random.normal(0, 0.015, (20, 3))
        scores[:, 0] = first[kept]
        best = int(scores.mean(1).argmax())
        off.append(truth[kept[best]] - believed(scores, 40).expected(best))
    assert abs(np.mean(off)) < 0.003 + 2 * np.std(off) / np.sqrt(len(off))


def test_those_given_up_count_whether_they_have_a_row_or_not() -> None:
    rows = np.vstack([CLOSE, np.full((6, 3), np.nan)])
    belief = believed(rows, 6)
    assert belief.expected(0) == believed(CLOSE, 6).expected(0) != believed(CLOSE).expected(0)
    assert np.isnan(belief.best()[4:]).all()


@pytest.mark.parametrize(
    "scores",
    [
        scores_of([0.6, 0.7, 0.8]),
        scores_of([0.6], [0.7], [0.5]),
        scores_of([0.6, 0.6, 0.6], [0.7, 0.7, 0.7]),
        scores_of([], []),
    ],
    ids=["one configuration", "one seed each", "no spread", "no scores"],
)
def test_where_too_little_is_known_nothing_is_said(scores: np.ndarray) -> None:
    assert believe(scores) is None


def test_scores_near_1_and_a_configuration_that_collapsed_leave_beliefs_within_0_and_1() -> None:
    random = np.random.default_rng(2)
    scores = np.clip(random.normal(0.995, 0.004, (12, 5)), 0, 1)
    scores[3] = 0.01
    belief = believed(scores)
    assert np.isfinite(belief.probability).all()
    assert belief.best()[3] == pytest.approx(0, abs=1e-6)
    for row in range(len(scores)):
        low, high = belief.interval(row)
        assert 0 <= low <= belief.expected(row) <= high <= 1


def test_a_thousand_configurations_are_as_good_as_ten_to_the_last_row() -> None:
    random = np.random.default_rng(4)
    truth = random.normal(0.6, 0.02, 1000)
    belief = believed(raced(random, truth, 0.015, 30))
    assert belief.best().sum() == pytest.approx(1)
    assert belief.best()[truth.argmax()] > belief.best()[np.argsort(truth)[:900]].max()
