"""Executions in Step Functions, and the table of submissions."""

import json
import time
from typing import Any

import boto3
import pytest

from relay.adapters.executions import Executions
from relay.adapters.submissions import Submissions
from relay.errors import WorkflowError


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
def submissions(table: str) -> Submissions:
    return Submissions(boto3.client("dynamodb"), table)


def test_one_id_stands_for_a_mapping(submissions: Submissions):
    """The first that is claimed; another only instead of it."""
    assert submissions.find("42") is None
    assert submissions.claim("42", "1", None)
    assert not submissions.claim("42", "2", None)
    assert submissions.find("42") == "1"
    assert submissions.claim("42", "2", "1")
    assert submissions.find("42") == "2"
    assert submissions.find("43") is None


def test_what_is_remembered_expires(submissions: Submissions, table: str):
    """By DynamoDB's time to live."""
    submissions.claim("42", "1", None)

    (item,) = boto3.client("dynamodb").scan(TableName=table)["Items"]
    hours = (int(item["expiration"]["N"]) - time.time()) / 3600
    assert 23 < hours < 25  # longer than an execution can run


def test_a_table_that_cannot_be_reached_is_an_error_of_ours(aws: None):
    """For reading and for writing."""
    missing = Submissions(boto3.client("dynamodb"), "none")

    with pytest.raises(WorkflowError):
        missing.find("42")
    with pytest.raises(WorkflowError):
        missing.claim("42", "1", None)
