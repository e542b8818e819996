"""What is said where there is no Ray to drain; a node that is drained: tests/scenarios/cluster/test_ray_up.py."""

import pytest
import ray

from sweep.execution.drain import drain_this_node
from sweep.execution.errors import ExecutorError


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            ConnectionError("Could not find any running Ray instance.\nStart one."),
            "Could not find any running Ray",
        ),
        (ConnectionError(), "ConnectionError"),
    ],
)
def test_a_machine_without_ray_is_told_so_in_a_line(
    monkeypatch: pytest.MonkeyPatch, error: ConnectionError, reason: str
) -> None:
    def init(**options: object) -> None:
        raise error

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(ExecutorError, match=f"^no Ray to drain on this machine: {reason}[^\n]*$"):
        drain_this_node(10.0, "maintenance")
