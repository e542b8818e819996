import pytest

from data.settings import ConfigError, parse
from model.domain_parts import (
    DOMAIN_WEIGHTS,
    DeviceContrastConfig,
    PatientAlignmentConfig,
    check_several_origins,
    domain_weights,
)
from model.training.recipe import Recipe


def test_all_of_it_is_off_where_a_recipe_says_nothing() -> None:
    assert not DeviceContrastConfig().is_on
    assert not PatientAlignmentConfig().is_on
    assert domain_weights(DeviceContrastConfig(), PatientAlignmentConfig()) == []
    assert Recipe().contrasts == "patch_mix.axes"


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ({"device_contrast": {"weight": 1}}, "device_contrast.weight"),
        ({"device_contrast": {"adversarial_weight": 1}}, "device_contrast.adversarial_weight"),
        ({"patient_alignment": {"cohesion_weight": 1}}, "patient_alignment.cohesion_weight"),
        ({"patient_alignment": {"alignment_weight": 1}}, "patient_alignment.alignment_weight"),
    ],
)
def test_each_weight_switches_its_part_on_and_is_refused_beside_mixup(section: dict, path: str) -> None:
    recipe = parse(Recipe, {"patch_mix": {"axes": []}, **section}, "test")
    assert domain_weights(recipe.device_contrast, recipe.patient_alignment) == [(path, 1.0)]
    assert path in DOMAIN_WEIGHTS
    assert recipe.contrasts == path.split(".")[0]
    with pytest.raises(
        ConfigError, match=f"{path} 1 asks whose breath .* mixup.alpha 0.4 it is of two patients"
    ):
        parse(Recipe, {**section, "mixup": {"alpha": 0.4}}, "test")


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ({"weight": -1}, "greater than or equal to 0"),
        ({"temperature": 0}, "greater than 0"),
        ({"views": 3}, "less than or equal to 2"),
        ({"reversal": "sudden"}, "'constant' or 'ramp'"),
    ],
)
def test_values_that_mean_nothing_are_refused(section: dict, complaint: str) -> None:
    with pytest.raises(ConfigError, match=f"device_contrast.{next(iter(section))}: .*{complaint}"):
        parse(Recipe, {"device_contrast": section}, "test")


def test_weights_that_are_on_together_are_refused_together() -> None:
    both = {"cohesion_weight": 5, "alignment_weight": 0.005}
    content = {"patient_alignment": both, "patch_mix": {"axes": []}}
    with pytest.raises(
        ConfigError,
        match=r"cohesion_weight 5 and patient_alignment.alignment_weight 0.005 ask whose .*; set mixup.alpha or these "
        "weights to 0$",
    ):
        parse(Recipe, {**content, "mixup": {"alpha": 0.4}}, "test")
    frozen = {"backbone": {"pretrained": "weights.pth"}, "frozen": {"encoder": True}}
    with pytest.raises(ConfigError) as refused:
        parse(Recipe, {**content, **frozen}, "test")
    assert [line.split(": ")[1] for line in str(refused.value).splitlines()] == [
        "patient_alignment.cohesion_weight",
        "patient_alignment.alignment_weight",
    ]
    with pytest.raises(ConfigError, match=r"(?s)^\S*cohesion_weight: tells .*\n\S*alignment_weight: tells "):
        check_several_origins(DeviceContrastConfig(), PatientAlignmentConfig(**both), ("A",), (301,), "x")


def test_one_device_is_refused_only_where_devices_are_told_apart() -> None:
    off, patients = PatientAlignmentConfig(), (1, 2)
    check_several_origins(DeviceContrastConfig(), off, ("Yunting II",), patients, "x")
    check_several_origins(DeviceContrastConfig(weight=1), off, ("AKGC417L", "Meditron"), patients, "x")
    with pytest.raises(
        ConfigError, match=r"adversarial_weight: .*cycles of x come from one device \(Yunting II\)"
    ):
        check_several_origins(DeviceContrastConfig(adversarial_weight=1), off, ("Yunting II",), patients, "x")


def test_one_patient_is_refused_only_where_patients_are_told_apart() -> None:
    off, devices = DeviceContrastConfig(), ("A", "B")
    check_several_origins(off, PatientAlignmentConfig(), devices, (301,), "x")
    check_several_origins(DeviceContrastConfig(weight=1), PatientAlignmentConfig(), devices, (301,), "x")
    check_several_origins(off, PatientAlignmentConfig(cohesion_weight=1), ("A",), (301, 302), "x")
    with pytest.raises(
        ConfigError,
        match=r"patient_alignment.alignment_weight: tells patients apart, and all cycles of x come from one patient "
        r"\(301\); set it to 0, or take recordings of several patients",
    ):
        check_several_origins(off, PatientAlignmentConfig(alignment_weight=1), devices, (301,), "x")
