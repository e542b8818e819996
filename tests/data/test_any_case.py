from pathlib import Path

from data.any_case import entries, file_named


def test_a_name_is_found_in_any_case_and_as_written_before_others(tmp_path: Path) -> None:
    (tmp_path / "Official_Split.TXT").write_text("")
    assert file_named([tmp_path], ["official_split.txt"]) == tmp_path / "Official_Split.TXT"
    (tmp_path / "official_split.txt").write_text("")
    assert file_named([tmp_path], ["official_split.txt"]) == tmp_path / "official_split.txt"


def test_folders_go_before_names_and_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "second.txt").write_text("")
    (tmp_path / "first.txt").write_text("")
    assert (
        file_named([tmp_path / "b", tmp_path], ["first.txt", "second.txt"]) == tmp_path / "b" / "second.txt"
    )
    assert file_named([tmp_path], ["b"]) is None


def test_hidden_entries_and_folders_that_are_not_there_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".hidden.txt").write_text("")
    assert entries(tmp_path) == []
    assert entries(tmp_path / "nowhere") == []
