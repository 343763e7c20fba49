"""The redeliver function: what becomes of spooled messages."""

import io
import json
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest

from functions.redeliver.app import handler
from relay.core.deadline import Deadline
from relay.core.envelope import Envelope
from relay.core.events import Event
from relay.core.load import Load
from relay.core.message import Message, Parcel, read_message
from relay.core.request_id import part_id
from relay.core.verdict import Answer
from relay.delivery import redeliver
from relay.delivery.redeliver import Redeliverer
from relay.errors import NoAnswer, ReplaysUnknown, SetupError
from relay.forward import Forwarder
from tests.support import (
    DATASTREAM,
    NOW,
    PROJECT,
    Clock,
    FakeAuthorizer,
    FakeQueue,
    context,
    edge,
    ids,
    measured,
    problem,
)
from tests.support import sqs_record as record

RECORDED = (PROJECT / "tests/unit/recorded/version_1.json").read_text()


@dataclass
class FakeReplays:
    """Which message replays a dead letter, unless the record cannot be read."""

    known: bool = True
    claimed: dict[str, str] = field(default_factory=dict)
    asked: int = 0

    def claim(self, dead_letter_id: str, replay_id: str, deadline: Deadline) -> bool:
        self.asked += 1
        if not self.known:
            raise ReplaysUnknown
        return self.claimed.setdefault(dead_letter_id, replay_id) == replay_id


@dataclass
class World:
    """A redeliver function and all around it; `random` is 1, so that a wait is its bound."""

    edge: Any
    spool: FakeQueue = field(default_factory=FakeQueue)
    dead_letters: FakeQueue = field(default_factory=FakeQueue)
    replays: FakeReplays = field(default_factory=FakeReplays)
    clock: Clock = field(default_factory=Clock)
    parallel: int = 8

    def __post_init__(self) -> None:
        forwarder = Forwarder(self.edge, FakeAuthorizer(), self.clock)
        self.redeliverer = Redeliverer(
            forwarder, self.spool, self.dead_letters, self.replays, lambda: 1.0, self.clock, self.parallel
        )

    def parcels(self) -> list[Parcel]:
        """What is stored on the spool."""
        return [parcel for text in self.spool.texts for parcel in read_message(text).parcels]

    def redeliver(self, *records: dict[str, Any]) -> set[str]:
        """Ids of the messages that stay as they are, and come again."""
        answer = handler({"Records": list(records)}, context(30), self.redeliverer)
        return {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}


def parcel(*names: str, attempts: int = 1, size: int = 0, age: float = 0) -> Parcel:
    """Events of one client with these ids, each with so many bytes more, accepted so many seconds ago."""
    bodies = [json.dumps({"xdm": {"_id": name}, "data": "x" * size}).encode() for name in names]
    events = [Event(index, body) for index, body in enumerate(bodies)]
    return Parcel(f"r-{names[0]}", f"sent-as-{names[0]}", NOW - age, tuple(events), attempts)


def message(*names: str, datastream: str = DATASTREAM, **history: Any) -> Message:
    """A message with such a parcel."""
    return Message(Envelope(datastream), (parcel(*names, **history),))


def test_a_message_that_edge_takes_is_done():
    """Nothing comes again, nothing is stored anywhere."""
    world = World(edge(202))

    assert world.redeliver(record(message("a", "b"))) == set()
    assert world.edge.event_ids() == {"a", "b"}
    assert world.spool.texts == world.dead_letters.texts == []


@pytest.mark.parametrize(
    ("answer", "age", "seconds"),
    [
        pytest.param(503, 0, 5, id="at once"),
        pytest.param(503, 60, 30, id="after a minute"),
        pytest.param(503, 86_400, 90, id="after a day"),
        pytest.param(Answer(429, {"retry-after": "600"}, b""), 0, 600, id="Retry-After"),
        pytest.param(Answer(429, {"retry-after": "900"}, b""), 0, 900, id="the longest Retry-After"),
        pytest.param(403, 0, 60, id="set-up"),
        pytest.param(403, 86_400, 90, id="set-up after a day"),
        pytest.param(500, 86_400, 90, id="nothing said"),
    ],
)
def test_a_message_that_meets_an_outage_is_stored_anew_for_later(answer: Any, age: int, seconds: int):
    """With one try more, for half as long as it has waited, 90 seconds at most; an outage dead-letters nothing."""
    world = World(edge(answer))

    assert world.redeliver(record(message("a", attempts=3, age=age))) == set()
    assert world.spool.delays == [seconds]
    assert [found.attempts for found in world.parcels()] == [4]
    assert world.dead_letters.texts == []


