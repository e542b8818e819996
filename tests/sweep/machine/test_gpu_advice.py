from dataclasses import replace

from sweep.machine.gpu_advice import gpu_advice, refusal
from sweep.worker.gpu_facts import GpuFacts, GpuSlice, Mode

SLICES = tuple(GpuSlice(f"MIG-{letter}", "1g.5gb", 5 * 2**30) for letter in "abc")


def gpu(mode: Mode = "shared", slices: tuple[GpuSlice, ...] | None = None, number: int = 0) -> GpuFacts:
    return GpuFacts(number, "A100", 40 * 2**30, mode, slices)


def test_a_machine_without_gpus_needs_no_advice() -> None:
    assert gpu_advice([], mps=False) == []
    assert refusal([], mps=False) is None


def test_whether_mps_runs_is_told_and_how_to_start_it() -> None:
    assert gpu_advice([gpu()], mps=True) == [
        "MPS runs: kernels of units that share a GPU run at the same time"
    ]
    (line,) = gpu_advice([gpu()], mps=False)
    assert line.startswith(
        "MPS does not run: kernels of units that share a GPU take turns; nvidia-cuda-mps-control"
    )


def test_slices_are_counted_by_their_size_and_named_for_cuda() -> None:
    larger = (*SLICES, GpuSlice("MIG-d", "2g.10gb", 10 * 2**30))
    names = "MIG-a,MIG-b,MIG-c,MIG-d"
    assert gpu_advice([gpu(slices=larger)], mps=False) == [
        "GPU 0 (A100) is cut by MIG into 3 slices of 5.00 GiB, 1 slice of 10.00 GiB",
        f"for a unit on each slice: CUDA_VISIBLE_DEVICES={names}, and resources.gpu as if each were a GPU",
    ]
    (line,) = gpu_advice([gpu(slices=())], mps=False)
    assert "no slices yet" in line


def test_of_slices_for_others_their_number_alone_is_told() -> None:
    ours = replace(gpu(slices=SLICES[:1]), hidden=2)
    first, second = gpu_advice([ours], mps=False)
    assert first == "GPU 0 (A100) is cut by MIG; CUDA_VISIBLE_DEVICES shows 1 slice of 5.00 GiB of 3 slices"
    assert "CUDA_VISIBLE_DEVICES=MIG-a, and" in second


def test_units_cannot_share_what_lets_one_process_in_unless_mps_runs() -> None:
    alone = gpu("exclusive")
    assert "lets one process in (compute mode exclusive)" in str(refusal([alone], mps=False))
    assert refusal([alone], mps=True) is None
    assert "lets no program in" in str(refusal([gpu("prohibited")], mps=True))


def test_one_gpu_that_can_be_shared_is_enough() -> None:
    assert refusal([gpu("exclusive"), gpu(number=1)], mps=False) is None
    assert refusal([gpu(slices=SLICES)], mps=False) is None
