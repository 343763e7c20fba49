"""The sandbox is as strict as Adobe is documented to be, and can be ordered to give every documented answer."""

import gzip
import http.client
import json
import re
from typing import Any

import pytest
import requests

from local.sandbox.catalogue import ERRORS
from local.sandbox.edge import HINTS
from tests.support import DATASTREAM, SEED, SandboxClient, batch, event, ids

ORGANIZATION = "53A16ACB5CC1D3760A495C99@AdobeOrg"
UUID = "79bf8e83-f708-414b-b1ed-5789ff33bf0b"
INGEST = "/example/campaign/dataIngestion/xdmIngestion/42/ingest"


@pytest.fixture
def headers(sandbox: SandboxClient) -> dict[str, str]:
    """What an authorized caller of Adobe sends."""
    return new_headers(sandbox)


def new_headers(sandbox: SandboxClient) -> dict[str, str]:
    """With a token of their own: a reset forgets all tokens."""
    form = {"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}
    answer = requests.post(f"{sandbox.url}/ims/token/v3", data=form | {"scope": "openid"}, timeout=5)
    return {
        "Authorization": f"Bearer {answer.json()['access_token']}",
        "x-api-key": "sandbox-client",
        "x-gw-ims-org-id": ORGANIZATION,
        "Content-Type": "application/json",
    }


def collect(
    sandbox: SandboxClient,
    headers: dict[str, str],
    content: Any,
    query: str | None = None,
    path: str = "/ee/v2/collect",
):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    query = f"datastreamId={DATASTREAM}" if query is None else query
    return requests.post(f"{sandbox.url}{path}?{query}", data=body, headers=headers, timeout=5)


def with_fpid(*fpids: Any) -> dict[str, Any]:
    """An event whose primary identity is another one."""
    return event("a", identityMap={"CRMID": [{"id": "a", "primary": True}], "FPID": [{"id": fpid} for fpid in fpids]})


def set_edge(sandbox: SandboxClient, content: Any) -> int:
    return requests.put(f"{sandbox.url}/_sandbox/edge", json=content, timeout=5).status_code


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
        pytest.param({"events": [event("a")], "meta": []}, "0102-400", id="meta no object"),
        pytest.param({"events": [event("a")], "query": "x"}, "0102-400", id="query no object"),
        pytest.param({"events": [event("a"), with_fpid(UUID, "1")]}, "0308-400", id="FPID no UUID"),
        pytest.param({"events": [event("a"), with_fpid(5)]}, "0308-400", id="FPID no text"),
    ],
)
def test_a_4xx_takes_nothing_of_the_batch(sandbox: SandboxClient, headers: dict[str, str], content: Any, code: str):
    """problem+json with Edge's code; the guilty event as #n."""
    answer = collect(sandbox, headers, content)

    assert answer.status_code == int(code[-3:])
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == f"https://ns.adobe.com/aep/errors/EXEG-{code}"
    assert ("#1" in answer.json()["detail"]) == (code in ("0306-400", "0308-400"))
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


@pytest.mark.parametrize("hint", HINTS)
def test_a_location_hint_can_be_part_of_the_path(sandbox: SandboxClient, headers: dict[str, str], hint: str):
    """The batch is taken, and the entry names the hint."""
    answer = collect(sandbox, headers, batch("a"), path=f"/ee/{hint}/v2/collect")

    (taken,) = sandbox.collected()
    assert answer.status_code == 202
    assert taken["hint"] == hint


def test_an_unknown_hint_is_an_unknown_path(sandbox: SandboxClient, headers: dict[str, str]):
    """404 without problem+json, and nothing is taken."""
    answer = collect(sandbox, headers, batch("a"), path="/ee/mars1/v2/collect")

    assert (answer.status_code, answer.text) == (404, "Not Found")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert sandbox.events() == []


def test_a_fault_of_collect_is_for_both_paths(sandbox: SandboxClient, headers: dict[str, str]):
    """With a hint or without one."""
    sandbox.fault(on="collect", status=503)

    answers = [collect(sandbox, headers, batch("a"), path=path) for path in ("/ee/v2/collect", "/ee/or2/v2/collect")]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert sandbox.statuses("collect") == [503, 503]


