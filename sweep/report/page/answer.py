"""The result of a study in sentences, and what each figure of a report finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.quantities import counted, listed
from sweep.config.study_config import StudyConfig
from sweep.report.board_in_words import why_no_best
from sweep.report.page.importance import importance_finding
from sweep.report.scored_on import what_scores_are_of
from sweep.report.winner import what_to_expect
from sweep.study.board import Board
from sweep.study.comparison import comparison_of

AHEAD = (
    "P(ahead) was the probability, when one was dropped, of ending above the one that led then, both with all seeds of "
    "this study; the probability in the answer above is that of being truly the best of all that were tried, by every "
    "score there is now."
)
"""What sets two probabilities apart that stand in one report."""
FEWEST_IN_A_QUARTER = 3
"""Configurations in the best quarter below which it is not told where they lie."""


def answer(facts: Mapping[str, Any], board: Board, config: StudyConfig) -> list[str]:
    """Say in a few sentences which configuration is best or tied, how sure that is, and what it cost and saved."""
    configurations, spent = facts["configurations"], facts["time"]
    compared = comparison_of(board)
    if compared is None:
        lines = [f"There is no result yet: {why_no_best(board)}."]
    else:
        best = configurations[0]
        tied = [one["number"] for one in configurations if one["tied"]]
        sure = best["best_probability"]
        of = what_scores_are_of(config.holds_out, config.label, config.scored_population)
        spread = "" if best["sd"] is None else f" ± {_percent(best['sd'])}"
        finishes = config.finishes
        which = (
            f"No. {best['number']} is best"
            if finishes is None
            else f"Configuration {finishes.configuration} of the study {finishes.study}, trained on all patients"
        )
        lines = [
            f"{which}: {_percent(best['so_far'])}{spread} % {facts['study']['score']} over "
            f"{counted(len(best['seeds']), 'seed')}, on {of} "
            f"({_values(best, facts)}).",
        ]
        if finishes is None:
            lines.append(_ties(tied, known=compared.tied is not None))
        if sure is not None and finishes is None:
            lines.append(f"The probability that it is truly the best of those tried is {100 * sure:.0f} %.")
        if config.holds_out:
            lines.append(what_to_expect(compared, compared.best))
    fates = ", ".join(f"{number} {fate}" for fate, number in spent["fates"].items())
    cost = f"{counted(len(configurations), 'configuration')} ({fates}) took {counted(spent['epochs'], 'epoch')} in "
    if (asked := spent["epochs_of_all"]) is not None and asked > 0:
        saved = 100 * (1 - spent["epochs"] / asked)
        more = f"; training all of them with every seed would have taken {asked}: {saved:.0f} % were saved"
    else:
        more = ""
    lines.append(f"{cost}{spent['wall']}{more}.")
    if facts["study"]["label"] and config.holds_out:
        lines.append(f"Note: {facts['study']['label']}.")
    if facts["answers"] is not None and (heard := facts["answers"].get("errors")):
        patients = len({one["patient"] for one in heard})
        lines.append(
            f"This page holds the sound of {counted(len(heard), 'cycle')} of {counted(patients, 'patient')}: hand it on "
            "only to whom the recordings may be handed."
        )
    lines += facts["failures"]
    lines += [f"{note[:1].upper()}{note[1:]}." for note in facts["notes_of_units"]]
    if facts["warning"]:
        lines.append(f"Warning: {facts['warning']}.")
    return lines


def findings(facts: Mapping[str, Any]) -> dict[str, str]:
    """Say in one sentence for each figure what it shows, on how many configurations, seeds or cycles."""
    configurations = facts["configurations"]
    scored = [one for one in configurations if one["so_far"] is not None]
    return {
        "history": _history(facts, scored),
        "slices": _slices(facts, scored),
        "importance": importance_finding(facts),
        "parallel": f"{counted(len(scored), 'configuration')} with a score, the best in the lightest lines. Drag along "
        "an axis to keep those in a range, here and in the table; a click frees it.",
        "race": _race(facts),
        "curves": _curves(facts),
        "rates": _rates(configurations),
        "confusion": _confusion(facts),
        "readings": _readings(facts),
        **_answers(facts["answers"]),
    }


def _history(facts: Mapping[str, Any], scored: list[dict[str, Any]]) -> str:
    if not scored:
        return "No configuration has a score yet."
    first, best = min(scored, key=lambda one: one["number"]), facts["configurations"][0]
    if best["rank"] is None:
        return f"{counted(len(scored), 'configuration')} so far, none with all its seeds."
    gained = 100 * (best["so_far"] - first["so_far"])
    return (
        f"The best, in a ring, is no. {best['number']} of {len(scored)}, {gained:z.1f} points above the first that was "
        "tried. Bars are ± one deviation over seeds; the line is the highest score so far, of one seed or more."
    )


def _slices(facts: Mapping[str, Any], scored: list[dict[str, Any]]) -> str:
    """Say where the best quarter lies; of few configurations that would say nothing."""
    how = f"Each dot is a seed of one of {counted(len(scored), 'configuration')}, each large mark a mean."
    quarter = sorted(scored, key=lambda one: -one["so_far"])[: len(scored) // 4]
    if len(quarter) < FEWEST_IN_A_QUARTER:
        return how
    told = []
    for parameter in facts["parameters"]:
        values = [one["values"][parameter["path"]] for one in quarter if parameter["path"] in one["values"]]
        if not values:
            continue
        if parameter["kind"] == "choice":
            several = f"{listed(sorted(set(values), key=parameter['choices'].index))}"
        else:
            several = f"{min(values):.3g} to {max(values):.3g}"
        told.append(f"{parameter['name']} {several}")
    return f"The best quarter ({len(quarter)}) has {'; '.join(told)}. {how}"


def _curves(facts: Mapping[str, Any]) -> str:
    curves = facts["curves"]
    if not curves:
        return "No unit has reported an epoch."
    best = facts["configurations"][0]
    own = [
        one["scores"] for one in curves if one["configuration"] == best["number"] and len(one["scores"]) > 1
    ]
    everything = counted(len(curves), "learning curve")
    if best["rank"] is None or not own:
        return f"{everything}, a line for each seed of each configuration."
    gained = 100 * sum(scores[-1] - scores[-2] for scores in own) / len(own)
    return (
        f"{everything}; those of the best configuration are drawn strongly: over its last epoch they moved by "
        f"{gained:+z.1f} points on average ({counted(len(own), 'seed')})."
    )


def _race(facts: Mapping[str, Any]) -> str:
    given_up = facts["race"]
    if not given_up:
        return "No configuration was given up."
    dropped = sum(one["kind"] == "dropped" for one in given_up)
    pruned = len(given_up) - dropped
    behind = [one["behind"] for one in given_up if one["behind"] is not None]
    told = f"{pruned} pruned on the first seed's curve, {dropped} dropped in the race over the seeds{_nearest(behind)}."
    return f"{told} {AHEAD}" if any("P(ahead)" in one["reason"] for one in given_up) else told


def _nearest(behind: list[float]) -> str:
    if not behind:
        return ""
    points = f"{abs(100 * min(behind)):.1f} points"
    if min(behind) < 0:
        return f"; the highest lay {points} above the best, on fewer seeds"
    return f"; the nearest lay {points} behind the best"


def _rates(configurations: list[dict[str, Any]]) -> str:
    both = [one for one in configurations if one["means"]["sensitivity"] is not None]
    if not both:
        return "No configuration has finished a seed."
    finds = max(both, key=lambda one: one["means"]["sensitivity"])
    spares = max(both, key=lambda one: one["means"]["specificity"])
    found = f"No. {finds['number']} finds most abnormal cycles ({_percent(finds['means']['sensitivity'])} %)"
    normal = f"most normal ones ({_percent(spares['means']['specificity'])} %)"
    also = f"and {normal}" if finds is spares else f", no. {spares['number']} {normal}"
    return (
        f"{found}{' ' if finds is spares else ''}{also}; the line joins those of {counted(len(both), 'configuration')} "
        "that no other beats in both, each a mean over the seeds that it finished. The best is in a ring."
    )


def _confusion(facts: Mapping[str, Any]) -> str:
    confusion, labels = facts["confusion"], facts["study"]["labels"]
    if confusion is None:
        return "No configuration has all its seeds, or units reported no confusion matrix."
    counts = confusion["counts"]
    wrong = [
        (counts[true][given], true, given)
        for true in range(len(labels))
        for given in range(len(labels))
        if true != given
    ]
    number, true, given = max(wrong)
    return (
        f"The most frequent confusion of no. {confusion['number']} is {labels[true]} called {labels[given]}: {number} "
        f"of {sum(counts[true])} answers over {counted(confusion['seeds'], 'seed')}."
    )


def _answers(answers: Mapping[str, Any] | None) -> dict[str, str]:
    if answers is None:
        return {}
    if answers["missing"] is not None:
        left_out = "Groups of patients, and those answered worst, are left out"
        return {"groups": f"{left_out}: {answers['missing']}."}
    n = (
        f"{counted(answers['cycles'], 'validation cycle')} of {counted(answers['patients'], 'patient')}, "
        f"{counted(answers['seeds'], 'seed')}"
    )
    scored = [one for one in answers["groups"] if one["score"] is not None]
    lowest = min(scored, key=lambda one: one["score"], default=None)
    low = (
        "no group has a score"
        if lowest is None
        else f"{lowest['by']} {lowest['value']} lies lowest, at {_percent(lowest['score'])} %"
        f"{_over_patients(lowest['interval'])}. The groups were looked at together and after the fact: one that is "
        "lowest is so in part by chance"
    )
    worst, errors = answers["worst"], answers["errors"]
    return {
        "errors": _errors(errors, answers["seeds"], answers.get("no_maps")),
        "groups": f"No. {answers['number']} has {_percent(answers['score'])} % {answers['score_name']} on all {n}"
        f"{_over_patients(answers['interval'])}, the dashed line; {low}.",
        "patients": f"Of patient {worst[0]['patient']} {_percent(worst[0]['right'])} % of the answers are right "
        f"({counted(worst[0]['cycles'], 'cycle')}); {n}. First come those of whom it is surest that few are right."
        if worst
        else f"Every answer is right ({n}).",
    }


def _errors(errors: list[dict[str, Any]] | None, seeds: int, no_maps: str | None) -> str:
    if errors is None:
        return ""
    if not errors:
        return "Taken together, the seeds' networks answer every cycle rightly."
    first = errors[0]
    return (
        f"Surest of all wrong answers, with {_percent(first['probability'])} %: {first['label']} called "
        f"{first['answer']}, of patient {first['patient']}. Probabilities are the mean over {counted(seeds, 'seed')}. "
        f"Each sound is as loud as it can be; at most 10 s of a cycle are heard and seen."
        + ("" if no_maps is None else f" There are no maps of what these answers rest on: {no_maps}.")
    )


def _over_patients(interval: list[float] | None) -> str:
    if interval is None:
        return " (too few seeds or patients for an interval)"
    return f" (95 % over patients and seeds: {_percent(interval[0])} to {_percent(interval[1])})"


def _readings(facts: Mapping[str, Any]) -> str:
    readings = [one for one in facts["readings"] if "parts" in one]
    every_epoch = [one for one in facts["readings"] if "every_epoch" in one]
    told = []
    if every_epoch:
        told.append(
            f"This study reads the official test part at every epoch ({every_epoch[0]['every_epoch']})."
        )
    if readings:
        parts = "; ".join(
            f"{name} {_percent(found['score'])} %"
            + (
                f" (95 % over patients and seeds: {_percent(ends[0])} to {_percent(ends[1])})"
                if (ends := found["interval"])
                else ""
            )
            for name, found in readings[-1]["parts"].items()
        )
        told.append(f"On the official test part: {parts}.")
        if len(readings) > 1:
            told.append(f"Read {len(readings)} times: no longer a first look.")
    if told:
        return " ".join([*told, "Who else read these recordings, respsweep ledger says."])
    if facts["study"]["label"]:
        return "No line of a ledger is here that tells of the official test part."
    return (
        "The official test part has not been read with this study; respsweep finish, then test, do that once."
    )


def _ties(tied: list[int], *, known: bool) -> str:
    if not known:
        return "Who is tied with it cannot be told: that takes a configuration with two seeds."
    if not tied:
        return "No other with all its seeds is tied with it at 5 %."
    return f"{_listed(tied)}, with all seeds too, cannot be told from it at 5 %."


def _values(one: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    names = {parameter["path"]: parameter["name"] for parameter in facts["parameters"]}
    return ", ".join(
        f"{names[path]} {value:.4g}" if isinstance(value, float) else f"{names[path]} {value}"
        for path, value in one["values"].items()
    )


def _listed(numbers: list[int]) -> str:
    return f"No{'s' if len(numbers) > 1 else ''}. {listed([str(number) for number in numbers])}"


def _percent(rate: float | None) -> str:
    return "undefined" if rate is None else f"{100 * rate:.1f}"
