"""Everything that a client may send, through the deployed template: at once, after an outage, and after a replay."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from local.process import wait_until
from local.queues import messages
from local.stack import Stack
from tests.stack.conftest import Relay, dead_letters, readme_block, shell
from tests.support import DATASTREAM, SandboxClient, batch, event

VISITOR = {
    "User-Agent": "Kiosk/7 (Linux)",
    "Accept-Language": "fr-FR, fr;q=0.9",
    "Sec-CH-UA-Platform": '"Linux"',
    "X-Forwarded-For": "192.0.2.43, 198.51.100.7",
    "x-adobe-aep-validation-token": "assurance",
}
OVERRIDE = '{"com_adobe_experience_platform":{"datasets":{"event":{"datasetId":"64b6f930753dd41ca8d4fd77"}}}}'
MEMBERS = f'"meta":{{"configOverrides":{OVERRIDE}}},"query":{{"identity":{{"fetch":["ECID"]}}}},"new":[19.90,1E2]'
EVENT = (
    '{"data":{"price":19.90,"big":123456789012345678901234567890,"name":"caf\\u00e9 漢"},"xdm":{"_id":"unchanged",'
    '"timestamp":"2021-08-09T14:09:20.859Z","identityMap":{"CRMID":[{"id":"1","primary":true}]}}}'
)
SECRETS = {"Cookie": "session=1", "Referer": "https://example.com/", "Authorization": "Bearer theirs"}


def send(relay: Relay, request_id: str) -> None:
    """The request with everything."""
    body = f'{{{MEMBERS},"events":[{EVENT}]}}'.encode()
    query = f"datastreamId=d&requestId={request_id}&adobeAepValidationToken=t%20t&a=1&a=2"
    answer = relay.post(body, query=query, hint="or2", **VISITOR, **SECRETS)
    assert answer.status_code == 202


def at_once(relay: Relay, sandbox: SandboxClient, stack: Stack) -> None:
    send(relay, "at_once")


def after_an_outage(relay: Relay, sandbox: SandboxClient, stack: Stack) -> None:
    sandbox.fault(on="collect", status=503, times=1)
    send(relay, "after_an_outage")


def after_a_replay(relay: Relay, sandbox: SandboxClient, stack: Stack) -> None:
    messages(stack.dead_letters_url, stack)  # those of other tests
    sandbox.fault(on="collect", status=503, times=1)
    sandbox.fault(on="collect", code="0003-400")
    send(relay, "after_a_replay")
    wait_until(lambda: "request refused" in dead_letters(stack, "list"), "there is no dead letter", 60)
    sandbox.end_faults()
    dead_letters(stack, "replay")


@pytest.mark.usefixtures("new_collect")
@pytest.mark.parametrize("way", [at_once, after_an_outage, after_a_replay])
def test_everything_a_client_sends_reaches_edge(
    relay: Relay, sandbox: SandboxClient, stack: Stack, way: Callable[[Relay, SandboxClient, Stack], None]
):
    """Path, parameters, visitor headers, members and event, to the byte; and nothing that is the client's own."""
    way(relay, sandbox, stack)

    wait_until(sandbox.count, "the event is missing", 60)
    (taken,) = sandbox.collected()
    assert taken["hint"] == "or2"
    assert taken["body"] == f'{{{MEMBERS},"events":[{EVENT}]}}'
    assert sorted(map(tuple, taken["query"])) == [
        ("a", "1"), ("a", "2"), ("adobeAepValidationToken", "t t"), ("datastreamId", "d"), ("requestId", way.__name__)
    ]  # fmt: skip
    assert taken["headers"].items() >= {name.lower(): value for name, value in VISITOR.items()}.items()
    assert not {name.lower() for name in SECRETS} & set(taken["headers"])
    assert stack.api_key not in json.dumps(taken)


