"""What goes in comes out the same: whole requests, generated, sent to the sandbox directly and through the relay.

The relay is all there but for AWS: collect, spool message, redeliver, dead letter. Numbers, strings and white space are
generated as text, so that a digit or an escape that changes on the way is seen.
"""

import itertools
import json
import os
import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.collect.app import handler as collect
from functions.redeliver.app import handler as redeliver
from local.sandbox.edge import HINTS
from relay.accept import Acceptor
from relay.adapters.edge import Edge
from relay.adapters.http import USER_AGENT, Http, Timeouts
from relay.adapters.ims import Ims
from relay.authorize import Authorizer
from relay.collect import Collect
from relay.core.deadline import Deadline
from relay.core.envelope import VISITOR_HEADERS
from relay.delivery.redeliver import Redeliverer
from relay.forward import Forwarder
from tests.support import CREDENTIALS, FakeCredentials, FakeQueue, SandboxClient, context, post, sqs_record

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))


class Json(NamedTuple):
    """JSON as text, once without insignificant white space and once as a client may have written it."""

    dense: str
    spaced: str


def exactly(text: str) -> Json:
    return Json(text, text)


def composed(opening: str, parts: Sequence[Json], closing: str, blanks: str) -> Json:
    return Json(
        opening + ",".join(part.dense for part in parts) + closing,
        f"{opening}{blanks}" + f"{blanks},{blanks}".join(part.spaced for part in parts) + f"{blanks}{closing}",
    )


def member(name: str, value: Json, blanks: str = "") -> Json:
    return Json(f"{name}:{value.dense}", f"{name}{blanks}:{blanks}{value.spaced}")


BLANKS = st.sampled_from(["", "", " ", "\n  ", "\t\r\n"])
NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
TEXTS = st.one_of(
    st.text(max_size=20).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.text(max_size=20).map(json.dumps),
    st.sampled_from([r'"\/ \" \\ \\\" \u0041 \ud83d\ude00"', r'"\ud800"', '" a  b,: [ "', '"\ufffe\uffff"', '""']),
).filter(lambda text: "\ud800" not in text or text.isascii())


