"""Calls a handler as often as the standard input says, and answers with the seconds of one call."""

import json
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from benchmarks.timing import seconds

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def time_on_demand(handler: Handler) -> None:
    """The first line is an API Gateway event, each further one how often to call with it."""
    event, context = json.loads(sys.stdin.readline()), SimpleNamespace()

    def serve() -> None:
        answer = handler(event, context)
        assert answer["statusCode"] == 202, answer

    for times in sys.stdin:
        sys.stdout.write(f"{seconds(serve, int(times))}\n")
        sys.stdout.flush()
