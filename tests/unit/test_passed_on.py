"""What of a client's request, besides its body, goes on to Edge."""

from typing import Any

import pytest

from relay.core.envelope import VISITOR_HEADERS
from relay.core.problem import Problem
from relay.errors import InvalidRequest
from relay.http_request import read_http_request
from relay.passed_on import read_hint, read_parameters, read_visitor_headers
from tests.support import post


def refusal(read: Any, event: dict[str, Any]) -> Problem:
    with pytest.raises(InvalidRequest) as refused:
        read(read_http_request(event))
    return refused.value.problem


def headers_of(event: dict[str, Any]) -> dict[str, str]:
    return dict(read_visitor_headers(read_http_request(event)))


@pytest.mark.parametrize("hint", ["or2", "va6", "irl1"])
def test_the_location_hint_is_that_of_the_path(hint: str):
    assert read_hint(read_http_request(post({}, hint=hint))) == hint


def test_without_a_hint_in_the_path_there_is_none():
    assert read_hint(read_http_request(post({}))) == ""


@pytest.mark.parametrize("hint", ["", "..", "%2e%2e", "or2/../..", "or 2", "é", "x" * 17, "or2?a=b", "or2#"])
def test_what_can_be_no_location_hint_is_not_found(hint: str):
    """There is nothing at such a path."""
    problem = refusal(read_hint, post({}, hint=hint))

    assert (problem.status, problem.type) == (404, "urn:adobe-relay:no-such-location-hint")
    assert not hint or hint not in problem.detail


@pytest.mark.parametrize("name", VISITOR_HEADERS)
def test_every_visitor_header_is_passed_on(name: str):
    """In any spelling, with its own value."""
    assert headers_of(post({}, headers={name.swapcase(): " a, b;c "})) == {name: "a, b;c"}


@pytest.mark.parametrize(
    "name",
    [
        "Cookie",
        "Authorization",
        "Referer",
        "x-api-key",
        "x-gw-ims-org-id",
        "Origin",
        "Host",
        "Via",
        "X-Forwarded-Proto",
    ],
)
def test_no_other_header_is_passed_on(name: str):
    """Neither what is the relay's own nor what identifies a browser's session."""
    assert headers_of(post({}, headers={name: "secret"})) == {}


def test_lines_of_one_header_are_joined():
    """As HTTP says they may be: a proxy can add a line to X-Forwarded-For instead of extending it."""
    lines = {"X-Forwarded-For": ["192.0.2.1", "198.51.100.2"], "x-forwarded-for": ["203.0.113.3"]}

    found = headers_of(post({}) | {"multiValueHeaders": lines})

    assert found == {"X-Forwarded-For": "192.0.2.1, 198.51.100.2, 203.0.113.3"}


def test_an_empty_header_is_none():
    """The relay then names itself in User-Agent."""
    assert headers_of(post({}, headers={"User-Agent": " "})) == {}


@pytest.mark.parametrize("value", ["a\r\nX-Injected: b", "a\nb", "a\0", "a\x7f", "x" * 9_000, "\ud800"])
def test_a_header_that_cannot_be_passed_on_is_named(value: str):
    """Not its value, which is personal data. Nothing is forwarded."""
    problem = refusal(read_visitor_headers, post({}, headers={"user-agent": value}))

    assert (problem.status, problem.type) == (400, "urn:adobe-relay:invalid-header")
    assert "User-Agent" in problem.detail
    assert value not in problem.detail


def test_parameters_that_the_relay_does_not_use_are_passed_on():
    """Each as often as it was sent, in its own spelling."""
    query = {"dataStreamId": "d", "requestId": "r", "SILENT": "true", "adobeAepValidationToken": "t", "a": "2"}
    lines = {name: [value] for name, value in query.items()} | {"a": ["1", "2"], "é": [""]}

    request = read_http_request(post({}, query=query) | {"multiValueQueryStringParameters": lines})

    assert read_parameters(request) == (("adobeAepValidationToken", "t"), ("a", "1"), ("a", "2"), ("é", ""))


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        pytest.param({f"p{number}": "" for number in range(3_000)}, "3000 parameters", id="thousands"),
        pytest.param({"long": "x" * 5_000}, "long", id="a long value"),
        pytest.param({"n" * 5_000: ""}, "nnn", id="a long name"),
        pytest.param({"odd": "\ud800"}, "odd", id="not Unicode"),
    ],
)
def test_parameters_beyond_bounds_are_refused(parameters: dict[str, str], named: str):
    """By name or number; nothing is forwarded."""
    problem = refusal(read_parameters, post({}, query={"datastreamId": "d", **parameters}))

    assert (problem.status, problem.type) == (400, "urn:adobe-relay:invalid-parameter")
    assert named in problem.detail
    assert len(problem.detail) < 300
