"""The collect function: what the client of POST /ee/v2/collect gets."""

import io
import json
import time
from typing import Any, NoReturn

import pytest

from functions.collect.app import handler
from relay.accept import Acceptor
from relay.collect import Collect
from relay.core.envelope import Envelope
from relay.core.message import Message, read_message, write_message
from relay.core.request_id import part_id
from relay.core.verdict import Answer
from relay.errors import AdobeError, NoAnswer, SetupError, Unreachable
from relay.forward import Forwarder
from tests.support import (
    DATASTREAM,
    SEED,
    Clock,
    FakeAuthorizer,
    FakeEdge,
    FakeQueue,
    batch,
    context,
    edge,
    event,
    ids,
    post,
    problem,
)


class NoIdempotency:
    """Serves every request."""

    seconds = 2.0

    def once(self, request: Any, request_id: str, context: Any, serve: Any) -> Any:
        return serve()


def not_needed() -> NoReturn:
    raise AssertionError("idempotency is for requests with an id of the client's")


def answer(
    request: dict[str, Any],
    fake: FakeEdge,
    spool: FakeQueue | None = None,
    allowed: frozenset[str] = frozenset(),
    idempotency: Any = NoIdempotency,
    seconds: float = 28,
) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of the answer."""
    acceptor = Acceptor(Forwarder(fake, FakeAuthorizer(), time.time), spool or FakeQueue(), time.time)
    response = handler(request, context(seconds), Collect(acceptor, idempotency, allowed, time.time))
    return response["statusCode"], response["headers"], json.loads(response["body"] or "null")


def test_a_delivered_batch_is_answered_202_with_its_request_id():
    """The client's id, not Edge's with its suffix."""
    request = post(SEED, query={"dataStreamId": DATASTREAM, "requestId": "mine"})

    status, headers, content = answer(request, edge(202))

    assert (status, content) == (202, {"requestId": "mine"})
    assert headers["x-request-id"] == "mine"


def test_a_request_id_is_made_when_the_client_sends_none():
    """The invocation's own id, so that it can be found in the log."""
    status, _, content = answer(post(SEED), edge(202), idempotency=not_needed)

    assert (status, content) == (202, {"requestId": context().aws_request_id})


def test_silent_is_answered_204_without_a_body():
    """silent=true: 204 and nothing else."""
    request = post(SEED, query={"datastreamId": DATASTREAM, "silent": "true"})

    status, _, content = answer(request, edge(202))

    assert (status, content) == (204, None)


def test_silent_hides_what_upstream_services_complained_about():
    """The events were taken."""
    upstream = Answer(207, {}, json.dumps({"errors": [{"status": 503}]}).encode())

    status, _, content = answer(post(SEED, query={"datastreamId": DATASTREAM, "silent": "true"}), edge(upstream))

    assert (status, content) == (204, None)


def test_silent_does_not_hide_a_rejected_event():
    """Critical errors still come with status and body."""
    request = post({"events": [event("a"), {}]}, query={"datastreamId": DATASTREAM, "silent": "true"})

    status, _, content = answer(request, edge(202))

    assert status == 207
    assert [error["report"]["eventIndex"] for error in content["errors"]] == [1]


def test_good_events_are_delivered_and_bad_ones_named():
    """207: every event is either with Adobe or named by index and reason."""
    fake = edge(202)

    status, _, content = answer(post({"events": [event("a"), {}, event("b"), 5]}), fake)

    assert status == 207
    assert fake.event_ids() == {"a", "b"}
    assert [(error["type"][-13:], error["status"], error["report"]) for error in content["errors"]] == [
        ("EXEG-0306-400", 400, {"eventIndex": 1}),
        ("EXEG-0102-400", 400, {"eventIndex": 3}),
    ]
    assert content["warnings"] == []


