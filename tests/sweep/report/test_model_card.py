"""A model card tells what is known, and says plainly what is not."""

from dataclasses import replace

import pytest

from data.settings import parse
from data.task import ICBHI
from evidence.reading import HEADLINE, reading_numbers
from model.training.recipe import Recipe
from sweep.report.model_card import model_card
from sweep.report.model_card_facts import CardFacts, Heard, TestReading, Validation
from sweep.study.units import Summary
from tests.evidence.bundles import a_bundle
from tests.studies import TINY_RECIPE

NUMBERS = reading_numbers(a_bundle(cycles=200, kind="test", parts=("inter", "intra")))["parts"]
READING = TestReading(1, "2026-11-29T08:00:00+00:00", "honest", "test-1.bundle", NUMBERS)
FACTS = CardFacts(
    label=None,
    study="first-finish",
    configuration=0,
    finishes="first",
    task=ICBHI,
    recipe=parse(Recipe, {**TINY_RECIPE, "folds": {"fold": None}, "epochs": 7}, "recipe"),
    parameters=385372,
    seeds=(3, 4, 5),
    values={"patch_mix.temperature": 0.06},
    data_name="ICBHI 2017",
    data_hash="0123abcd",
    held_out=None,
    heard=Heard(
        cycles=30,
        patients=3,
        labels={"normal": 20, "crackle": 10, "wheeze": 0, "both": 0},
        groups={
            "device": {"AKGC417L": (25, 2), "": (5, 1)},
            "site": {"Al": (30, 3)},
            "sex": {"": (30, 3)},
            "age": {"18 to 64": (30, 3)},
        },
        ages_unheard=("0 to 5", "6 to 12"),
    ),
    unheard="",
    validation=Validation(
        study="first",
        seeds=(1, 2),
        scored_on="the patients of validation fold 0 of 5, of the official training part",
        metrics={"score": Summary(0.8, 0.01, 5), "sensitivity": Summary(0.7, None, 1)},
        expectation="No. 7 was chosen for its score among 8.",
        tied=(2, 3),
    ),
    tested=(),
    readings=0,
    faults=(),
    commit="89ab",
    versions={"torch": "2.11.0"},
)
FILES = {"0000-seed3.safetensors": "aa", "0000-seed4.safetensors": "bb", "0000-seed5.safetensors": "cc"}


def sections(card: str) -> dict[str, str]:
    """The text below each heading of the second order."""
    parts = card.split("\n## ")[1:]
    return {heading: text for part in parts for heading, _, text in [part.partition("\n")]}


def test_it_says_what_it_is_and_that_it_is_no_medical_device_first() -> None:
    card = model_card(FACTS, FILES)
    title, _, opening = card.splitlines()[:3]
    assert title == "# Respiratory sounds by dass tiny: first-finish"
    assert opening.startswith("**Not a medical device; not for diagnosis.**")
    what = sections(card)["What it is"]
    assert "| network | dass tiny, 385,372 parameters |" in what
    assert (
        "log-mel spectrogram of 32 frames and 32 bands (20 to 8000 Hz) of a breath cycle, 8 s at 16000 Hz"
        in what
    )
    assert "normal, crackle, wheeze, both; the first is normal" in what
    assert r"| patch\_mix.temperature | 0.06 |" in what


def test_it_says_who_was_heard_and_who_was_not() -> None:
    card = sections(model_card(FACTS, FILES))
    assert (
        "ICBHI 2017 (SHA-256 of recordings and annotations 0123abcd), all of it, nobody held out."
        in card["What it was trained on"]
    )
    assert "| device | AKGC417L | 25 | 2 |\n| device | not known | 5 | 1 |" in card["What it was trained on"]
    limits = card["Limits"]
    assert "heard these devices and no others: AKGC417L (25 cycles of 2 patients)." in limits
    assert "Of 5 cycles of 1 patient the device is not known." in limits
    assert "Of no cycle is the sex known" in limits
    assert "nobody whose age is known to be, in years: 0 to 5; 6 to 12." in limits


def test_validation_scores_come_with_interval_luck_and_ties() -> None:
    told = sections(model_card(FACTS, FILES))["Scores on validation patients"]
    interval = Summary(0.8, 0.01, 5).interval()
    assert interval is not None
    low, high = interval
    assert f"| score | 80.0 ± 1.0 | {100 * low:.1f} to {100 * high:.1f} |" in told
    assert "| SE | 70.0 | too few seeds |" in told
    assert "No. 7 was chosen for its score among 8." in told
    assert "(tied): 2 configurations, no. 2, 3." in told
    gone = model_card(replace(FACTS, validation=None), FILES)
    assert (
        sections(gone)["Scores on validation patients"]
        .strip()
        .startswith("Not known: the study that searched")
    )


