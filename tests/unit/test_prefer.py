"""A client that does not wait for Edge: the header Prefer, and what it gets."""

import io
import json
import time
from typing import Any, NoReturn

import pytest

from functions.collect.app import handler
from relay.accept import Acceptor
from relay.collect import Collect
from relay.core.envelope import Envelope
from relay.core.events import MAX_REQUEST_BYTES
from relay.core.message import read_message
from relay.core.prefer import is_asynchronous
from relay.core.request_id import part_id
from relay.forward import Forwarder
from tests.support import DATASTREAM, FakeAuthorizer, FakeEdge, FakeQueue, batch, context, edge, event, measured, post


class Unasked:
    """Authorization that nobody may need: neither IMS nor Secrets Manager is asked."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(name)


class Remembered:
    """Answers that are kept by the client's request id."""

    seconds = 2.0

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}

    def once(self, request: Any, request_id: str, context: Any, serve: Any) -> Any:
        if request_id not in self.answers:
            self.answers[request_id] = serve()
        return self.answers[request_id]


def answer(
    content: Any,
    spool: FakeQueue | None = None,
    fake: FakeEdge | None = None,
    prefer: str | None = "respond-async",
    default: bool = False,
    remembered: Remembered | None = None,
    **request: Any,
) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of the answer; without a `fake` Edge nobody at Adobe may be asked."""
    headers = {} if prefer is None else {"Prefer": prefer}
    served = collect(spool or FakeQueue(), fake, default, remembered)
    response = handler(post(content, headers=headers, **request), context(), served)
    return response["statusCode"], response["headers"], json.loads(response["body"] or "null")


def collect(spool: FakeQueue, fake: FakeEdge | None, default: bool, remembered: Remembered | None) -> Collect:
    forwarder: Any = Forwarder(fake, FakeAuthorizer(), time.time) if fake else Unasked()
    acceptor = Acceptor(forwarder, spool, time.time)
    idempotency: Any = remembered or Remembered()
    return Collect(acceptor, lambda: idempotency, frozenset(), time.time, respond_async=default)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], None),
        (["respond-async"], True),
        (["Respond-ASYNC"], True),
        ([" \trespond-async "], True),
        (["return=minimal, respond-async"], True),
        (["return=minimal,,respond-async,"], True),
        (["return=minimal", "respond-async"], True),
        (["respond-async; foo"], True),
        (['respond-async ;foo="a,b"; bar'], True),
        (['foo="a, wait=1", respond-async'], True),
        (['foo="a\\", wait=1, \\\\", respond-async'], True),
        (["foo; wait=1, respond-async"], True),
        (["respond-async="], True),
        (['respond-async=""'], True),
        (["respond-async=no, respond-async"], None),
        (["respond-async2"], None),
        (["foo=respond-async"], None),
        (["foo; respond-async"], None),
        (['foo="respond-async"'], None),
        (['"respond-async"'], None),
        (["handling=lenient"], None),
        (["wait=10"], False),
        (['WAIT = "10"'], False),
        (["wait=010;foo=1"], False),
        (["respond-async, wait=10"], False),
        (["wait=10", "respond-async"], False),
        (["respond-async, wait=0"], True),
        (["respond-async, wait=0, wait=10"], True),
        (["respond-async, wait"], True),
        (["respond-async, wait=-1"], True),
        (["respond-async, wait=1.5"], True),
        (["respond-async, wait=soon"], True),
        (["respond-async, wait=\uff11"], True),
        (["wait=0"], None),
    ],
)
def test_the_header_is_read_as_rfc_7240_says(lines: list[str], expected: bool | None):
    """Preferences with commas between them, also over several lines; of two with one name the first counts."""
    assert is_asynchronous(lines) is expected


@pytest.mark.parametrize(
    "line",
    [
        '"',
        '"respond-async',
        '"\\',
        'a="b\\',
        "=1",
        ";;;",
        "respond-async respond-async",
        "respond async",
        "réspond-async",
        "\x00\ud800",
        "a" * 10_000,
        "," * 10_000,
        '"' * 10_001,
        '"\\' * 5_000,
        "a" + " " * 10_000 + "b",
        "a=" + " " * 10_000 + '"',
        "wait=" + "9" * 9_000 + "x",
    ],
    ids=range(17),
)
def test_rubbish_is_no_preference(line: str):
    """It is read in no time, refuses nothing, and spoils no other line."""
    started = time.process_time()

    assert is_asynchronous([line]) is None
    assert is_asynchronous([line, "respond-async"]) is True
    assert time.process_time() - started < 0.1


def test_who_does_not_wait_hears_202_when_the_events_are_stored():
    """With the preference named; nobody at Adobe is asked."""
    spool = FakeQueue()

    status, headers, content = answer(batch("a", "b"), spool)

    assert (status, content) == (202, {"requestId": context().aws_request_id})
    assert headers["Preference-Applied"] == "respond-async"
    assert spool.event_ids() == {"a", "b"}
    assert spool.delays == [0]


def test_a_stored_message_has_all_that_edge_will_need():
    """Envelope, the client's id, places in its array; no try so far."""
    spool = FakeQueue()
    content = {"events": [{}, event("a"), event("b")], "meta": {"x": 1}}

    answer(content, spool, query={"datastreamId": "d", "requestId": "mine", "token": "t"}, hint="or2")

    (message,) = map(read_message, spool.texts)
    (parcel,) = message.parcels
    assert message.envelope == Envelope("d", "or2", b'"meta":{"x":1}', (("token", "t"),))
    assert [found.index for found in parcel.events] == [1, 2]
    assert (parcel.request_id, parcel.sent_as, parcel.attempts) == ("mine", "mine", 0)
    assert time.time() - 60 < parcel.accepted_at <= time.time()


