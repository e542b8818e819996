"""Many training runs: find the best hyperparameters of a lung-sound classifier. The page: docs/python.md.

    import sweep

    config = sweep.read_study("search_spaces/quickstart.yaml", **{"budget.configurations": 4})
    sweep.plan(config, workers=4)
    study = sweep.run(config, name="first")
    study.leaderboard()

Names are imported when they are used: `import sweep` alone is quick, and changes nothing in the process.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data.errors import UserError
    from sweep.api.configuration_result import ConfigurationResult
    from sweep.api.functions import compare, plan, read_study, run, simulate, studies
    from sweep.api.functions import open as open
    from sweep.api.study import Study
    from sweep.config.study_config import StudyConfig
    from sweep.report.compared_studies import StudyComparison
    from sweep.report.study_plan import Plan

__all__ = [
    "ConfigurationResult",
    "Plan",
    "Study",
    "StudyComparison",
    "StudyConfig",
    "UserError",
    "compare",
    "plan",
    "read_study",
    "run",
    "simulate",
    "studies",
]
# Without `open`: `from sweep import *` would hide the one of Python.

_HOMES = {
    "ConfigurationResult": "sweep.api.configuration_result",
    "Plan": "sweep.report.study_plan",
    "Study": "sweep.api.study",
    "StudyComparison": "sweep.report.compared_studies",
    "StudyConfig": "sweep.config.study_config",
    "UserError": "data.errors",
    "compare": "sweep.api.functions",
    "open": "sweep.api.functions",
    "plan": "sweep.api.functions",
    "read_study": "sweep.api.functions",
    "run": "sweep.api.functions",
    "simulate": "sweep.api.functions",
    "studies": "sweep.api.functions",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)
