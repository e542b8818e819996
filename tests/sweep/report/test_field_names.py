"""Short names of searched fields."""

import pytest

from sweep.report.field_names import short_name


@pytest.mark.parametrize(
    ("path", "others", "name"),
    [
        ("patch_mix.temperature", [], "τ"),
        ("sampling.power", ["sampling.seed"], "power"),
        ("device_contrast.weight", ["device_contrast.adversarial_weight"], "device contrast"),
        ("a.weight_decay", [], "weight decay"),
        ("a.rate", ["b.rate"], "a.rate"),
        ("features.stage", [], "features.stage"),
    ],
)
def test_a_field_is_named_as_papers_do_and_never_like_another(
    path: str, others: list[str], name: str
) -> None:
    assert short_name(path, [path, *others]) == name
