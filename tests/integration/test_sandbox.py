"""The sandbox is as strict as Adobe is documented to be, and can be ordered to give every documented answer."""

import gzip
import json
import re
from typing import Any

import pytest
import requests

from local.sandbox.catalogue import ERRORS
from tests.support import DATASTREAM, SEED, SandboxClient, batch, event, ids

ORGANIZATION = "53A16ACB5CC1D3760A495C99@AdobeOrg"
INGEST = "/example/campaign/dataIngestion/xdmIngestion/42/ingest"


@pytest.fixture
def headers(sandbox: SandboxClient) -> dict[str, str]:
    """What an authorized caller of Adobe sends."""
    form = {"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}
    answer = requests.post(f"{sandbox.url}/ims/token/v3", data=form | {"scope": "openid"}, timeout=5)
    return {
        "Authorization": f"Bearer {answer.json()['access_token']}",
        "x-api-key": "sandbox-client",
        "x-gw-ims-org-id": ORGANIZATION,
        "Content-Type": "application/json",
    }


def collect(sandbox: SandboxClient, headers: dict[str, str], content: Any, query: str | None = None):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    query = f"datastreamId={DATASTREAM}" if query is None else query
    return requests.post(f"{sandbox.url}/ee/v2/collect?{query}", data=body, headers=headers, timeout=5)


def test_a_valid_batch_is_taken(sandbox: SandboxClient, headers: dict[str, str]):
    """202 with the caller's request id and Edge's own suffix."""
    answer = collect(sandbox, headers, batch("a", "b"), "dataStreamId=d&requestId=mine")

    assert answer.status_code == 202
    assert re.fullmatch(r"mine-[0-9a-f]{16}", answer.json()["requestId"])
    assert ids(sandbox.events()) == {"a", "b"}


def test_silent_is_204_without_a_body(sandbox: SandboxClient, headers: dict[str, str]):
    """And the events are taken."""
    answer = collect(sandbox, headers, batch("a"), "datastreamId=d&silent=true")

    assert (answer.status_code, answer.content) == (204, b"")
    assert ids(sandbox.events()) == {"a"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", "0109-408", id="empty"),
        pytest.param(b"{", "0101-400", id="not JSON"),
        pytest.param(gzip.compress(json.dumps(SEED).encode()), "0101-400", id="gzip"),
        pytest.param([], "0102-400", id="no object"),
        pytest.param({"events": []}, "0103-400", id="no events"),
        pytest.param({"events": [event("a", text="x" * 64_000)]}, "0112-413", id="too large"),
        pytest.param({"events": [event("a"), {"xdm": {}}]}, "0306-400", id="no primary identity"),
        pytest.param({"events": [event("a"), 5]}, "0102-400", id="event no object"),
    ],
)
def test_a_4xx_takes_nothing_of_the_batch(sandbox: SandboxClient, headers: dict[str, str], content: Any, code: str):
    """problem+json with Edge's code; the guilty event as #n."""
    answer = collect(sandbox, headers, content)

    assert answer.status_code == int(code[-3:])
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == f"https://ns.adobe.com/aep/errors/EXEG-{code}"
    assert ("#1" in answer.json()["detail"]) == (code == "0306-400")
    assert sandbox.events() == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Authorization": ""}, "EXEG-0500-401"),
        ({"Authorization": "Bearer unknown"}, "401013"),
        ({"x-api-key": "another"}, "403003"),
        ({"x-gw-ims-org-id": "another@AdobeOrg"}, "403010"),
        ({"Content-Type": "text/html"}, "EXEG-0111-415"),
    ],
)
def test_the_callers_headers_are_checked(
    sandbox: SandboxClient, headers: dict[str, str], change: dict[str, str], code: str
):
    """Token, key, organisation, content type."""
    assert code in collect(sandbox, headers | change, batch("a")).text
    assert sandbox.events() == []


