from mlflow.utils.validation import _validate_param

from sweep.tracking.parameters import parameter_name, parameters


def test_names_and_values_are_as_they_are_where_mlflow_takes_them() -> None:
    assert parameters({"patch_mix.beta": 0.5, "smoothing.stage": None}) == {
        "patch_mix.beta": "0.5",
        "smoothing.stage": "None",
    }


def test_whatever_a_networks_keys_and_values_are_mlflow_takes_them() -> None:
    odd = {
        "backbone.config.(1,5)": 2,
        "backbone.config.a//../b": 1,
        "backbone.config.line\n": 1,
        "backbone.config." + "deep" * 100: 1,
        "backbone.config.long": "x" * 7000,
    }
    shown = parameters(odd)
    assert len(shown) == len(odd)
    for name, value in shown.items():
        _validate_param(name, value)
    assert shown["backbone.config._1_5_"] == "2"
    assert shown["backbone.config.long"].endswith("xxx...")
    assert parameter_name("backbone.config.(1,5)") == "backbone.config._1_5_"
