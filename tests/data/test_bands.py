import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from data.bands import (
    BandRanking,
    MelScale,
    ranking_hash,
    rankings_written_out,
    read_ranking,
    written_ranking,
)
from data.recipe_parts import FeatureConfig
from data.settings import ConfigError

SCALE = {"n_mels": 12, "sample_rate": 4000, "low_hz": 50.0, "high_hz": 2000.0, "front_end": "kaldi"}
RANKING = BandRanking(
    groups=((4, 5, 6, 7), (0, 1, 2, 3), (8, 9, 10, 11)), scale=MelScale.model_validate(SCALE)
)


def features(bands: Any, **others: Any) -> FeatureConfig:
    return FeatureConfig.model_validate(
        {"n_mels": 12, "sample_rate": 4000, "low_hz": 50, "bands": bands, **others}
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ranking.json"
    path.write_text(written_ranking(RANKING))
    return path


@pytest.mark.parametrize(
    ("bands", "indices"),
    [
        ([7, 2, 2, 5], (2, 5, 7)),
        ({"ranges": [[8, 9], [0, 2], [1, 3]]}, (0, 1, 2, 3, 8, 9)),
        ({"ranking": RANKING.model_dump(), "keep": 4}, (4, 5, 6, 7)),
        ({"ranking": RANKING.model_dump(), "keep": 8}, (0, 1, 2, 3, 4, 5, 6, 7)),
        ({"ranking": RANKING.model_dump(), "keep": 12}, None),
        (list(range(12)), None),
        (None, None),
    ],
)
def test_bands_however_written_are_rising_indices(bands: Any, indices: tuple[int, ...] | None) -> None:
    read = features(bands)
    assert read.kept_bands == indices
    assert FeatureConfig.model_validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize(
    ("bands", "complaint"),
    [
        ([], "keeps no band"),
        ([3, 12], r"bands go from 0 to 11 \(n_mels: 12\), got 12"),
        ({"ranges": [[3, 2]]}, r"a range is its first and its last band, got \[3, 2\]"),
        ({"ranges": [[0, 3]], "keep": 4}, "either ranges, or both ranking and keep"),
        ({"ranking": RANKING.model_dump(), "keep": 6}, r"such as \[4, 8, 12\] bands, got 6"),
        ({"ranking": {"groups": [[0, 1], [1, 2]], "scale": SCALE}, "keep": 2}, "every band from 0 to 3 once"),
        ({"ranking": "nowhere.json", "keep": 4}, "nowhere.json: cannot be read: No such file"),
    ],
)
def test_other_bands_are_refused(bands: Any, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        features(bands)


def test_a_ranking_of_other_frequencies_is_refused(file: Path) -> None:
    bands = {"ranking": str(file), "keep": 4}
    assert features(bands, high_hz=2000.0) == features([4, 5, 6, 7], high_hz=2000.0)
    with pytest.raises(ValidationError, match=r"made for other mel bands \(low_hz 50.0, here 20.0\)"):
        features(bands, low_hz=20.0)


def test_a_ranking_comes_back_from_its_file_with_a_hash_of_it(file: Path) -> None:
    ranking, sha256 = read_ranking(file)
    assert ranking == RANKING
    bands = {"ranking": str(file), "keep": 8}
    written = rankings_written_out(bands)
    assert json.loads(json.dumps(written)) == {
        "ranking": RANKING.model_dump(mode="json"),
        "keep": 8,
        "sha256": sha256,
    }
    assert (
        ranking_hash({"features": {"bands": bands}})
        == ranking_hash({"features": {"bands": written}})
        == sha256
    )
    assert features(written) == features(bands)


def test_a_file_that_has_changed_is_read_again(file: Path) -> None:
    before = read_ranking(file)
    file.write_text(written_ranking(RANKING.model_copy(update={"method": "another one"})))
    after = read_ranking(file)
    assert (before[0].method, after[0].method) == ("", "another one")
    assert before[1] != after[1]
    file.write_text("groups: 3")
    with pytest.raises(ConfigError, match=r"ranking.json: groups: must be a list"):
        read_ranking(file)