def test_the_datastream_is_mandatory(sandbox: SandboxClient, headers: dict[str, str]):
    """0002."""
    assert "EXEG-0002-400" in collect(sandbox, headers, batch("a"), "").text


@pytest.mark.parametrize(("change", "code"), [({"expire": True}, "EXEG-0503-401"), ({"revoke": True}, "401013")])
def test_tokens_expire_and_are_revoked(
    sandbox: SandboxClient, headers: dict[str, str], change: dict[str, Any], code: str
):
    """Edge knows an expired token; a revoked one stops at the gateway."""
    sandbox.tokens(**change)

    assert code in collect(sandbox, headers, batch("a")).text


@pytest.mark.parametrize("code", ERRORS)
def test_every_documented_error_can_be_ordered(sandbox: SandboxClient, headers: dict[str, str], code: str):
    """With its status, for one request; the next is served."""
    sandbox.fault(on="collect", code=code, times=1)

    faulty, usual = collect(sandbox, headers, batch("a")), collect(sandbox, headers, batch("b"))

    assert (faulty.status_code, faulty.json()["type"][-8:]) == (int(code[-3:]), code)
    assert usual.status_code == 202
    assert ids(sandbox.events()) == {"b"}


def test_a_fault_can_follow_an_event(sandbox: SandboxClient, headers: dict[str, str]):
    """Only requests with that event meet it, and it is named by its index."""
    sandbox.fault(on="collect", code="0308-400", contains='"bad"')

    good, bad = collect(sandbox, headers, batch("a")), collect(sandbox, headers, batch("a", "b", "bad"))

    assert good.status_code == 202
    assert "#2" in bad.json()["detail"]


def test_a_207_takes_the_events(sandbox: SandboxClient, headers: dict[str, str]):
    """Nested 503 or not."""
    sandbox.fault(on="collect", status=207)

    answer = collect(sandbox, headers, batch("a"))

    assert (answer.status_code, answer.json()["errors"][0]["status"]) == (207, 503)
    assert ids(sandbox.events()) == {"a"}


@pytest.mark.parametrize(("drop", "taken"), [("before", set()), ("after", {"a"})])
def test_connections_drop_before_and_after_the_request_is_taken(
    sandbox: SandboxClient, headers: dict[str, str], drop: str, taken: set[str]
):
    """The caller cannot tell which."""
    sandbox.fault(on="collect", drop=drop, times=1)

    with pytest.raises(requests.ConnectionError):
        collect(sandbox, headers, batch("a"))

    assert ids(sandbox.events()) == taken


def test_an_answer_can_be_cut_off(sandbox: SandboxClient, headers: dict[str, str]):
    """Half of the JSON, then the end of the connection."""
    sandbox.fault(on="collect", cut=True, times=1)

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        collect(sandbox, headers, batch("a"))


@pytest.mark.parametrize("fault", [{"bogus": 1}, {"on": "nowhere"}, {"code": "9999-400"}, {"drop": "sometimes"}])
def test_a_fault_that_makes_no_sense_is_refused(sandbox: SandboxClient, fault: dict[str, Any]):
    """A typing error in a test must not make it pass."""
    with pytest.raises(requests.HTTPError):
        sandbox.fault(**fault)


def submit(sandbox: SandboxClient, headers: dict[str, str], path: str = INGEST):
    return requests.post(sandbox.url + path, headers=headers, timeout=5)


def poll(sandbox: SandboxClient, headers: dict[str, str], request_id: Any, *, in_body: bool = False):
    query, content = ({}, {"requestId": request_id}) if in_body else ({"requestId": request_id}, None)
    return requests.get(sandbox.url + INGEST, headers=headers, params=query, json=content, timeout=5)


