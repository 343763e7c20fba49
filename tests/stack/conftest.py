"""The deployed template, once for all stack tests, and a sandbox that is as good as new for every one of them."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from local.process import wait_until
from local.queues import waiting
from local.stack import Stack, client, client_environment
from local.stack import stack as deployed
from tests.openapi import check
from tests.stack.ingestions import Workflow
from tests.support import DATASTREAM, PROJECT, SandboxClient, batch

os.environ["SFN_WAIT_SCALE"] = "0.01"  # five minutes are three seconds


@dataclass(frozen=True)
class Relay:
    """A client of the deployed API, with a key; every answer is one that docs/openapi.yaml describes."""

    stack: Stack

    def post(
        self, content: Any = None, *, query: str | None = None, dying: bool = False, hint: str = "", **headers: str
    ) -> requests.Response:
        """POST /ee/v2/collect, with a location hint if there is one; `content` is JSON, or bytes sent as they are.

        When the function may be `dying`, the answer can be the emulator's own 502, where AWS has DEFAULT_5XX.
        """
        query = f"dataStreamId={DATASTREAM}" if query is None else query
        body = {"data": content} if isinstance(content, bytes) else {"json": content}
        sent = {"x-api-key": self.stack.api_key, "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        path = f"/ee/{hint}/v2/collect" if hint else "/ee/v2/collect"
        answer = requests.post(f"{self.stack.api_url}{path}?{query}", headers=sent, timeout=40, **body)
        return answer if dying and answer.status_code == 502 else check(answer, self.stack.api_url)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    with deployed() as running:
        yield running


@pytest.fixture
def relay(stack: Stack) -> Relay:
    return Relay(stack)


@pytest.fixture(scope="session")
def workflow(stack: Stack) -> Workflow:
    return Workflow(stack)


@pytest.fixture
def sandbox(stack: Stack) -> Iterator[SandboxClient]:
    adobe = SandboxClient(stack.adobe_url)
    adobe.forget()
    yield adobe
    adobe.end_faults()
    # A matter of set-up waits a minute.
    wait_until(lambda: waiting(stack.spool_url, stack) == 0, "the spool does not drain", 90)
    wait_until(lambda: not running_executions(stack), "an execution is left running", 90)


@pytest.fixture
def new_collect(relay: Relay, sandbox: SandboxClient, stack: Stack) -> None:
    """A collect function that has met no outage, so that it asks Edge itself."""
    if not Path("/proc").exists():
        pytest.skip("looks for processes where Linux lists them")
    renew_collect(stack, relay)
    wait_until(sandbox.count, "it does not reach Edge")
    sandbox.forget()


def renew_collect(stack: Stack, relay: Relay) -> None:
    """A collect function that remembers nothing, instead of those there are."""
    kill(stack, "Collect")
    wait_until(lambda: relay.post(batch("warm"), dying=True).status_code == 202, "there is no new function")


def kill(stack: Stack, function: str) -> None:
    """The execution environments that the emulator has for a function, in the middle of whatever they do."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may have ended by now
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            is_worker = parent == stack.servers[-1].pid
            if is_worker and f"AWS_LAMBDA_FUNCTION_NAME=relay-{function}" in (process / "environ").read_text():
                os.kill(int(process.name), signal.SIGKILL)


def readme_block(text: str) -> str:
    """The first of the README's blocks of commands that holds the text."""
    blocks = re.findall(r"```sh\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)
    return next(block for block in blocks if text in block)


def shell(command: str, **environment: str) -> str:
    """What it prints."""
    environment = os.environ | environment
    return subprocess.run(["bash", "-euc", command], env=environment, capture_output=True, text=True, check=True).stdout


def dead_letters(stack: Stack, *arguments: str) -> str:
    """What the command prints."""
    environment = client_environment(stack.aws_endpoint_url, stack.logs) | {"STACK_NAME": "relay"}
    command = [sys.executable, "-m", "tools.dead_letters", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True).stdout


def running_executions(stack: Stack) -> list[str]:
    """ARNs of those that may still ask Adobe for something."""
    sfn = client("stepfunctions", stack.aws_endpoint_url)
    found = sfn.list_executions(stateMachineArn=stack.state_machine_arn, statusFilter="RUNNING")["executions"]
    return [execution["executionArn"] for execution in found]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this checkout with its environments, to run commands in as a user would."""
    return copy_checkout(tmp_path)


def copy_checkout(folder: Path) -> Path:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    copy = folder / "checkout"
    for name in listed.stdout.splitlines():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, copy / name)
    for name in (".venv", ".venv-emulator", ".venv-audit"):
        (copy / name).symlink_to(PROJECT / name)
    (copy / ".local").mkdir()
    (copy / ".local/uv").symlink_to(PROJECT / ".local/uv")
    return copy
