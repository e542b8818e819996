"""The names of studies in a folder."""

from pathlib import Path

import pytest

from sweep.folder.local_studies import local_path, local_studies


def test_folders_with_a_study_file_are_studies_unless_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("second", "first", ".mlflow"):
        (tmp_path / "studies" / name).mkdir(parents=True)
        (tmp_path / "studies" / name / "study.yaml").touch()
    (tmp_path / "studies" / "other").mkdir()
    assert local_studies(tmp_path / "studies") == ["first", "second"]
    assert local_studies(tmp_path / "gone") == local_studies("s3://bucket/lab") == []
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local_path("~/studies") == tmp_path / "studies"
    assert local_studies("~/studies") == ["first", "second"]