def test_what_upstream_services_complained_about_comes_as_warnings():
    """The events were taken, so nothing of a 207 of Edge's is an error; the index is the client's own."""
    nested = {"type": "https://ns.adobe.com/aep/errors/EXEG-0201-503", "status": 503, "report": {"eventIndex": 1}}
    upstream = Answer(207, {}, json.dumps({"errors": [nested]}).encode())

    status, _, content = answer(post({"events": [event("a"), {}, event("b")]}), edge(upstream))

    assert status == 207
    assert [error["report"]["eventIndex"] for error in content["errors"]] == [1]
    assert content["warnings"] == [nested | {"report": {"eventIndex": 2}}]


@pytest.mark.parametrize(
    ("code", "status"), [("0306-400", 400), ("0104-422", 422), ("0302-409", 409), ("0112-413", 413), ("0400-403", 403)]
)
def test_a_refusal_of_edge_is_passed_on(code: str, status: int):
    """Adobe's own problem: the client's fault, for the client to mend, with a word on what was not lost."""
    got, headers, content = answer(post(batch("a")), edge(Answer(status, {}, problem(code, detail="d."))))

    assert got == content["status"] == status
    assert (content["type"][-8:], content["detail"]) == (code, "d. No event of this request was accepted.")
    assert headers["Content-Type"] == "application/problem+json"
    assert "Retry-After" not in headers


def test_an_override_that_edge_refuses_is_reported_at_once_with_its_reasons():
    """Once, however many requests the events took."""
    report = {"errors": ["meta.configOverrides.com_adobe_analytics must be an object"]}
    refusal = Answer(400, {}, problem("0113-400", detail="d.", report=report))
    large = {"events": [event(str(n), text="x" * 40_000) for n in range(3)], "meta": {"configOverrides": {}}}
    spool = FakeQueue()

    status, _, content = answer(post(large), edge(refusal), spool)

    assert (status, content["type"][-8:], content["report"]["errors"]) == (400, "0113-400", report["errors"])
    assert spool.texts == []


def test_what_belongs_to_the_request_goes_with_every_request_to_edge():
    """Members, parameters, visitor headers and hint, however many requests the events take."""
    content = {"events": [event(str(n), text="x" * 40_000) for n in range(3)], "meta": {"a": 1}, "new": []}
    query = {"datastreamId": "d", "token": "t"}
    fake = edge(202)

    answer(post(content, query=query, headers={"User-Agent": "Visitor/1", "Cookie": "c"}, hint="or2"), fake)

    envelope = Envelope("d", "or2", b'"meta":{"a":1},"new":[]', (("token", "t"),), (("User-Agent", "Visitor/1"),))
    assert [sent["envelope"] for sent in fake.sent] == [envelope] * 3
    assert all(json.loads(sent["body"])["meta"] == {"a": 1} for sent in fake.sent)
    assert all(len(sent["body"]) <= 64_000 for sent in fake.sent)


def test_what_belongs_to_the_request_is_spooled_with_its_events():
    """With the places of the events in the client's array, and the ids of request and part."""
    content = {"events": [{}, *(event(str(n), text="x" * 40_000) for n in range(2))], "meta": {"a": 1.50}}
    spool = FakeQueue()

    answer(post(content, query={"datastreamId": "d", "requestId": "mine"}, hint="or2"), edge(503), spool)

    first, second = map(read_message, spool.texts)
    assert first.envelope == second.envelope == Envelope("d", "or2", b'"meta":{"a":1.5}')
    parcels = [*first.parcels, *second.parcels]
    assert [[item.index for item in parcel.events] for parcel in parcels] == [[1], [2]]
    assert [(parcel.request_id, parcel.sent_as) for parcel in parcels] == [
        ("mine", part_id("mine", [1])),
        ("mine", part_id("mine", [2])),
    ]


def test_an_unknown_location_hint_is_the_clients_fault():
    """Nothing is kept for a region that there is not."""
    spool = FakeQueue()

    status, _, content = answer(post(batch("a"), hint="zz9"), edge(404), spool)

    assert (status, content["type"]) == (404, "urn:adobe-relay:no-such-location-hint")
    assert spool.texts == []