def test_the_query_is_kept_in_the_order_sent(sandbox: SandboxClient, headers: dict[str, str]):
    """Every parameter, decoded, with those that are repeated or empty."""
    collect(sandbox, headers, batch("a"), "b=2&datastreamId=d&a=%C3%A9%26+x&b=1&c=")

    (taken,) = sandbox.collected()
    assert taken["query"] == [["b", "2"], ["datastreamId", "d"], ["a", "é& x"], ["b", "1"], ["c", ""]]
    assert taken["hint"] == ""


def test_the_headers_are_kept_without_the_token(sandbox: SandboxClient, headers: dict[str, str]):
    """In lower case, several lines of one name joined, and without what belongs to the connection."""
    connection = http.client.HTTPConnection(sandbox.url.removeprefix("http://"), timeout=5)
    connection.putrequest("POST", f"/ee/v2/collect?datastreamId={DATASTREAM}")
    body = json.dumps(batch("a")).encode()
    for name, value in {**headers, "Content-Length": str(len(body)), "User-Agent": "kiosk/1"}.items():
        connection.putheader(name, value)
    connection.putheader("X-Forwarded-For", "203.0.113.7")
    connection.putheader("x-forwarded-for", "198.51.100.2")
    connection.endheaders(body)
    status = connection.getresponse().status
    connection.close()

    (taken,) = sandbox.collected()
    assert status == 202
    assert taken["headers"] == {
        "content-type": "application/json",
        "user-agent": "kiosk/1",
        "x-api-key": "sandbox-client",
        "x-forwarded-for": "203.0.113.7, 198.51.100.2",
        "x-gw-ims-org-id": ORGANIZATION,
    }


def test_the_body_is_kept_as_received(sandbox: SandboxClient, headers: dict[str, str]):
    """Digits, escapes, white space and lone surrogates, as text; the members beside the events as JSON."""
    sent = (
        r'{ "meta":{"n": 1E2}, "events": [{"xdm": {"identityMap": {"CRMID": [{"id": "\u00e9\ud800", "primary": true}]},'
        r' "price": 19.90, "big": 123456789012345678901234567890, "name": "é"}}],"new": [null] }'
    ).encode()

    answer = collect(sandbox, headers, sent)

    (taken,) = sandbox.collected()
    assert answer.status_code == 202
    assert taken["body"].encode() == sent
    assert taken["bytes"] == len(sent)
    assert taken["members"] == {"meta": {"n": 100.0}, "new": [None]}
    assert taken["events"] == json.loads(sent)["events"]


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param({}, id="none"),
        pytest.param(
            {
                "com_adobe_experience_platform": {"datasets": {"event": {"datasetId": "6335faf30f5a161c0b4b1444"}}},
                "com_adobe_analytics": {"reportSuites": ["suite-1", "suite-2"]},
                "com_adobe_identity": {"idSyncContainerId": 30793},
                "com_adobe_target": {"propertyToken": "63a46bbc-26cb-7cc3-def0-9ae1b51b6c62"},
            },
            id="as documented",
        ),
        pytest.param({"com_adobe_experience_platform": {"com_adobe_edge_ode": {"enabled": False}}}, id="no datasets"),
        pytest.param({"com_adobe_analytics": {"enabled": False}}, id="no report suites"),
        pytest.param({"com_adobe_new": {"any": ["thing", 1]}}, id="another service"),
    ],
)
def test_overrides_as_documented_are_taken(sandbox: SandboxClient, headers: dict[str, str], overrides: Any):
    """And are kept among the members."""
    meta = {"configOverrides": overrides}

    answer = collect(sandbox, headers, batch("a") | {"meta": meta})

    (taken,) = sandbox.collected()
    assert answer.status_code == 202
    assert taken["members"] == {"meta": meta}


