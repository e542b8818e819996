"""Calibration by hand, and of probabilities that are true."""

import numpy as np
import pytest

from evidence.calibration import brier_score, expected_calibration_error, risk_coverage


def test_the_calibration_error_is_the_weighted_distance_of_bins() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.3, 0.7]])
    # The bin of 0.9: half are right; that of 0.6: none is; that of 0.7: all are.
    error = expected_calibration_error(probabilities, np.array([0, 1, 0, 1]))
    assert error == pytest.approx((2 * 0.4 + 0.6 + 0.3) / 4)


def test_true_probabilities_are_calibrated_and_overconfident_ones_are_not() -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet([1, 1, 1, 1], 50_000)
    labels = (random.random(50_000)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1)
    assert expected_calibration_error(probabilities, labels) < 0.01
    sharper = probabilities**3 / (probabilities**3).sum(axis=1, keepdims=True)
    assert expected_calibration_error(sharper, labels) > 0.15


def test_brier_scores_of_certain_and_of_even_answers() -> None:
    assert brier_score(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1])) == 0
    assert brier_score(np.array([[1.0, 0.0]]), np.array([1])) == 2
    assert brier_score(np.array([[0.25, 0.25, 0.25, 0.25]]), np.array([2])) == pytest.approx(0.75)


def test_risk_falls_where_doubt_is_left_out() -> None:
    probabilities = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8]])
    coverage, risk = risk_coverage(probabilities, np.array([1, 0, 1]))
    assert coverage == pytest.approx([1 / 3, 2 / 3, 1])
    assert risk == pytest.approx([0, 0, 1 / 3])
