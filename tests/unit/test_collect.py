"""The collect function: what the client of POST /ee/v2/collect gets."""

import io
import json
import logging
import time
from typing import Any

import pytest

from functions.collect.app import handler, logger
from relay.core.verdict import Answer
from relay.errors import AdobeError, NoAnswer, SetupError, Unreachable
from relay.forward import Forwarder
from relay.wiring import Collect
from tests.support import DATASTREAM, SEED, FakeAuthorizer, FakeEdge, batch, context, edge, event, post, problem


def answer(
    request: dict[str, Any], fake: FakeEdge, allowed: frozenset[str] = frozenset()
) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of the answer."""
    collect = Collect(Forwarder(fake, FakeAuthorizer(), time.time), allowed)
    response = handler(request, context(), collect)
    return response["statusCode"], response["headers"], json.loads(response["body"] or "null")


def test_a_delivered_batch_is_answered_202_with_its_request_id():
    """The client's id, not Edge's with its suffix."""
    request = post(SEED, query={"dataStreamId": DATASTREAM, "requestId": "mine"})

    status, headers, content = answer(request, edge(202))

    assert (status, content) == (202, {"requestId": "mine"})
    assert headers["x-request-id"] == "mine"


def test_a_request_id_is_made_when_the_client_sends_none():
    """The invocation's own id, so that it can be found in the log."""
    status, _, content = answer(post(SEED), edge(202))

    assert (status, content) == (202, {"requestId": context().aws_request_id})


def test_silent_is_answered_204_without_a_body():
    """silent=true: 204 and nothing else."""
    request = post(SEED, query={"datastreamId": DATASTREAM, "silent": "true"})

    status, _, content = answer(request, edge(202))

    assert (status, content) == (204, None)


def test_silent_does_not_hide_a_rejected_event():
    """Critical errors still come with status and body."""
    request = post({"events": [event("a"), {}]}, query={"datastreamId": DATASTREAM, "silent": "true"})

    status, _, content = answer(request, edge(202))

    assert status == 207
    assert [error["report"]["eventIndex"] for error in content["errors"]] == [1]


def test_good_events_are_delivered_and_bad_ones_named():
    """207: every event is either with Adobe or named by index and reason."""
    fake = edge(202)

    status, _, content = answer(post({"events": [event("a"), {}, event("b"), 5]}), fake)

    assert status == 207
    assert fake.event_ids() == {"a", "b"}
    assert [(error["type"][-13:], error["status"], error["report"]) for error in content["errors"]] == [
        ("EXEG-0306-400", 400, {"eventIndex": 1}),
        ("EXEG-0102-400", 400, {"eventIndex": 3}),
    ]
    assert content["warnings"] == []


def test_what_upstream_services_complained_about_comes_as_warnings():
    """The events were taken, so nothing of a 207 of Edge's is an error; the index is the client's own."""
    nested = {"type": "https://ns.adobe.com/aep/errors/EXEG-0201-503", "status": 503, "report": {"eventIndex": 1}}
    upstream = Answer(207, {}, json.dumps({"errors": [nested]}).encode())

    status, _, content = answer(post({"events": [event("a"), {}, event("b")]}), edge(upstream))

    assert status == 207
    assert [error["report"]["eventIndex"] for error in content["errors"]] == [1]
    assert content["warnings"] == [nested | {"report": {"eventIndex": 2}}]


@pytest.mark.parametrize(
    ("code", "status"), [("0306-400", 400), ("0104-422", 422), ("0302-409", 409), ("0112-413", 413), ("0400-403", 403)]
)
def test_a_refusal_of_edge_is_passed_on(code: str, status: int):
    """Adobe's own problem: the client's fault, for the client to mend."""
    got, headers, content = answer(post(batch("a")), edge(Answer(status, {}, problem(code, detail="d"))))

    assert got == content["status"] == status
    assert (content["type"][-8:], content["detail"]) == (code, "d")
    assert headers["Content-Type"] == "application/problem+json"
    assert "Retry-After" not in headers


