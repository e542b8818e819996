"""Figures for papers: what is drawn is what the report shows, and nothing that a user wrote is a formula."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from sweep.report.page.facts import report_facts
from sweep.report.paper_figures import FIGURES, paper_figure, write_figures
from tests.sweep.report.page.reported_studies import reported_study

NOW = 1.7e9 + 1e4


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return report_facts(reported_study(tmp_path_factory.mktemp("studies")), NOW)


def points(axes: Axes) -> np.ndarray:
    """All points of an axes' scattered marks but the ring around the best, sorted."""
    marks = [
        np.asarray(one.get_offsets())
        for one in axes.collections
        if one.get_label() in ("complete", "dropped", "pruned")
    ]
    return np.array(sorted(np.concatenate(marks).tolist()))


def test_marks_lie_where_the_facts_say(facts: dict[str, Any]) -> None:
    everything = sorted((one["number"], 100 * one["so_far"]) for one in facts["configurations"])
    (history,) = paper_figure("history", facts).axes
    np.testing.assert_allclose(points(history), everything)
    (race,) = paper_figure("race", facts).axes
    np.testing.assert_allclose(
        points(race), sorted((one["number"], 100 * one["behind"]) for one in facts["race"])
    )
    low, high = race.get_ylim()
    assert low > high
    (front,) = paper_figure("front", facts).axes
    finished = [one for one in facts["configurations"] if one["seeds"]]
    expected = [(100 * one["means"]["specificity"], 100 * one["means"]["sensitivity"]) for one in finished]
    np.testing.assert_allclose(points(front), sorted(expected))
    slices = paper_figure("slices", facts).axes
    assert [axes.get_xlabel() for axes in slices] == ["learning rate", "β", "stage"]
    assert slices[0].get_xscale() == "log"
    rates = sorted(one["values"]["optimiser.learning_rate"] for one in facts["configurations"])
    np.testing.assert_allclose(points(slices[0])[:, 0], rates)
    (curves,) = paper_figure("curves", facts).axes
    assert len(curves.lines) == len(facts["curves"])
    (parallel,) = paper_figure("parallel", facts).axes
    assert len(parallel.lines) == len(everything) + 4
    heights = np.concatenate([np.asarray(line.get_ydata(), float) for line in parallel.lines])
    assert (heights.min(), heights.max()) == (0, 1)
    (importance,) = paper_figure("importance", facts).axes
    widths = [bar.get_width() for bar in importance.patches if isinstance(bar, Rectangle)]
    assert widths[::-1] == [100 * one["share"] for one in facts["importance"]["shares"]]
    (confusion,) = paper_figure("confusion", facts).axes
    assert "66.7 %\n60" in [text.get_text() for text in confusion.texts]


def test_each_figure_is_a_pdf_and_an_svg_and_the_same_bytes_for_the_same_study(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    files = write_figures(facts, tmp_path / "figures")
    assert sorted(files) == sorted((tmp_path / "figures").iterdir())
    assert [file.name for file in files[:2]] == ["history.pdf", "history.svg"]
    assert len(files) == 2 * len(FIGURES)
    for file, again in zip(files, write_figures(facts, tmp_path / "again"), strict=True):
        assert file.read_bytes() == again.read_bytes()
        assert file.read_bytes().startswith(b"%PDF" if file.suffix == ".pdf" else b"<?xml")


def test_what_a_user_wrote_is_no_formula(facts: dict[str, Any], tmp_path: Path) -> None:
    names = [{**one, "name": r"$\frac{$"} for one in facts["parameters"]]
    for name in ("slices", "importance", "parallel"):
        paper_figure(name, {**facts, "parameters": names}).savefig(tmp_path / "a.svg")


@pytest.mark.parametrize("name", FIGURES)
def test_without_anything_to_draw_the_figure_says_why(name: str, tmp_path: Path) -> None:
    facts = report_facts(reported_study(tmp_path, 0), NOW)
    (axes,) = paper_figure(name, facts).axes
    (text,) = axes.texts
    assert text.get_text() == facts["findings"]["rates" if name == "front" else name]