def test_the_readmes_curl_command_with_everything_works(stack: Stack, sandbox: SandboxClient):
    """As it is printed there: override, visitor headers, location hint."""
    command = readme_block("/ee/or2/")

    printed = shell(command, API_URL=stack.api_url, API_KEY=stack.api_key, DATASTREAM_ID=DATASTREAM)

    assert printed.startswith("HTTP/1.1 202")
    assert sandbox.arrived("b1c7a8e2-0d53-4f6e-9c2a-3f1d5e7a9b41")
    (taken,) = sandbox.collected()
    assert taken["hint"] == "or2"
    assert "configOverrides" in taken["members"]["meta"]
    assert "192.0.2.43" in taken["headers"]["x-forwarded-for"]


def test_an_override_that_edge_refuses_is_reported_with_its_reasons(
    relay: Relay, sandbox: SandboxClient, new_collect: None
):
    """At once: the events would go to the wrong place."""
    answer = relay.post(batch("a") | {"meta": {"configOverrides": {"com_adobe_analytics": {"reportSuites": "x"}}}})

    assert (answer.status_code, answer.json()["type"][-8:]) == (400, "0113-400")
    assert "com_adobe_analytics.reportSuites" in answer.json()["report"]["errors"][0]
    assert sandbox.count() == 0


@pytest.mark.usefixtures("new_collect")
def test_an_unknown_location_hint_is_reported_to_the_client(relay: Relay, sandbox: SandboxClient):
    answer = relay.post(batch("a"), hint="zz9")

    assert (answer.status_code, answer.json()["type"]) == (404, "urn:adobe-relay:no-such-location-hint")


@pytest.mark.parametrize("hint", ["..", "%2e%2e", "or2%2F..", "a" * 17, "or%202", "%00", "..%2f..%2fother"])
def test_what_can_be_no_location_hint_is_not_found(stack: Stack, sandbox: SandboxClient, hint: str):
    """Whoever answers, API Gateway or the function: Edge hears nothing."""
    url = f"{stack.api_url}/ee/{hint}/v2/collect?datastreamId=d"
    request = requests.Request("POST", url, json=batch("a"), headers={"x-api-key": stack.api_key}).prepare()
    request.url = url  # as it is, without putting the dots in order
    with requests.Session() as session:
        answer = session.send(request, timeout=10)

    assert answer.status_code == 404
    assert answer.json()["type"] in ("urn:adobe-relay:no-such-location-hint", "urn:adobe-relay:no-such-resource")
    assert sandbox.statuses("collect") == []


@pytest.mark.parametrize(
    ("content", "query", "headers", "named"),
    [
        pytest.param({"meta": []}, "", {}, "meta", id="member of the wrong type"),
        pytest.param({"meta": {"x": "y" * 64_000}}, "", {}, "members", id="members larger than a request"),
        pytest.param({}, "&" + "&".join(f"p{n}=" for n in range(1_000)), {}, "1000 parameters", id="many parameters"),
        pytest.param({}, "&long=" + "x" * 4_100, {}, "long", id="a large parameter"),
        pytest.param({}, "", {"Forwarded": "x" * 8_200}, "Forwarded", id="a large header"),
    ],
)
def test_what_cannot_be_passed_on_is_named(
    relay: Relay, sandbox: SandboxClient, content: Any, query: str, headers: dict[str, str], named: str
):
    """A 4xx, and nothing is forwarded."""
    answer = relay.post(batch("a") | content, query=f"datastreamId=d{query}", **headers)

    assert 400 <= answer.status_code < 500
    assert named in answer.json()["detail"]
    assert sandbox.statuses("collect") == []


def test_members_of_a_packed_body_are_passed_on(relay: Relay, sandbox: SandboxClient):
    """gzip is for the way to the relay; Edge gets plain JSON."""
    body = gzip.compress(json.dumps({"events": [event("a")], "meta": {"a": 1}}).encode())

    answer = relay.post(body, Content_Encoding="gzip")

    assert answer.status_code == 202
    assert sandbox.arrived("a")
    assert sandbox.collected()[0]["members"] == {"meta": {"a": 1}}
