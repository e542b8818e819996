"""A paragraph on methods and a LaTeX table of a study, to paste into a paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.population import in_words
from data.quantities import counted
from sweep.config.study_config import StudyConfig
from sweep.report.scored_on import what_scores_are_of
from sweep.report.table_formats import escaped_for_latex

ROWS = 10
"""Configurations in the LaTeX table."""


def methods(facts: Mapping[str, Any], config: StudyConfig) -> str:
    """Write how the study was done, with every number that a reader needs to do it again."""
    study, provenance = facts["study"], facts["provenance"]
    recipe = config.any_recipe()
    names = ", ".join(parameter["name"] for parameter in facts["parameters"])
    versions = provenance.get("versions", {})
    told = ", ".join(
        f"{name} {versions[name]}" for name in ("respsweep", "torch", "ray", "optuna") if name in versions
    )
    fold = (
        f"scored on fold {recipe.folds.fold} of {recipe.folds.folds}, patient-wise within the official training part"
        if recipe.folds.fold is not None
        else f"trained on the whole official training part, with nobody held out; scores are of "
        f"{what_scores_are_of(config.holds_out, config.label)}"
    )
    if config.scored_population != "all":
        fold = f"{fold}, of {in_words(config.scored_population)} alone"
    epoch = {"last": "the last epoch", "best": "the best validation epoch"}[recipe.selection]
    if config.protocol == "published":
        epoch = "the best epoch on the test part"
    fates = facts["time"]["fates"]
    data, folds, commit = (str(provenance.get(key))[:12] for key in ("data_hash", "fold_hash", "commit"))
    hashes = f"SHA-256 of the data {data}, of the folds {folds}; commit {commit}; {told}."
    if (finishes := config.finishes) is not None:
        return (
            f"Configuration {finishes.configuration}, which the study {finishes.study} chose (its report has the "
            f"methods of that), was trained anew with {counted(len(study['seeds']), 'seed')}, {fold}; {epoch} counts. "
            "So the scores above and below say only that it learned; those on the official test part are of respsweep "
            f"test. {hashes}"
        )
    return (
        f"We searched {names} with the sampler {study['sampler']}: "
        f"{counted(len(facts['configurations']), 'configuration')}, {counted(len(study['seeds']), 'seed')} each unless "
        f"given up, {fold}; {epoch} counts. First seeds were stopped early by the pruner {study['pruner']} "
        f"({counted(fates.get('pruned', 0), 'configuration')}), and configurations were given up between seeds by the "
        f"race {study['racing']} ({fates.get('dropped', 0)}). Scores are the {study['score']}, "
        "mean ± sample standard deviation over seeds; the winner was chosen by this score, so that it is "
        f"optimistic. {hashes}"
    )


def latex_table(facts: Mapping[str, Any]) -> str:
    """Write the best configurations as a LaTeX table in the style of booktabs; rates in percent."""
    parameters = facts["parameters"]
    head = [
        "no.",
        *(escaped_for_latex(parameter["name"]) for parameter in parameters),
        "score" if facts["study"]["finishes"] is None else "score on training cycles",
        "Se",
        "Sp",
        "seeds",
    ]
    lines = [
        r"\begin{tabular}{r" + "l" * len(parameters) + "rrrr}",
        r"\toprule",
        " & ".join(head) + r" \\",
        r"\midrule",
    ]
    for one in facts["configurations"][:ROWS]:
        if one["rank"] is None:
            continue
        values = [
            escaped_for_latex(_written(one["values"].get(parameter["path"], ""))) for parameter in parameters
        ]
        score = f"{100 * one['so_far']:.1f}" + ("" if one["sd"] is None else rf" $\pm$ {100 * one['sd']:.1f}")
        rates = [
            "" if one["means"][metric] is None else f"{100 * one['means'][metric]:.1f}"
            for metric in ("sensitivity", "specificity")
        ]
        mark = "$^=$" if one["tied"] else ""
        lines.append(
            " & ".join([f"{one['number']}{mark}", *values, score, *rates, str(len(one["seeds"]))]) + r" \\"
        )
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"% = tied with the best at 5 %"])


def _written(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