def test_without_a_reading_it_says_plainly_that_there_is_none() -> None:
    told = sections(model_card(FACTS, FILES))
    scores = told["Scores on the official test part"]
    assert "**No reading of the official test part by these networks is known.**" in scores
    assert "ledger knows" not in scores
    assert "does worse has not been measured" in told["Limits"]
    read = sections(model_card(replace(FACTS, readings=2), FILES))["Scores on the official test part"]
    assert "The ledger knows 2 readings of these recordings, none by these networks." in read


def test_a_reading_is_shown_with_intervals_groups_and_calibration() -> None:
    card = sections(model_card(replace(FACTS, tested=(READING,), readings=1), FILES))
    scores = card["Scores on the official test part"]
    assert "was read once" in scores
    for part, found in NUMBERS.items():
        counts = f"{found['cycles']} | {found['patients']}"
        mean, deviation = found["mean"]["score"], found["sd"]["score"]
        assert f"| {part} | {counts} | {100 * mean:.1f} ± {100 * deviation:.1f} |" in scores
        error = found["calibration"]["expected_calibration_error"]
        assert f"calibration error {100 * error:.1f} %" in scores
        for name, values in found["groups"].items():
            for value, group in values.items():
                assert f"| {name} | {value} | {group['cycles']} | {group['patients']} | " in scores
    assert "respsweep verify BUNDLE" in card["How to check it"]
    again = model_card(replace(FACTS, tested=(READING,), readings=3), FILES)
    assert "was read 3 times" in again
    assert "What was looked at before is no longer held out." in again


def test_groups_on_which_it_does_worse_or_that_it_never_heard_are_limits() -> None:
    group = {"cycles": 9, "patients": 5, "score": 0.6, "patient_interval": [0.5, 0.7]}
    found = {
        **NUMBERS["inter"],
        "mean": {**NUMBERS["inter"]["mean"], "score": 0.65},
        "groups": {"device": {"AKGC417L": {**group, "score": 0.64}, "Meditron": group}},
    }
    card = model_card(replace(FACTS, tested=(replace(READING, numbers={"inter": found}),), readings=1), FILES)
    limits = sections(card)["Limits"]
    assert (
        "Part inter: at least 5 points below the 65.0 % of all: device Meditron (60.0 %, 9 cycles of 5 patients)."
        in limits
    )
    assert "tested, but never heard in training: device Meditron (60.0 %)." in limits
    assert "too few patients" not in limits


def test_a_reading_without_its_bundle_has_the_numbers_of_the_ledger() -> None:
    kept = {part: {key: found[key] for key in HEADLINE} for part, found in NUMBERS.items()}
    reading = replace(READING, bundle=None, numbers=kept, missing=("inter: 1 of 2 recordings",))
    card = sections(model_card(replace(FACTS, tested=(reading,), readings=1), FILES))
    scores = card["Scores on the official test part"]
    assert "bundle of this reading is not at hand" in scores
    assert "not comparable with numbers of it: inter: 1 of 2 recordings." in scores
    assert f"| inter | {kept['inter']['cycles']} | " in scores
    assert "verify" not in card["How to check it"]


def test_a_ledger_that_was_altered_is_told_above_its_numbers() -> None:
    facts = replace(FACTS, tested=(READING,), readings=1, faults=("line 2 does not follow",))
    scores = sections(model_card(facts, FILES))["Scores on the official test part"]
    assert scores.index("line 2 does not follow") < scores.index("| inter |")


def test_what_is_not_known_is_said_and_not_made_up() -> None:
    card = sections(model_card(replace(FACTS, heard=None, unheard="ICBHI: found nothing there"), FILES))
    assert "not at hand (ICBHI: found nothing there)" in card["What it was trained on"]
    assert "Which devices, ages and sites it has heard is not known here" in card["Limits"]
    assert "**fill in here** the licence of the recordings" in card["Licence"]
    assert "| 0000-seed4.safetensors | bb |" in card["How to check it"]


@pytest.mark.parametrize("text", ["<img src=x>", "a|b", "[x](y)", "*b*", "www.x.y", "http://x"])
def test_names_and_values_are_no_markup(text: str) -> None:
    heard = replace(FACTS.heard, groups={"device": {text: (1, 1)}}) if FACTS.heard else None
    facts = replace(FACTS, study=text, data_name=text, values={text: text}, heard=heard, finishes=text)
    assert text not in model_card(facts, {text: text})
