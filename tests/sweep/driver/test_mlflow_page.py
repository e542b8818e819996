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
