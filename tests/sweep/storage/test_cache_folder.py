from pathlib import Path

import pytest

from sweep.storage.cache_folder import cache_folder, short_hash


def test_the_cache_is_in_the_home_unless_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RESPSWEEP_CACHE", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "respsweep"
    monkeypatch.setenv("RESPSWEEP_CACHE", "~/elsewhere")
    assert cache_folder() == tmp_path / "elsewhere"


def test_copies_of_two_places_lie_apart() -> None:
    assert short_hash("s3://lab/one") == short_hash("s3://lab/one")
    assert short_hash("s3://lab/one") != short_hash("s3://lab/two")
    assert len(short_hash(Path("/data"))) == 16
