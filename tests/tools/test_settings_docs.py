"""The page of settings and the schemas are what the models of today say."""

import typing
from pathlib import Path

import pytest
from settings_docs import files, settings_page

from data.fields import field_paths
from model.training.recipe import Recipe
from sweep.config.file_schemas import study_schema
from sweep.config.study_config import StudyConfig
from sweep.config.study_parts import PrunerConfig, SamplerConfig

PAGE = settings_page(study_schema())


@pytest.mark.parametrize(("path", "text"), files().items(), ids=lambda value: getattr(value, "name", ""))
def test_a_file_made_of_the_models_is_true(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, (
        f"write {path.name} anew: .venv/bin/python tools/settings_docs.py"
    )


def test_the_page_names_every_field_every_sampler_and_every_pruner() -> None:
    names = {path.rpartition(".")[2] for settings in (StudyConfig, Recipe) for path in field_paths(settings)}
    assert sorted(name for name in names if f"\n| `{name}` | " not in PAGE) == []
    for settings in (SamplerConfig, PrunerConfig):
        for name in typing.get_args(settings.model_fields["name"].annotation):
            assert f".arguments of {name}\n" in PAGE or f"`{name}`" in PAGE.partition("Without arguments")[2]


def test_a_row_says_what_a_field_may_be_its_default_and_what_it_means() -> None:
    for row in (
        "| `batch_size` | whole number, at least 2, at most 1,000,000 | `16` | cycles a step; ",
        "| `p_drop` | number, at least 0, below 0.5 | `0.001` | given up for good when P(ahead) is below |",
        "| `low` | number | required | least value |",
        "| `axes` | list, each: `time`, `frequency`, `cells` | `[time, frequency]` | one mixed pass each; ",
        "| `objective` | `score`, `any_abnormal`, `harmonic`; or `[sensitivity, specificity]` | `score` | ",
    ):
        assert f"\n{row}" in PAGE
