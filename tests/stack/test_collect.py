"""POST /ee/v2/collect through the deployed template: API Gateway, function, layer, rights, secret."""

import gzip
import json
from typing import Any

import pytest
import requests

from local.logs import function_logs
from local.process import wait_until
from local.queues import messages
from local.stack import Stack
from tests.stack.conftest import Relay, readme_block, shell
from tests.support import DATASTREAM, SEED, SandboxClient, batch, event, ids, spooled_events

# The headers of Adobe's own sample; only the key is one of ours.
SEED_HEADERS = {"Authorization": "Bearer {TOKEN}", "x-gw-ims-org-id": "{ORG_ID}"}


def test_the_batch_of_adobes_documentation_arrives(relay: Relay, sandbox: SandboxClient):
    """With nothing changed but base URL and key: its spelling of the parameter, its headers, its "primary": "true"."""
    answer = relay.post(SEED, query="dataStreamId=my-datastream", **SEED_HEADERS)

    wait_until(sandbox.collected, "the batch is missing", 60)
    (taken,) = sandbox.collected()
    assert answer.status_code == 202
    assert taken["datastreamId"] == "my-datastream"
    assert taken["requestId"].startswith(answer.json()["requestId"])
    expected = json.loads(json.dumps(SEED["events"]).replace('"true"', "true"))
    for found in taken["events"]:
        assert found["xdm"].pop("_id")
    assert taken["events"] == expected


def test_the_readmes_curl_command_works(stack: Stack, sandbox: SandboxClient):
    """As it is printed there."""
    printed = shell(readme_block("curl"), API_URL=stack.api_url, API_KEY=stack.api_key, DATASTREAM_ID=DATASTREAM)

    assert printed.startswith("HTTP/1.1 202")
    assert sandbox.arrived("b1c7a8e2-0d53-4f6e-9c2a-3f1d5e7a9b40")


def test_the_readmes_curl_command_that_does_not_wait_works(stack: Stack, sandbox: SandboxClient):
    """As it is printed there."""
    printed = shell(readme_block("Prefer"), API_URL=stack.api_url, API_KEY=stack.api_key, DATASTREAM_ID=DATASTREAM)

    assert printed.startswith("HTTP/1.1 202")
    assert sandbox.arrived("b1c7a8e2-0d53-4f6e-9c2a-3f1d5e7a9b42")


def test_who_does_not_wait_hears_202_and_the_event_arrives(relay: Relay, sandbox: SandboxClient):
    """Prefer: respond-async; the redeliver function sends it."""
    answer = relay.post(batch("a"), Prefer="respond-async")

    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "respond-async")
    assert sandbox.arrived("a")


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "text/javascript; charset=utf-8"])
def test_every_content_type_that_edge_lists_is_taken(relay: Relay, sandbox: SandboxClient, content_type: str):
    """With non-ASCII text, which must arrive as it was sent."""
    answer = relay.post(json.dumps(batch("é漢😀"), ensure_ascii=False).encode(), Content_Type=content_type)

    assert answer.status_code == 202
    assert sandbox.arrived("é漢😀")


def test_a_gzip_body_is_unpacked(relay: Relay, sandbox: SandboxClient):
    """Content-Encoding: gzip."""
    answer = relay.post(gzip.compress(json.dumps(batch("a")).encode()), Content_Encoding="gzip")

    assert answer.status_code == 202
    assert sandbox.arrived("a")


def test_silent_is_204_without_a_body(relay: Relay, sandbox: SandboxClient):
    """And the events are with Adobe."""
    answer = relay.post(batch("a"), query="datastreamId=d&silent=true")

    assert (answer.status_code, answer.content) == (204, b"")
    assert sandbox.arrived("a")


@pytest.mark.parametrize(("query", "header"), [("&requestId=mine-1", {}), ("", {"x_request_id": "mine-2"})])
def test_the_request_id_is_the_clients(relay: Relay, sandbox: SandboxClient, query: str, header: dict[str, str]):
    """From query or header; in body, header and Adobe's log."""
    answer = relay.post(batch("a"), query=f"datastreamId=d{query}", **header)

    assert answer.json()["requestId"] in ("mine-1", "mine-2")
    assert answer.headers["x-request-id"] == answer.json()["requestId"]
    assert sandbox.arrived("a")
    assert sandbox.collected()[0]["requestId"].startswith(answer.json()["requestId"] + "-")


