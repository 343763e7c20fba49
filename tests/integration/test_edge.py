"""The collect function with its real adapters, against the sandbox: each row of the README's table is a test."""

import json
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from functions.collect.app import handler
from local.process import choose_port
from local.sandbox.catalogue import ERRORS
from relay.accept import Acceptor
from relay.adapters.edge import Edge
from relay.adapters.http import Http, Timeouts
from relay.adapters.ims import Ims
from relay.authorize import Authorizer
from relay.collect import Collect
from relay.core.deadline import Deadline
from relay.core.envelope import Envelope
from relay.errors import OutOfTime
from relay.forward import Forwarder
from relay.idempotency import Idempotency
from tests.support import (
    AUTHORIZATION,
    DATASTREAM,
    NOW,
    PROJECT,
    SEED,
    Clock,
    FakeCredentials,
    FakeQueue,
    SandboxClient,
    batch,
    context,
    event,
    ids,
    post,
)

QUICK = Timeouts(connect=1, read=1)


@dataclass
class Client:
    """A client of the collect function."""

    collect: Collect
    spool: FakeQueue

    def send(self, content: Any, seconds: float = 28, **request: Any) -> tuple[int, dict[str, str], Any]:
        """Status, headers and JSON of the answer, which has so many seconds."""
        response = handler(post(content, **request), context(seconds), self.collect)
        return response["statusCode"], response["headers"], json.loads(response["body"] or "null")


def client_of(edge_url: str, ims_url: str) -> Client:
    authorizer = Authorizer(FakeCredentials(), Ims(ims_url, Http(QUICK)), time.time)
    forwarder = Forwarder(Edge(edge_url, Http(QUICK)), authorizer, time.time)
    spool = FakeQueue()
    return Client(Collect(Acceptor(forwarder, spool, time.time), Idempotency, frozenset(), time.time), spool)


@pytest.fixture
def client(sandbox: SandboxClient) -> Client:
    sandbox.credentials(scopes="openid,AdobeID")
    return client_of(sandbox.url, sandbox.url)


def rows() -> Iterator[Any]:
    """(what Edge answers, what the client gets, where the events are), for each entry of each row."""
    table = (PROJECT / "README.md").read_text().split("| Edge answers |")[1].split("\n\n")[0]
    for row in table.splitlines()[2:]:
        answers, _, gets, events = row.strip("|").split("|")
        for answer, once in re.findall(r"`([^`]+)`( once)?", answers):
            yield pytest.param(answer, once, gets.strip(), events.strip(), id=f"{answer}{once}")


ROWS = list(rows())

FAULTS = {
    "connection lost before": {"drop": "before"},
    "connection lost after": {"drop": "after"},
    "no answer in time": {"delay": 1.5},
    "answer cut off": {"cut": True},
    "404 with a location hint": {"status": 404},
}


@pytest.mark.parametrize(("answer", "once", "gets", "events"), ROWS)
def test_the_client_gets_what_the_readme_says(
    sandbox: SandboxClient, client: Client, answer: str, once: str, gets: str, events: str
):
    """For every documented answer of Edge, and every way to get none."""
    if answer == "no connection":
        client = client_of(f"http://127.0.0.1:{choose_port('UNSET')}", sandbox.url)
    elif answer in FAULTS:
        sandbox.fault(on="collect", **FAULTS[answer])
    elif answer.isdigit():
        sandbox.fault(on="collect", status=int(answer), times=1 if once else None)
    else:
        sandbox.fault(on="collect", code=answer, times=1 if once else None)

    status, _, content = client.send(batch("a", "b"), hint="or2" if "hint" in answer else None)

    assert status == (int(answer[-3:]) if gets.startswith("Edge's problem") else int(gets[1:4]))
    is_edges_problem = content.get("type", "") == f"https://ns.adobe.com/aep/errors/EXEG-{answer}"
    assert is_edges_problem == ("problem" in gets)
    assert bool(content.get("warnings")) == ("warnings" in gets)
    assert client.spool.event_ids() == ({"a", "b"} if "on the spool" in events else set())
    assert status < 300 or "rejected" in events


def test_the_readmes_table_has_every_documented_code():
    """And no other."""
    codes = {row.values[0] for row in ROWS if re.fullmatch(r"\d{4}-\d{3}", str(row.values[0]))}

    assert codes == set(ERRORS)


def test_edge_gets_what_its_contract_asks_for(sandbox: SandboxClient, client: Client):
    """Our datastream, our request id, booleans for primary; the sandbox has checked token, key and organisation."""
    status, headers, _ = client.send(SEED)

    (taken,) = sandbox.collected()
    assert status == 202
    assert taken["datastreamId"] == DATASTREAM
    assert taken["requestId"].startswith(headers["x-request-id"] + "-")
    expected = json.loads(json.dumps(SEED["events"]).replace('"true"', "true"))
    for found in taken["events"]:
        assert found["xdm"].pop("_id")
    assert taken["events"] == expected


@pytest.mark.parametrize(("drop", "taken"), [("before", set()), ("after", {"a"})])
def test_events_whose_answer_is_lost_are_kept(sandbox: SandboxClient, client: Client, drop: str, taken: set[str]):
    """Whether Adobe has them cannot be known, so they are on the spool."""
    sandbox.fault(on="collect", drop=drop)

    status, _, _ = client.send(batch("a"))

    assert status == 202
    assert client.spool.event_ids() == {"a"}
    assert ids(sandbox.events()) == taken


