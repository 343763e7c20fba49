"""A warm function's time for a batch: ours, a bare post's and the peers', measured in turn, round by round."""

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import requests

from benchmarks.timing import seconds

PROJECT = Path(__file__).resolve().parent.parent
_ROUNDS = 21  # many short ones: the speed of a shared machine changes within seconds
_TRIES = 6  # of each, in turn, in each round; the best one counts, so that other load does not
_CALLS = 10  # in each try


class Round(NamedTuple):
    """Seconds of one call, or of one bare post."""

    bare: float
    ours: float
    fastapi: float
    powertools: float


def proxy_event(body: bytes) -> dict[str, Any]:
    """All that API Gateway hands over with this body, as in events/collect.json."""
    sample: dict[str, Any] = json.loads((PROJECT / "events/collect.json").read_text())
    return sample | {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def measure(url: str, body: bytes, event: dict[str, Any], ours: Callable[[], Any]) -> list[Round]:
    """The rounds; `ours` serves the event, which the peers get as well, and which has this body."""

    def bare() -> None:
        requests.post(f"{url}/ee/v2/collect", data=body, timeout=9)

    with _peer("with_fastapi", url, event) as fastapi, _peer("with_powertools", url, event) as powertools:

        def once() -> Round:
            return Round(seconds(bare, _CALLS), seconds(ours, _CALLS), fastapi(_CALLS), powertools(_CALLS))

        once()  # everything is warm from here
        return [Round(*map(min, *(once() for _ in range(_TRIES)))) for _ in range(_ROUNDS)]


@contextmanager
def _peer(name: str, url: str, event: dict[str, Any]) -> Iterator[Callable[[int], float]]:
    """Gives the seconds of one call, from so many, as measured by the peer's own process in its own environment."""
    command = [PROJECT / ".venv-peers/bin/python", "-m", f"benchmarks.peers.{name}", url]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin
        assert process.stdout
        orders, answers = process.stdin, process.stdout

        def peer_seconds(times: int) -> float:
            orders.write(f"{times}\n")
            return float(answers.readline())  # an empty line: the peer has ended, and has said why

        orders.write(f"{json.dumps(event)}\n")
        yield peer_seconds
