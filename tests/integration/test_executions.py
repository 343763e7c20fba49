"""Executions in Step Functions, and the table of claims."""

import json
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from relay import wiring
from relay.adapters import claims as claim_table
from relay.adapters import credentials
from relay.adapters.claims import ClaimTable
from relay.adapters.executions import SECONDS, Execution, Executions
from relay.core.claim import Claim
from relay.core.deadline import Deadline
from relay.errors import WorkflowError
from tests.support import NOW, Clock

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:m"


def soon() -> Deadline:
    return Deadline.after(10, time.time)


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

    assert executions.start("42-3520", {"mappingIds": ["42"]}, soon())
    executions.start("42-3520", {"mappingIds": ["42"]}, soon())
    assert not executions.start("42-3520", {"mappingIds": ["43"]}, soon())

    (found,) = client.list_executions(stateMachineArn=arn)["executions"]
    described = client.describe_execution(executionArn=found["executionArn"])
    assert (found["name"], described["input"]) == ("42-3520", '{"mappingIds": ["42"]}')


def test_one_that_does_not_exist_is_none(client: Any):
    """And no error."""
    assert Executions(client, machine(client, {"Type": "Succeed"})).find("42-1", soon()) is None


def test_a_workflow_that_cannot_be_reached_is_an_error_of_ours(client: Any):
    """For starting and for finding."""
    executions = Executions(client, "arn:aws:states:us-east-1:123456789012:stateMachine:none")

    with pytest.raises(WorkflowError):
        executions.start("42-1", {}, soon())
    with pytest.raises(WorkflowError):
        Executions(client, "no ARN").find("x", soon())


@pytest.fixture
def claims(table: str) -> ClaimTable:
    return ClaimTable(boto3.client("dynamodb"), table)


def test_a_mapping_has_one_claim(claims: ClaimTable):
    """The first; another only instead of it."""
    first, second = Claim("1", {"mappingIds": ["42"]}, NOW), Claim("2", {"mappingIds": ["42"], "waitSeconds": 5}, NOW)

    assert claims.find("42", soon()) is None
    assert claims.claim("42", first, None, soon())
    assert not claims.claim("42", second, None, soon())
    assert claims.find("42", soon()) == first
    assert claims.claim("42", second, "1", soon())
    assert claims.find("42", soon()) == second
    assert claims.find("43", soon()) is None


def test_a_claim_expires(claims: ClaimTable, table: str):
    """By DynamoDB's time to live, after a day: longer than an execution can run."""
    claims.claim("42", Claim("1", {}, NOW), None, soon())

    (item,) = boto3.client("dynamodb").scan(TableName=table)["Items"]
    assert int(item["expiration"]["N"]) == int(NOW) + 24 * 3600


def test_a_table_that_cannot_be_reached_is_an_error_of_ours(aws: None):
    """For reading and for writing."""
    missing = ClaimTable(boto3.client("dynamodb"), "none")

    with pytest.raises(WorkflowError):
        missing.find("42", soon())
    with pytest.raises(WorkflowError):
        missing.claim("42", Claim("1", {}, NOW), None, soon())


def test_a_success_that_is_not_told_whole_is_no_end(client: Any):
    """Step Functions' answers may be late with the output; it is asked again, and not taken for a failure."""
    described = {"status": "SUCCEEDED", "executionArn": "arn"}
    late: Any = SimpleNamespace(describe_execution=lambda **_: described, exceptions=client.exceptions)

    with pytest.raises(WorkflowError):
        Executions(late, ARN).find("42-1", soon())


class Recorder:
    """A client of AWS that answers every call with this, after so many seconds, and keeps the names of the calls."""

    def __init__(self, answer: dict[str, Any], takes: float = 0) -> None:
        self.answer = answer
        self.takes = takes
        self.clock = Clock()
        self.called: list[str] = []
        nothing = type("NeverRaised", (Exception,), {})
        self.exceptions = SimpleNamespace(ExecutionAlreadyExists=nothing, ExecutionDoesNotExist=nothing)
        self.exceptions.ConditionalCheckFailedException = nothing

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        def call(**_: Any) -> dict[str, Any]:
            self.called.append(name)
            self.clock.seconds += self.takes
            return self.answer

        return call


CALLS: list[Any] = [
    pytest.param(lambda client, late: Executions(client, ARN).start("42-1", {}, late), SECONDS, id="start"),
    pytest.param(lambda client, late: Executions(client, ARN).find("42-1", late), SECONDS, id="find"),
    pytest.param(lambda client, late: ClaimTable(client, "t").find("42", late), claim_table.SECONDS, id="find a claim"),
    pytest.param(
        lambda client, late: ClaimTable(client, "t").claim("42", Claim("1", {}, NOW), None, late),
        claim_table.SECONDS,
        id="claim",
    ),
]


@pytest.mark.parametrize(("call", "seconds"), CALLS)
def test_a_call_begins_only_if_the_longest_answer_fits_in(call: Callable[[Any, Deadline], Any], seconds: float):
    """Else AWS is not asked, and the client hears that it shall try again."""
    client = Recorder({"status": "RUNNING"})

    with pytest.raises(WorkflowError):
        call(client, Deadline(NOW + seconds - 0.01, client.clock))
    assert client.called == []

    call(client, Deadline(NOW + seconds, client.clock))
    assert len(client.called) == 1


@pytest.mark.parametrize(("takes", "called"), [(0.5, 2), (1, 1)])
def test_the_end_of_a_failed_execution_is_read_only_if_that_fits_in_as_well(takes: float, called: int):
    """It is a second call; without it the end would be told without its reason."""
    client: Any = Recorder({"status": "FAILED", "events": []}, takes)

    try:
        found = Executions(client, ARN).find("42-1", Deadline(NOW + SECONDS + 0.5, client.clock))
    except WorkflowError:
        found = None

    assert found == (Execution("FAILED", []) if called == 2 else None)
    assert client.called == ["describe_execution", "get_execution_history"][:called]


def test_an_aws_that_hangs_costs_a_call_no_more_than_it_may(aws: None, monkeypatch: pytest.MonkeyPatch):
    """One try, whose timeouts come to that; of the clients that serve ingestions over HTTPS."""
    chosen = {"campaign_url": "https://c", "campaign_organization": "example", "campaign_request_id_in_body": False}
    chosen |= {"ims_url": "https://i", "secret_id": "s", "table": "t", "ingest_first_wait": 10}
    chosen |= {"state_machine_arn": ARN}
    monkeypatch.setattr(wiring, "_settings", lambda: SimpleNamespace(**chosen))
    made: dict[str, Any] = {}
    make: Callable[..., Any] = boto3.client
    monkeypatch.setattr(boto3, "client", lambda name, **named: made.setdefault(name, make(name, **named)))

    wiring.ingest_api.__wrapped__()

    configs = {name: client.meta.config for name, client in made.items()}
    longest = {name: config.connect_timeout + config.read_timeout for name, config in configs.items()}
    assert longest == {"stepfunctions": SECONDS, "dynamodb": claim_table.SECONDS, "secretsmanager": credentials.SECONDS}
    assert {config.retries["total_max_attempts"] for config in configs.values()} == {1}
