"""How many units fit on a machine, and what is said where none does."""

import pytest

from sweep.config.study_parts import ResourcesConfig
from sweep.execution.room import bundle, described, no_room, units_on


@pytest.mark.parametrize(
    ("node", "resources", "fit"),
    [
        ({"CPU": 8.0}, ResourcesConfig(cpu=2), 4),
        ({"CPU": 8.0}, ResourcesConfig(cpu=3), 2),
        ({"CPU": 8.0, "GPU": 1.0}, ResourcesConfig(cpu=1, gpu=0.1), 8),
        ({"CPU": 16.0, "GPU": 1.0}, ResourcesConfig(cpu=1, gpu=0.1), 10),
        ({"CPU": 16.0, "GPU": 2.0}, ResourcesConfig(cpu=1, gpu=0.3), 6),
        ({"CPU": 16.0}, ResourcesConfig(cpu=1, gpu=1), 0),
        ({"CPU": 16.0, "GPU": 4.0, "a100": 1.0}, ResourcesConfig(cpu=1, gpu=1, custom={"a100": 0.5}), 2),
        ({"CPU": 16.0, "GPU": 4.0}, ResourcesConfig(cpu=1, gpu=1, custom={"a100": 0.5}), 0),
    ],
)
def test_units_fit_by_what_runs_out_first(
    node: dict[str, float], resources: ResourcesConfig, fit: int
) -> None:
    assert units_on(node, resources) == fit


def test_a_bundle_names_what_a_unit_takes() -> None:
    resources = ResourcesConfig(cpu=4, gpu=0.5, custom={"accelerator_type:A10G": 0.001})
    assert bundle(resources) == {"CPU": 4, "GPU": 0.5, "accelerator_type:A10G": 0.001}
    assert described(bundle(ResourcesConfig(cpu=4, gpu=0.5))) == "4 CPU and 0.5 GPU"


@pytest.mark.parametrize(
    ("node", "resources", "has", "ways"),
    [
        (
            {"CPU": 2.0},
            ResourcesConfig(cpu=4, gpu=1),
            "2 CPU and 0 GPU",
            "--set resources.cpu=2 --set resources.gpu=0, or",
        ),
        (
            {"CPU": 8.0, "GPU": 1.0},
            ResourcesConfig(cpu=4, gpu=2),
            "8 CPU and 1 GPU",
            "--set resources.gpu=1, or",
        ),
        (
            {"CPU": 2.0, "GPU": 1.0},
            ResourcesConfig(cpu=4, gpu=1, custom={"a100": 1}),
            "2 CPU and 1 GPU and 0 a100",
            "--set resources.cpu=2 and leave a100 out of resources.custom, or",
        ),
        ({"GPU": 1.0}, ResourcesConfig(cpu=1), "0 CPU and 1 GPU", "run it on another machine, or"),
    ],
)
def test_what_is_too_small_is_named_with_the_settings_that_let_a_unit_fit(
    node: dict[str, float], resources: ResourcesConfig, has: str, ways: str
) -> None:
    assert units_on(node, resources) == 0
    assert no_room(resources, node, "this machine") == (
        f"a unit needs {described(bundle(resources))} on one machine; this machine has {has}: "
        f"{ways} change resources in the study file"
    )