def test_however_often_a_message_was_received_it_is_stored_anew():
    """So neither SQS's 1,000 receives nor its fourteen days are ever used up."""
    world = World(edge(503))

    assert world.redeliver(record(message("a", attempts=0), receives=999)) == set()
    assert world.spool.delays == [5]


def test_what_a_round_receives_goes_to_edge_in_as_few_requests_as_hold_it():
    """Whoever sent it: six hundred messages of one event are nine requests of 64,000 bytes."""
    world = World(edge(202))

    again = world.redeliver(*(record(message(str(n), size=900), str(n)) for n in range(600)))

    sent = [found["xdm"]["_id"] for request in world.edge.sent for found in json.loads(request["body"])["events"]]
    assert (len(world.edge.sent), len(sent)) == (9, 600)
    assert set(sent) == {str(n) for n in range(600)}
    assert again == set()


def test_events_with_different_envelopes_share_no_request():
    """Members, headers, parameters, hint and datastream belong to all events of a request."""
    envelopes = [
        Envelope("d"), Envelope("e"), Envelope("d", "or2"), Envelope("d", members=b'"meta":{}'),
        Envelope("d", parameters=(("a", "b"),)), Envelope("d", headers=(("User-Agent", "Visitor/1"),)),
    ]  # fmt: skip
    messages = [Message(envelope, (parcel(f"{n}{half}"),)) for n, envelope in enumerate(envelopes) for half in "ab"]
    world = World(edge(202))

    world.redeliver(*(record(found, str(n)) for n, found in enumerate(messages)))

    assert len(world.edge.sent) == 6
    for sent in world.edge.sent:
        names = ids(json.loads(sent["body"])["events"])
        assert names == {f"{envelopes.index(sent['envelope'])}{half}" for half in "ab"}


def test_what_edge_cannot_take_is_stored_in_full_messages():
    """A hundred messages of one event become two, in which each event has its own history."""
    world = World(edge(503))
    records = [record(message(str(n), size=900, attempts=n % 7, age=n), str(n)) for n in range(100)]

    assert world.redeliver(*records) == set()

    assert len(world.spool.texts) == 2
    found = {one.request_id: (one.attempts, one.accepted_at, one.events[0].index) for one in world.parcels()}
    assert found.keys() == {f"r-{n}" for n in range(100)}
    assert all((at, index) == (NOW - n, 0) for n, (_, at, index) in ((int(name[2:]), it) for name, it in found.items()))
    tried = sum(attempts != int(name[2:]) % 7 for name, (attempts, _, _) in found.items())
    assert 0 < tried < 100  # those of the request that was sent
    assert set(world.spool.delays) == {45}  # half as long as the oldest has waited, to a full quarter of a minute


def test_a_message_of_several_clients_is_read_and_each_event_keeps_its_history():
    """It was put back once, and is again."""
    shared = Message(Envelope(DATASTREAM), (parcel("a", "b", attempts=2), parcel("c", attempts=3, age=60)))
    world = World(edge(503))

    world.redeliver(record(shared))

    (stored,) = map(read_message, world.spool.texts)
    assert stored.parcels == tuple(found._replace(attempts=found.attempts + 1) for found in shared.parcels)


def test_a_message_is_deleted_as_soon_as_its_events_have_found_their_place():
    """So a function that is killed repeats what is in flight, and no more."""
    world = World(edge(202), parallel=1)
    deleted: list[set[str]] = []
    collect = world.edge.collect

    def watching(*arguments: Any) -> Answer:
        deleted.append(set(world.spool.deleted))
        return collect(*arguments)

    world.edge.collect = watching
    records = [record(message(name, datastream=name), name) for name in "abc"]

    assert world.redeliver(*records) == set()
    assert deleted[0] == set()
    assert deleted[2] >= {"receipt-a"}


