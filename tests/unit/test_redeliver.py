"""The redeliver function: what becomes of spooled messages."""

import io
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest

from functions.redeliver.app import handler
from relay.core.envelope import Envelope
from relay.core.events import Event
from relay.core.message import Message, read_message, write_message
from relay.core.request_id import part_id
from relay.core.verdict import Answer
from relay.errors import NoAnswer, ReplaysUnknown
from relay.forward import Forwarder
from relay.redeliver import Redeliverer
from tests.support import DATASTREAM, NOW, PROJECT, FakeAuthorizer, FakeQueue, context, edge, measured, problem

RECORDED = (PROJECT / "tests/unit/recorded/version_1.json").read_text()


@dataclass
class FakeReplays:
    """Which message replays a dead letter, unless the record cannot be read."""

    known: bool = True
    claimed: dict[str, str] = field(default_factory=dict)

    def claim(self, dead_letter_id: str, message_id: str) -> bool:
        if not self.known:
            raise ReplaysUnknown
        return self.claimed.setdefault(dead_letter_id, message_id) == message_id


@dataclass
class World:
    """A redeliver function and all around it; `random` is 1, so that a wait is its bound."""

    edge: Any
    spool: FakeQueue = field(default_factory=FakeQueue)
    dead_letters: FakeQueue = field(default_factory=FakeQueue)
    replays: FakeReplays = field(default_factory=FakeReplays)

    def redeliver(self, *records: dict[str, Any]) -> set[str]:
        """Ids of the messages that come again."""
        forwarder = Forwarder(self.edge, FakeAuthorizer(), time.time)
        redeliverer = Redeliverer(forwarder, self.spool, self.dead_letters, self.replays, lambda: 1.0, time.time)
        answer = handler({"Records": list(records)}, context(), redeliverer)
        return {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}


def message(*names: str, uncertain: int = 0, size: int = 0) -> Message:
    """Events with these ids, each with so many bytes more."""
    bodies = [json.dumps({"xdm": {"_id": name}, "data": "x" * size}).encode() for name in names]
    events = [Event(index, body) for index, body in enumerate(bodies)]
    return Message(Envelope(DATASTREAM), "r", "sent-as", NOW, tuple(events), 1, uncertain)


def record(
    content: Message | str, message_id: str = "m1", receives: int = 1, replay_of: str | None = None
) -> dict[str, Any]:
    """An SQS record."""
    attributes = {"replayOf": {"stringValue": replay_of, "dataType": "String"}} if replay_of else {}
    return {
        "messageId": message_id,
        "receiptHandle": f"receipt-{message_id}",
        "body": content if isinstance(content, str) else write_message(content),
        "attributes": {"ApproximateReceiveCount": str(receives)},
        "messageAttributes": attributes,
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:spool",
        "awsRegion": "us-east-1",
    }


def test_a_message_that_edge_takes_is_done():
    """Nothing comes again, nothing is stored anywhere."""
    world = World(edge(202))

    assert world.redeliver(record(message("a", "b"))) == set()
    assert world.edge.event_ids() == {"a", "b"}
    assert world.spool.texts == world.dead_letters.texts == []


@pytest.mark.parametrize(
    ("answer", "receives", "seconds"),
    [
        pytest.param(503, 1, 5, id="first try"),
        pytest.param(503, 4, 40, id="fourth try"),
        pytest.param(503, 500, 1800, id="after days"),
        pytest.param(Answer(429, {"retry-after": "600"}, b""), 1, 600, id="Retry-After"),
        pytest.param(403, 1, 60, id="set-up"),
    ],
)
def test_a_message_that_meets_an_outage_comes_again_later(answer: Any, receives: int, seconds: int):
    """With backoff, as long as it takes; an outage dead-letters nothing."""
    world = World(edge(answer))

    assert world.redeliver(record(message("a"), receives=receives)) == {"m1"}
    assert world.spool.put_back_seconds == {"receipt-m1": seconds}
    assert world.dead_letters.texts == []


