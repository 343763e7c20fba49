"""The real template on this machine: sandbox, emulator, `sam build`, `sam deploy`, and what came of it."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from subprocess import Popen
from typing import Any

import boto3
from botocore.config import Config

from local.emulator import allow_plain_http, set_gateway_responses
from local.event_source import event_sources
from local.process import LocalError, choose_port, running
from local.sandbox.accounts import DEFAULT_CREDENTIALS
from local.sandbox.campaign import ORGANIZATION

PROJECT = Path(__file__).resolve().parent.parent
WORKSPACE = PROJECT / ".local"
REGION = "us-east-1"
STACK_NAME = "relay"

_KEYS = ("test", "test")  # id and secret, as the emulator wants them
_making_client = threading.Lock()

_SAM = PROJECT / ".venv/bin/sam"
_EMULATOR = PROJECT / ".venv-emulator/bin/ministack"
_ADDRESSES = {"EDGE_URL": "EdgeUrl", "IMS_URL": "ImsUrl", "CAMPAIGN_URL": "CampaignUrl"}
_CREDENTIALS = {
    "client_id": "AdobeClientId",
    "client_secret": "AdobeClientSecret",
    "org_id": "AdobeOrgId",
    "scopes": "AdobeScopes",
}

_FIRST_WAIT = 1  # seconds: nobody wants to watch the pace of real ingestions and rounds
_IN_FILE = (
    "api_url",
    "api_key",
    "adobe_url",
    "aws_endpoint_url",
    "region",
    "spool_url",
    "dead_letters_url",
    "state_machine_arn",
    "organization",
)


@dataclass(frozen=True, slots=True)
class Stack:
    """Where everything is: `api_url` with its stage, `adobe_url` of the sandbox (or of the Edge given instead)."""

    api_url: str
    api_key: str
    adobe_url: str
    aws_endpoint_url: str
    region: str
    spool_url: str
    dead_letters_url: str
    state_machine_arn: str
    organization: str
    table: str
    topic_arn: str
    is_adobe_the_sandbox: bool
    logs: Path
    servers: tuple[Popen[bytes], ...]

    def is_alive(self) -> bool:
        return all(server.poll() is None for server in self.servers)

    def as_json(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in _IN_FILE}


def say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def stack() -> Iterator[Stack]:
    """The deployed stack, until the end of the block. Raises LocalError; leaves nothing running."""
    for tool in (_SAM, _EMULATOR):
        if not tool.exists():
            raise LocalError(f"{tool.relative_to(PROJECT)} is missing: run `make setup` first.")
    WORKSPACE.mkdir(exist_ok=True)
    credentials = _read_credentials()
    sandbox_url = f"http://127.0.0.1:{choose_port('SANDBOX_PORT')}"
    aws_url = f"http://127.0.0.1:{choose_port('EMULATOR_PORT')}"
    addresses = {name: (os.environ.get(name) or sandbox_url).rstrip("/") for name in _ADDRESSES}
    organization = os.environ.get("CAMPAIGN_ORGANIZATION") or ORGANIZATION
    with ExitStack() as started:
        logs = started.enter_context(_logs())
        servers = []
        if sandbox_url in addresses.values():
            servers.append(started.enter_context(_sandbox(sandbox_url, logs, credentials)))
        servers.append(started.enter_context(_emulator(aws_url, logs)))
        with _only_one_builds():
            _build(logs)
            _deploy(logs, aws_url, addresses, credentials, organization)
        outputs = _read_outputs(aws_url)
        api_url, api_key = _open_endpoint(aws_url, outputs)
        queues = ("SpoolUrl", "DeadLettersUrl", "ScheduleDeadLettersUrl")
        allow_plain_http(
            client("sqs", aws_url),
            client("sns", aws_url),
            [outputs[name] for name in queues],
            outputs["AlarmTopicArn"],
        )
        started.enter_context(event_sources(lambda service, config: client(service, aws_url, config)))
        yield Stack(
            api_url=api_url,
            api_key=api_key,
            adobe_url=addresses["EDGE_URL"],
            aws_endpoint_url=aws_url,
            region=REGION,
            spool_url=outputs["SpoolUrl"],
            dead_letters_url=outputs["DeadLettersUrl"],
            state_machine_arn=outputs["StateMachineArn"],
            organization=organization,
            table=outputs["TableName"],
            topic_arn=outputs["AlarmTopicArn"],
            is_adobe_the_sandbox=addresses["EDGE_URL"] == sandbox_url,
            logs=logs,
            servers=tuple(servers),
        )


def client_environment(aws_url: str, temporary: Path) -> dict[str, str]:
    """This environment with the emulator as its AWS, and without anything that could lead to a real account.

    What tools forget to remove, they forget in the folder `temporary`.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "PYTHON", "SAM_", "MINISTACK_")) and name != "VIRTUAL_ENV"
    }
    return kept | {
        "AWS_ACCESS_KEY_ID": _KEYS[0],
        "AWS_SECRET_ACCESS_KEY": _KEYS[1],
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": aws_url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "SAM_CLI_POLL_DELAY": "0.2",  # seconds; with the usual 5 a deployment is mostly waiting for news of it
        "SAM_CLI_TELEMETRY": "0",
        "TMPDIR": str(temporary),
    }


def client(service: Any, aws_url: str, config: Config | None = None) -> Any:
    """A new boto3 client of the emulator. They share a session: to read AWS's models anew takes it 0.1 s."""
    with _making_client:  # which sessions leave to one thread at a time
        return _session().client(service, endpoint_url=aws_url, config=config)


