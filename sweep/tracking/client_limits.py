"""How long this process waits for an MLflow server; imported before `mlflow`."""

from __future__ import annotations

import os

# MLflow reads these at each request, telemetry when it is imported. By default it waits for minutes before it gives up.
# It must not repeat a request by itself: a run might be created twice without our knowing.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
