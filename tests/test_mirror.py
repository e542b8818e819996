"""Each module has a test file where tests mirror it, or a line here that says which other file tests it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ELSEWHERE = {
    "data/errors.py": "tests/test_errors.py",
    "model/scan_engines.py": "tests/model/selective_scan/test_selective_scan.py",
    "model/triton_launch.py": "tests/model/test_layer_norm_triton.py",
    "model/variants.py": "tests/model/test_dass.py",  # sizes and keys of each variant
    "model/weight_names.py": "tests/model/test_weights_of_dass.py",  # and _ast, _cnn6: layouts, seen through whole files
    # Each engine is held against the definition, and all of them against golden numbers, in one file.
    "model/selective_scan/mamba.py": "tests/model/selective_scan/test_selective_scan.py",
    "model/selective_scan/numba_kernels.py": "tests/model/selective_scan/test_numba_cpu.py",
    "model/selective_scan/reference.py": "tests/model/selective_scan/test_selective_scan.py",
    "model/selective_scan/triton_cuda.py": "tests/model/selective_scan/test_selective_scan.py",
    "model/selective_scan/triton_gradients.py": "tests/model/selective_scan/test_selective_scan.py",
    "model/selective_scan/triton_layout.py": "tests/model/selective_scan/test_selective_scan.py",
    "model/selective_scan/triton_places.py": "tests/model/selective_scan/test_selective_scan.py",
    "model/training/divergence.py": "tests/model/training/test_fit.py",  # as runs that diverge are refused
    "sweep/api/": "tests/sweep/test_api.py",  # `import sweep`, as a whole
    # What a cluster file is read into; each is seen through the check of whole files.
    "sweep/cluster/cluster_file.py": "tests/sweep/cluster/test_check.py",
    "sweep/cluster/finding.py": "tests/sweep/cluster/test_check.py",
    "sweep/cluster/kuberay.py": "tests/sweep/cluster/rules/test_kuberay.py",
    "sweep/cluster/launcher.py": "tests/sweep/cluster/test_shipped_files.py",
    "sweep/cluster/surroundings.py": "tests/sweep/cluster/test_check.py",
    "model/backbone.py": "tests/model/test_registry.py",  # what every network that is built must offer
    "sweep/config/study_checks.py": "tests/sweep/config/test_refused_study_files.py",  # as whole files are refused
    "sweep/config/study_parts.py": "tests/sweep/config/test_study_config.py",  # read as parts of whole study files
    # Commands only read options and call one function; what they print and refuse is tested as people type it.
    "sweep/commands/": "tests/sweep/commands/test_finished_study.py",
    "sweep/commands/cluster_drain.py": "tests/scenarios/cluster/test_ray_up.py",
    "sweep/commands/cluster_worker.py": "tests/scenarios/test_workers.py",
    "sweep/commands/cluster_watch.py": "tests/sweep/execution/test_spot_notice.py",
    "sweep/commands/doctor.py": "tests/sweep/machine/test_doctor.py",
    "sweep/commands/predict.py": "tests/sweep/evaluation/test_predict.py",  # with a study that was really trained
    "sweep/commands/spectral.py": "tests/sweep/evaluation/test_spectral_curves.py",
    "sweep/commands/simulate.py": "tests/sweep/simulation/test_simulate.py",
    "sweep/commands/ui.py": "tests/sweep/tracking/test_server.py",
    "sweep/driver/weights_export.py": "tests/sweep/evaluation/test_card_facts.py",  # of a study that was really trained
    "sweep/driver/executor.py": "tests/sweep/driver/test_driver.py",  # two protocols
    "sweep/driver/unit_preparation.py": "tests/sweep/driver/test_driver.py",
    "sweep/evaluation/written_bundles.py": "tests/sweep/evaluation/test_test_reading.py",
    # Parts of both loops, seen through Tune's searcher.
    "sweep/execution/hand_out.py": "tests/sweep/execution/test_searcher.py",
    "sweep/execution/unit_news.py": "tests/sweep/execution/test_searcher.py",
    "sweep/execution/scheduler.py": "tests/sweep/driver/test_whole_studies.py",
    "sweep/worker/local_data.py": "tests/sweep/worker/test_prepared_data.py",  # what one makes the other finds
    "sweep/worker/leave_notice.py": "tests/sweep/worker/test_saved_units.py",
    # Parts of the coordinator, whose rules are seen in studies that it holds.
    "sweep/study/choice.py": "tests/sweep/study/test_coordinator.py",
    "sweep/study/pruning.py": "tests/sweep/study/test_other_objectives.py",
    "sweep/study/failures.py": "tests/sweep/study/test_halted_study.py",
    "sweep/tracking/runs.py": "tests/sweep/tracking/test_writer.py",  # with all that it writes, on a database
    "sweep/tracking/experiments.py": "tests/sweep/tracking/test_writer.py",  # as runs of a renamed study go on
    # What two processes tell each other, and the two sides of the pipe.
    "sweep/tracking/messages.py": "tests/sweep/tracking/test_tracker.py",
    "sweep/tracking/writer_main.py": "tests/sweep/tracking/test_tracker.py",
    "sweep/tracking/writer_process.py": "tests/sweep/tracking/test_tracker.py",
    # One class or tuple, which is what the tests of its users raise or expect.
    "sweep/folder/removal.py": "tests/sweep/driver/test_delete.py",
    "sweep/execution/errors.py": "tests/sweep/execution/test_slots.py",
    "sweep/worker/unit_config.py": "tests/sweep/worker/test_trainable.py",
    "sweep/worker/machine_errors.py": "tests/sweep/execution/test_losses.py",
    "sweep/report/compared_studies.py": "tests/sweep/evaluation/test_study_comparison.py",
    "sweep/report/dataset_table.py": "tests/sweep/commands/test_data.py",
    "sweep/report/model_card_facts.py": "tests/sweep/report/test_model_card.py",
    "sweep/report/model_card_scores.py": "tests/sweep/report/test_model_card.py",
    "sweep/report/study_plan.py": "tests/sweep/driver/test_plan.py",
    "sweep/simulation/simulated_study.py": "tests/sweep/simulation/test_simulate.py",
    "sweep/storage/storage.py": "tests/sweep/storage/test_open_storage.py",
    "sweep/study/epoch_report.py": "tests/sweep/study/test_epoch_reports.py",  # as boards and journals ask of it
    "sweep/study/events.py": "tests/sweep/study/test_journal.py",  # each event, written and read back
    "sweep/study/racing_rules.py": "tests/sweep/study/test_racing.py",
}
MODULES = [
    path.relative_to(ROOT).as_posix()
    for package in ("evidence", "data", "model", "sweep")
    for path in sorted((ROOT / package).rglob("*.py"))
    if path.name != "__init__.py"
]


def mirrored(module: str) -> Path:
    return ROOT / "tests" / Path(module).with_name(f"test_{Path(module).name}")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_its_test_file_or_says_where_it_is_tested(module: str) -> None:
    named = [test for place, test in ELSEWHERE.items() if module.startswith(place)]
    assert mirrored(module).exists() or named, f"{module}: no {mirrored(module).relative_to(ROOT)}"
    assert all((ROOT / test).is_file() for test in named), named


@pytest.mark.parametrize("place", [place for place in ELSEWHERE if place.endswith(".py")])
def test_only_modules_without_a_test_file_of_their_own_are_listed(place: str) -> None:
    assert place in MODULES
    assert not mirrored(place).exists()
