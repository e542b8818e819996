import json

import pytest

from sweep.tracking.shared_view import LONGEST, TAG, addresses, shared_view, view_address

FIELDS = ("patch_mix.temperature", "smoothing.stage")


def test_the_table_has_a_row_for_each_configuration_the_best_first() -> None:
    view = json.loads(shared_view("score", FIELDS))
    assert view["searchFilter"] == "tags.`respsweep.configuration` LIKE '%'"
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`score_mean`", False)
    assert view["selectedColumns"] == [
        *("metrics.`score_mean`", "metrics.`score_sd`", "metrics.`seeds`"),
        "tags.`respsweep.state`",
        *("params.`patch_mix.temperature`", "params.`smoothing.stage`", "tags.`respsweep.reason`"),
    ]


def test_the_charts_are_parallel_coordinates_to_the_mean_and_bars_of_it() -> None:
    view = json.loads(shared_view("any_abnormal_score", FIELDS))
    parallel, bars = view["compareRunCharts"]
    assert (parallel["type"], parallel["selectedParams"]) == ("PARALLEL", list(FIELDS))
    assert parallel["selectedMetrics"] == ["any_abnormal_score_mean"]
    assert (bars["type"], bars["metricKey"]) == ("BAR", "any_abnormal_score_mean")
    (section,) = view["compareRunSections"]
    assert parallel["metricSectionId"] == bars["metricSectionId"] == section["uuid"]


def test_the_same_study_has_the_same_view() -> None:
    assert shared_view("score", FIELDS) == shared_view("score", FIELDS)


def test_a_view_of_many_fields_leaves_out_the_last_rather_than_be_refused() -> None:
    fields = [f"backbone.config.a_long_name_of_a_field_{number}" for number in range(200)]
    view = shared_view("score", fields)
    assert len(view) <= LONGEST
    shown = json.loads(view)["compareRunCharts"][0]["selectedParams"]
    assert shown == fields[: len(shown)]
    assert len(shown) > 20


@pytest.mark.parametrize("server", ["http://127.0.0.1:5000", "http://127.0.0.1:5000/"])
def test_an_address_opens_the_view_of_an_experiment(server: str) -> None:
    key = TAG.rpartition(".")[2]
    runs = f"http://127.0.0.1:5000/#/experiments/3/runs?workflowType=machine_learning&viewStateShareKey={key}"
    assert view_address(server, "3") == runs
    assert view_address(server, "3", charts=True) == f"{runs}&compareRunsMode=CHART"
    assert (
        addresses(server, "3")
        == f"configurations, best first: {runs}\ncompared: {runs}&compareRunsMode=CHART"
    )
    assert addresses(server, None) == f"runs and curves: {server}"