@pytest.mark.parametrize(
    ("overrides", "errors"),
    [
        pytest.param([], [" must be an object"], id="no object"),
        pytest.param(None, [" must be an object"], id="null"),
        pytest.param({"com_adobe_target": "t"}, [".com_adobe_target must be an object"], id="service no object"),
        pytest.param(
            {"com_adobe_experience_platform": {"datasets": []}},
            [".com_adobe_experience_platform.datasets must be an object"],
            id="datasets no object",
        ),
        pytest.param(
            {"com_adobe_experience_platform": {"datasets": {"event": "d", "profile": {"datasetId": ""}}}},
            [
                ".com_adobe_experience_platform.datasets.event must be an object",
                ".com_adobe_experience_platform.datasets.profile.datasetId must be a dataset ID",
            ],
            id="datasets that are none",
        ),
        pytest.param(
            {"com_adobe_{0}": 1, "com_adobe_analytics": {"reportSuites": ["suite", ""]}},
            [
                ".com_adobe_{0} must be an object",
                ".com_adobe_analytics.reportSuites must be an array of report suite IDs",
            ],
            id="report suite empty",
        ),
        pytest.param(
            {"com_adobe_analytics": {"reportSuites": "suite"}},
            [".com_adobe_analytics.reportSuites must be an array of report suite IDs"],
            id="report suites no array",
        ),
    ],
)
def test_malformed_overrides_are_listed_in_a_report(
    sandbox: SandboxClient, headers: dict[str, str], overrides: Any, errors: list[str]
):
    """0113 is about the request: every fault by its path, and no event."""
    answer = collect(sandbox, headers, batch("a", "b") | {"meta": {"configOverrides": overrides}})

    content = answer.json()
    assert (answer.status_code, content["type"][-8:]) == (400, "0113-400")
    assert content["report"]["errors"] == [f"meta.configOverrides{error}" for error in errors]
    assert "#" not in answer.text
    assert "index" not in answer.text
    assert sandbox.events() == []


def test_ids_of_the_fpid_namespace_are_uuids(sandbox: SandboxClient, headers: dict[str, str]):
    """In capitals, too."""
    answer = collect(sandbox, headers, {"events": [with_fpid(UUID, UUID.upper())]})

    assert answer.status_code == 202


def test_a_missing_primary_identity_counts_before_a_malformed_fpid(sandbox: SandboxClient, headers: dict[str, str]):
    """0306, not 0308."""
    answer = collect(sandbox, headers, {"events": [{"xdm": {"identityMap": {"FPID": [{"id": "1"}]}}}]})

    assert "EXEG-0306-400" in answer.text


@pytest.mark.parametrize("in_header", [False, True])
def test_request_ids_that_are_no_uuid_can_be_refused(sandbox: SandboxClient, headers: dict[str, str], in_header: bool):
    """As an option, with 0108, in query and header; a UUID or no id at all is taken."""

    def send(request_id: str) -> requests.Response:
        query = f"datastreamId={DATASTREAM}" + ("" if in_header else f"&requestId={request_id}")
        return collect(sandbox, headers | ({"x-request-id": request_id} if in_header else {}), batch("a"), query)

    before = send("mine")
    set_edge(sandbox, {"uuidRequestIds": True})
    refused, taken, without = send("mine"), send(UUID), collect(sandbox, headers, batch("a"))
    set_edge(sandbox, {"uuidRequestIds": False})
    after = send("mine")

    assert (refused.status_code, refused.json()["type"][-8:]) == (400, "0108-400")
    assert {answer.status_code for answer in (before, taken, without, after)} == {202}


def test_a_reset_ends_the_option_for_request_ids(sandbox: SandboxClient, headers: dict[str, str]):
    """To forget what was taken does not."""
    set_edge(sandbox, {"uuidRequestIds": True})
    sandbox.forget()
    kept = collect(sandbox, headers, batch("a"), "datastreamId=d&requestId=mine")
    sandbox.reset()

    answer = collect(sandbox, new_headers(sandbox), batch("a"), "datastreamId=d&requestId=mine")

    assert (kept.status_code, answer.status_code) == (400, 202)


