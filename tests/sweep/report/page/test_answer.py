"""The result in sentences."""

from pathlib import Path
from typing import Any

import pytest

from sweep.report.page.facts import report_facts
from tests.sweep.report.page.reported_studies import ANSWERS, reported_study

NOW = 1.7e9 + 1e4


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return report_facts(reported_study(tmp_path_factory.mktemp("studies"), 60), NOW)


def test_the_answer_names_the_best_its_ties_how_sure_and_what_it_cost(facts: dict[str, Any]) -> None:
    best, text = facts["configurations"][0], " ".join(facts["answer"])
    score = f"{100 * best['means']['score']:.1f} ± {100 * best['sd']:.1f} % ICBHI Score over 3 seeds"
    assert facts["answer"][0].startswith(f"No. {best['number']} is best: {score}, on held-out patients")
    tied = [str(one["number"]) for one in facts["configurations"] if one["tied"]]
    assert all(number in facts["answer"][1] for number in tied)
    assert f"{100 * best['best_probability']:.0f} %" in text
    assert "was chosen for its score among 60" in text
    assert "60 configurations (20 complete, 20 dropped, 20 pruned) took 360 epochs" in text
    assert "would have taken 720: 50 % were saved" in text


def test_without_a_complete_configuration_the_answer_says_why(tmp_path: Path) -> None:
    told = report_facts(reported_study(tmp_path, 0), NOW)["answer"]
    assert told[0].startswith("There is no result yet: no configuration has finished all 3 seeds")


def test_each_figure_says_what_it_finds(facts: dict[str, Any]) -> None:
    found = facts["findings"]
    assert found["importance"].startswith("learning rate tells the best configurations from the others most")
    assert "60 configurations" in found["importance"]
    assert found["race"].startswith("20 pruned on the first seed's curve, 20 dropped")
    assert "crackle called normal: 18 answers over 3 seeds" in found["confusion"]
    assert found["readings"].startswith("The official test part has not been read")
    assert found["history"].startswith(f"The best is no. {facts['configurations'][0]['number']} of 60")


def test_with_one_seed_nobody_is_called_untied(tmp_path: Path) -> None:
    folder = reported_study(tmp_path, seeds=(1,))
    told = report_facts(folder, NOW)["answer"]
    assert "Who is tied with it cannot be told" in told[1]


def test_of_a_study_that_goes_on_nothing_is_called_saved(tmp_path: Path) -> None:
    folder = reported_study(tmp_path)
    lines = folder.journal.read_text().splitlines(keepends=True)
    folder.journal.write_text("".join(lines[:6]))
    text = " ".join(report_facts(folder, NOW)["answer"])
    assert "saved" not in text
    assert "1 configuration (1 open) took 2 epochs" in text


def test_groups_and_patients_are_told_with_their_numbers_or_why_they_are_left_out(tmp_path: Path) -> None:
    folder = reported_study(tmp_path)
    found = report_facts(folder, NOW, (), ANSWERS)["findings"]
    assert found["groups"].startswith(
        "No. 12 has 71.2 % ICBHI Score on all 300 validation cycles of 14 patients, 3 seeds (95 % over patients and "
        "seeds: 62.0 to 79.0); device Meditron lies lowest, at 58.0 % (95 % over patients and seeds: 41.0 to 73.0)."
    )
    assert found["patients"].startswith("Of patient 301 25.0 % of the answers are right (20 cycles)")
    few = {**ANSWERS, "interval": None, "groups": ANSWERS["groups"][4:5], "worst": []}
    found = report_facts(folder, NOW, (), few)["findings"]
    assert "(too few seeds or patients for an interval); no group has a score." in found["groups"]
    assert found["patients"].startswith("Every answer is right")
    found = report_facts(folder, NOW, (), {"missing": "nobody was held out in this study"})["findings"]
    assert found["groups"].endswith("are left out: nobody was held out in this study.")
    assert "groups" not in report_facts(folder, NOW)["findings"]
