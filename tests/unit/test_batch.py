"""A client's POST /ee/v2/collect, read."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from relay.batch import MAX_REJECTIONS, Batch, describe, read_batch
from relay.core.events import MAX_REQUEST_BYTES, Rejection
from relay.core.problem import Problem
from relay.errors import InvalidRequest
from relay.http_request import MAX_BODY_BYTES, read_http_request
from tests.support import DATASTREAM, NOW, batch, event, post


def read(request: dict[str, Any], allowed: frozenset[str] = frozenset()) -> Batch:
    return read_batch(read_http_request(request), "r", allowed, datetime.fromtimestamp(NOW, UTC))


def refusal(request: dict[str, Any], allowed: frozenset[str] = frozenset()) -> Problem:
    with pytest.raises(InvalidRequest) as refused:
        read(request, allowed)
    return refused.value.problem


@pytest.mark.parametrize("name", ["dataStreamId", "datastreamId", "DATASTREAMID"])
def test_both_spellings_of_the_datastream_are_taken(name: str):
    """Adobe's documentation has had two; whether case matters is open."""
    assert read(post(batch("a"), query={name: DATASTREAM})).envelope.datastream_id == DATASTREAM


@pytest.mark.parametrize(
    ("silent", "expected"), [("true", True), ("TRUE", True), ("false", False), ("", False), ("1", False)]
)
def test_silent_is_a_boolean(silent: str, expected: bool):
    """Only true is true."""
    assert read(post(batch("a"), query={"datastreamId": "d", "silent": silent})).silent is expected


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param("rubbish", "0101-400", id="not JSON"),
        pytest.param('{"events": [NaN]}', "0101-400", id="NaN"),
        pytest.param('{"events": [-Infinity]}', "0101-400", id="infinity"),
        pytest.param('{"events": [' + "9" * 5000 + "]}", "0101-400", id="5000 digits"),
        pytest.param("[" * 1_000_000, "0101-400", id="deep nesting"),
        pytest.param('{"a":' * 1_000_000, "0101-400", id="deep nesting of objects"),
        pytest.param(b'{"events": ["\xff"]}', "0101-400", id="not UTF-8"),
        pytest.param(b"x" * MAX_BODY_BYTES, "0101-400", id="6 MB of rubbish"),
        pytest.param(b"[" * MAX_BODY_BYTES, "0101-400", id="6 MB of brackets"),
        pytest.param("[]", "0102-400", id="array"),
        pytest.param("null", "0102-400", id="null"),
        pytest.param("{}", "0103-400", id="no events"),
        pytest.param('{"events": null}', "0102-400", id="events null"),
        pytest.param('{"events": {}}', "0102-400", id="events no array"),
        pytest.param('{"events": []}', "0103-400", id="events empty"),
        pytest.param('{"events": [5]}', "0102-400", id="event a number"),
        pytest.param('{"events": [{}, 5]}', "0105-400", id="two conditions"),
        pytest.param('{"events": [{}, {}]}', "0306-400", id="one condition twice"),
        pytest.param(json.dumps(batch("a")).encode("utf-16"), "0101-400", id="UTF-16"),
        pytest.param(json.dumps(batch("a")).encode("utf-32-le"), "0101-400", id="UTF-32"),
        pytest.param('{"events": ["\\ud800"]}', "0102-400", id="lone surrogate"),
        pytest.param('{"events": [{}], "events": [{}]}', "0102-400", id="events twice"),
        pytest.param('{"events": [{}]} x', "0101-400", id="something after it"),
        pytest.param('{"events": [{}], "meta": }', "0101-400", id="a member that is not JSON"),
        pytest.param('{"events": [{}], "meta": []}', "0102-400", id="meta an array"),
        pytest.param('{"meta": null, "events": [{}]}', "0102-400", id="meta null"),
        pytest.param('{"query": "x", "events": [{}]}', "0102-400", id="query a text"),
        pytest.param('{"new": "\ud800", "events": [{}]}', "0101-400", id="not Unicode"),
    ],
)
def test_a_request_of_which_nothing_can_be_forwarded_is_refused(content: str | bytes, code: str):
    """With Edge's code, a 4xx."""
    problem = refusal(post(content))

    assert problem.type[-8:] == code
    assert problem.status == int(code[-3:])


@pytest.mark.parametrize("member", ["meta", "query"])
def test_a_member_of_the_wrong_type_is_named(member: str):
    """So that its sender finds it."""
    assert member in refusal(post(batch("a") | {member: 5})).detail


@pytest.mark.parametrize(
    ("body", "members"),
    [
        pytest.param('{"events": [%s]}', b"", id="none"),
        pytest.param('{"meta": {"a": 1.50}, "events": [%s]}', b'"meta":{"a":1.50}', id="before events"),
        pytest.param('{"events": [%s], "query" : {"b":"\\u00e9 "}}', b'"query":{"b":"\\u00e9 "}', id="after events"),
        pytest.param('{"new": null,"events": [%s], "é": [1E2]}', '"new":null,"é":[1E2]'.encode(), id="unknown ones"),
        pytest.param('{"n\\u0065w": 1, "new": 2, "events": [%s]}', b'"n\\u0065w":1,"new":2', id="one name twice"),
        pytest.param('{"ev\\u0065nts": [%s]}', b"", id="events in escapes"),
    ],
)
def test_members_beside_events_are_kept_as_they_were_written(body: str, members: bytes):
    """Also those that nobody knows yet; only insignificant white space goes."""
    found = read(post((body % json.dumps(event("a"))).encode()))

    assert found.envelope.members == members
    assert len(found.events) == 1


