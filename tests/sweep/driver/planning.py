"""A plan of a small study whose cost is plain."""

from typing import Any

from sweep.config.study_config import StudyConfig
from sweep.driver.plan import plan_study
from sweep.report.study_plan import Plan
from tests.studies import tiny_study


def planned(
    epochs: int = 3,
    workers: int = 1,
    epoch_seconds: float | None = None,
    address: str = "local",
    price: float | None = None,
    probe: bool = False,
    **other: Any,
) -> Plan:
    content = tiny_study(epochs, **{"budget": {"configurations": 4}, **other})
    return plan_study(
        StudyConfig.model_validate(content),
        workers,
        epoch_seconds=epoch_seconds,
        repeats=2,
        address=address,
        price=price,
        probe=probe,
    )
