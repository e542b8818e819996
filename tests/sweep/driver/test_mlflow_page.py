from sweep.config.study_config import StudyConfig
from sweep.driver.mlflow_page import mlflow_page
from tests.studies import tiny_study


def test_mlflows_page_is_told_what_is_searched_and_what_is_fixed() -> None:
    shown = mlflow_page(StudyConfig.model_validate(tiny_study(3, objective="any_abnormal")), "first")
    assert (shown.metric, shown.searched) == ("any_abnormal_score", ("patch_mix.temperature",))
    assert "patch_mix.temperature" not in shown.fixed
    assert shown.fixed["epochs"] == "3"
    assert shown.fixed["backbone.name"] == "dass"
    assert shown.fixed["patch_mix.axes"] == '["time", "frequency"]'
    assert shown.fixed["backbone.pretrained"] == "null"


def test_the_description_names_the_study_as_it_is_and_its_label() -> None:
    shown = mlflow_page(StudyConfig.model_validate(tiny_study(3, protocol="published")), "a_*b*<script>")
    assert r"Study **a\_\*b\*\<script\>** of respsweep" in shown.description
    assert "as papers do" in shown.description


def test_the_settings_of_an_own_network_are_one_parameter_but_for_what_is_searched() -> None:
    config = {"blocks": {"(1,5)": 2}, "layers": {"deep": [1, 2]}}
    own = {
        "recipe": {
            "backbone": {"name": "tests.own_parts:Recurrent", "config": config},
            "smoothing": {"stage": None},
            "patch_mix": {"axes": []},
        },
        "search": {"backbone.config.layers.wide": {"type": "categorical", "choices": [1, 2]}},
    }
    shown = mlflow_page(StudyConfig.model_validate(tiny_study(3, **own)), "first")
    assert shown.searched == ("backbone.config.layers.wide",)
    below = {path: value for path, value in shown.fixed.items() if path.startswith("backbone.config")}
    assert below == {
        "backbone.config.blocks": '{"(1,5)": 2}',
        "backbone.config.layers.deep": "[1, 2]",
    }
    plain = mlflow_page(StudyConfig.model_validate(tiny_study(3, recipe=own["recipe"])), "first")
    assert plain.fixed["backbone.config"] == '{"blocks": {"(1,5)": 2}, "layers": {"deep": [1, 2]}}'