def objects(values: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    pairs = st.lists(st.builds(member, TEXTS, values, BLANKS), max_size=3)
    return st.builds(lambda parts, blanks: composed("{", parts, "}", blanks), pairs, BLANKS)


VALUES = st.recursive(
    (st.sampled_from(["null", "true", "false"]) | NUMBERS | TEXTS).map(exactly),
    lambda inner: (
        st.builds(lambda parts, blanks: composed("[", parts, "]", blanks), st.lists(inner, max_size=3), BLANKS)
        | objects(inner)
    ),
    max_leaves=8,
)


class WrittenEvent(NamedTuple):
    """What a client writes, and what Edge is to get, but for `timestamp` and `_id` at the front of its xdm."""

    text: str
    expected: str


def write_event(number: int, data: Json, is_complete: bool, primary: str, blanks: str) -> WrittenEvent:
    def text(primary: str) -> Json:
        identity = composed("{", [exactly(f'"id":"{number}"'), member('"primary"', exactly(primary), blanks)], "}", "")
        xdm = [member('"identityMap"', composed('{"CRMID":[', [identity], "]}", blanks), blanks)]
        xdm += [exactly(f'"_id":"e{number}"'), exactly('"timestamp":"2021-08-09T14:09:20.859Z"')] if is_complete else []
        parts = [member('"data"', data, blanks), member('"xdm"', composed("{", xdm, "}", blanks)), exactly('"n":1.0')]
        return composed("{", parts, "}", blanks)

    return WrittenEvent(text(primary).spaced, text("true").dense)


EVENTS = st.builds(write_event, st.integers(0, 99), VALUES, st.booleans(), st.sampled_from(["true", '"true"']), BLANKS)
MEMBERS = st.lists(
    st.one_of(
        st.builds(member, st.just('"meta"'), objects(VALUES), BLANKS),
        st.builds(member, st.just('"query"'), objects(VALUES), BLANKS),
        st.builds(member, st.text(min_size=12, max_size=20).map(json.dumps), VALUES, BLANKS),
    ),
    max_size=3,
    unique_by=lambda found: found.dense.partition(":")[0],
)
HEADER_TEXTS = st.text(
    st.characters(min_codepoint=0x21, exclude_categories=["C", "Z"]), min_size=1, max_size=30
) | st.just("192.0.2.1, 198.51.100.2")
PARAMETERS = st.lists(
    st.tuples(st.text(max_size=10).map(lambda name: f"p{name}"), st.text(max_size=20)), max_size=3
).map(lambda pairs: sorted(pairs, key=lambda pair: pair[0]))


class Sent(NamedTuple):
    """A client's request."""

    hint: str | None
    parameters: list[tuple[str, str]]
    headers: dict[str, str]
    members: list[Json]
    events: list[WrittenEvent]
    is_events_first: bool

    def body(self) -> bytes:
        events = '"events": [' + " , ".join(event.text for event in self.events) + "]"
        members = [found.spaced for found in self.members]
        return ("{ " + " ,".join([events, *members] if self.is_events_first else [*members, events]) + "}").encode()

    def query(self) -> list[tuple[str, str]]:
        return [("datastreamId", "d"), ("requestId", "mine"), *self.parameters]


SENT = st.builds(
    Sent,
    st.none() | st.sampled_from(HINTS),
    PARAMETERS,
    st.dictionaries(st.sampled_from(VISITOR_HEADERS), HEADER_TEXTS, max_size=4),
    MEMBERS,
    st.lists(EVENTS, min_size=1, max_size=3),
    st.booleans(),
)


@dataclass
class Relay:
    """Everything of the relay but AWS, in front of the sandbox."""

    sandbox: SandboxClient
    spool: FakeQueue = field(default_factory=FakeQueue)
    dead_letters: FakeQueue = field(default_factory=FakeQueue)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def collect(self, sent: Sent) -> int:
        lines: dict[str, list[str]] = {}
        for name, value in sent.query():
            lines.setdefault(name, []).append(value)
        event = post(sent.body(), query=dict(sent.query()), headers=sent.headers, hint=sent.hint)
        event["multiValueQueryStringParameters"] = lines
        served = Collect(Acceptor(self._forwarder(), self.spool, time.time), NoIdempotency, frozenset(), time.time)
        status: int = collect(event, context(), served)["statusCode"]
        return status

    def redeliver(self, text: str, replay_of: str | None = None) -> None:
        forwarder = self._forwarder()
        redeliverer = Redeliverer(forwarder, self.spool, self.dead_letters, self, random.random, time.time)
        attributes = {"replayOf": replay_of} if replay_of else {}
        record = sqs_record(text, str(next(self.numbers)), **attributes)
        assert redeliver({"Records": [record]}, context(), redeliverer) == {"batchItemFailures": []}

    def claim(self, dead_letter_id: str, replay_id: str, deadline: Deadline) -> bool:
        return True

    def _forwarder(self) -> Forwarder:
        http = Http(Timeouts(connect=2, read=9))
        authorizer = Authorizer(FakeCredentials(), Ims(self.sandbox.url, http), time.time)
        return Forwarder(Edge(self.sandbox.url, http), authorizer, time.time)


class NoIdempotency:
    seconds = 0.0

    def once(self, request: Any, request_id: str, context: Any, serve: Any) -> Any:
        return serve()


def send_directly(sandbox: SandboxClient, sent: Sent) -> dict[str, Any]:
    """What Edge gets of a client that knows the credentials."""
    path = f"/ee/{sent.hint}/v2/collect" if sent.hint else "/ee/v2/collect"
    headers: dict[str, Any] = {name: value.encode() for name, value in sent.headers.items()}
    headers |= {"x-api-key": CREDENTIALS.client_id, "x-gw-ims-org-id": CREDENTIALS.org_id}
    headers |= {"Authorization": f"Bearer {sandbox.minted()[-1]}", "Content-Type": "application/json"}
    answer = requests.post(
        f"{sandbox.url}{path}?{urlencode(sent.query())}", data=sent.body(), headers=headers, timeout=9
    )
    assert answer.status_code == 202, answer.text
    return sandbox.collected()[-1]


def through_collect(relay: Relay, sent: Sent) -> None:
    assert relay.collect(sent) == 202


def through_the_spool(relay: Relay, sent: Sent) -> None:
    relay.sandbox.fault(on="collect", status=503, times=1)
    assert relay.collect(sent) == 202
    relay.redeliver(relay.spool.texts.pop())


def through_a_dead_letter(relay: Relay, sent: Sent) -> None:
    relay.sandbox.fault(on="collect", status=503, times=1)
    relay.sandbox.fault(on="collect", code="0003-400", times=1)
    assert relay.collect(sent) == 202
    relay.redeliver(relay.spool.texts.pop())
    relay.redeliver(relay.dead_letters.texts.pop(), replay_of="dead")


@pytest.mark.parametrize("way", [through_collect, through_the_spool, through_a_dead_letter])
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
@given(sent=SENT)
def test_edge_gets_through_the_relay_what_it_gets_directly(sandbox: SandboxClient, way: Any, sent: Sent):
    """Path, parameters, visitor headers, members and events, to the byte; but for the documented completions."""
    sandbox.credentials(scopes="openid,AdobeID")
    sandbox.forget()

    way(Relay(sandbox), sent)

    relayed = sandbox.collected()[-1]
    direct = send_directly(sandbox, sent)
    assert (relayed["hint"], relayed["query"]) == (direct["hint"], direct["query"])
    assert relayed["requestId"].startswith("mine-")
    assert visitor(relayed) == visitor(direct) | ({} if "User-Agent" in sent.headers else {"user-agent": USER_AGENT})
    assert relayed["members"] == direct["members"]
    members = ",".join([found.dense for found in sent.members])
    events = ",".join(event.expected for event in sent.events)
    body = ADDED.sub('"xdm":{"identityMap"', BLANK.sub(r"\1", relayed["body"]))
    assert body == f'{{{members}{"," * bool(members)}"events":[{events}]}}'


# A string, which stays, or white space outside of one; and what completing adds.
BLANK = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+')
ADDED = re.compile(r'"xdm":\{(?:"_id":"[0-9a-f-]{36}",|"timestamp":"[^"]+",)+"identityMap"')


def visitor(request: dict[str, Any]) -> dict[str, str]:
    """Its visitor's headers as Edge got them."""
    names = {name.lower() for name in VISITOR_HEADERS}
    return {name: value for name, value in request["headers"].items() if name in names}


def test_a_request_of_several_parts_has_its_members_in_each(sandbox: SandboxClient):
    """And every part has an id that is a UUID, also for an Edge that insists on one."""
    sandbox.credentials(scopes="openid,AdobeID")
    sandbox.edge(uuid_request_ids=True)
    events = [write_event(n, exactly(f'"{"x" * 30_000}"'), True, "true", "") for n in range(5)]
    sent = Sent("or2", [("p", "q")], {"User-Agent": "Visitor/1"}, [exactly('"meta":{"a":1.50}')], events, True)

    assert Relay(sandbox).collect(sent) == 202

    taken = sandbox.collected()
    assert len(taken) == 3
    assert {request["body"][:18] for request in taken} == {'{"meta":{"a":1.50}'}
    assert {(request["hint"], request["headers"]["user-agent"]) for request in taken} == {("or2", "Visitor/1")}
