"""The page as a file, and as a browser shows it."""

import base64
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data.cycle_sound import cycle_sound
from sweep.report.page.facts import report_facts
from sweep.report.page.html import report_page
from tests.sweep.report.page.browser import in_chromium
from tests.sweep.report.page.reported_studies import ANSWERS, errors_of, reported_study

NOW = 1.7e9 + 1e4
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"><!--"
FIGURES = ("history", "slices", "importance", "parallel", "race", "curves", "rates", "confusion", "groups")


def page_of(tmp_path: Path, configurations: int = 24) -> str:
    return report_page(report_facts(reported_study(tmp_path, configurations), NOW, (), ANSWERS))


def test_a_report_of_a_hundred_configurations_is_one_small_file_that_names_no_other(tmp_path: Path) -> None:
    page = page_of(tmp_path, 100)
    assert len(page.encode()) < 2**20
    # Outside scripts, whose texts are data: nothing is fetched, linked or sent anywhere.
    markup = re.sub(r"<(script|style).*?</\1>|<!--.*?-->", "", page, flags=re.DOTALL)
    assert not re.findall(r"\b(?:src|href|action|srcset|data)=", markup)
    assert "://" not in markup


def test_the_policy_lets_the_scripts_of_the_page_run_and_nothing_else(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    allowed = re.findall(r"&#x27;sha256-([^&]*)&#x27;", policy[1])
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert allowed == [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    assert policy[1].startswith("default-src &#x27;none&#x27;")
    assert "unsafe-inline" not in policy[1].partition("style-src")[0]


def test_licences_of_what_is_vendored_are_in_the_page(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    assert "Mike Bostock" in page
    assert "Observable, Inc." in page
    assert "Permission to use, copy, modify" in page


def test_the_most_confident_errors_are_heard_and_seen_in_a_page_that_stays_small(tmp_path: Path) -> None:
    tone = np.sin(2 * np.pi * 300 * np.arange(2.5 * 4000) / 4000)
    soundfile.write(tmp_path / "breath.wav", tone + np.random.default_rng(0).normal(0, 0.1, len(tone)), 4000)
    errors = errors_of(cycle_sound(tmp_path / "breath.wav", 0.0, 2.5))
    folder = reported_study(tmp_path / "studies", 100)
    page = report_page(report_facts(folder, NOW, (), {**ANSWERS, "errors": errors}))
    assert len(page.encode()) < 2**20
    without = [{**one, "map": None} for one in errors]
    bare = report_page(report_facts(folder, NOW, (), {**ANSWERS, "errors": without}))
    assert len(page.encode()) - len(bare.encode()) < 150 * 1024
    assert "This page holds the sound of 10 cycles of 3 patients" in page
    (tmp_path / "report.html").write_text(page)
    document, said, needed = in_chromium(tmp_path / "report.html", tmp_path, 390)
    assert said == []
    assert needed <= 390
    durations = [float(found) for found in re.findall(r'<audio[^>]*data-duration="([^"]*)"', document)]
    assert durations == pytest.approx([2.5] * 10, abs=0.05)
    # A spectrogram and a map over it, which a reader can switch off.
    assert document.count("<canvas") == 20
    assert document.count('<canvas width="96" height="64" class="map"') == 10
    assert document.count('type="checkbox" checked') == 1
    assert (
        "the network of seed 2, which gives normal 98.1 %, rests that on, by Grad-CAM; 12.0 % of it"
        in document
    )
    assert document.count('<span class="map-note">orange: what the network of seed 2') == 10
    assert document.count("no finding about the patient.</span>") == 10
    assert "crackle, called normal</b> with 97.0 %" in document


def test_errors_without_maps_are_shown_with_the_reason(tmp_path: Path) -> None:
    errors = [{**one, "map": None} for one in errors_of(b"", 2)]
    facts = report_facts(
        reported_study(tmp_path / "studies", 6),
        NOW,
        (),
        {**ANSWERS, "errors": errors, "no_maps": "no such weights"},
    )
    (tmp_path / "report.html").write_text(report_page(facts))
    document, _, _ = in_chromium(tmp_path / "report.html", tmp_path)
    assert document.count("<canvas") == 2
    assert 'type="checkbox"' not in document
    assert "There are no maps of what these answers rest on: no such weights." in document


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (390, True)])
def test_every_figure_is_drawn_at_the_width_of_a_desktop_and_of_a_phone(
    tmp_path: Path, width: int, dark: bool
) -> None:
    (tmp_path / "report.html").write_text(page_of(tmp_path / "studies"))
    document, said, needed = in_chromium(tmp_path / "report.html", tmp_path, width, dark=dark)
    assert needed <= width
    assert said == []
    assert 'data-drawn="yes"' in document
    for figure in FIGURES:
        part = document.partition(f'<section id="{figure}"')[2].partition("</section>")[0]
        assert "<svg" in part, figure
        widths = [float(found) for found in re.findall(r'<svg[^>]*? width="([\d.]+)"', part)]
        assert widths
        assert max(widths) <= width
    assert document.count('<tr class="best">') == 1
    # On a phone the columns that have no room are in the table's own box, and not cut off.
    table = document.partition('<section id="parallel"')[2].partition('class="table"')[2]
    assert table.startswith(f' data-scrolls="{"within" if width == 390 else "no"}"')
    # Each interval says over what.
    assert "(95 %, luck taken off: " in document
    for figure, words in (("parallel", "95 %, seeds"), ("groups", "lines: 95 % over patients and seeds")):
        assert words in document.partition(f'<section id="{figure}"')[2].partition("</section>")[0]


def test_a_study_without_a_result_is_shown_too(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(page_of(tmp_path / "studies", 0))
    document, said, _ = in_chromium(tmp_path / "report.html", tmp_path)
    assert said == []
    assert "There is no result yet" in document
    assert 'data-drawn="yes"' in document


def test_what_stands_in_a_journal_is_text_in_a_browser(tmp_path: Path) -> None:
    facts = report_facts(reported_study(tmp_path / "studies"), NOW, (), ANSWERS)
    facts["answers"]["groups"][0]["value"] = HOSTILE
    facts["race"][0]["reason"] = HOSTILE
    facts["study"]["name"] = HOSTILE
    facts["answer"].append(HOSTILE)
    facts["provenance"]["commit"] = HOSTILE
    facts["parameters"][2]["choices"].append(HOSTILE)
    facts["configurations"][0]["values"]["smoothing.stage"] = HOSTILE
    (tmp_path / "report.html").write_text(report_page(facts))
    document, said, _ = in_chromium(tmp_path / "report.html", tmp_path)
    assert said == []
    assert 'data-drawn="yes"' in document
    assert "<img" not in re.sub(r"<script.*?</script>", "", document, flags=re.DOTALL)
    assert "<title>owned</title>" not in document
    assert document.count("&lt;img src=x") >= 5


def test_an_open_page_follows_a_study_that_runs_and_no_other(tmp_path: Path) -> None:
    facts = report_facts(reported_study(tmp_path / "studies", 6), NOW)
    loads = []
    for renewed_s in (None, 0.2):
        (tmp_path / "report.html").write_text(report_page({**facts, "renewed_s": renewed_s}))
        document, said, _ = in_chromium(tmp_path / "report.html", tmp_path)
        assert said == []
        found = re.search(r'data-loads="(\d+)"', document)
        assert found is not None
        loads.append(int(found[1]))
    assert loads[0] == 1 < loads[1]