@cache
def _session() -> boto3.Session:
    return boto3.Session(*_KEYS, region_name=REGION)


def _read_credentials() -> Mapping[str, str]:
    path = os.environ.get("ADOBE_CREDENTIALS")
    if not path:
        return DEFAULT_CREDENTIALS
    try:
        content = json.loads(Path(path).read_text())
        credentials = {member: content[member] for member in _CREDENTIALS}
    except (OSError, ValueError, KeyError, TypeError) as error:
        wanted = ", ".join(_CREDENTIALS)
        raise LocalError(f"ADOBE_CREDENTIALS={path} is not a readable JSON file with {wanted}.") from error
    if not all(isinstance(value, str) and re.fullmatch(r"[!#-\[\]-~]+", value) for value in credentials.values()):
        raise LocalError(f"ADOBE_CREDENTIALS={path} holds a value that is not plain text; scopes are comma-separated.")
    return credentials


@contextmanager
def _logs() -> Iterator[Path]:
    """A folder for this run's logs, which stays only when something on this machine stood in the way."""
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=WORKSPACE))
    try:
        yield folder
    except LocalError:
        raise
    except BaseException:
        shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)


@contextmanager
def _sandbox(url: str, logs: Path, credentials: Mapping[str, str]) -> Iterator[Popen[bytes]]:
    say(f"Starting the Adobe sandbox on {url}")
    file = logs / "credentials.json"
    _write_private(file, json.dumps(credentials))
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "local.sandbox",
        "--port",
        url.rpartition(":")[2],
        "--credentials",
        file,
    ]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    try:
        with running(
            "The Adobe sandbox", command, environment, logs / "sandbox.log", f"{url}/_sandbox/requests"
        ) as server:
            file.unlink()
            yield server
    finally:
        file.unlink(missing_ok=True)


@contextmanager
def _emulator(url: str, logs: Path) -> Iterator[Popen[bytes]]:
    say(f"Starting the local AWS on {url}")
    environment = client_environment(url, logs) | {
        "AUTH": "true",  # a function may do what its role allows, and nothing else
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": url.rpartition(":")[2],
        "IOT_MTLS_ENABLED": "0",  # or it opens a second port
        "MINISTACK_HOST": "localhost",
    }
    with running("The local AWS", [_EMULATOR], environment, logs / "aws.log", f"{url}/_ministack/health") as server:
        yield server


@contextmanager
def _only_one_builds() -> Iterator[None]:
    with (WORKSPACE / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(logs: Path) -> None:
    say("Building with sam build")
    arguments: list[str | Path] = [
        "build",
        "--cached",
        "--build-dir",
        WORKSPACE / "build",
        "--cache-dir",
        WORKSPACE / "cache",
    ]
    _run_sam(arguments, client_environment("http://127.0.0.1:1", logs), logs / "build.log")


def _deploy(
    logs: Path, aws_url: str, addresses: Mapping[str, str], credentials: Mapping[str, str], organization: str
) -> None:
    say("Deploying template.yaml with sam deploy")
    parameters = {_ADDRESSES[name]: url for name, url in addresses.items()}
    parameters |= {_CREDENTIALS[member]: value for member, value in credentials.items()}
    parameters |= {"CampaignOrganization": organization, "IngestFirstWait": str(_FIRST_WAIT)}
    parameters |= {"RedeliverWindow": str(_FIRST_WAIT)}
    parameters |= {"ScheduleMappingIds": "42,43"}  # of a schedule that is disabled
    configuration = logs / "samconfig.toml"  # and not the command line, which every user of the machine can read
    overrides = json.dumps(" ".join(f'{name}="{value}"' for name, value in parameters.items()))
    _write_private(configuration, f"version = 0.1\n[default.deploy.parameters]\nparameter_overrides = {overrides}\n")
    arguments: list[str | Path] = [
        "deploy",
        "--config-file",
        configuration,
        "--template-file",
        WORKSPACE / "build/template.yaml",
        "--stack-name",
        STACK_NAME,
        "--resolve-s3",
        "--capabilities",
        "CAPABILITY_IAM",
        "--no-confirm-changeset",
        "--no-progressbar",
    ]
    try:
        _run_sam(arguments, client_environment(aws_url, logs), logs / "deploy.log")
    finally:
        configuration.unlink()


def _run_sam(arguments: Sequence[str | Path], environment: dict[str, str], log: Path) -> None:
    started = time.monotonic()
    path = os.pathsep.join([str(_SAM.parent), environment.get("PATH", "")])  # the layer's Makefile calls python3 -m pip
    with log.open("w") as output:
        result = subprocess.run(
            [_SAM, *arguments],
            cwd=PROJECT,
            env=environment | {"PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if result.returncode:
        raise LocalError(f"sam {arguments[0]} failed; what it said is in {log.relative_to(PROJECT)}.")
    say(f"  done in {time.monotonic() - started:.0f} s")


def _read_outputs(aws_url: str) -> dict[str, str]:
    described = client("cloudformation", aws_url).describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}


def _open_endpoint(aws_url: str, outputs: Mapping[str, str]) -> tuple[str, str]:
    """The API's base URL on this machine, and its key."""
    stage = outputs["ApiUrl"].rpartition("/")[2]
    apigateway = client("apigateway", aws_url)
    set_gateway_responses(apigateway, outputs["ApiId"], stage, PROJECT / "template.yaml")
    key = apigateway.get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)["value"]
    return f"{aws_url}/_aws/execute-api/{outputs['ApiId']}/{stage}", key


def _write_private(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text)
