"""The collect function with its real adapters, against the sandbox: each row of the README's table is a test."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from functions.collect.app import handler
from local.process import choose_port
from local.sandbox.catalogue import ERRORS
from relay.adapters.edge import Edge
from relay.adapters.http import Http, Timeouts
from relay.adapters.ims import Ims
from relay.authorize import Authorizer
from relay.forward import Forwarder
from relay.wiring import Collect
from tests.support import DATASTREAM, PROJECT, SEED, FakeCredentials, SandboxClient, batch, context, event, ids, post

QUICK = Timeouts(connect=1, read=1)


@dataclass
class Client:
    """A client of the collect function."""

    collect: Collect

    def send(self, content: Any) -> tuple[int, dict[str, str], Any]:
        """Status, headers and JSON of the answer."""
        response = handler(post(content), context(), self.collect)
        return response["statusCode"], response["headers"], json.loads(response["body"] or "null")


def client_of(edge_url: str, ims_url: str) -> Client:
    authorizer = Authorizer(FakeCredentials(), Ims(ims_url, Http(QUICK)), time.time)
    return Client(Collect(Forwarder(Edge(edge_url, Http(QUICK)), authorizer, time.time), frozenset()))


@pytest.fixture
def client(sandbox: SandboxClient) -> Client:
    sandbox.credentials(scopes="openid,AdobeID")
    return client_of(sandbox.url, sandbox.url)


def rows() -> Iterator[Any]:
    """(what Edge answers, what the client gets) for each entry of each row of the README's table."""
    table = (PROJECT / "README.md").read_text().split("| Edge answers |")[1].split("\n\n")[0]
    for row in table.splitlines()[2:]:
        answers, _, gets = row.strip("|").split("|")
        for answer, once in re.findall(r"`([^`]+)`( once)?", answers):
            yield pytest.param(answer, once, gets.strip(), id=f"{answer}{once}")


ROWS = list(rows())

FAULTS = {
    "connection lost before": {"drop": "before"},
    "connection lost after": {"drop": "after"},
    "no answer in time": {"delay": 1.5},
    "answer cut off": {"cut": True},
}


@pytest.mark.parametrize(("answer", "once", "gets"), ROWS)
def test_the_client_gets_what_the_readme_says(
    sandbox: SandboxClient, client: Client, answer: str, once: str, gets: str
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

    status, headers, content = client.send(SEED)

    retry_after = re.search(r"`Retry-After`\D*(\d+)", gets)
    is_edges_problem = content.get("type", "") == f"https://ns.adobe.com/aep/errors/EXEG-{answer}"
    assert status == (int(answer[-3:]) if gets.startswith("Edge's status") else int(gets[1:4]))
    assert headers.get("Retry-After") == (retry_after and retry_after[1])
    assert is_edges_problem == ("problem" in gets)
    assert bool(content.get("warnings")) == ("warnings" in gets)
    assert ("same _id" in json.dumps(content)) == ("the same `_id`" in gets)


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
    assert taken["events"] == json.loads(json.dumps(SEED["events"]).replace('"true"', "true"))


@pytest.mark.parametrize(("drop", "taken"), [("before", set()), ("after", {"a"})])
def test_a_lost_answer_is_never_a_2xx(sandbox: SandboxClient, client: Client, drop: str, taken: set[str]):
    """Whether Adobe has the events cannot be known, so they stay the client's."""
    sandbox.fault(on="collect", drop=drop)

    status, _, _ = client.send(batch("a"))

    assert status == 503
    assert ids(sandbox.events()) == taken


def test_nothing_of_a_refused_batch_is_taken(sandbox: SandboxClient, client: Client):
    """A 4xx of Edge's means that no event of the batch was ingested; the guilty one is named by its own index."""
    sandbox.fault(on="collect", code="0304-400", contains='"bad"')

    status, _, content = client.send({"events": [{}, event("a"), event("bad")]})

    assert status == 400
    assert "#2" in content["detail"]
    assert sandbox.events() == []


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


def test_a_retry_after_in_either_form_reaches_the_client(sandbox: SandboxClient, client: Client):
    """Seconds as they are, a date as the seconds until then."""
    sandbox.fault(on="collect", status=503, retry_after=7, times=1)
    sandbox.fault(on="collect", status=429, retry_after_date=60, times=1)

    _, seconds, _ = client.send(batch("a"))
    _, date, _ = client.send(batch("a"))

    assert seconds["Retry-After"] == "7"
    assert 50 <= int(date["Retry-After"]) <= 60