def test_what_is_left_of_a_message_is_stored_before_others_are_sent():
    """What was delivered of it would be sent again if the function died."""
    refusal = Answer(400, {}, problem("0105-400"))  # names nobody
    world = World(edge(refusal, 202, Answer(503, {}, problem("0201-503")), 202), parallel=1)
    stored: list[set[str]] = []
    collect = world.edge.collect

    def watching(*arguments: Any) -> Answer:
        stored.append(world.spool.event_ids())
        return collect(*arguments)

    world.edge.collect = watching
    world.redeliver(record(message("a", "b")), record(message("c", datastream="another"), "m2"))

    assert stored[-1] == {"b"}
    assert world.spool.event_ids() == {"b"}


def test_messages_that_sqs_does_not_delete_are_left_to_the_event_source():
    """The round goes on without."""
    world = World(edge(202), FakeQueue(error=RuntimeError("x")))

    assert world.redeliver(*(record(message(name, datastream=name), name) for name in "abc")) == set()
    assert len(world.edge.sent) == 3


def test_a_message_that_comes_again_and_again_goes_by_itself():
    """It was with functions that died, perhaps of it."""
    world = World(edge(202))

    world.redeliver(record(message("a")), record(message("b"), "m2", receives=3), record(message("c"), "m3"))

    sent = [ids(json.loads(request["body"])["events"]) for request in world.edge.sent]
    assert sorted(map(sorted, sent)) == [["a", "c"], ["b"]]


def test_the_rest_of_a_round_that_met_an_outage_is_not_tried():
    """It waits like the others, and Edge is spared."""
    world = World(edge(503))

    again = world.redeliver(*(record(message(name, attempts=3, size=40_000), name) for name in "abc"))

    assert again == set()
    assert len(world.edge.sent) == 1
    assert sorted(found.attempts for found in world.parcels()) == [3, 3, 4]
    assert world.spool.delays == [5, 5, 5]


def test_no_message_is_stored_with_a_longer_delay_than_sqs_takes():
    """It would refuse it. A clock that is set back makes a breaker's wait longer than any Retry-After."""
    world = World(edge(Answer(429, {"retry-after": "900"}, b"")))
    world.redeliver(record(message("a")))
    world.clock.seconds -= 100

    world.redeliver(record(message("b"), "m2"))

    assert world.spool.delays == [900, 900]


def test_a_matter_of_setup_holds_back_its_own_datastream_and_location_hint_only():
    """It can be about those. There the other events wait as well."""
    setup = Answer(422, {}, problem("0004-422"))
    world = World(edge(setup, 202))
    hinted = message("h")._replace(envelope=Envelope(DATASTREAM, "or2"))
    others = [record(message("b", size=40_000), "b"), record(message("c", datastream="another"), "c")]

    assert world.redeliver(record(message("a", size=40_000), "a"), *others, record(hinted, "h")) == set()
    assert len(world.edge.sent) == 3
    assert world.spool.event_ids() == {"a", "b"}
    assert world.spool.delays == [60, 60]


def test_refused_credentials_are_asked_for_once_in_a_round():
    """They are the same for every datastream."""
    world = World(edge(SetupError("x")))

    world.redeliver(*(record(message(name, datastream=name), name) for name in "abc"))

    assert len(world.edge.sent) == 1
    assert world.spool.event_ids() == {"a", "b", "c"}


def test_the_rest_of_a_round_waits_as_long_as_adobe_asked_for():
    """Those that were not tried, too."""
    world = World(edge(Answer(429, {"retry-after": "600"}, b"")))

    world.redeliver(record(message("a")), record(message("b", datastream="another"), "m2"))

    assert world.spool.delays == [600, 600]


def test_one_bad_event_becomes_a_dead_letter_and_the_others_are_delivered():
    """With reason, code, attempts and the time of its acceptance."""
    world = World(edge(Answer(400, {}, problem("0308-400", detail="Event `#1` is bad")), 202))

    assert world.redeliver(record(message("a", "b", "c", attempts=3))) == set()
    assert world.edge.event_ids() == {"a", "c"}
    assert world.dead_letters.event_ids() == {"b"}
    assert world.dead_letters.attributes == [
        {
            "reason": "event rejected",
            "code": "EXEG-0308-400",
            "detail": "Event `#1` is bad",
            "datastreamId": DATASTREAM,
            "requestId": "r-a",
            "sentAs": "sent-as-a",
            "attempts": "4",
            "firstAcceptedAt": "2027-01-15T08:00:00+00:00",
        }
    ]


