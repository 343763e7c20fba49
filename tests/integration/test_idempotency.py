"""A repeated request gets its first answer, and sends nothing."""

import threading
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer

from relay import wiring
from relay.errors import InvalidRequest, Unfinished
from relay.http_request import HttpRequest, read_http_request
from relay.idempotency import Idempotency
from tests.support import batch, context, post


@pytest.fixture
def idempotency(table: str) -> Idempotency:
    return Idempotency(DynamoDBPersistenceLayer(table))


class Server:
    """Counts how often it is asked; its answers can be told apart."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.served = 0

    def __call__(self) -> dict[str, Any]:
        self.served += 1
        if self.failures:
            raise self.failures.pop(0)
        return {"statusCode": 202, "body": str(self.served)}


def request(name: str = "a", key: str = "k", datastream: str = "d", hint: str | None = None) -> HttpRequest:
    query, headers = {"datastreamId": datastream}, {"x-api-key": key}
    return read_http_request(post(batch(name), query=query, headers=headers, hint=hint))


def test_the_same_request_is_served_once(idempotency: Idempotency):
    """And answered twice."""
    server = Server()

    answers = [idempotency.once(request(), "r", context(), server) for _ in range(3)]

    assert server.served == 1
    assert answers == [{"statusCode": 202, "body": "1"}] * 3


@pytest.mark.parametrize(
    ("other", "request_id"),
    [
        pytest.param(request(), "r2", id="another id"),
        pytest.param(request(key="another"), "r", id="another caller"),
        pytest.param(request(datastream="another"), "r", id="another datastream"),
        pytest.param(request(hint="or2"), "r", id="another location"),
    ],
)
def test_what_only_looks_alike_is_served(idempotency: Idempotency, other: HttpRequest, request_id: str):
    """Callers do not share their ids."""
    server = Server()

    idempotency.once(request(), "r", context(), server)
    idempotency.once(other, request_id, context(), server)

    assert server.served == 2


def test_the_same_id_with_other_events_is_refused(idempotency: Idempotency):
    """422: one of the two is a mistake."""
    idempotency.once(request("a"), "r", context(), Server())

    with pytest.raises(InvalidRequest) as refused:
        idempotency.once(request("b"), "r", context(), Server())

    assert refused.value.problem.status == 422


def test_a_twin_of_a_request_that_is_being_served_is_told_to_wait(idempotency: Idempotency):
    """409 with Retry-After: sending both would send twice."""
    twins: list[InvalidRequest] = []

    def serve() -> dict[str, Any]:
        with pytest.raises(InvalidRequest) as refused:
            idempotency.once(request(), "r", context(), Server())
        twins.append(refused.value)
        return {"statusCode": 202}

    idempotency.once(request(), "r", context(), serve)

    assert [(twin.problem.status, twin.retry_after) for twin in twins] == [(409, 1.0)]


@pytest.mark.parametrize("failure", [Unfinished({"statusCode": 503}), RuntimeError("x")], ids=["503", "a crash"])
def test_a_failed_attempt_leaves_no_lock_behind(idempotency: Idempotency, failure: Exception):
    """The next one is served."""
    server = Server(failure)

    with pytest.raises(type(failure)):
        idempotency.once(request(), "r", context(), server)

    assert idempotency.once(request(), "r", context(), server) == {"statusCode": 202, "body": "2"}


def test_a_killed_function_holds_its_lock_no_longer_than_it_could_have_lived(idempotency: Idempotency):
    """After that the request is served anew."""

    class Killed(BaseException):
        pass

    def killed() -> dict[str, Any]:
        raise Killed

    with pytest.raises(Killed):
        idempotency.once(request(), "r", context(seconds=0), killed)

    assert idempotency.once(request(), "r", context(), Server())["statusCode"] == 202


def test_without_the_table_every_request_is_served(aws: None):
    """Once each: a repetition cannot be told, and nothing is lost."""
    idempotency, server = Idempotency(DynamoDBPersistenceLayer("no-such-table")), Server()

    answers = [idempotency.once(request(), "r", context(), server) for _ in range(2)]

    assert [answer["body"] for answer in answers] == ["1", "2"]


def test_a_table_that_goes_down_while_a_request_is_served_does_not_serve_it_twice(idempotency: Idempotency):
    """The answer is given, though it cannot be remembered."""
    served = threading.Event()

    def serve() -> dict[str, Any]:
        assert not served.is_set()
        served.set()
        boto3.client("dynamodb").delete_table(TableName="table")
        return {"statusCode": 202}

    assert idempotency.once(request(), "r", context(), serve) == {"statusCode": 202}


def test_a_table_that_hangs_costs_a_call_no_more_than_it_may(table: str, monkeypatch: pytest.MonkeyPatch):
    """One try, whose timeouts come to what is kept back for remembering an answer."""
    monkeypatch.setattr(wiring, "_settings", lambda: SimpleNamespace(table=table))

    idempotency: Any = wiring._idempotency.__wrapped__()

    config = idempotency._store.client.meta.config
    longest = config.connect_timeout + config.read_timeout
    assert (longest, config.retries["total_max_attempts"]) == (idempotency.seconds, 1)
