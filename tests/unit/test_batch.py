"""A client's POST /ee/v2/collect, read."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from relay.batch import MAX_REJECTIONS, Batch, describe, read_batch
from relay.core.events import Rejection
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
    assert read(post(batch("a"), query={name: DATASTREAM})).datastream_id == DATASTREAM


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
    ],
)
def test_a_request_of_which_nothing_can_be_forwarded_is_refused(content: str | bytes, code: str):
    """With Edge's code, a 4xx."""
    problem = refusal(post(content))

    assert problem.type[-8:] == code
    assert problem.status == int(code[-3:])


def test_a_missing_datastream_is_refused():
    """0002, and how to name one."""
    assert refusal(post(batch("a"), query={})).type[-8:] == "0002-400"


def test_a_datastream_that_is_not_allowed_is_refused():
    """Only the allow-list's datastreams are forwarded to, when there is a list."""
    problem = refusal(post(batch("a")), frozenset({"another"}))

    assert (problem.status, problem.type) == (403, "urn:adobe-relay:datastream-not-allowed")
    assert read(post(batch("a")), frozenset({DATASTREAM})).datastream_id == DATASTREAM


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