def test_what_is_left_of_a_message_keeps_its_envelope_and_its_origin():
    """On the spool and with the dead letters: members, headers, parameters, hint, the client's id and places."""
    envelope = Envelope("d", "or2", b'"meta":{"a":1.50}', (("token", "t"),), (("User-Agent", "Visitor/1"),))
    whole = Message(envelope, (parcel("a", "b", "c"),))
    world = World(edge(Answer(400, {}, problem("0308-400", detail="event #1")), 503))

    world.redeliver(record(whole))

    (dead,), (rest,) = map(read_message, world.dead_letters.texts), map(read_message, world.spool.texts)
    assert {sent["envelope"] for sent in world.edge.sent} == {dead.envelope, rest.envelope} == {envelope}
    (bad,), (good,) = dead.parcels, rest.parcels
    assert ([found.index for found in bad.events], [found.index for found in good.events]) == ([1], [0, 2])
    assert bad.request_id == good.request_id == "r-a"
    assert [sent["request_id"] for sent in world.edge.sent] == ["sent-as-a", good.sent_as]
    assert (bad.sent_as, good.sent_as) == (part_id("r-a", [1]), part_id("r-a", [0, 2]))
    assert world.dead_letters.attributes[0]["sentAs"] == "sent-as-a"


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

    assert world.redeliver(record(hinted)) == set()
    assert world.spool.event_ids() == {"a"}
    assert world.dead_letters.texts == []


def test_a_refused_request_becomes_a_dead_letter_as_a_whole():
    """Its events can be replayed once the cause is mended."""
    world = World(edge(Answer(400, {}, problem("0003-400"))))

    assert world.redeliver(record(message("a", "b"))) == set()
    assert world.dead_letters.event_ids() == {"a", "b"}
    assert [attributes["reason"] for attributes in world.dead_letters.attributes] == ["request refused"]


def test_what_edge_took_is_not_sent_again_with_the_rest():
    """A message of which a part is delivered is replaced by one with what is left."""
    world = World(edge(Answer(400, {}, problem("0105-400")), 202, 503))

    assert world.redeliver(record(message("a", "b"))) == set()
    assert world.spool.event_ids() == {"b"}
    assert [found.accepted_at for found in world.parcels()] == [NOW]


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


def test_a_dead_letter_is_replayed_once(logged: io.StringIO, capsys: pytest.CaptureFixture[str]):
    """A second attempt to replay it is dropped, logged and counted; the first may come as often as SQS likes."""
    world = World(edge(202))
    first = record(message("a"), "m1", replayOf="d", replayId="r1")
    second = record(message("a"), "m2", replayOf="d", replayId="r2")

    assert world.redeliver(first, second) == world.redeliver(first) == set()
    assert len(world.edge.sent) == 2
    assert world.dead_letters.texts == []
    assert measured(capsys.readouterr().out)["ReplaysDropped"] == 1
    (line,) = [line for line in map(json.loads, logged.getvalue().splitlines()) if "deadLetterId" in line]
    assert (line["level"], line["deadLetterId"], line["messageId"]) == ("WARNING", "d", "m2")


def test_a_replay_that_sqs_has_moved_is_still_the_same_replay():
    """SQS's own redrive gives a message another id; the attempt's id goes along."""
    world = World(edge(503, 202))
    world.redeliver(record(message("a"), "m1", replayOf="d", replayId="r1"))

    assert world.redeliver(record(message("a"), "another", replayOf="d", replayId="r1")) == set()
    assert len(world.edge.sent) == 2


def test_a_second_replay_that_may_be_the_only_copy_becomes_a_dead_letter_again():
    """A former version of the command gave the attempt no id, so that it cannot be told from a moved message."""
    world = World(edge(202))
    world.redeliver(record(message("b"), "m1", replayOf="d"))

    assert world.redeliver(record(message("a"), "m2", replayOf="d")) == set()
    assert world.dead_letters.event_ids() == {"a"}
    assert world.dead_letters.attributes[0]["reason"] == "replayed already"


