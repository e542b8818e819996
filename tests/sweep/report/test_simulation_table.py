from dataclasses import replace

import pytest
from rich.console import Console

from sweep.report.simulation_table import simulation_table
from sweep.simulation.simulate import Outcome, Simulation

OUTCOME = Outcome(
    configurations=2, units=4, epochs=12, share=1.0, hours=0.5, score=0.6, regret=0.0, kept=1.0, no_winner=0.0
)


def test_the_table_shows_a_study_beside_one_that_stops_nothing() -> None:
    cheap = [replace(OUTCOME, epochs=epochs) for epochs in (8, 10)]
    console = Console(width=120, record=True)
    console.print(simulation_table(Simulation("listed", 2, cheap, [OUTCOME, OUTCOME])))
    text = console.export_text()
    lines = {line.split("│")[1].strip(): line for line in text.splitlines() if "│" in line}
    assert [cell.strip() for cell in lines["seed-epochs trained"].split("│")[2:5]] == [
        "9.000 ± 1.000",
        "12.0 ± 0.0",
        "-3.000 ± 1.000",
    ]
    assert "60.0 ± 0.0" in lines["true score of the winner, %"]
    assert "0.000 ± 0.000" in lines["regret against the best proposed, points"]
    assert "2 simulated studies on 2 workers; listed" in text


def test_a_figure_that_no_study_has_is_none() -> None:
    console = Console(width=120, record=True)
    without = replace(OUTCOME, score=float("nan"))
    console.print(simulation_table(Simulation("listed", 1, [without], [without])))
    line = next(line for line in console.export_text().splitlines() if "true score of the winner" in line)
    assert line.count("none") == 3


@pytest.mark.parametrize(
    ("seconds", "label"),
    [(None, "hours on the workers"), (90.0, "hours on the workers, at 90 s an epoch")],
)
def test_hours_that_rest_on_an_assumption_say_so(seconds: float | None, label: str) -> None:
    table = simulation_table(Simulation("listed", 1, [OUTCOME], [OUTCOME], seconds))
    assert [str(cell) for cell in table.columns[0].cells if str(cell).startswith("hours")] == [label]