def test_a_404_that_asks_to_come_back_is_no_unknown_location_hint():
    """Retry-After says that it will be found."""
    spool = FakeQueue()

    status, _, _ = answer(post(batch("a"), hint="or2"), edge(Answer(404, {"retry-after": "9"}, b"")), spool)

    assert status == 202
    assert spool.event_ids() == {"a"}


def test_a_callers_fault_is_a_4xx_even_where_edge_says_500():
    """0100-500 would make clients retry what cannot work."""
    status, _, content = answer(post(batch("a")), edge(Answer(500, {}, problem("0100-500"))))

    assert status == content["status"] == 400


def test_an_event_that_edge_refuses_is_named_and_the_others_delivered():
    """By its place in the client's array, beside those that were refused on sight."""
    refusal = Answer(400, {}, problem("0308-400", detail="Event `#1` has a bad id"))
    fake = edge(refusal, 202)

    status, _, content = answer(post({"events": [{}, event("a"), event("b"), event("c")]}), fake)

    assert status == 207
    assert fake.event_ids() == {"a", "c"}
    assert [(error["type"][-8:], error["report"]["eventIndex"]) for error in content["errors"]] == [
        ("0306-400", 0),
        ("0308-400", 2),
    ]
    assert content["errors"][1]["detail"] == "Event `#2` has a bad id"


def test_all_rejected_is_one_problem_that_names_each():
    """No 2xx when nothing was accepted."""
    status, _, content = answer(post({"events": [{}, event("a")]}), edge(Answer(400, {}, problem("0305-400"))))

    assert (status, content["type"][-8:]) == (400, "0105-400")
    assert len(content["report"]["errors"]) == 2


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(Answer(503, {"retry-after": "7"}, b""), id="503"),
        pytest.param(Answer(429, {}, b""), id="429"),
        pytest.param(Answer(500, {}, problem("0001-500")), id="500"),
        pytest.param(Answer(403, {}, b""), id="403"),
        pytest.param(Unreachable("x"), id="connection refused"),
        pytest.param(NoAnswer("x"), id="no answer"),
        pytest.param(SetupError("x"), id="credentials refused"),
    ],
)
def test_what_edge_cannot_take_now_is_spooled_before_the_client_hears_202(failure: Answer | AdobeError):
    """The client need not know that Adobe is down."""
    spool = FakeQueue()

    status, _, content = answer(post(batch("a", "b")), edge(failure), spool)

    assert (status, content) == (202, {"requestId": context().aws_request_id})
    assert spool.event_ids() == {"a", "b"}


def test_silent_is_204_when_events_are_spooled_too():
    """Safe is safe."""
    status, _, _ = answer(post(batch("a"), query={"datastreamId": "d", "silent": "true"}), edge(503))

    assert status == 204


def test_when_the_spool_fails_the_client_hears_what_is_safe(logged: io.StringIO):
    """503 with Retry-After: events that are with Adobe need not be sent again, the others are still the client's."""
    large = {"events": [{}, *(event(str(n), text="x" * 40_000) for n in range(3))]}

    status, headers, content = answer(post(large), edge(202, 503, 503), FakeQueue(failing={0, 1, 2}))

    assert (status, headers["Retry-After"]) == (503, "5")
    assert content["type"] == "urn:adobe-relay:not-kept"
    assert len(content["report"]["acceptedIndexes"]) == 1
    assert "#0" in content["report"]["errors"][0]
    (line,) = [line for line in map(json.loads, logged.getvalue().splitlines()) if line["message"] == "spool failed"]
    assert (line["level"], line["unsafe"]) == ("ERROR", 2)


