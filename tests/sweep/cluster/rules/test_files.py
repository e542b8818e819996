import pytest

from sweep.cluster.finding import Finding
from sweep.cluster.surroundings import Surroundings


def levels(findings: list[Finding]) -> list[str]:
    return [finding.level for finding in findings]


@pytest.mark.parametrize("name", [".git", ".venv"])
def test_history_and_environment_must_stay_here(launcher, here: Surroundings, name: str) -> None:
    (here.folder / "clone" / name).mkdir()
    assert levels(launcher()) == ["warning"]
    finding, whole = launcher(lambda file: file.update(rsync_exclude=[]))[::-1]
    assert (finding.level, finding.where) == ("error", "rsync_exclude")
    assert f"no {name}" in finding.found
    assert whole.level == "warning"


@pytest.mark.parametrize("pattern", ["/.git", "**/.git", ".git/", "**/.git/**", ".g*"])
def test_an_exclusion_may_be_written_in_several_ways(launcher, here: Surroundings, pattern: str) -> None:
    (here.folder / "clone" / ".git").mkdir()
    assert levels(launcher(lambda file: file.update(rsync_exclude=[pattern]))) == ["warning"]


@pytest.mark.parametrize("written", [".", "clone/.."])
def test_the_whole_clone_is_a_warning(launcher, written: str) -> None:
    (finding,) = launcher(lambda file: file["file_mounts"].update({"~/respsweep": written}))
    assert (finding.level, finding.where) == ("warning", "file_mounts.~/respsweep")
    assert finding.found.startswith(f"{written}: the whole clone")


def test_a_path_that_is_not_here_is_an_error(launcher, here: Surroundings) -> None:
    (finding,) = launcher(lambda file: file["file_mounts"].update({"~/x": "missing"}))
    assert (finding.level, finding.where) == ("error", "file_mounts.~/x")
    assert finding.found == f"{here.folder / 'missing'}: not there"


@pytest.mark.parametrize("private", ["~/.aws", "~/.ssh/id_ed25519"])
def test_own_credentials_are_not_for_a_cluster(launcher, here: Surroundings, private: str) -> None:
    path = here.local_path(private)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    (finding,) = launcher(lambda file: file["file_mounts"].update({"~/x": private}))
    assert (finding.level, finding.found) == ("error", private)


def test_code_that_changes_under_a_study_is_a_warning(launcher) -> None:
    (finding,) = launcher(lambda file: file.update(file_mounts_sync_continuously=True))
    assert (finding.level, finding.where) == ("warning", "file_mounts_sync_continuously")