def test_events_are_stored_in_as_few_messages_as_hold_them():
    """Of at most 64,000 bytes, as requests to Edge."""
    spool = FakeQueue()
    content = {"events": [event(str(n), text="x" * 25_000) for n in range(5)], "meta": {"x": 1}}

    status, _, _ = answer(content, spool, query={"datastreamId": "d", "requestId": "mine"})

    messages = [read_message(text) for text in spool.texts]
    parcels = [parcel for message in messages for parcel in message.parcels]
    indexes = [[found.index for found in parcel.events] for parcel in parcels]
    assert status == 202
    assert indexes == [[0, 1], [2, 3], [4]]
    assert [parcel.sent_as for parcel in parcels] == [part_id("mine", found) for found in indexes]
    for message, parcel in zip(messages, parcels, strict=True):
        assert len(message.envelope.body(found.body for found in parcel.events)) <= MAX_REQUEST_BYTES


def test_silent_is_204_with_the_preference_named():
    """Both wishes are granted."""
    status, headers, content = answer(batch("a"), query={"datastreamId": "d", "silent": "true"})

    assert (status, content, headers["Preference-Applied"]) == (204, None, "respond-async")


def test_invalid_events_are_named_at_once_and_the_others_stored():
    """207, as always."""
    spool = FakeQueue()

    status, headers, content = answer({"events": [event("a"), {}]}, spool)

    assert (status, headers["Preference-Applied"]) == (207, "respond-async")
    assert [error["report"]["eventIndex"] for error in content["errors"]] == [1]
    assert spool.event_ids() == {"a"}


@pytest.mark.parametrize("content", [{"events": [{}, 5]}, "rubbish"], ids=["no valid event", "no batch"])
def test_what_is_refused_is_refused_as_ever(content: Any):
    """The same answer as without the header, and nothing is stored."""
    spool = FakeQueue()

    refused = answer(content, spool)

    assert refused == answer(content, prefer=None)
    assert 400 <= refused[0] < 500
    assert "Preference-Applied" not in refused[1]
    assert spool.texts == []