def test_time_is_kept_back_for_the_spool_and_the_answer():
    """Five seconds and a half: Edge is not asked when its answer could leave less."""
    fake, spool = edge(202), FakeQueue()

    status, _, _ = answer(post(batch("a")), fake, spool, seconds=6.4)

    assert status == 202
    assert fake.sent == []
    assert spool.event_ids() == {"a"}


def test_what_adobe_asked_to_wait_for_waits_on_the_spool():
    """Retry-After holds there, too, and for what was spooled without asking because of it."""
    spool, collect, clock = FakeQueue(), edge(Answer(429, {"retry-after": "600"}, b"")), Clock()
    acceptor = Acceptor(Forwarder(collect, FakeAuthorizer(), clock), spool, clock)
    served = Collect(acceptor, NoIdempotency, frozenset(), clock)

    for name in "ab":
        handler(post(batch(name)), context(), served)
        clock.seconds += 17

    assert len(collect.sent) == 1
    assert spool.delays == [600, 583]


class OneOfEach(FakeEdge):
    """Takes the last event of each request, and names the others as bad."""

    def collect(self, *arguments: Any) -> Answer:  # type: ignore[override]
        last = len(json.loads(arguments[2])["events"]) - 1
        errors = [f"bad at index {index}" for index in range(last)]
        return Answer(422, {}, problem("0104-422", report={"errors": errors})) if last else Answer(202, {}, b"")


def test_thousands_of_rejected_events_are_all_named_in_an_answer_that_can_be_returned():
    """The first thousand with all there is to say, the others by index; Lambda returns 6 MB at most."""
    status, _, content = answer(post(batch(*map(str, range(4_000)))), OneOfEach([]))

    individually = [error["report"]["eventIndex"] for error in content["errors"] if "eventIndex" in error["report"]]
    together = [index for error in content["errors"] for index in error["report"].get("eventIndexes", [])]
    named = set(individually) | set(together)
    assert status == 207
    assert len(individually) == 1_000
    assert 3_980 < len(named) == len(individually) + len(together)
    assert len(json.dumps(content)) < 1_000_000


def test_adobes_words_are_left_out_where_they_are_more_than_can_be_returned():
    """What it was about stays."""
    said = {"type": "t", "status": 503, "title": "x" * 2_000, "detail": "x" * 2_000}
    errors = [said | {"report": {"eventIndex": 0}}] * 250 + [said] * 250

    status, _, content = answer(post(batch("a")), edge(Answer(207, {}, json.dumps({"errors": errors}).encode())))

    short = {"type": "t", "status": 503, "title": "x" * 100}
    assert status == 207
    assert content["warnings"] == [short | {"report": {"eventIndex": 0}}] * 250 + [short] * 250


def test_a_part_that_the_spool_did_not_take_is_told_apart():
    """Partial failures of a batch call are partial."""
    large = {"events": [event(str(n), text="x" * 40_000) for n in range(3)]}
    spool = FakeQueue(failing={1})

    status, _, content = answer(post(large), edge(503), spool)

    assert status == 503
    assert content["report"]["acceptedIndexes"] == [0, 2]
    assert spool.event_ids() == {"0", "2"}