def test_the_rest_of_an_invocation_that_met_an_outage_is_not_tried():
    """It comes again, and Edge is spared."""
    world = World(edge(503))

    failed = world.redeliver(*(record(message(name), message_id=name) for name in "abc"))

    assert failed == {"a", "b", "c"}
    assert len(world.edge.sent) == 1


def test_a_matter_of_setup_holds_back_no_other_message():
    """It can be about one datastream."""
    world = World(edge(Answer(422, {}, problem("0004-422")), 202))

    failed = world.redeliver(*(record(message(name), name) for name in "abc"))

    assert failed == {"a"}
    assert world.spool.put_back_seconds == {"receipt-a": 60}


def test_the_rest_of_an_invocation_waits_as_long_as_adobe_asked_for():
    """Also when the first request of a message met something else."""
    world = World(edge(503, Answer(429, {"retry-after": "600"}, b"")))

    world.redeliver(record(message("a", "b", size=40_000)), record(message("c"), "m2"))

    assert world.spool.put_back_seconds == {"receipt-m2": 600}


def test_one_bad_event_becomes_a_dead_letter_and_the_others_are_delivered():
    """With reason, code, attempts and the time of its acceptance."""
    world = World(edge(Answer(400, {}, problem("0308-400", detail="Event `#1` is bad")), 202))

    assert world.redeliver(record(message("a", "b", "c"), receives=3)) == set()
    assert world.edge.event_ids() == {"a", "c"}
    assert world.dead_letters.event_ids() == {"b"}
    assert world.dead_letters.attributes == [
        {
            "reason": "event rejected",
            "code": "EXEG-0308-400",
            "detail": "Event `#1` is bad",
            "datastreamId": DATASTREAM,
            "requestId": "r",
            "sentAs": "sent-as",
            "attempts": "4",
            "firstAcceptedAt": "2027-01-15T08:00:00+00:00",
        }
    ]


def test_what_is_left_of_a_message_keeps_its_envelope_and_its_origin():
    """On the spool and with the dead letters: members, headers, parameters, hint, the client's id and places."""
    envelope = Envelope("d", "or2", b'"meta":{"a":1.50}', (("token", "t"),), (("User-Agent", "Visitor/1"),))
    whole = message("a", "b", "c")._replace(envelope=envelope)
    world = World(edge(Answer(400, {}, problem("0308-400", detail="event #1")), 503))

    world.redeliver(record(whole))

    (dead,), (rest,) = map(read_message, world.dead_letters.texts), map(read_message, world.spool.texts)
    assert {sent["envelope"] for sent in world.edge.sent} == {dead.envelope, rest.envelope} == {envelope}
    assert ([found.index for found in dead.events], [found.index for found in rest.events]) == ([1], [0, 2])
    assert (dead.request_id, rest.request_id) == ("r", "r")
    assert [sent["request_id"] for sent in world.edge.sent] == ["sent-as", rest.sent_as]
    assert (dead.sent_as, rest.sent_as) == (part_id("r", [1]), part_id("r", [0, 2]))
    assert world.dead_letters.attributes[0]["sentAs"] == "sent-as"


def test_a_message_of_version_1_is_delivered():
    """One that was on the spool, or a dead letter, while the relay was updated."""
    world = World(edge(202))

    assert world.redeliver(record(RECORDED)) == set()
    assert [found["data"] for found in json.loads(world.edge.sent[0]["body"])["events"]] == [
        found["data"] for found in json.loads(RECORDED)["events"]
    ]
    assert uuid.UUID(world.edge.sent[0]["request_id"])


def test_what_is_left_of_a_message_of_version_1_is_stored_in_version_2():
    """From then on it is a message like any other."""
    world = World(edge(Answer(400, {}, problem("0308-400", detail="event #1")), 503))

    assert world.redeliver(record(RECORDED)) == set()
    assert [json.loads(text)["version"] for text in [*world.spool.texts, *world.dead_letters.texts]] == [2, 2]


def test_a_404_at_a_location_hint_is_no_reason_for_a_dead_letter():
    """The client was told 202, and a 404 can be an outage or a wrong address as well: it is a matter of set-up."""
    hinted = message("a")._replace(envelope=Envelope(DATASTREAM, "or2"))
    world = World(edge(404))

    assert world.redeliver(record(hinted)) == {"m1"}
    assert world.spool.put_back_seconds == {"receipt-m1": 60}
    assert world.dead_letters.texts == []


