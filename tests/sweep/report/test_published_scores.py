"""Published rows are those of the same recordings and task, and add up as printed."""

import pytest

from sweep.report.published_scores import PUBLISHED, PublishedScore, published_scores


def test_rows_belong_to_a_database_and_a_task() -> None:
    assert [row.system for row in published_scores("SPRSound 2022", "2-1")] == [
        "challenge baseline",
        "inception-residual",
    ]
    assert published_scores("SPRSound 2022", "icbhi") == ()
    assert published_scores(None, "icbhi") == ()


@pytest.mark.parametrize("row", PUBLISHED["ICBHI 2017", "icbhi"], ids=lambda row: row.system)
def test_an_icbhi_score_is_the_mean_of_the_rates_beside_it(row: PublishedScore) -> None:
    if row.specificity is not None and row.sensitivity is not None:
        assert row.score == pytest.approx((row.specificity + row.sensitivity) / 2, abs=0.0151)
    for percent in (row.specificity, row.sensitivity, row.score, row.any_abnormal):
        assert percent is None or 35 < percent < 95
