"""What is said at the end of a study that is over."""

import io
from pathlib import Path

from rich.console import Console

from sweep.driver.display import ConsoleDisplay
from sweep.driver.results import Results
from tests.sweep.report.page.reported_studies import reported_study


def test_the_end_says_what_race_and_pruner_saved_and_which_field_matters_most(tmp_path: Path) -> None:
    console = Console(record=True, width=400, file=io.StringIO())
    folder = reported_study(tmp_path, 24)
    results = Results(folder, ConsoleDisplay(console))
    assert results.answer() == ""
    assert folder.path / "report.html" in results()
    best, *_, matters = results.answer().splitlines()
    assert best.startswith("- No. ")
    assert " is best: " in best
    assert matters.startswith("- Which field matters: learning rate parts the best tenth")
    results.settle()
    saved, field = console.export_text().splitlines()
    assert (
        saved == "epochs: 144 trained; with every seed of each configuration 288: race and pruner saved 50 %"
    )
    assert field.startswith(
        "which field matters: learning rate parts the best tenth, here 3 of 24, from the rest most: "
    )
