import pytest
from pydantic import Field

from data.fields import field_paths, nearest_field
from data.settings import Config


class Smoothing(Config):
    kernel_size: int = 5
    sigma: float = 3.0


class Settings(Config):
    smoothing: Smoothing | None = Smoothing()
    batch_size: int = Field(default=16, ge=1)


def test_paths_go_down_into_nested_settings_also_optional_ones() -> None:
    assert field_paths(Settings) == ["smoothing", "smoothing.kernel_size", "smoothing.sigma", "batch_size"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("smoothing.kernel_sise", "smoothing.kernel_size"),
        ("batchsize", "batch_size"),
        ("kernel_size", "smoothing.kernel_size"),
        ("colour", None),
    ],
)
def test_a_mistaken_path_has_a_nearest_field(written: str, meant: str | None) -> None:
    assert nearest_field(Settings, written) == meant
