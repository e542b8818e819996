from pathlib import Path

import pytest
from lock_files import LOCKS, ROOT, metadata_of, pinned


def test_every_line_of_the_locks_is_read_with_its_hashes() -> None:
    packages = pinned()
    lines = [line for lock in LOCKS for line in (ROOT / lock).read_text().splitlines() if line[0] not in " #"]
    assert len(packages) == len(lines) > 200
    assert {package.lock for package in packages} == set(LOCKS)
    assert all(len(digest) == 64 for package in packages for digest in package.hashes)
    torch = next(package for package in packages if package.name == "torch")
    assert torch.here
    said = metadata_of(torch)
    assert said is not None
    assert said["Name"] == "torch"


def test_packages_for_other_machines_and_other_versions_are_known(tmp_path: Path) -> None:
    for lock in LOCKS:
        (tmp_path / lock).write_text("")
    (tmp_path / LOCKS[0]).write_text(
        f"colorama==0.4.6 ; sys_platform == 'win32' \\\n    --hash=sha256:{'a' * 64}\n"
        f"numpy==0.0.1 \\\n    --hash=sha256:{'b' * 64} \\\n    --hash=sha256:{'c' * 64}\n"
    )
    colorama, numpy = pinned(tmp_path)
    assert (colorama.here, colorama.hashes) == (False, ("a" * 64,))
    assert (numpy.here, numpy.hashes) == (True, ("b" * 64, "c" * 64))
    assert metadata_of(numpy) is None
    (tmp_path / LOCKS[0]).write_text("numpy==2.0\n")
    with pytest.raises(
        ValueError, match=r"requirements.lock: numpy==2.0: expected NAME==VERSION with hashes"
    ):
        pinned(tmp_path)
