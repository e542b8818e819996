"""How MLflow's page shows a study: a view that is kept with the experiment, and the address that opens it.

MLflow keeps what its page's "share" button makes in a tag of the experiment, as JSON, and opens it by the end of the
tag's name. The form is that of MLflow's own page, 3.17 (`experiment-page` in its sources).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

KEY = "respsweep"
TAG = f"mlflow.sharedViewState.{KEY}"
LONGEST = 5000
"""Characters in the value of an experiment's tag."""
CONFIGURATIONS = "tags.`respsweep.configuration` LIKE '%'"
"""MLflow's filter for the runs of configurations, which units are not."""
SECTION = "Configurations"


def shared_view(metric: str, searched: Sequence[str]) -> str:
    """Write the view of a study that is ranked by `metric` and varies the dotted fields `searched`.

    Its table has a row for each configuration, the best first: mean, deviation and number of seeds, state, searched
    fields, and why it was given up. Its charts are parallel coordinates from those fields to the mean, and the means as
    bars. Fields that would make the value longer than `LONGEST` characters are left out, from the last.
    """
    fields = list(searched)
    while len(view := json.dumps(_view(metric, fields), separators=(",", ":"))) > LONGEST:
        fields.pop()
    return view


def view_address(server: str, experiment: str, *, charts: bool = False) -> str:
    """Write the address at which the MLflow server at the URL `server` shows the view of the experiment of that id."""
    query = {"workflowType": "machine_learning", "viewStateShareKey": KEY}
    if charts:
        query["compareRunsMode"] = "CHART"
    return f"{server.rstrip('/')}/#/experiments/{experiment}/runs?{urlencode(query)}"


def addresses(server: str, experiment: str | None) -> str:
    """Say in lines where the MLflow server at the URL `server` shows a study; its front page for no experiment."""
    if experiment is None:
        return f"runs and curves: {server}"
    return (
        f"configurations, best first: {view_address(server, experiment)}\n"
        f"compared: {view_address(server, experiment, charts=True)}"
    )


def _view(metric: str, fields: Sequence[str]) -> dict[str, Any]:
    mean, section = f"{metric}_mean", _id(SECTION)
    card = {"deleted": False, "isGenerated": False, "metricSectionId": section}
    parallel = {
        **card,
        "uuid": _id("parallel"),
        "type": "PARALLEL",
        "displayName": f"Searched fields and {mean}",
        "selectedParams": list(fields),
        "selectedMetrics": [mean],
        "showAllRuns": True,
    }
    bars = {**card, "uuid": _id("bars"), "type": "BAR", "displayName": mean, "metricKey": mean}
    columns = [
        *(f"metrics.`{name}`" for name in (mean, f"{metric}_sd", "seeds")),
        "tags.`respsweep.state`",
        *(f"params.`{field}`" for field in fields),
        "tags.`respsweep.reason`",
    ]
    return {
        "searchFilter": CONFIGURATIONS,
        "orderByKey": f"metrics.`{mean}`",
        "orderByAsc": False,
        "selectedColumns": columns,
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": [parallel, bars],
        "compareRunSections": [
            {
                "uuid": section,
                "name": SECTION,
                "display": True,
                "isReordered": False,
                "deleted": False,
                "isGenerated": False,
                # As wide as the page: in a third of it the axes lie on each other.
                "columns": 1,
            }
        ],
    }


def _id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"respsweep/{name}"))