def test_one_bad_event_does_not_hold_back_good_ones(relay: Relay, sandbox: SandboxClient):
    """207: the good are delivered, the bad are named."""
    answer = relay.post({"events": [event("a"), {"xdm": {}}, event("b")]})

    assert answer.status_code == 207
    assert [error["report"]["eventIndex"] for error in answer.json()["errors"]] == [1]
    assert sandbox.arrived("a", "b")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(b"", 408, id="empty body"),
        pytest.param(b"rubbish", 400, id="bad JSON"),
        pytest.param(b"[]", 400, id="not an object"),
        pytest.param(b'{"events": []}', 400, id="no events"),
        pytest.param(b'{"events": [1, "x", null]}', 400, id="events that are not objects"),
        pytest.param(b"[" * 200_000, 400, id="deep nesting"),
        pytest.param(b'{"events": [{"xdm": {"a": NaN}}]}', 400, id="NaN"),
        pytest.param(b"\xff\xfe\x00rubbish", 400, id="not UTF-8"),
        pytest.param(b"rubbish " * 786_432, 400, id="6 MB of rubbish"),
        pytest.param(json.dumps({"events": [{}] * 20_000}).encode(), 400, id="thousands of empty events"),
        pytest.param(json.dumps({"events": [event("a", text="x" * 70_000)]}).encode(), 413, id="too large an event"),
    ],
)
def test_bad_input_is_a_4xx_and_nothing_is_forwarded(relay: Relay, sandbox: SandboxClient, content: bytes, status: int):
    """problem+json; never a 5xx, never a trace of what is inside."""
    answer = relay.post(content)

    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "Traceback" not in answer.text
    assert sandbox.statuses("collect") == []


@pytest.mark.parametrize("key", ["", "wrong"])
def test_callers_need_a_key(relay: Relay, sandbox: SandboxClient, key: str):
    """403, in the form of every other problem."""
    answer = relay.post(batch("a"), x_api_key=key)

    assert (answer.status_code, answer.json()["type"]) == (403, "urn:adobe-relay:invalid-api-key")
    assert sandbox.statuses("collect") == []


def test_another_path_is_a_404(stack: Stack):
    """In the form of every other problem, and with the path there is."""
    answer = requests.post(f"{stack.api_url}/ee/v1/collect", headers={"x-api-key": stack.api_key}, timeout=10)

    assert (answer.status_code, answer.json()["type"]) == (404, "urn:adobe-relay:no-such-resource")


def test_events_of_an_outage_arrive_when_it_is_over(relay: Relay, sandbox: SandboxClient, stack: Stack):
    """The client hears 202 all the time, and every event arrives exactly once."""
    sandbox.fault(on="collect", status=503)
    during = [relay.post(batch(*(f"{n}-{m}" for m in range(3)))) for n in range(8)]
    sandbox.end_faults()
    after = relay.post(batch("after"))

    assert {answer.status_code for answer in [*during, after]} == {202}
    assert sandbox.arrived("after", *(f"{n}-{m}" for n in range(8) for m in range(3)))


def test_an_event_that_adobe_never_takes_becomes_a_dead_letter(relay: Relay, sandbox: SandboxClient, stack: Stack):
    """When it was spooled before; the others of its batch arrive."""
    sandbox.fault(on="collect", status=503, times=1)
    sandbox.fault(on="collect", code="0308-400", contains='"bad"')

    accepted = relay.post(batch("good", "bad", "fine"))

    assert accepted.status_code == 202
    assert sandbox.arrived("good", "fine")
    letters = {
        letter["MessageAttributes"]["code"]["StringValue"]: ids(spooled_events(letter["Body"]))
        for letter in messages(stack.dead_letters_url, stack)
    }
    assert letters["EXEG-0308-400"] == {"bad"}


@pytest.mark.usefixtures("new_collect")
def test_edge_that_does_not_answer_in_time_costs_no_event(relay: Relay, sandbox: SandboxClient):
    """The client hears from us before API Gateway gives up; Adobe, which took it late, gets it again as it was."""
    sandbox.fault(on="collect", delay=12, times=1)

    answer = relay.post(batch("a"))

    assert answer.status_code == 202
    wait_until(lambda: len(sandbox.events()) == 2, "one of the two is missing", 60)
    assert sandbox.events()[0] == sandbox.events()[1]


def test_a_repeated_request_gets_its_first_answer_and_sends_nothing(relay: Relay, sandbox: SandboxClient):
    """By the client's own requestId; with another body it is refused."""
    query = "datastreamId=d&requestId=once"
    first = relay.post({"events": [event("a"), {}]}, query=query)
    repeated = relay.post({"events": [event("a"), {}]}, query=query)
    another = relay.post(batch("b"), query=query)

    assert (first.status_code, repeated.status_code, another.status_code) == (207, 207, 422)
    assert first.json() == repeated.json()
    assert sandbox.arrived("a")
    assert another.json()["type"] == "urn:adobe-relay:request-id-reused"


def test_the_logs_hold_neither_secrets_nor_events(relay: Relay, sandbox: SandboxClient, stack: Stack):
    """One line for each request, with what an operator needs, in the function's own log group."""
    relay.post(batch("ada@example.com"), query="datastreamId=d&requestId=find-me")
    sandbox.fault(on="collect", code="0305-400", contains="ada@example.com")
    relay.post(batch("ada@example.com"), query="datastreamId=d&requestId=find-me-too")

    lines = function_logs(stack.aws_endpoint_url)
    text = "\n".join(lines)
    logged = {entry.get("requestId"): entry for entry in map(as_json, lines)}
    assert logged["find-me"]["delivered"] + logged["find-me"]["spooled"] == 1
    assert "find-me-too" in logged
    assert "ada@example.com" not in text
    assert "sandbox-secret" not in text
    assert stack.api_key not in text
    assert "Bearer" not in text


def as_json(line: str) -> dict[str, Any]:
    return json.loads(line) if line.startswith("{") else {}
