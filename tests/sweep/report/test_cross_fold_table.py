import io
from dataclasses import replace

import numpy as np
from rich.console import Console

from evidence.cross_folds import cross_fold_numbers
from sweep.report.cross_fold_table import cross_fold_table
from tests.evidence.test_cross_folds import by_hand, invented


def printed(*table: object) -> str:
    console = Console(record=True, width=200, file=io.StringIO())
    console.print(*table)
    return console.export_text()


def test_finalists_stand_with_every_fold_and_who_is_tied() -> None:
    numbers = cross_fold_numbers(invented(np.random.default_rng(1), [1.5, 1.45, -0.5]))
    table = cross_fold_table(numbers, "score", 0)
    assert [str(column.header) for column in table.columns] == [
        *["rank", "no.", "score %", "95 %", "P(best) %", "worst fold"],
        *(f"fold {fold}" for fold in range(5)),
    ]
    rows = [list(row) for row in zip(*(column.cells for column in table.columns), strict=True)]
    assert [row[0] for row in rows] == ["1", "2=", "3"]
    assert rows[2][1] == "2"
    first = numbers["configurations"][str(numbers["ranking"][0])]
    assert rows[0][2] == f"{100 * first['score']['mean']:.1f} ± {100 * first['score']['sd']:.1f}"
    assert rows[0][5] == first["worst_fold"]
    caption = " ".join(str(table.caption).split())
    assert "3 finalists on all folds: 40 patients" in caption
    assert "= is tied with the first at 5 % (1 configuration)." in caption
    assert "They became finalists on fold 0, where they are flattered" in caption


def test_of_few_seeds_and_a_fold_without_a_score_nothing_is_said() -> None:
    bundle = by_hand()
    text = printed(cross_fold_table(cross_fold_numbers(bundle), "score", 1))
    assert "tied" not in text
    assert "2 patients, 4 cycles, each validated once by each of 2 seeds" in text
    one_sided = replace(bundle, cycles=replace(bundle.cycles, labels=np.array([0, 0, 0, 1])))
    table = cross_fold_table(cross_fold_numbers(one_sided), "score", 0)
    assert list(table.columns[6].cells) == ["none", "none"]


def test_the_objective_is_named() -> None:
    bundle = by_hand()
    bundle = replace(bundle, about={**bundle.about, "objective": "harmonic"})
    table = cross_fold_table(cross_fold_numbers(bundle), "harmonic", 0)
    assert str(table.columns[2].header) == "harmonic score %"