@pytest.mark.parametrize("in_body", [False, True])
def test_an_ingestion_runs_to_its_end(sandbox: SandboxClient, headers: dict[str, str], in_body: bool):
    """Submitted, in progress for a while, then success with its records; the id in the query or in a JSON body."""
    submitted = submit(sandbox, headers).json()
    again = submit(sandbox, headers).json()

    polled = [poll(sandbox, headers, submitted["requestId"], in_body=in_body).json() for _ in range(3)]

    assert (submitted["status"], again["status"]) == ("Success", "In Progress")
    assert again["requestId"] == submitted["requestId"]
    assert [(answer["status"], answer["numRecords"]) for answer in polled] == [
        ("In Progress", 0),
        ("In Progress", 0),
        ("Success", 15),
    ]
    assert sandbox.ingestions() == {"42": {"posts": 2, "gets": 3, "requestIds": [submitted["requestId"]]}}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param("submitted", {"status": "Success", "requestId": 3520}, id="submitted"),
        pytest.param("in_progress", {"status": "In Progress", "requestId": 3520}, id="in progress"),
        pytest.param("not_stopped", {"status": "Failed"}, id="not stopped"),
        pytest.param("not_published", {"status": "Failed"}, id="not published"),
        pytest.param("error_code", {"error_code": "403023"}, id="gateway string"),
        pytest.param("gateway_code", {"code": 502}, id="gateway number"),
        pytest.param("too_many_requests", {"error_code": "429050"}, id="429"),
    ],
)
def test_every_answer_to_a_submission_can_be_ordered(
    sandbox: SandboxClient, headers: dict[str, str], answer: str, expected: dict[str, Any]
):
    """As the ingestion page and the sibling APIs show them."""
    sandbox.script("42", submit=[answer])

    content = submit(sandbox, headers).json()

    assert {member: content[member] for member in expected} == expected
    assert ("requestId" in content) == (answer in ("submitted", "in_progress"))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("success", {"batchId": "", "status": "Success", "numRecords": 15}),
        ("in_progress", {"batchId": "", "status": "In Progress", "numRecords": 0}),
        ("failed_on_fetch", {"batchId": "", "status": "Failed", "numRecords": 0}),
        ("failed_on_upload", {"batchId": "01ABC", "status": "Failed", "numRecords": 0}),
        ("aborted", {"batchId": "", "status": "Aborted", "numRecords": 0}),
    ],
)
def test_every_status_of_an_ingestion_can_be_ordered(
    sandbox: SandboxClient, headers: dict[str, str], answer: str, expected: dict[str, Any]
):
    """In Campaign's five fields."""
    sandbox.script("42", status=[answer])
    request_id = submit(sandbox, headers).json()["requestId"]

    content = poll(sandbox, headers, request_id).json()

    assert content.pop("info").startswith("Mapping Id: 42.")
    assert content == expected | {"requestId": request_id}


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        ("rst_404", 404, "RST-360011"),
        ("rst_500", 500, "RST-360011"),
        ("not_json", 200, "<html>"),
        ("empty", 200, ""),
        ({"status": 418, "body": {"status": "Odd"}}, 418, "Odd"),
    ],
)
def test_answers_that_are_not_campaigns_can_be_ordered(
    sandbox: SandboxClient, headers: dict[str, str], answer: Any, status: int, text: str
):
    """Text, HTML, nothing, and whatever a test likes; the last answer of a script is given for ever."""
    sandbox.script("42", submit=["submitted", answer])

    first, second, third = (submit(sandbox, headers) for _ in range(3))

    assert first.json()["status"] == "Success"
    assert second.status_code == third.status_code == status
    assert text in second.text
    assert (second.text == "") == (text == "")


def test_campaign_knows_only_its_organization_and_its_request_ids(sandbox: SandboxClient, headers: dict[str, str]):
    """A foreign organisation is refused, and so is an id that was never given."""
    foreign = submit(sandbox, headers, INGEST.replace("example", "another"))
    unknown = poll(sandbox, headers, 1)

    assert (foreign.status_code, foreign.json()["error_code"]) == (403, "403023")
    assert unknown.status_code == 404
