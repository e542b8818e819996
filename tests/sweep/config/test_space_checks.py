from typing import Any

import pytest

from data.settings import ConfigError
from tests.sweep.config.spaces import KERNELS, STAGES, space_of


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        (
            {"patch_mix.temprature": {"type": "float", "low": 0.1, "high": 0.5}},
            "search.patch_mix.temprature: no such field; did you mean patch_mix.temperature?",
        ),
        (
            {"temperature": {"type": "float", "low": 0.1, "high": 0.5}},
            "search.temperature: no such field; did you mean patch_mix.temperature?",
        ),
        (
            {"smoothing.kernel_size": {"type": "categorical", "choices": [3, 4]}},
            "search.smoothing.kernel_size: 4 makes no recipe: smoothing.kernel_size: ",
        ),
        (
            {"smoothing.kernel_size": {"type": "int", "low": 3, "high": 9}},
            "search.smoothing.kernel_size: 4 makes no recipe: smoothing.kernel_size: ",
        ),
        (
            {"patch_mix.temperature": {"type": "float", "low": 0.0, "high": 0.5}},
            "search.patch_mix.temperature: 0.0 makes no recipe: patch_mix.temperature: ",
        ),
        (
            {"smoothing.stage": {"type": "categorical", "choices": [0, 4]}},
            "search.smoothing.stage: 4 makes no recipe: smoothing.stage: ",
        ),
        (
            {"smoothing.kernel_size": {**KERNELS, "when": "smoothing.stage"}},
            "search.smoothing.kernel_size: its condition names smoothing.stage, which this study does not",
        ),
        (
            {
                "smoothing.stage": STAGES,
                "smoothing.kernel_size": {**KERNELS, "when": {"smoothing.stage": [3]}},
            },
            "search.smoothing.kernel_size: its condition waits for smoothing.stage = 3, which is not among",
        ),
        (
            {
                "smoothing.stage": {"type": "categorical", "choices": [None]},
                "smoothing.kernel_size": {**KERNELS, "when": "smoothing.stage"},
            },
            "search.smoothing.kernel_size: its condition waits for smoothing.stage, which is always null",
        ),
        (
            {
                "smoothing.stage": {**STAGES, "when": "smoothing.kernel_size"},
                "smoothing.kernel_size": {**KERNELS, "when": "smoothing.stage"},
            },
            "search: the conditions of smoothing.stage, smoothing.kernel_size wait for each other",
        ),
        (
            {
                "smoothing.stage": STAGES,
                "smoothing.kernel_size": {**KERNELS, "when": {"smoothing.stage": [0]}},
                "smoothing.sigma": {
                    "type": "float",
                    "low": 1.0,
                    "high": 2.0,
                    "when": {"smoothing.stage": [1], "smoothing.kernel_size": [5]},
                },
            },
            "search.smoothing.sigma: its conditions exclude each other",
        ),
    ],
)
def test_a_search_that_cannot_be_is_refused_by_field(parameters: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        space_of(parameters)
    assert str(refusal.value).startswith(complaint)


@pytest.mark.parametrize(
    ("fixed", "complaint"),
    [
        (
            {"backbone": {"nmae": "dass"}},
            "recipe: backbone.nmae: no such field; did you mean backbone.name?",
        ),
        ({"epochs": 0}, "recipe: epochs: "),
        ({"smoothing": None}, "recipe: smoothing: "),
        ({"patch_mix": 3}, "recipe: patch_mix: "),
    ],
)
def test_an_error_in_the_fixed_fields_is_not_blamed_on_the_search(
    fixed: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        space_of({"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}}, fixed)
    assert str(refusal.value).startswith(complaint)


def test_a_value_need_not_suit_fields_that_it_switches_off() -> None:
    # AST has no stages: the stage is searched for DASS alone, and null in the recipe that AST gets.
    space = space_of(
        {
            "backbone.name": {"type": "categorical", "choices": ["dass", "ast"]},
            "smoothing.stage": {
                "type": "categorical",
                "choices": [0, 1],
                "when": {"backbone.name": ["dass"]},
            },
        },
        {"backbone": {"variant": "tiny"}, "smoothing": {"stage": None}},
    )
    assert space.recipe({"backbone.name": "ast"}).backbone.name == "ast"


def test_a_condition_on_true_is_none_on_one() -> None:
    with pytest.raises(ConfigError, match=r"waits for epochs = True, which is not among the values"):
        space_of(
            {
                "epochs": {"type": "categorical", "choices": [1, 2]},
                "batch_size": {"type": "int", "low": 2, "high": 4, "when": {"epochs": [True]}},
            }
        )
