"""`respsweep schema`: the schemas as they are kept in the documents."""

from pathlib import Path

import pytest

from tests.sweep.command_line import respsweep

SCHEMAS = Path(__file__).parents[3] / "docs" / "schema"


@pytest.mark.parametrize("kind", ["study", "recipe"])
def test_a_schema_is_printed_as_it_is_kept(
    kind: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert respsweep(monkeypatch, "schema", kind) == 0
    assert capfd.readouterr().out == (SCHEMAS / f"{kind}.json").read_text(encoding="utf-8")