def test_members_that_leave_no_room_are_the_cause_of_the_refusal():
    """0112: of the request, when no event at all could go with them."""
    problem = refusal(post(batch("a") | {"meta": {"x": "y" * MAX_REQUEST_BYTES}}))

    assert problem.type[-8:] == "0112-413"
    assert "members beside events" in problem.detail


def test_members_that_leave_too_little_room_for_an_event_refuse_that_event():
    """And no other."""
    large = event("a", text="x" * 30_000)

    found = read(post({"events": [large, event("b")], "meta": {"x": "y" * 40_000}}))

    assert [item.index for item in found.events] == [1]
    assert [(item.index, item.problem.type[-8:]) for item in found.rejections] == [(0, "0112-413")]
    assert "members beside events" in found.rejections[0].problem.detail


def test_members_that_would_go_with_thousands_of_requests_are_refused():
    """Small events beside members of nearly a request: each would be a request of its own, and a message of 64 KB."""
    members = {"meta": {"x": "y" * 63_500}}

    problem = refusal(post({"events": [event(str(n)) for n in range(1_000)], **members}))

    assert problem.type[-8:] == "0112-413"
    assert "requests to Edge that each carry them" in problem.detail
    assert len(read(post({"events": [event(str(n)) for n in range(100)], **members})).events) == 100


def test_a_datastream_is_allowed_by_the_name_that_is_sent():
    """Whatever else API Gateway says of the query."""
    request = post(batch("a"), query={"datastreamId": "d"}) | {"multiValueQueryStringParameters": {"x": ["y"]}}

    assert refusal(request, frozenset({"another"})).status == 403


@pytest.mark.parametrize(
    "query", [{"datastreamId": "d", "configId": "e"}, {"datastreamId": "d", "dataStreamId": "e"}], ids=str
)
def test_a_request_that_names_two_datastreams_is_refused(query: dict[str, str]):
    """One of them would be dropped silently; and an allowed one must not smuggle in another."""
    assert refusal(post(batch("a"), query=query)).type[-8:] == "0003-400"
    assert refusal(post(batch("a"), query=query), frozenset({"d"})).status == 403


def test_a_missing_datastream_is_refused():
    """0002, and how to name one."""
    assert refusal(post(batch("a"), query={})).type[-8:] == "0002-400"


def test_a_datastream_that_is_not_allowed_is_refused():
    """Only the allow-list's datastreams are forwarded to, when there is a list."""
    problem = refusal(post(batch("a")), frozenset({"another"}))

    assert (problem.status, problem.type) == (403, "urn:adobe-relay:datastream-not-allowed")
    assert read(post(batch("a")), frozenset({DATASTREAM})).envelope.datastream_id == DATASTREAM


def test_invalid_events_are_set_apart_and_keep_their_index():
    """One bad event never holds back good ones."""
    found = read(post({"events": [event("a"), {}, event("b"), "x"]}))

    assert [item.index for item in found.events] == [0, 2]
    assert [(item.index, item.problem.type[-8:]) for item in found.rejections] == [(1, "0306-400"), (3, "0102-400")]


def test_every_event_is_named_when_all_are_refused():
    """By its index, with its reason."""
    problem = refusal(post({"events": [{}, "x"]}))

    assert "2 events" in problem.detail
    assert ["#0" in problem.report["errors"][0], "#1" in problem.report["errors"][1]] == [True, True]


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        pytest.param("The event is not valid.", "#1: The event is not valid.", id="Edge names none"),
        pytest.param("Event #1 is bad", "Event #1 is bad", id="Edge names it"),
        pytest.param("Event `#12` is bad", "#1: Event `#12` is bad", id="another one"),
        pytest.param("", "#1: t", id="the title, without a detail"),
    ],
)
def test_a_rejection_in_words_always_names_its_event(detail: str, told: str):
    assert describe([Rejection(1, Problem("x", 400, "t", detail))]) == [told]


def test_a_request_full_of_rubbish_is_refused_as_a_whole():
    """Beyond a thousand bad events no list is made: nothing is forwarded, and the answer stays small."""
    problem = refusal(post({"events": [event("a"), *({} for _ in range(MAX_REJECTIONS + 1))]}))

    assert problem.status == 400
    assert len(problem.report["errors"]) == MAX_REJECTIONS


def test_the_text_of_a_refusal_holds_nothing_of_the_body():
    """Where the JSON breaks is told, what it holds is not."""
    problem = refusal(post('{"events": [{"id": "ada@example.com",,}]}'))

    assert "ada@example.com" not in json.dumps(problem.as_json())
    assert "line 1, column" in problem.detail