def test_a_second_replay_is_not_sent_when_the_dead_letters_fail():
    """It comes again as it is."""
    world = World(edge(202), dead_letters=FakeQueue(failing={0}))
    world.redeliver(record(message("b"), "m1", replayOf="d"))

    assert world.redeliver(record(message("a"), "m2", replayOf="d")) == {"m2"}
    assert world.spool.texts == []
    assert len(world.edge.sent) == 1


def test_a_replay_waits_until_it_can_be_told_whether_it_is_one():
    """Sending it could be sending it twice. The record is asked once in a round, since each answer may cost seconds."""
    world = World(edge(202), replays=FakeReplays(known=False))

    assert world.redeliver(*(record(message(name), name, replayOf=name) for name in "abc")) == {"a", "b", "c"}
    assert world.edge.sent == []
    assert world.replays.asked == 1


def test_a_replay_has_all_its_tries_again():
    """Somebody has fixed something."""
    world = World(edge(500))
    convicted = parcel("a")._replace(unclear=8, unclear_at=NOW, unclear_since=1.0)

    world.redeliver(record(Message(Envelope("d"), (convicted,)), replayOf="d"))

    assert world.dead_letters.texts == []
    assert [found.unclear for found in world.parcels()] == [0]


def test_trouble_behind_one_datastream_holds_back_no_other():
    """Its own messages are not tried in vain."""
    trouble = Answer(503, {}, problem("0201-503"))
    world = World(edge(trouble, 202), parallel=1)
    names = ("a1", "b1", "a2", "b2", "b3")

    assert world.redeliver(*(record(message(n, datastream=n[0], size=40_000), n) for n in names)) == set()
    assert len(world.edge.sent) == 4
    assert world.spool.event_ids() == {"a1", "a2"}


def test_what_a_round_has_no_time_for_is_stored_anew_and_comes_again_soon():
    """No call is begun that might be cut off, however long the events have waited."""
    world = World(edge(202), parallel=1)
    world.edge.clock, world.edge.takes = world.clock, 8.9

    again = world.redeliver(*(record(message(n, attempts=9, age=10_000, size=40_000), n) for n in "abcde"))

    assert len(world.edge.sent) == 2
    assert again == set()
    assert len(world.spool.event_ids()) == 3
    assert {found.attempts for found in world.parcels()} == {9}
    assert set(world.spool.delays) == {3}  # at the next full five seconds


def test_requests_of_a_round_are_sent_side_by_side():
    """Eight at once, after the first has shown that Edge takes something."""
    world = World(edge(202))
    together = threading.Barrier(8)
    collect = world.edge.collect

    def meeting(*arguments: Any) -> Answer:
        if world.edge.sent:
            together.wait(10)  # raises unless all eight are here
        return collect(*arguments)

    world.edge.collect = meeting

    assert world.redeliver(*(record(message(n, size=40_000), n) for n in "abcdefghi")) == set()
    assert len(world.edge.sent) == 9
    assert world.spool.texts == []


@pytest.mark.parametrize("latency", [1, 3, 6, 8, 8.9, 10.9])
def test_a_slow_edge_gets_no_event_twice(latency: float):
    """At a latency of 3 seconds 32 of 200 arrived twice, at 8 seconds 98."""
    world = World(edge(202))
    world.edge.clock, world.edge.takes = world.clock, latency
    waiting = {str(number): record(message(str(number)), str(number)) for number in range(200)}
    while waiting:
        batch = dict(list(waiting.items())[:10])
        started = world.clock()
        again = world.redeliver(*batch.values())
        assert world.clock() - started < 30
        assert len(again) < len(batch)
        for name in batch.keys() - again:
            del waiting[name]

    sent = [found["xdm"]["_id"] for request in world.edge.sent for found in json.loads(request["body"])["events"]]
    assert len(sent) == len(set(sent)) == 200


def test_an_error_in_one_message_keeps_what_became_of_the_others(
    logged: io.StringIO, capsys: pytest.CaptureFixture[str]
):
    """It comes again, and somebody is told."""
    world = World(edge(202))
    odd = record(message("b"), "m2", replayOf="d")
    world.replays.claim = None  # calling it raises, as nobody has foreseen

    assert world.redeliver(record(message("a"), "m1"), odd, record(message("c"), "m3")) == {"m2"}
    assert world.spool.texts == []  # it comes again when the queue's own time is over
    assert world.edge.event_ids() == {"a", "c"}
    assert measured(capsys.readouterr().out)["InternalErrors"] == 1
    assert any(line.get("error") == "TypeError" for line in map(json.loads, logged.getvalue().splitlines()))


