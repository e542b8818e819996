"""A figure in a notebook: the report's own, alone, in a frame that touches nothing else."""

import html
import re
from pathlib import Path

import pytest

from sweep.report.notebook_figure import NotebookFigure
from sweep.report.page.facts import report_facts
from sweep.report.paper_figures import FIGURES, PARTS
from tests.sweep.report.page.browser import in_chromium
from tests.sweep.report.page.reported_studies import reported_study

NOW = 1.7e9 + 1e4


def in_its_frame(shown: str) -> str:
    frame = re.fullmatch(
        r'<iframe srcdoc="([^"]*)" sandbox="([^"]*)" style="[^"]*" title="[a-z]+"></iframe>', shown
    )
    assert frame is not None
    # Without allow-same-origin a script in it has no way to the notebook.
    assert frame[2] == "allow-scripts allow-downloads"
    return html.unescape(frame[1])


@pytest.mark.parametrize("name", ["slices", "front"])
def test_a_cell_shows_one_part_of_the_report_alone(name: str, tmp_path: Path) -> None:
    facts = report_facts(reported_study(tmp_path / "studies"), NOW)
    figure = NotebookFigure(name, facts)
    (tmp_path / "cell.html").write_text(in_its_frame(figure._repr_html_()))
    document, said, needed = in_chromium(tmp_path / "cell.html", tmp_path, 900)
    assert said == []
    assert needed <= 900
    assert re.findall(r'<section id="([a-z]+)"', document) == [PARTS.get(name, name)]
    assert "<svg" in document.partition("<section")[2]


def test_a_figure_is_told_in_words_and_saved_for_a_paper(tmp_path: Path) -> None:
    facts = report_facts(reported_study(tmp_path / "studies"), NOW)
    for name in FIGURES:
        figure = NotebookFigure(name, facts)
        assert figure.finding == facts["findings"][PARTS.get(name, name)]
        assert repr(figure) == f"{name}: {figure.finding}"
    place = NotebookFigure("history", facts).save(tmp_path / "history.pdf")
    assert place.read_bytes().startswith(b"%PDF")
