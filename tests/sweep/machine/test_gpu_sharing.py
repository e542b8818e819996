"""Which numbers of units are measured, which is best, and what the study file should then say."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from data.settings import ConfigError
from sweep.config.study_parts import ResourcesConfig
from sweep.machine.gpu_sharing import (
    WORTH,
    GpuSharingError,
    Measurement,
    best_sharing,
    measurements,
    recipe_to_share_a_gpu,
    recommended,
)


def device(
    speed: Callable[[int], float], room: int = 1000, busy: list[tuple[int, int]] | None = None
) -> Callable[[int, int], Measurement]:
    """A device that holds `room` processes and takes `speed(processes)` steps a second; notes what was asked."""

    def measure(processes: int, threads: int) -> Measurement:
        if busy is not None:
            busy.append((processes, threads))
        if processes > room:
            return Measurement(processes, threads, problem="CUDA out of memory")
        return Measurement(processes, threads, speed(processes), peak=2**30, left=2**31)

    return measure


def counts(done: list[Measurement]) -> list[int]:
    return [one.processes for one in done]


def test_more_units_are_tried_while_they_pay() -> None:
    done = measurements(device(lambda processes: min(processes, 3)), cores=16)
    assert counts(done) == [1, 2, 4, 8]
    assert best_sharing(done).processes == 4


def test_a_device_that_one_unit_fills_is_not_shared() -> None:
    done = measurements(device(lambda processes: 1 + 0.09 * (processes - 1)), cores=16)
    assert counts(done) == [1, 2]
    assert best_sharing(done).processes == 1


def test_units_share_the_cores_and_each_has_one() -> None:
    busy: list[tuple[int, int]] = []
    done = measurements(device(float, busy=busy), cores=6)
    assert busy == [(1, 6), (2, 3), (4, 1), (6, 1)]
    assert best_sharing(done).processes == 6


@given(room=st.integers(1, 10), cores=st.integers(1, 10))
def test_where_memory_ends_the_most_that_fit_are_found(room: int, cores: int) -> None:
    done = measurements(device(float, room), cores)
    assert best_sharing(done).processes == min(room, cores)
    assert len(set(counts(done))) == len(done)


def test_what_fits_but_does_not_pay_ends_the_search_below_a_full_memory() -> None:
    done = measurements(device(lambda processes: min(processes, 4), room=7), cores=16)
    assert counts(done) == [1, 2, 4, 8, 6]
    assert best_sharing(done).processes == 4


def test_a_recipe_of_which_nothing_fits_says_so() -> None:
    done = measurements(device(float, room=0), cores=4)
    assert counts(done) == [1]
    with pytest.raises(
        GpuSharingError, match="not even one unit of this recipe fits: CUDA out of memory; lower"
    ):
        best_sharing(done)


def once_slowed(times: int) -> Callable[[int, int], Measurement]:
    """Processes that do 10 steps a second each; while something else runs, `times` times, one alone does 0.5."""
    slowed = list[float]()

    def measure(processes: int, threads: int) -> Measurement:
        if processes == 1 and len(slowed) < times:
            slowed.append(0.5)
            return Measurement(1, threads, 0.5)
        return Measurement(processes, threads, 10.0 * processes)

    return measure


def test_one_that_something_else_slowed_down_is_measured_again() -> None:
    done = measurements(once_slowed(1), cores=2)
    assert [(one.processes, one.steps_per_second, one.doubt) for one in done] == [
        (1, 10, None),
        (2, 20, None),
    ]
    assert best_sharing(done).processes == 2


def test_one_that_more_threads_slow_down_counts_with_fewer() -> None:
    done = measurements(once_slowed(2), cores=2)
    assert [(one.processes, one.threads, one.steps_per_second) for one in done] == [(1, 1, 10), (2, 1, 20)]
    assert best_sharing(done).doubt is None


def test_figures_that_cannot_be_are_doubted_and_end_the_measurement() -> None:
    *_, last = done = measurements(once_slowed(9), cores=8)
    assert counts(done) == [1, 2]
    assert last.doubt == (
        "40 times the steps of one cannot be, also after one was measured again; something else kept this machine busy: "
        "let nothing else run, and measure again"
    )


def test_a_tenth_more_is_worth_it_and_less_is_not() -> None:
    at_the_edge = [Measurement(1, 2, 10.0), Measurement(2, 1, 10.0 * WORTH)]
    below_it = [Measurement(1, 2, 10.0), Measurement(2, 1, 10.0 * WORTH - 0.01)]
    assert best_sharing(at_the_edge).processes == 2
    assert best_sharing(below_it).processes == 1


@given(st.integers(1, 99))
def test_as_many_units_as_recommended_fit_on_a_gpu(processes: int) -> None:
    resources = recommended(Measurement(processes, 1, 1.0), "cuda")
    assert int(1 / resources.gpu) == processes
    assert resources.concurrent is None


def test_without_a_gpu_threads_and_units_at_a_time_are_recommended() -> None:
    resources = recommended(Measurement(4, 3, 1.0), "cpu")
    assert (resources.cpu, resources.gpu, resources.concurrent) == (3, 0, 4)


def test_of_a_study_its_first_known_point_is_packed(tmp_path: Path) -> None:
    study = {
        "recipe": {"batch_size": 8},
        "search": {
            "batch_size": {"type": "categorical", "choices": [8, 32]},
            "patch_mix.temperature": {"type": "float", "low": 0.05, "high": 0.5},
        },
    }
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    assert recipe_to_share_a_gpu(path)[0].batch_size == 8
    study["enqueue"] = [{"batch_size": 32, "patch_mix.temperature": 0.1}]
    path.write_text(yaml.safe_dump(study))
    recipe, resources = recipe_to_share_a_gpu(path)
    assert (recipe.batch_size, recipe.patch_mix.temperature) == (32, 0.1)
    assert resources.cuda_graphs == "never"
    study["resources"] = {"cuda_graphs": "auto"}
    path.write_text(yaml.safe_dump(study))
    assert recipe_to_share_a_gpu(path)[1].cuda_graphs == "auto"


def test_a_recipe_is_packed_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({"batch_size": 12}))
    recipe, resources = recipe_to_share_a_gpu(path)
    assert (recipe.batch_size, resources) == (12, ResourcesConfig())
    path.write_text(yaml.safe_dump({"batch_sise": 12}))
    with pytest.raises(
        ConfigError, match=r"recipe\.yaml: batch_sise: no such field; did you mean batch_size"
    ):
        recipe_to_share_a_gpu(path)