@pytest.mark.parametrize("error", [RuntimeError("x"), MemoryError()])
def test_whatever_goes_wrong_with_the_queues_no_message_is_given_up(error: Exception):
    """Those that were delivered are done, the others come again."""
    refusal = Answer(400, {}, problem("0308-400", detail="event #1"))
    world = World(edge(202, refusal, 202, 503), FakeQueue(error=error), FakeQueue(error=error), parallel=1)
    records = [record(message(f"{name}1", f"{name}2", datastream=name), name) for name in "abc"]

    assert world.redeliver(*records, record("rubbish", "d")) == {"b", "c", "d"}


@pytest.mark.parametrize("name", ["dispose", "leave"])
def test_code_of_ours_that_fails_on_some_events_holds_back_no_others(monkeypatch: pytest.MonkeyPatch, name: str):
    """Their messages come again as they are, and after some times by themselves."""
    world = World(edge(503 if name == "leave" else 202), parallel=1)
    works = getattr(redeliver, name)

    def failing(load: Load, *knowing: Any) -> Any:
        if load.envelope.datastream_id == "odd":
            raise KeyError
        return works(load, *knowing)

    monkeypatch.setattr(redeliver, name, failing)
    odd = message("b", datastream="odd")

    again = world.redeliver(record(message("a")), record(odd, "m2"), record(message("c", datastream="e"), "m3"))

    assert again == {"m2"}


def test_a_request_that_failed_in_code_of_ours_may_have_arrived(capsys: pytest.CaptureFixture[str]):
    """Its events are sent again, and count as possible duplicates."""
    world = World(edge(202))
    taken: list[Any] = []

    def fails_once(*arguments: Any) -> Answer:
        taken.append(arguments)
        if len(taken) == 1:
            raise KeyError
        return Answer(202, {}, b"")

    world.edge.collect = fails_once

    assert world.redeliver(record(message("a", "b"))) == set()
    assert measured(capsys.readouterr().out)["PossibleDuplicates"] == 2


def test_the_events_of_a_message_that_is_stored_in_part_count_as_possible_duplicates(
    capsys: pytest.CaptureFixture[str],
):
    """What was delivered of it, and what was stored: all of it comes again with the whole."""
    refusal = Answer(400, {}, problem("0308-400", detail="event #0"))
    world = World(edge(refusal, 202, 503), FakeQueue(failing={0}), parallel=1)
    large = message("a", "b", "c", size=30_000)  # the first two go in one request, the last in another

    assert world.redeliver(record(large)) == {"m1"}
    assert (world.dead_letters.event_ids(), world.spool.event_ids()) == ({"a"}, set())
    assert measured(capsys.readouterr().out)["PossibleDuplicates"] == 2  # b is delivered, and a is a dead letter


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

    named = Parcel("r", "r", NOW, parcel("ada@example.com").events, 1)
    world.redeliver(record(Message(Envelope("d"), (named,))))

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
    assert (line["level"], line["requestIds"]) == (level, ["r-a"])
    assert (line["EventsDeadLettered"], line["EventsPutBack"]) == (dead, back)
    assert [(found["verdict"], found["edgeStatus"]) for found in line.get("verdicts", [])] == verdicts


def test_the_log_says_why_there_are_dead_letters(logged: io.StringIO):
    """By reason and code, with the number of events."""
    refusal = Answer(400, {}, problem("0308-400", detail="event #1"))

    World(edge(refusal, 202, Answer(400, {}, problem("0113-400"))), parallel=1).redeliver(
        record(message("a", "b")), record(message("c", "d", datastream="e"), "m2"), record("rubbish", "m3")
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
    world = World(edge(Answer(400, {}, problem("0308-400", detail="event #1")), 202, NoAnswer("x")), parallel=1)

    world.redeliver(record(message("a", "b")), record(message("c", datastream="e"), "m2"))

    found = measured(capsys.readouterr().out)
    assert (
        found.items()
        >= {"EventsRedelivered": 1, "EventsDeadLettered": 1, "PossibleDuplicates": 1, "EdgeRequestUnits": 3}.items()
    )
    assert "SpoolAge" in found