@pytest.mark.parametrize(("failing", "safe"), [({0, 1}, []), ({1}, [0])], ids=["all", "a part"])
def test_when_the_spool_fails_edge_is_not_asked_and_the_client_hears_so(
    failing: set[int], safe: list[int], logged: io.StringIO
):
    """503 with Retry-After: what was not stored is still the client's."""
    content = {"events": [*(event(str(n), text="x" * 40_000) for n in range(2)), {}]}

    status, headers, said = answer(content, FakeQueue(failing=failing))

    (line, failed) = map(json.loads, logged.getvalue().splitlines())
    assert (status, headers["Retry-After"], said["type"]) == (503, "5", "urn:adobe-relay:not-kept")
    assert said["report"]["acceptedIndexes"] == safe
    assert "#2" in said["report"]["errors"][0]
    assert "Preference-Applied" not in headers
    assert (line["level"], failed["message"]) == ("ERROR", "spool failed")


@pytest.mark.parametrize("prefer", [None, "return=minimal"])
def test_the_operator_can_make_it_the_default(prefer: str | None):
    """No preference is named, since the client had none."""
    spool = FakeQueue()

    status, headers, _ = answer(batch("a"), spool, prefer=prefer, default=True)

    assert status == 202
    assert "Preference-Applied" not in headers
    assert spool.event_ids() == {"a"}


@pytest.mark.parametrize("prefer", ["wait=10", "respond-async, wait=10"])
@pytest.mark.parametrize("default", [False, True])
def test_for_who_waits_edge_is_asked_first(prefer: str, default: bool):
    """Whatever the default is."""
    fake, spool = edge(202), FakeQueue()

    status, headers, _ = answer(batch("a"), spool, fake, prefer=prefer, default=default)

    assert status == 202
    assert "Preference-Applied" not in headers
    assert fake.event_ids() == {"a"}
    assert spool.texts == []


def test_what_edge_does_not_take_in_time_is_stored_for_who_waits():
    """So nobody waits in vain."""
    spool = FakeQueue()

    status, _, _ = answer(batch("a"), spool, edge(503), prefer="respond-async, wait=10")

    assert status == 202
    assert spool.event_ids() == {"a"}


def test_a_repetition_gets_the_first_answer_with_its_headers():
    """Whatever it prefers; nothing is stored or sent."""
    spool, remembered = FakeQueue(), Remembered()
    query = {"datastreamId": DATASTREAM, "requestId": "mine"}

    first = answer(batch("a"), spool, remembered=remembered, query=query)
    repeated = answer(batch("a"), spool, remembered=remembered, query=query, prefer=None)

    assert repeated == first
    assert first[1]["Preference-Applied"] == "respond-async"
    assert len(spool.texts) == 1


def test_events_stored_on_request_are_logged_and_counted_as_no_trouble(
    logged: io.StringIO, capsys: pytest.CaptureFixture[str]
):
    """INFO, and not among those that Edge could not take."""
    answer({"events": [event("a"), event("b"), {}]})

    line = json.loads(logged.getvalue())
    assert line["level"] == "INFO"
    assert line.items() >= {"async": True, "delivered": 0, "spooled": 2, "rejected": 1, "edgeRequests": 0}.items()
    assert measured(capsys.readouterr().out) == {"EventsAccepted": 2, "EventsStoredOnRequest": 2, "EventsRejected": 1}


def test_several_header_lines_are_read():
    """As API Gateway hands them over."""
    spool = FakeQueue()
    request = post(batch("a"))
    request["multiValueHeaders"] = {"Content-Type": ["application/json"], "prefer": ["return=minimal", "respond-async"]}

    response = handler(request, context(), collect(spool, None, False, None))

    assert response["headers"]["Preference-Applied"] == "respond-async"
    assert spool.event_ids() == {"a"}
