from pathlib import Path

import yaml
from rich.console import Console

from sweep.machine.gpu_sharing import Measurement, Sharing
from sweep.report.gpu_sharing_table import gpu_sharing_table


def shown(done: list[Measurement], device: str, data: Path | None = None) -> list[str]:
    sharing = Sharing(Path("recipe.yaml"), data, device, "A GPU", 8, 20.0, 16, done)
    console = Console(width=120)
    with console.capture() as capture:
        console.print(gpu_sharing_table(sharing))
    return capture.get().strip().splitlines()


def resources(lines: list[str]) -> object:
    assert lines[-1].startswith("in the study file: ")
    return yaml.safe_load(lines[-1].removeprefix("in the study file: "))["resources"]


THREE_FIT = [
    *(Measurement(n, 8 // n, float(n), peak=2**30, left=2**31) for n in (1, 2, 3)),
    Measurement(4, 2, problem="CUDA out of memory"),
]


def test_the_table_ends_with_what_to_write_into_the_study_file() -> None:
    lines = shown(THREE_FIT, "cuda")
    assert "4 at a time: CUDA out of memory" in lines
    assert resources(lines) == {"cpu": 2, "gpu": 0.3333}
    assert resources(shown([Measurement(1, 2, 1.0)], "cpu")) == {"cpu": 2, "concurrent": 1}


def test_figures_that_cannot_be_are_marked_and_nothing_is_recommended() -> None:
    lines = shown([Measurement(1, 2, 1.0), Measurement(2, 1, 30.0, doubt="cannot be")], "cpu")
    assert any("30.00 ?" in line for line in lines)
    assert lines[-1] == "nothing is recommended: 2 at a time: cannot be"
    assert not any("in the study file" in line for line in lines)


def test_the_table_begins_with_what_was_trained_where() -> None:
    assert shown(THREE_FIT, "cuda")[:2] == [
        "recipe.yaml on noise of the recipe's shape (real cycles: --data)",
        "A GPU, cores for it: 8; each for 20 s or more, in epochs of 16 steps",
    ]
    assert shown(THREE_FIT, "cuda", Path("breaths"))[0] == "recipe.yaml on cycles of breaths"


def test_the_table_says_that_steps_were_to_be_replayed_from_a_graph_and_where_they_were_not() -> None:
    done = [Measurement(1, 8, 5.0), Measurement(2, 4, 4.0, why_plain="no memory for it")]
    sharing = Sharing(Path("s.yaml"), None, "cuda", "A GPU", 8, 20.0, 16, done, cuda_graphs=True)
    console = Console(width=120)
    with console.capture() as capture:
        console.print(gpu_sharing_table(sharing))
    lines = capture.get().strip().splitlines()
    assert lines[1].endswith("in epochs of 16 steps, replayed from a CUDA graph where that can be done")
    assert "2 at a time: steps were not replayed from a CUDA graph: no memory for it" in lines


def test_checkpoints_and_what_the_driver_says_stand_above_what_to_write() -> None:
    done = [
        Measurement(1, 8, 5.0, peak=2**30, left=2**31, checkpoint_seconds=0.25, checkpoint_bytes=3 * 2**20)
    ]
    sharing = Sharing(Path("recipe.yaml"), None, "cuda", "A GPU", 8, 20.0, 16, done, ("MPS runs: well",))
    console = Console(width=120)
    with console.capture() as capture:
        console.print(gpu_sharing_table(sharing))
    *table, checkpoint, mps, advice = capture.get().strip().splitlines()
    assert "0.25 s" in table[-1] + table[-2]
    assert checkpoint == "a checkpoint after each epoch, counted in steps/s: 3.0 MiB a unit"
    assert mps == "MPS runs: well"
    assert advice.startswith("in the study file: ")