def test_parts_are_delivered_and_spooled_each_in_its_place():
    """No event is in two places."""
    large = {"events": [event(str(n), text="x" * 40_000) for n in range(4)]}
    fake, spool = edge(202, 503, 202, 503), FakeQueue()

    status, _, _ = answer(post(large), fake, spool)

    delivered = [ids(json.loads(sent["body"])["events"]) for sent in fake.sent]
    assert status == 202
    assert len(spool.event_ids()) == 2
    assert set().union(*delivered) == {"0", "1", "2", "3"}


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(post("rubbish"), id="rubbish"),
        pytest.param(post(SEED, query={}), id="no datastream"),
        pytest.param(post(SEED, headers={"Content-Type": "text/html"}), id="content type"),
        pytest.param(post(SEED, query={"datastreamId": "d", "requestId": "a\r\nb"}), id="request id"),
        pytest.param(post(SEED, hint=".."), id="location hint"),
        pytest.param(post(SEED, headers={"User-Agent": "a\r\nb"}), id="header"),
        pytest.param(post(SEED, query={"datastreamId": "d", "x": "y" * 5_000}), id="parameter"),
        pytest.param(post(SEED | {"meta": []}), id="member"),
        pytest.param({}, id="an event of nothing"),
        pytest.param({"headers": None, "queryStringParameters": None, "body": None}, id="an event of nulls"),
    ],
)
def test_an_invalid_request_is_answered_with_a_problem_and_not_forwarded(request_: dict[str, Any]):
    """A 4xx in problem+json, with an id to ask about; Edge hears nothing."""
    fake = edge(202)

    status, headers, content = answer(request_, fake)

    assert 400 <= status < 500
    assert content["status"] == status
    assert headers["Content-Type"] == "application/problem+json"
    assert content["report"]["requestId"] == headers["x-request-id"] == context().aws_request_id
    assert fake.sent == []


def test_nothing_of_the_client_reaches_the_log(logged: io.StringIO):
    """Bodies, identities, visitors and what Adobe says about them stay out of the log."""
    secret = "ada@example.com"
    headers = {"X-Forwarded-For": secret, "User-Agent": secret, "x-adobe-aep-validation-token": secret}
    query = {"datastreamId": "d", secret: secret}
    answer(post(batch("a") | {"meta": {secret: secret}}, query=query, headers=headers), edge(503))
    answer(post(batch("a"), headers={"User-Agent": f"{secret}\n"}), edge(202))
    answer(post(batch("ada@example.com")), edge(Answer(400, {}, problem("0305-400", detail="ada@example.com"))))
    answer(post('{"events": ["ada@example.com",,]}'), edge(202))

    assert "batch handled" in logged.getvalue()
    assert "request refused" in logged.getvalue()
    assert "ada@example.com" not in logged.getvalue()


@pytest.mark.parametrize(
    ("said", "level", "facts"),
    [
        pytest.param(202, "INFO", {"delivered": 1, "spooled": 0, "edgeRequests": 1}, id="delivered"),
        pytest.param(503, "WARNING", {"delivered": 0, "spooled": 1, "edgeRequests": 1}, id="an outage"),
        pytest.param(NoAnswer("x"), "WARNING", {"delivered": 0, "spooled": 1, "edgeRequests": 1}, id="in doubt"),
        pytest.param(Unreachable("x"), "WARNING", {"delivered": 0, "spooled": 1, "edgeRequests": 0}, id="not sent"),
        pytest.param(403, "ERROR", {"delivered": 0, "spooled": 1, "edgeRequests": 1}, id="a matter of set-up"),
    ],
)
def test_what_became_of_a_batch_is_logged(
    logged: io.StringIO, said: Answer | AdobeError | int, level: str, facts: dict[str, int]
):
    """An error if a person has to mend something; the verdict of whatever was not simply delivered."""
    answer(post(batch("a")), edge(said))

    (line,) = [line for line in map(json.loads, logged.getvalue().splitlines()) if "delivered" in line]
    assert line["level"] == level
    assert line.items() >= facts.items()
    assert ("verdicts" in line) == (level != "INFO")


def test_the_ids_that_edge_knows_a_request_by_are_logged(logged: io.StringIO):
    """Beside the client's own, so that each is found by the other."""
    large = {"events": [event(str(n), text="x" * 40_000) for n in range(2)]}

    answer(post(large, query={"datastreamId": "d", "requestId": "mine"}), edge(202))

    (line,) = [line for line in map(json.loads, logged.getvalue().splitlines()) if "delivered" in line]
    assert line["requestId"] == "mine"
    assert set(line["sentAs"]) == {part_id("mine", [0]), part_id("mine", [1])}


class Repeated(NoIdempotency):
    """Has seen every request before."""

    def once(self, request: Any, request_id: str, context: Any, serve: Any) -> Any:
        return {"statusCode": 202, "headers": {}, "body": "{}"}


