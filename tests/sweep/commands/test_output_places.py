"""A command refuses at once what it could not write to at its end."""

import os
from pathlib import Path

import pytest

from data.settings import ConfigError
from sweep.commands.output_places import check_output_file, check_output_folder


def test_a_file_is_written_into_a_folder_that_is_there_and_not_over_one(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("")
    for place in ("new.json", "old.json"):
        check_output_file(tmp_path / place)
    for place, complaint in (
        (".", "must be a file, got the folder"),
        ("gone/new.json", "must lie in a folder"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            check_output_file(tmp_path / place)


def test_a_folder_is_there_or_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("")
    for place in (".", "new", "new/deeper"):
        check_output_folder(tmp_path / place)
    for place in ("old.json", "old.json/new"):
        with pytest.raises(ConfigError, match=r"must be a folder, and .*old\.json is a file$"):
            check_output_folder(tmp_path / place)


def test_a_folder_to_which_nothing_may_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda place, _: place != tmp_path)
    for check, place in ((check_output_file, tmp_path / "new.json"), (check_output_folder, tmp_path / "new")):
        with pytest.raises(ConfigError, match="--output: nothing may be written to"):
            check(place)
