"""A cold import of the collect function, over one of the libraries that it cannot do without."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.timing import ROUNDS

PROJECT = Path(__file__).resolve().parent.parent
_LIBRARIES = "import boto3, requests; from aws_lambda_powertools import Logger, Metrics"
_FUNCTION = "import functions.collect.app"


def measure() -> list[float]:
    """The ratios; every import is that of a new process."""
    for statement in (_LIBRARIES, _FUNCTION):
        _importing(statement)  # so that both find their byte code
    return [_importing(_FUNCTION) / _importing(_LIBRARIES) for _ in range(ROUNDS)]


def _importing(statement: str) -> float:
    """Seconds."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = os.pathsep.join([str(PROJECT), str(PROJECT / "layers/shared")])
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    command = [sys.executable, "-c", code]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