def test_a_callers_fault_is_a_4xx_even_where_edge_says_500():
    """0100-500 would make clients retry what cannot work."""
    status, _, content = answer(post(batch("a")), edge(Answer(500, {}, problem("0100-500"))))

    assert status == content["status"] == 400


def test_a_refusal_names_events_by_their_place_in_the_clients_array():
    """Edge counts what it got; the client counts what it sent, and hears of all its bad events."""
    body = problem("0104-422", detail="see `#1`", report={"errors": ["x at index 0", "y at index 1", "z at index 7"]})

    status, _, content = answer(post({"events": [{}, event("a"), event("b")]}), edge(Answer(422, {}, body)))

    assert status == 422
    assert content["detail"] == "see `#2`"
    assert content["report"]["errors"][:3] == ["x at index 1", "y at index 2", "z at index 7"]
    assert content["report"]["errors"][3].endswith("at index 0")


@pytest.mark.parametrize(
    ("failure", "retry_after"),
    [
        pytest.param(Answer(503, {"retry-after": "7"}, b""), "7", id="503 with Retry-After"),
        pytest.param(Answer(429, {}, b""), "5", id="429"),
        pytest.param(Answer(500, {}, problem("0001-500")), "30", id="500"),
        pytest.param(Answer(403, {}, b""), "60", id="403"),
        pytest.param(Unreachable("x"), "5", id="connection refused"),
        pytest.param(SetupError("x"), "60", id="credentials refused"),
    ],
)
def test_what_edge_cannot_take_is_a_503_with_retry_after(failure: Answer | AdobeError, retry_after: str):
    """Never a 2xx for something that was not delivered; the client hears that it still owns the events."""
    status, headers, content = answer(post(batch("a")), edge(failure))

    assert (status, headers["Retry-After"]) == (503, retry_after)
    assert content["type"] == "urn:adobe-relay:not-delivered"
    assert "No event of this request was accepted" in content["detail"]
    assert "_id" not in content["detail"]


def test_a_lost_answer_tells_the_client_that_adobe_may_have_the_events():
    """Then a retry has to carry the same _id."""
    _, _, content = answer(post(batch("a")), edge(NoAnswer("x")))

    assert "may have taken" in content["detail"]
    assert "same _id" in content["detail"]


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(post("rubbish"), id="rubbish"),
        pytest.param(post(SEED, query={}), id="no datastream"),
        pytest.param(post(SEED, headers={"Content-Type": "text/html"}), id="content type"),
        pytest.param(post(SEED, query={"datastreamId": "d", "requestId": "a\r\nb"}), id="request id"),
        pytest.param({}, id="an event of nothing"),
        pytest.param({"headers": None, "queryStringParameters": None, "body": None}, id="an event of nulls"),
    ],
)
def test_an_invalid_request_is_answered_with_a_problem_and_not_forwarded(request_: dict[str, Any]):
    """A 4xx in problem+json, with an id to ask about; Edge hears nothing."""
    fake = edge(202)

    status, headers, content = answer(request_, fake)

    assert 400 <= status < 500
    assert content["status"] == status
    assert headers["Content-Type"] == "application/problem+json"
    assert content["report"]["requestId"] == headers["x-request-id"] == context().aws_request_id
    assert fake.sent == []


def test_nothing_of_the_client_reaches_the_log():
    """Bodies, identities and what Adobe says about them stay out of the log."""
    lines = io.StringIO()
    handler_of_lines = logging.StreamHandler(lines)
    handler_of_lines.setFormatter(logger.registered_formatter)
    logger.addHandler(handler_of_lines)

    answer(post(batch("ada@example.com")), edge(Answer(400, {}, problem("0305-400", detail="ada@example.com"))))
    answer(post('{"events": ["ada@example.com",,]}'), edge(202))

    logger.removeHandler(handler_of_lines)
    assert "batch handled" in lines.getvalue()
    assert "request refused" in lines.getvalue()
    assert "ada@example.com" not in lines.getvalue()
