import os
import subprocess
import sys

LOOK = """
import os
import sweep.tracking.server
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES, MLFLOW_HTTP_REQUEST_TIMEOUT
print(MLFLOW_HTTP_REQUEST_MAX_RETRIES.get(), MLFLOW_HTTP_REQUEST_TIMEOUT.get())
print(os.environ["MLFLOW_DISABLE_TELEMETRY"])
"""


def test_the_ui_asks_a_server_once_and_waits_as_long_as_the_user_says() -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    # In a process of its own: others of this one have imported it before.
    looked = subprocess.run(
        [sys.executable, "-c", LOOK],
        env={**inherited, "MLFLOW_HTTP_REQUEST_TIMEOUT": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert looked.stdout.split() == ["0", "3", "true"]
