"""Executions in Step Functions, and the table of claims."""

import json
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from relay.adapters.claims import ClaimTable
from relay.adapters.executions import Executions
from relay.core.claim import Claim
from relay.errors import WorkflowError
from tests.support import NOW


@pytest.fixture
def client(aws: None) -> Any:
    return boto3.client("stepfunctions")


def machine(client: Any, state: dict[str, Any]) -> str:
    definition = {"StartAt": "Only", "States": {"Only": state}}
    role = "arn:aws:iam::123456789012:role/machine"
    return client.create_state_machine(name="machine", definition=json.dumps(definition), roleArn=role)[
        "stateMachineArn"
    ]


def test_an_execution_is_started_once(client: Any):
    """A second one with its name is not, also with another input."""
    arn = machine(client, {"Type": "Succeed"})
    executions = Executions(client, arn)

    assert executions.start("42-3520", {"mappingIds": ["42"]})
    executions.start("42-3520", {"mappingIds": ["42"]})
    assert not executions.start("42-3520", {"mappingIds": ["43"]})

    (found,) = client.list_executions(stateMachineArn=arn)["executions"]
    described = client.describe_execution(executionArn=found["executionArn"])
    assert (found["name"], described["input"]) == ("42-3520", '{"mappingIds": ["42"]}')


def test_one_that_does_not_exist_is_none(client: Any):
    """And no error."""
    assert Executions(client, machine(client, {"Type": "Succeed"})).find("42-1") is None


def test_a_workflow_that_cannot_be_reached_is_an_error_of_ours(client: Any):
    """For starting and for finding."""
    executions = Executions(client, "arn:aws:states:us-east-1:123456789012:stateMachine:none")

    with pytest.raises(WorkflowError):
        executions.start("42-1", {})
    with pytest.raises(WorkflowError):
        Executions(client, "no ARN").find("x")


@pytest.fixture
def claims(table: str) -> ClaimTable:
    return ClaimTable(boto3.client("dynamodb"), table)


def test_a_mapping_has_one_claim(claims: ClaimTable):
    """The first; another only instead of it."""
    first, second = Claim("1", {"mappingIds": ["42"]}, NOW), Claim("2", {"mappingIds": ["42"], "waitSeconds": 5}, NOW)

    assert claims.find("42") is None
    assert claims.claim("42", first, None)
    assert not claims.claim("42", second, None)
    assert claims.find("42") == first
    assert claims.claim("42", second, "1")
    assert claims.find("42") == second
    assert claims.find("43") is None


def test_a_claim_expires(claims: ClaimTable, table: str):
    """By DynamoDB's time to live, after a day: longer than an execution can run."""
    claims.claim("42", Claim("1", {}, NOW), None)

    (item,) = boto3.client("dynamodb").scan(TableName=table)["Items"]
    assert int(item["expiration"]["N"]) == int(NOW) + 24 * 3600


def test_a_table_that_cannot_be_reached_is_an_error_of_ours(aws: None):
    """For reading and for writing."""
    missing = ClaimTable(boto3.client("dynamodb"), "none")

    with pytest.raises(WorkflowError):
        missing.find("42")
    with pytest.raises(WorkflowError):
        missing.claim("42", Claim("1", {}, NOW), None)


def test_a_success_that_is_not_told_whole_is_no_end(client: Any):
    """Step Functions' answers may be late with the output; it is asked again, and not taken for a failure."""
    described = {"status": "SUCCEEDED", "executionArn": "arn"}
    late: Any = SimpleNamespace(describe_execution=lambda **_: described, exceptions=client.exceptions)

    with pytest.raises(WorkflowError):
        Executions(late, "arn:aws:states:us-east-1:123456789012:stateMachine:m").find("42-1")