def test_one_bad_event_is_named_and_the_others_are_taken_once(sandbox: SandboxClient, client: Client):
    """Edge refuses the whole request for it; nothing of that was ingested, and the rest goes again without it."""
    sandbox.fault(on="collect", code="0304-400", contains='"bad"')

    status, _, content = client.send({"events": [{}, event("a"), event("bad"), event("b")]})

    assert status == 207
    assert {error["report"]["eventIndex"] for error in content["errors"]} == {0, 2}
    assert sorted(ids(sandbox.events())) == ["a", "b"]
    assert len(sandbox.events()) == 2


def test_a_revoked_token_is_replaced(sandbox: SandboxClient, client: Client):
    """Adobe's gateway answers 401 without a code; a new token is minted, once, and the batch arrives once."""
    client.send(batch("a"))
    sandbox.tokens(revoke=True)

    status, _, _ = client.send(batch("b"))

    assert status == 202
    assert ids(sandbox.events()) == {"a", "b"}
    assert sandbox.statuses("token") == [200, 200]


def test_one_token_serves_many_batches(sandbox: SandboxClient, client: Client):
    """IMS is asked once."""
    for name in "abc":
        client.send(batch(name))

    assert sandbox.statuses("token") == [200]


@pytest.mark.parametrize("form", ["retry_after", "retry_after_date"])
def test_a_retry_after_in_either_form_is_obeyed(sandbox: SandboxClient, client: Client, form: str):
    """The next batch goes to the spool without asking Edge."""
    sandbox.fault(on="collect", status=503, times=1, **{form: 60})

    client.send(batch("a"))
    status, _, _ = client.send(batch("b"))

    assert status == 202
    assert sandbox.statuses("collect") == [503]
    assert client.spool.event_ids() == {"a", "b"}


def test_six_megabytes_arrive_in_as_few_requests_as_hold_them(sandbox: SandboxClient, client: Client):
    """Every event once, every request within Edge's limit."""
    events = [event(str(n), text="é" * 200) for n in range(8_000)]

    status, _, _ = client.send(json.dumps({"events": events}, ensure_ascii=False))

    taken = sandbox.collected()
    sizes = [request["bytes"] for request in taken]
    assert status == 202
    assert sorted(found["xdm"]["_id"] for found in sandbox.events()) == sorted(str(n) for n in range(8_000))
    assert max(sizes) <= 64_000
    assert len(sizes) <= sum(sizes) / 64_000 * 1.1
    assert len({str(uuid.UUID(request["requestId"].rpartition("-")[0])) for request in taken}) == len(taken)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<html>maintenance</html>", id="a page"),
        pytest.param("<html>" + "x" * 1_100_000, id="a page that is not read to its end"),
        pytest.param("<html>{authorization}</html>", id="a page that quotes our token"),
    ],
)
def test_a_web_page_with_status_200_takes_no_events(sandbox: SandboxClient, client: Client, body: str):
    """It is not Edge's answer, so they are kept."""
    sandbox.fault(on="collect", status=200, body=body)

    status, _, _ = client.send(batch("a", "b"))

    assert status == 202
    assert client.spool.event_ids() == {"a", "b"}


@pytest.mark.parametrize("status", [401, 405, 418, 429, 451])
def test_a_refusal_has_the_status_of_its_code(sandbox: SandboxClient, client: Client, status: int):
    """A client must not take it for a matter of its key or its pace."""
    body = {"type": "https://ns.adobe.com/aep/errors/EXEG-0104-422", "title": "t", "detail": "event #0"}
    sandbox.fault(on="collect", status=status, body=body)

    assert client.send(batch("a"))[0] == 422


def test_an_answer_is_never_larger_than_lambda_returns(sandbox: SandboxClient, client: Client):
    """Adobe's words are left out, the events are named all the same."""
    errors = [
        {"type": "t", "title": "é" * 2_000, "detail": "é" * 2_000, "report": {"eventIndex": n}} for n in range(40)
    ]
    sandbox.fault(on="collect", status=207, body={"errors": errors})
    many = {"events": [event(str(n), text="x" * 30_000) for n in range(40)]}

    status, _, content = client.send(many)

    assert status == 207
    assert len(json.dumps(content)) < 2_000_000
    assert all("eventIndex" in warning["report"] for warning in content["warnings"] if "report" in warning)


def test_edge_is_not_asked_what_it_may_not_answer_in_time(sandbox: SandboxClient):
    """It could take the events, and nobody would know."""
    edge, body = Edge(sandbox.url, Http(QUICK)), json.dumps(batch("a")).encode()

    with pytest.raises(OutOfTime):
        edge.collect(Envelope(DATASTREAM), "r", body, AUTHORIZATION, Deadline(NOW + QUICK.total - 0.01, Clock()))

    assert edge.seconds == QUICK.total
    assert sandbox.statuses("collect") == []


def test_a_client_who_comes_late_finds_its_events_on_the_spool(sandbox: SandboxClient, client: Client):
    """With half a second for the answer and two calls of the spool kept back, Edge would not fit in."""
    kept_back = 0.5 + 2 * client.spool.seconds

    status, _, _ = client.send(batch("a"), seconds=kept_back + QUICK.total - 0.1)

    assert status == 202
    assert client.spool.event_ids() == {"a"}
    assert (sandbox.statuses("token"), sandbox.statuses("collect")) == ([], [])
