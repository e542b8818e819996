"""The result in sentences."""

from pathlib import Path
from typing import Any

import pytest

from sweep.report.page.answer import findings
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
    assert all(one["rank"] is not None for one in facts["configurations"] if one["tied"])
    assert f"{100 * best['best_probability']:.0f} %" in text
    assert "was chosen for its score among 60" in text
    assert "60 configurations (20 complete, 20 dropped, 20 pruned) took 360 epochs" in text
    assert "would have taken 720: 50 % were saved" in text


def test_without_a_complete_configuration_the_answer_says_why(tmp_path: Path) -> None:
    facts = report_facts(reported_study(tmp_path, 0), NOW)
    told = facts["answer"]
    assert facts["findings"]["curves"] == "No unit has reported an epoch."
    assert told[0].startswith("There is no result yet: no configuration has finished all 3 seeds")


def test_each_figure_says_what_it_finds(facts: dict[str, Any]) -> None:
    found = facts["findings"]
    assert found["importance"].startswith("learning rate parts the best tenth, here 6 of 60, from the rest")
    assert found["race"].startswith("20 pruned on the first seed's curve, 20 dropped")
    assert "crackle called normal: 18 of 90 answers over 3 seeds" in found["confusion"]
    assert found["readings"].startswith("The official test part has not been read")
    quarter = sorted(facts["configurations"], key=lambda one: -one["so_far"])[:15]
    rates = [one["values"]["optimiser.learning_rate"] for one in quarter]
    ends = f"The best quarter (15) has learning rate {min(rates):.3g} to {max(rates):.3g}; β"
    assert found["slices"].startswith(ends)
    assert "stage 0, 2 and none. Each dot is a seed of one of 60 configurations" in found["slices"]
    assert found["curves"].startswith(
        "100 learning curves; those of the best configuration are drawn strongly"
    )
    assert "moved by +0.0 points on average (3 seeds)" in found["curves"]
    number = facts["configurations"][0]["number"]
    fell = [{"configuration": number, "scores": [0.5001, 0.5]}] * 2
    assert "moved by +0.0 points on average (2 seeds)" in findings({**facts, "curves": fell})["curves"]
    assert "% and most normal ones" in found["rates"].replace(" %)", " %")
    assert "the line joins those of 40 configurations" in found["rates"]
    assert found["history"].startswith(
        f"The best, in a ring, is no. {facts['configurations'][0]['number']} of 60"
    )


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
        "seeds: 62.0 to 79.0), the dashed line; device Meditron lies lowest, at 58.0 % (95 % over patients "
        "and seeds: 41.0 to 73.0)."
    )
    assert found["patients"].startswith("Of patient 301 25.0 % of the answers are right (20 cycles)")
    few = {**ANSWERS, "interval": None, "groups": ANSWERS["groups"][4:5], "worst": []}
    found = report_facts(folder, NOW, (), few)["findings"]
    assert (
        "(too few seeds or patients for an interval), the dashed line; no group has a score."
        in found["groups"]
    )
    assert found["patients"].startswith("Every answer is right")
    found = report_facts(folder, NOW, (), {"missing": "nobody was held out in this study"})["findings"]
    assert found["groups"].endswith("are left out: nobody was held out in this study.")
    assert "groups" not in report_facts(folder, NOW)["findings"]


def test_the_race_tells_how_near_the_nearest_was_and_of_none_that_lay_above(facts: dict[str, Any]) -> None:
    behind = [{"kind": "dropped", "behind": far, "reason": "worse"} for far in (0.02, 0.013, None)]
    told = findings({**facts, "race": behind})["race"]
    assert told.endswith("3 dropped in the race over the seeds; the nearest lay 1.3 points behind the best.")
    told = findings({**facts, "race": [*behind, {"kind": "pruned", "behind": -0.007, "reason": ""}]})["race"]
    assert told.endswith("over the seeds; the highest lay 0.7 points above the best, on fewer seeds.")
    assert findings({**facts, "race": []})["race"] == "No configuration was given up."


def test_where_a_reason_has_a_probability_it_is_told_from_that_of_being_the_best(
    facts: dict[str, Any],
) -> None:
    assert "P(ahead)" not in facts["findings"]["race"]
    assert any("truly the best of those tried" in line for line in facts["answer"])
    reason = "dropped after seed 1: 61.0 % against 64.0 % after as many seeds, P(ahead) = 0.01"
    told = findings({**facts, "race": [{"kind": "dropped", "behind": 0.03, "reason": reason}]})["race"]
    assert "P(ahead) was the probability, when one was dropped, of ending above the one that led then" in told
    assert told.endswith(
        "is that of being truly the best of all that were tried, by every score there is now."
    )


def test_of_few_configurations_no_best_quarter_is_told(tmp_path: Path) -> None:
    told = report_facts(reported_study(tmp_path, 8), NOW)["findings"]["slices"]
    assert told == "Each dot is a seed of one of 8 configurations, each large mark a mean."
