"""The environment of Ray is set when it is needed; that no key gets into logs: tests/scenarios/test_secrets.py."""

import json
import os
import subprocess
import sys

from sweep.execution.ray_environment import ENVIRONMENT


def test_importing_the_driver_brings_no_ray_and_sets_nothing() -> None:
    code = """
import json, os, sys
import sklearn  # sets two variables of its own
before = dict(os.environ)
import sweep.driver.run
changed = {name for name in {*before, *os.environ} if before.get(name) != os.environ.get(name)}
print(json.dumps([sorted(changed), [name for name in ("ray", "mlflow") if name in sys.modules]]))
"""
    clean = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    done = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[], []]
