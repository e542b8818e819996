"""The lines that a reviewer reads."""

from dataclasses import replace

from evidence.reading import reading_numbers
from evidence.shown_numbers import shown_numbers
from evidence.validation import validation_numbers
from tests.evidence.bundles import a_bundle, answers


def test_a_ranking_has_means_deviations_ties_and_what_to_expect() -> None:
    units = [(number, seed) for number in (0, 1, 2) for seed in (1, 2, 3)]
    made = a_bundle(300, units)
    weak = {(2, seed): answers(made.cycles, seed, sure=0.1) for seed in (1, 2, 3)}
    about = {"seeds": [1, 2, 3], "tried": 3, "pruned": 0, "without_predictions": []}
    bundle = replace(made, about=about, predictions={**made.predictions, **weak})
    numbers = validation_numbers(bundle)
    head, first, second, third, luck = shown_numbers("validation", about, numbers)
    assert head.split() == ["rank", "no.", "score", "%", "sensitivity", "%", "specificity", "%"]
    best, other, last = numbers["ranking"]
    assert last == 2
    score = numbers["configurations"][str(best)]["score"]
    assert first.split()[:5] == [
        "1",
        str(best),
        f"{100 * score['mean']:.1f}",
        "±",
        f"{100 * score['sd']:.1f}",
    ]
    assert second.split()[:2] == ["2=", str(other)]
    assert third.split()[:2] == ["3", "2"]
    assert luck.startswith(f"no. {best} was chosen among 3; with other seeds expect ")


def test_a_reading_has_each_part_with_its_interval_and_the_plain_methods() -> None:
    made = a_bundle(400, [(0, seed) for seed in (1, 2, 3)], kind="test", parts=("inter", "intra"))
    bundle = replace(made, baselines={"logistic regression": answers(made.cycles, 9, sure=0.1)})
    numbers = reading_numbers(bundle)
    lines = [*shown_numbers("test", bundle.about, numbers)]
    assert len(lines) == 4
    first, found = next(iter(numbers["parts"].items()))
    assert lines[0].startswith(f"'{first}': {found['cycles']} cycles of {found['patients']} patients: score ")
    assert f"95 % over patients and seeds {100 * found['patient_interval'][0]:.1f} to " in lines[0]
    assert lines[1].startswith("  beside logistic regression: score ")
