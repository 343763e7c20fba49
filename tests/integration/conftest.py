"""The sandbox as a process of its own, and as good as new for every test."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from local.process import choose_port, running
from tests.support import PROJECT, SandboxClient


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An AWS of moto's, for one test."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


@pytest.fixture
def table(aws: None) -> str:
    """The name of a table like the template's."""
    boto3.client("dynamodb").create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return "table"


@pytest.fixture(scope="session")
def sandbox_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = choose_port("SANDBOX_PORT")
    url = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [sys.executable, "-m", "local.sandbox", "--port", str(port)]
    log = tmp_path_factory.mktemp("sandbox") / "sandbox.log"
    with running("sandbox", command, os.environ | {"PYTHONPATH": str(PROJECT)}, log, f"{url}/_sandbox/requests"):
        yield url


@pytest.fixture
def sandbox(sandbox_url: str) -> SandboxClient:
    client = SandboxClient(sandbox_url)
    client.reset()
    return client