@pytest.mark.parametrize(
    "content", [{}, [], {"uuidRequestIds": 1}, {"uuidRequestIds": None}, {"uuidRequestIds": True, "bogus": True}]
)
def test_an_option_that_makes_no_sense_is_refused(sandbox: SandboxClient, content: Any):
    """As a fault is."""
    assert set_edge(sandbox, content) == 400


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


def test_an_ordered_0113_has_a_report(sandbox: SandboxClient, headers: dict[str, str]):
    """As one that a request earns."""
    sandbox.fault(on="collect", code="0113-400")

    assert collect(sandbox, headers, batch("a")).json()["report"]["errors"] == ["meta.configOverrides is not valid"]


def test_a_fault_can_follow_an_event(sandbox: SandboxClient, headers: dict[str, str]):
    """Only requests with that event meet it, and it is named by its index."""
    sandbox.fault(on="collect", code="0308-400", contains='"bad"')

    good, bad = collect(sandbox, headers, batch("a")), collect(sandbox, headers, batch("a", "b", "bad"))

    assert good.status_code == 202
    assert "#2" in bad.json()["detail"]


def test_members_beside_the_events_do_not_hide_the_guilty_event(sandbox: SandboxClient, headers: dict[str, str]):
    """Its index is its place among the events, though a member has the text as well."""
    sandbox.fault(on="collect", code="0308-400", contains='"bad"')

    answer = collect(sandbox, headers, {"meta": {"a": "bad"}, **batch("a", "b", "bad"), "query": {"b": "bad"}})

    assert "#2" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        pytest.param({"status": 500}, "", id="bare 500"),
        pytest.param({"code": "0001-500"}, "EXEG-0001-500", id="0001"),
    ],
)
def test_an_event_can_make_edge_crash(
    sandbox: SandboxClient, headers: dict[str, str], fault: dict[str, Any], text: str
):
    """500 for every request with it, and no word about which event it is."""
    sandbox.fault(on="collect", contains='"bad"', **fault)

    good, bad = collect(sandbox, headers, batch("a")), collect(sandbox, headers, batch("b", "c", "bad"))

    assert (good.status_code, bad.status_code) == (202, 500)
    assert text in bad.text
    assert (bad.text == "") == (text == "")
    assert not any(word in bad.text for word in ("#", "index"))
    assert ids(sandbox.events()) == {"a"}


@pytest.mark.parametrize("on", ["collect", "*"])
@pytest.mark.parametrize("spelling", ["datastreamId", "dataStreamId"])
def test_a_fault_can_follow_a_datastream(sandbox: SandboxClient, headers: dict[str, str], spelling: str, on: str):
    """Only requests to collect that name it meet the fault, in either spelling."""
    sandbox.fault(on=on, code="0201-503", datastream="broken")

    broken = collect(sandbox, headers, batch("a"), f"{spelling}=broken")
    others = [collect(sandbox, headers, batch("b"), query) for query in (f"{spelling}=fine", f"{spelling}=broken2")]
    without = collect(sandbox, headers, batch("c"), "a=broken")

    assert (broken.status_code, broken.json()["type"][-8:]) == (503, "0201-503")
    assert [answer.status_code for answer in others] == [202, 202]
    assert "EXEG-0002-400" in without.text
    assert new_headers(sandbox)["Authorization"].startswith("Bearer ")
    assert ids(sandbox.events()) == {"b"}


def test_a_fault_can_follow_an_event_of_one_datastream(sandbox: SandboxClient, headers: dict[str, str]):
    """Both have to fit, and only those requests are counted."""
    sandbox.fault(on="collect", status=500, contains='"bad"', datastream="broken", times=1)

    queries = [("a", "broken"), ("bad", "fine"), ("bad", "broken"), ("bad", "broken")]
    answers = [collect(sandbox, headers, batch(name), f"datastreamId={stream}") for name, stream in queries]

    assert [answer.status_code for answer in answers] == [202, 202, 500, 202]


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


@pytest.mark.parametrize(
    "fault",
    [
        {"bogus": 1},
        {"on": "nowhere"},
        {"code": "9999-400"},
        {"drop": "sometimes"},
        {"datastream": 1},
        {"datastream": ["d"]},
        {"datastream": "d", "on": "token"},
    ],
)
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