def test_a_refused_request_becomes_a_dead_letter_as_a_whole():
    """Its events can be replayed once the cause is mended."""
    world = World(edge(Answer(400, {}, problem("0003-400"))))

    assert world.redeliver(record(message("a", "b"))) == set()
    assert world.dead_letters.event_ids() == {"a", "b"}
    assert [attributes["reason"] for attributes in world.dead_letters.attributes] == ["request refused"]


def test_an_answer_that_cannot_be_understood_is_tried_three_more_times():
    """Then it is a dead letter; outages in between do not count."""
    world = World(edge(500))
    text = write_message(message("a", uncertain=1))  # the first such answer was collect's

    tries = 0
    while not world.dead_letters.texts:
        world.redeliver(record(text, receives=50))
        tries += 1
        text = world.spool.texts[-1]

    assert tries == 3
    assert world.spool.delays == [900, 900]
    assert world.dead_letters.event_ids() == {"a"}
    assert world.dead_letters.attributes[0]["reason"] == "answers not understood"


def test_what_edge_took_is_not_sent_again_with_the_rest():
    """A message of which a part is delivered is replaced by one with what is left."""
    world = World(edge(Answer(400, {}, problem("0105-400")), 202, 503))

    assert world.redeliver(record(message("a", "b"))) == set()
    assert world.spool.event_ids() == {"b"}
    assert read_message(world.spool.texts[0]).accepted_at == NOW


def test_a_message_that_nobody_can_read_becomes_a_dead_letter_whole():
    """Whatever it is, it is not for us to throw away."""
    world = World(edge(202))

    assert world.redeliver(record("rubbish")) == set()
    assert world.dead_letters.texts == ["rubbish"]
    assert world.edge.sent == []


def test_a_message_that_nobody_can_read_stays_when_the_dead_letters_fail():
    """It comes again instead."""
    world = World(edge(202), dead_letters=FakeQueue(failing={0}))

    assert world.redeliver(record("rubbish")) == {"m1"}


def test_a_rejected_event_goes_back_to_the_spool_when_the_dead_letters_fail():
    """Alone: what was delivered of its message is not sent again."""
    refusal = Answer(400, {}, problem("0308-400", detail="event #1"))
    world = World(edge(refusal, 202), dead_letters=FakeQueue(failing={0}))

    assert world.redeliver(record(message("a", "b"))) == set()
    assert world.spool.event_ids() == {"b"}


def test_a_message_stays_when_nothing_can_be_stored(capsys: pytest.CaptureFixture[str]):
    """Better twice than never: what was delivered of it is counted as possible duplicates."""
    refusal = Answer(400, {}, problem("0308-400", detail="event #1"))
    world = World(edge(refusal, 202), FakeQueue(failing={0}), FakeQueue(failing={0}))

    assert world.redeliver(record(message("a", "b"))) == {"m1"}
    assert measured(capsys.readouterr().out)["PossibleDuplicates"] == 1


def test_a_dead_letter_is_replayed_once():
    """A second message that replays it is dropped; the first may come as often as SQS likes."""
    world = World(edge(202))
    first, second = record(message("a"), "m1", replay_of="d"), record(message("a"), "m2", replay_of="d")

    assert world.redeliver(first, second, first) == set()
    assert len(world.edge.sent) == 2


def test_a_replay_waits_until_it_can_be_told_whether_it_is_one():
    """Sending it could be sending it twice."""
    world = World(edge(202), replays=FakeReplays(known=False))

    assert world.redeliver(record(message("a"), replay_of="d")) == {"m1"}
    assert world.edge.sent == []


def test_a_detail_that_sqs_would_not_take_is_made_printable():
    """A detail can quote what a client sent, and must not stop its event from being kept."""
    world = World(edge(Answer(400, {}, problem("0305-400", detail="bad \u0000\u0007\ud800 id"))))

    world.redeliver(record(message("a")))

    assert world.dead_letters.attributes[0]["detail"] == "bad ??? id"


