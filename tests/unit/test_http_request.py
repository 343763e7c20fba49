"""An HTTP request as API Gateway hands it over."""

import gzip
import tracemalloc
from typing import Any

import pytest

from relay.errors import InvalidRequest
from relay.http_request import (
    MAX_BODY_BYTES,
    check_content_type,
    read_body,
    read_http_request,
    read_request_id,
)
from tests.support import post

GZIP = {"Content-Encoding": "gzip"}


def refusal(read: Any, event: dict[str, Any]) -> str:
    with pytest.raises(InvalidRequest) as refused:
        read(read_http_request(event))
    return refused.value.problem.type[-8:]


@pytest.mark.parametrize(
    ("query", "headers", "expected"),
    [
        pytest.param({"requestId": "q"}, {}, "q", id="query"),
        pytest.param({}, {"X-Request-ID": "h"}, "h", id="header"),
        pytest.param({"requestId": "q"}, {"x-request-id": "h"}, "q", id="query before header"),
        pytest.param({}, {}, None, id="none"),
        pytest.param({"requestId": ""}, {}, None, id="empty"),
    ],
)
def test_the_request_id_comes_from_query_or_header(
    query: dict[str, str], headers: dict[str, str], expected: str | None
):
    """`requestId` in the query, or the header `x-request-id` in any case."""
    assert read_request_id(read_http_request(post({}, query=query, headers=headers))) == expected


@pytest.mark.parametrize("request_id", ["a\r\nSet-Cookie: x=1", "a b", "é", "x" * 129, "\x00"])
def test_a_request_id_that_could_break_a_header_is_refused(request_id: str):
    """It comes back in a header and in logs."""
    assert refusal(read_request_id, post({}, query={"requestId": request_id})) == "0108-400"


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/plain", "text/javascript", "application/json; charset=utf-8", "Application/JSON"],
)
def test_every_content_type_that_edge_lists_is_taken(content_type: str):
    """With parameters and in any case."""
    check_content_type(read_http_request(post({}, headers={"Content-Type": content_type})))


def test_what_has_no_value_is_not_there():
    """Nulls, in every place where a proxy event can have them."""
    event = post({}) | {
        "headers": {"x-request-id": None},
        "multiValueHeaders": {"User-Agent": None, "Forwarded": [None, "for=192.0.2.1"]},
        "queryStringParameters": {"silent": None},
        "multiValueQueryStringParameters": {"a": None, "b": [None, "c"]},
    }

    request = read_http_request(event)

    assert (request.headers, request.query, request.parameters) == ({}, {}, (("b", "c"),))
    assert dict(request.header_lines) == {"user-agent": [], "forwarded": ["for=192.0.2.1"]}


def test_a_missing_content_type_is_taken_for_json():
    """Edge does not say that the header is mandatory."""
    event = post({})
    del event["headers"]["Content-Type"]

    check_content_type(read_http_request(event))


@pytest.mark.parametrize(
    ("content_type", "code"),
    [
        ("application/x-www-form-urlencoded", "0111-415"),
        ("application/x-jackson-smile", "0111-415"),
        ("json", "0106-400"),
        ("", "0106-400"),
    ],
)
def test_other_content_types_are_refused_with_edges_code(content_type: str, code: str):
    """Smile, too: Edge declared it unsupported."""
    assert refusal(check_content_type, post({}, headers={"Content-Type": content_type})) == code


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(post("{}"), id="text"),
        pytest.param(post(b"{}"), id="base64"),
        pytest.param(post(gzip.compress(b"{}"), headers=GZIP), id="gzip"),
        pytest.param(post(gzip.compress(b"{") + gzip.compress(b"}"), headers=GZIP), id="gzip in two members"),
        pytest.param(post(b"{}", headers=GZIP), id="gzip that API Gateway has unpacked"),
        pytest.param(post("{}", headers=GZIP), id="gzip that API Gateway has unpacked to text"),
        pytest.param(post("\ufeff{}"), id="byte order mark"),
    ],
)
def test_a_body_is_read_however_it_was_packed(event: dict[str, Any]):
    """Text, base64, gzip."""
    body = read_body(read_http_request(event))

    assert body in ("{}", b"{}")


@pytest.mark.parametrize(
    ("event", "code"),
    [
        pytest.param(post("") | {"body": None}, "0109-408", id="no body"),
        pytest.param(post(""), "0109-408", id="empty body"),
        pytest.param(post("{}") | {"isBase64Encoded": True}, "0101-400", id="wrong base64 flag"),
        pytest.param(post(gzip.compress(b"{}")[:-4], headers=GZIP), "0101-400", id="gzip cut off"),
        pytest.param(post(b"\x1f\x8bnonsense", headers=GZIP), "0101-400", id="gzip in name only"),
        pytest.param(post(b"{}", headers={"Content-Encoding": "br"}), "encoding", id="other encoding"),
        pytest.param(post(b" " * (MAX_BODY_BYTES + 1)), "0112-413", id="too large"),
        pytest.param(post(" " * (MAX_BODY_BYTES + 1)), "0112-413", id="too large as text"),
        pytest.param(
            post(gzip.compress(b" " * (MAX_BODY_BYTES + 1)), headers=GZIP), "0112-413", id="too large unpacked"
        ),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(event: dict[str, Any], code: str):
    """With Edge's code where the condition is Edge's."""
    assert refusal(read_body, event) == code


def test_a_gzip_bomb_takes_bounded_memory():
    """One megabyte that unpacks to a gigabyte costs little more than what is allowed."""
    event = post(gzip.compress(b"\0" * (1 << 20)) * 1024, headers=GZIP)
    tracemalloc.start()
    try:
        code = refusal(read_body, event)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert code == "0112-413"
    assert peak < 4 * MAX_BODY_BYTES
