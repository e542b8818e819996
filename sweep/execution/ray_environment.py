"""What Ray and Tune read of the environment in the processes of a study, set before they are imported or started."""

from __future__ import annotations

import os

ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_FORCE_TRIAL_CLEANUP_S": "5",
    "TUNE_GLOBAL_CHECKPOINT_S": "600",
    "TUNE_MAX_PENDING_TRIALS_PG": "10000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_V2_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Ray would end this process when its head has been away for a minute, in C++ and without a word to Python.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""What Ray and Tune read of the environment, when they are imported or started."""


def prepare_ray() -> None:
    """Set the environment of Ray and Tune, and keep this process's keys out of the workers'. Imports Ray.

    Tune would put the driver's keys into each worker's runtime environment, which Ray writes to its logs and shows in
    the process list. Workers have their own: what Ray was started with on their node, or the machine's role.
    """
    os.environ.update(ENVIRONMENT)
    from ray.tune.execution import class_cache

    keys = {name for name in class_cache.ENV_VARS_TO_PROPAGATE if "AWS_" in name}
    class_cache.ENV_VARS_TO_PROPAGATE -= keys