def test_a_repeated_request_is_counted_and_logged_as_such(logged: io.StringIO, capsys: pytest.CaptureFixture[str]):
    """Its events are counted once, with the first."""
    answer(post(batch("a"), query={"datastreamId": "d", "requestId": "mine"}), edge(202), idempotency=Repeated)

    (line,) = map(json.loads, logged.getvalue().splitlines())
    (measured,) = (json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line)
    assert (line["message"], line["requestId"], line["status"]) == ("request repeated", "mine", 202)
    assert metrics_of(measured) == {"RequestsRepeated": [1.0]}


def test_what_happened_is_measured(capsys: pytest.CaptureFixture[str]):
    """As CloudWatch metrics in embedded format; nothing is written of what did not happen."""
    refusal = Answer(400, {}, problem("0308-400", detail="event #1"))

    answer(post({"events": [{}, event("a"), event("b")]}), edge(refusal, 202))
    answer(post(batch("c", "d")), edge(NoAnswer("x")))
    answer(post("rubbish"), edge(202))

    first, second, third = (json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line)
    asked = {"EdgeRequestUnits": [2.0]}
    assert metrics_of(first) == {"EventsAccepted": [1.0], "EventsDelivered": [1.0], "EventsRejected": [2.0], **asked}
    spooled = {"EventsSpooled": [2.0], "PossibleDuplicates": [2.0], "EdgeRequestUnits": [1.0]}
    assert metrics_of(second) == {"EventsAccepted": [2.0], **spooled}
    assert metrics_of(third) == {"RequestsRefused": [1.0]}


def metrics_of(line: dict[str, Any]) -> dict[str, list[float]]:
    """Name and values, without the times, which vary."""
    (described,) = line["_aws"]["CloudWatchMetrics"]
    assert described["Namespace"] == "AdobeRelay"
    assert described["Dimensions"] == [["service"]]
    return {metric["Name"]: line[metric["Name"]] for metric in described["Metrics"] if metric["Name"] != "EdgeLatency"}


@pytest.mark.parametrize(("status", "seconds", "attempts"), [(503, 28, 1), (202, 12, 0)], ids=["tried", "no time"])
def test_attempts_count_tries_of_edge(status: int, seconds: float, attempts: int):
    """What was spooled unsent has none."""
    spool = FakeQueue()

    answer(post(SEED), edge(status), spool, seconds=seconds)

    assert [parcel.attempts for text in spool.texts for parcel in read_message(text).parcels] == [attempts]


@pytest.mark.parametrize("error", [RuntimeError("ada@example.com"), RecursionError(), ValueError()])
def test_whatever_goes_wrong_with_the_spool_what_was_delivered_is_told(error: Exception, logged: io.StringIO):
    """The client then sends the others only."""
    content = {"events": [event(str(n), text="x" * 60_000) for n in range(2)]}
    fake = FakeEdge([Answer(202, {}, b""), Answer(503, {}, b"")])

    status, headers, said = answer(post(content), fake, FakeQueue(error=error))

    assert (status, headers["Retry-After"]) == (503, "5")
    assert len(said["report"]["acceptedIndexes"]) == 1
    assert "ada" not in logged.getvalue()


def test_a_message_that_cannot_be_written_is_unsafe_alone(monkeypatch: pytest.MonkeyPatch):
    """The others are stored."""

    def write(message: Message) -> str:
        if message.parcels[0].events[0].index == 1:
            raise RecursionError
        return write_message(message)

    monkeypatch.setattr("relay.core.message.write_message", write)
    content = {"events": [event(str(n), text="x" * 60_000) for n in range(3)]}
    spool = FakeQueue()

    status, _, said = answer(post(content), edge(503), spool)

    assert status == 503
    assert said["report"]["acceptedIndexes"] == [0, 2]
    assert spool.event_ids() == {"0", "2"}