def test_a_dead_letter_has_the_whole_report():
    """What is wrong with an override, for example: the detail alone only points to it."""
    said = problem("0113-400", detail="See the report.", report={"errors": ["a is wrong", "b is wrong"]})
    world = World(edge(Answer(400, {}, said)))

    world.redeliver(record(message("a", "b")))

    assert world.dead_letters.attributes[0]["detail"] == "See the report. a is wrong b is wrong"


def test_what_is_logged_and_measured_holds_no_event(logged: io.StringIO, capsys: pytest.CaptureFixture[str]):
    """Counts, verdicts, times."""
    world = World(edge(Answer(400, {}, problem("0305-400", detail="ada@example.com"))))

    world.redeliver(record(message("ada@example.com")))

    assert world.dead_letters.event_ids() == {"ada@example.com"}
    assert "messages redelivered" in logged.getvalue()
    assert "ada@example.com" not in logged.getvalue() + capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "level", "dead", "back", "verdicts"),
    [
        pytest.param(Answer(202, {}, b""), "INFO", 0, 0, [], id="delivered"),
        pytest.param(Answer(503, {}, b""), "WARNING", 0, 2, [("transient", 503)], id="an outage"),
        pytest.param(Answer(403, {}, b""), "WARNING", 0, 2, [("setup", 403)], id="a matter of set-up"),
        pytest.param(Answer(500, {}, b""), "WARNING", 0, 2, [("uncertain", 500)], id="not understood"),
        pytest.param(Answer(400, {}, problem("0003-400")), "WARNING", 2, 0, [], id="dead letters"),
    ],
)
def test_a_round_is_logged_by_its_requests(
    logged: io.StringIO, answer: Answer, level: str, dead: int, back: int, verdicts: list[tuple[str, int]]
):
    """A warning if a person may have to look."""
    sent = message("a", "b")

    World(edge(answer)).redeliver(record(sent))

    (line,) = [line for line in map(json.loads, logged.getvalue().splitlines()) if "requestIds" in line]
    assert (line["level"], line["requestIds"]) == (level, [sent.request_id])
    assert (line["EventsDeadLettered"], line["EventsPutBack"]) == (dead, back)
    assert [(found["verdict"], found["edgeStatus"]) for found in line.get("verdicts", [])] == verdicts


def test_the_log_says_why_there_are_dead_letters(logged: io.StringIO):
    """By reason and code, with the number of events."""
    refusal = Answer(400, {}, problem("0308-400", detail="event #1"))

    World(edge(refusal, 202, Answer(400, {}, problem("0113-400")))).redeliver(
        record(message("a", "b")), record(message("c", "d"), "m2"), record("rubbish", "m3")
    )

    (line,) = [line for line in map(json.loads, logged.getvalue().splitlines()) if "requestIds" in line]
    assert line["deadLetters"] == {
        "event rejected EXEG-0308-400": 1,
        "request refused EXEG-0113-400": 2,
        "unreadable message": 1,
    }


def test_what_is_left_of_a_message_counts_as_put_back(logged: io.StringIO):
    """Though it is another message then."""
    World(edge(Answer(400, {}, problem("0105-400")), 202, 503)).redeliver(record(message("a", "b", "c", "d")))

    (line,) = [line for line in map(json.loads, logged.getvalue().splitlines()) if "requestIds" in line]
    assert (line["EventsRedelivered"], line["EventsPutBack"]) == (2, 2)


def test_what_happened_is_measured(capsys: pytest.CaptureFixture[str]):
    """Redelivered, dead-lettered, in doubt; and how old the oldest event is that still waits."""
    world = World(edge(Answer(400, {}, problem("0308-400", detail="event #1")), 202, NoAnswer("x")))

    world.redeliver(record(message("a", "b")), record(message("c"), "m2"))

    found = measured(capsys.readouterr().out)
    assert found.items() >= {"EventsRedelivered": 1, "EventsDeadLettered": 1, "PossibleDuplicates": 1}.items()
    assert "SpoolAge" in found
