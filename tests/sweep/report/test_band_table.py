import pytest
from rich.table import Table
from rich.text import Text

from data.bands import BandRanking, MelScale, RankingRound
from sweep.report.band_table import band_edges, ranking_parts

SCALE = MelScale(n_mels=64, sample_rate=16000, low_hz=50, high_hz=2000, front_end="stft_db")


def test_bands_lie_between_the_lowest_and_the_highest_frequency() -> None:
    edges = band_edges(SCALE)
    assert len(edges) == 66
    assert (edges[0], edges[-1]) == (pytest.approx(50), pytest.approx(2000))
    # Halfway in mel: 77.755 and 1521.36 mel are 50 and 2000 Hz, so their mean, 799.56 mel, is 723.0 Hz.
    assert (edges[32] + edges[33]) / 2 == pytest.approx(723.0, rel=2e-3)


def test_a_group_of_one_band_is_a_number() -> None:
    scale = SCALE.model_copy(update={"n_mels": 5})
    groups, _, *_ = ranking_parts(BandRanking(groups=((0, 1, 2, 3), (4,)), scale=scale))
    assert isinstance(groups, Table)
    assert [*groups.columns[1].cells] == ["0 to 3", "4"]


def test_a_ranking_says_what_it_comes_to() -> None:
    rounds = (
        RankingRound(bands=8, removed=(), score=0.6),
        RankingRound(bands=4, removed=(4, 5, 6, 7), score=0.58),
    )
    ranking = BandRanking(
        groups=((0, 1, 2, 3), (4, 5, 6, 7)),
        scale=SCALE.model_copy(update={"n_mels": 8}),
        method="grad_cam",
        consistency_penalty=0.5,
        scores=(0.2, 0.05),
        folds=(0, 1, 2),
        fold_correlations=(0.5, None, 0.25),
        rounds=rounds,
        best_keep=8,
    )
    lines = [part.plain for part in ranking_parts(ranking) if isinstance(part, Text)]
    assert lines == [
        "method: grad_cam, lambda 0.5",
        "importance: with all bands; groups that are left rank by theirs in the last round, others by when they were "
        "removed",
        "Spearman's correlation of all bands' importance between folds: 0/1 0.50, 0/2 undefined, 1/2 0.25",
        "smallest set within 0.5 points of the best score: keep: 8",
    ]
