"""What `respsweep --version` says of a clone, a changed clone, and an installed copy."""

import pytest

from sweep.driver import versions
from sweep.driver.versions import described


@pytest.mark.parametrize(
    ("commit", "told"),
    [
        ("0123456789abcdef", ", commit 0123456789ab"),
        ("0123456789abcdef-dirty", ", commit 0123456789ab, with changes"),
        (None, ""),
    ],
)
def test_the_commit_is_told_where_it_is_known(
    commit: str | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "commit", lambda: commit)
    first, second = described().splitlines()
    assert first == f"respsweep {versions.versions()['respsweep']}{told}"
    assert [word.split()[0] for word in second.split(", ")] == ["Python", "torch", "ray", "optuna", "mlflow"]
