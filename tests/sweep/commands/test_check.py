"""`respsweep check`: one line for a file in order, all that is wrong with another."""

import pytest

from tests.sweep.command_line import RECIPE, changed, respsweep, written


def test_a_file_in_order_is_one_line_and_another_all_its_faults(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert respsweep(monkeypatch, "check", written("study.yaml", changed())) == 0
    assert capfd.readouterr().out == (
        "study.yaml: a study in order: 1 searched field, infinitely many points, 2 seeds, tpe proposes, "
        "forecast prunes; recordings and machine: respsweep plan study.yaml\n"
    )
    assert respsweep(monkeypatch, "check", written("recipe.yaml", RECIPE)) == 0
    assert capfd.readouterr().out == (
        "recipe.yaml: a recipe in order: dass tiny, 2 epochs; respsweep train recipe.yaml --data DIR\n"
    )
    assert respsweep(monkeypatch, "check", written("study.yaml", changed(seeds=[1, 1], sede=3))) == 1
    assert capfd.readouterr().err == (
        "error: study.yaml: seeds: the same seed twice would count one result twice, got [1, 1]\n"
        "study.yaml: sede: no such field; did you mean seeds?\n"
    )
