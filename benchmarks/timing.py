"""How long work takes, and how often that is measured."""

import time
from collections.abc import Callable
from typing import Any

ROUNDS = 15


def seconds(work: Callable[[], Any], times: int) -> float:
    """Mean seconds of one call, over so many."""
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times
