"""A server of ours as a child process: started in a session of its own, and stopped with all that it started."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests

_START_SECONDS = 60
_STOP_SECONDS = 5
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5  # seconds


class LocalError(Exception):
    """Something on this machine stands in the way; the message is one sentence for a person."""


def choose_port(variable: str) -> int:
    """The port that the environment variable asks for, or a free one."""
    wanted = os.environ.get(variable) or "0"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(wanted)))
        except (ValueError, OverflowError) as error:
            raise LocalError(f"{variable}={wanted} is not a port number.") from error
        except OSError as error:
            raise LocalError(f"Port {wanted} is taken; set {variable} to another one, or leave it out.") from error
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    name: str, command: Sequence[str | Path], environment: Mapping[str, str], log: Path, healthy_url: str
) -> Iterator[subprocess.Popen[bytes]]:
    """The server, answering at `healthy_url`; everything it started is gone afterwards."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_until(
            lambda: process.poll() is not None or _answers(healthy_url), f"{name} did not start; its log is {log}."
        )
        if process.poll() is not None:
            raise LocalError(f"{name} ended at once; its log is {log}. Its last words: {last_line(log)}")
        yield process
    finally:
        _stop(process)


def wait_until(condition: Callable[[], object], complaint: str, seconds: float = _START_SECONDS) -> None:
    """Return soon after the condition holds. Raises LocalError with the complaint when it does not in time.

    It asks the less often the longer it waits, since to ask keeps the machine from what it waits for.
    """
    started = time.monotonic()
    while not condition():
        waited = time.monotonic() - started
        if waited > seconds:
            raise LocalError(complaint)
        time.sleep(min(max(_SHORTEST_PAUSE, waited / 20), _LONGEST_PAUSE))


def last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "(none)"


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).status_code < 500
    except requests.RequestException:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    for signal_number in (signal.SIGTERM, signal.SIGKILL):  # the second also ends what outlived its parent
        try:
            os.killpg(process.pid, signal_number)
        except ProcessLookupError:
            return
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
