from rich.console import Console

from sweep.machine.doctor import Check
from sweep.report.doctor_table import doctor_table


def test_what_is_broken_says_so_and_nothing_else_does() -> None:
    console = Console(width=120, record=True)
    console.print(
        doctor_table([Check("GPU", "no CUDA device"), Check("package numpy", "missing", broken=True)])
    )
    gpu, numpy = [line for line in console.export_text().splitlines() if "│" in line]
    assert "BROKEN" not in gpu
    assert "BROKEN missing" in numpy
