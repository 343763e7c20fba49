"""Forwarding events to Edge, and settling what becomes of each."""

import io
import itertools
import json
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from relay.batch import Batch
from relay.core.authorization import Authorization
from relay.core.breaker import FAILURES_TO_OPEN, OPEN_SECONDS
from relay.core.deadline import Deadline
from relay.core.envelope import FRAME_BYTES, Envelope
from relay.core.events import Event
from relay.core.evidence import mark
from relay.core.load import Load, plan_loads
from relay.core.message import Message
from relay.core.pace import Pace
from relay.core.request_id import is_uuid, part_id
from relay.core.settlement import Settlement
from relay.core.verdict import Answer, Verdict
from relay.errors import AdobeError, NoAnswer, OutOfTime, SetupError, Unreachable
from relay.forward import Forwarder
from tests.support import (
    DATASTREAM,
    EDGE_SECONDS,
    NOW,
    Clock,
    FakeAuthorizer,
    FakeEdge,
    edge,
    message_of,
    pass_time,
    problem,
)

EXPIRED = Answer(401, {}, problem("0503-401"))
ENOUGH = Deadline(NOW + 28, lambda: NOW)

ANOTHER = mark(b"another event")


def waiting(*names: str, size: int = 20) -> Batch:
    """Events with these ids, each of about so many bytes, of a client that waits for its answer."""
    bodies = [json.dumps({"xdm": {"_id": name}, "data": "x" * size}).encode() for name in names]
    events = tuple(Event(index, body) for index, body in enumerate(bodies))
    return Batch(Envelope(DATASTREAM), "r", False, events, ())


def shipment(*names: str, size: int = 20, datastream: str = DATASTREAM) -> Load:
    """The same from the spool, of a client that has had its answer."""
    (load,) = plan_loads([(0, message_of(*waiting(*names, size=size).events, envelope=Envelope(datastream)), False)])
    return load


def shared(*names: str, size: int = 20) -> Load:
    """The same of as many clients; their request ids are the names."""
    messages: list[tuple[int, Message, bool]] = []
    for number, name in enumerate(names):
        message = message_of(*waiting(name, size=size).events)
        parcel = message.parcels[0]._replace(request_id=name, sent_as=name)
        messages.append((number, message._replace(parcels=(parcel,)), False))
    (load,) = plan_loads(messages)
    return load


def forwarder(fake: Any, authorizer: FakeAuthorizer | None = None, clock: Clock | None = None) -> Forwarder:
    return Forwarder(fake, authorizer or FakeAuthorizer(), clock or Clock())


def paced(fake: Any, clock: Clock, units_per_second: float) -> Forwarder:
    """Whose waiting moves the clock."""

    def sleep(seconds: float) -> None:
        clock.seconds += seconds

    return Forwarder(fake, FakeAuthorizer(), clock, Pace(units_per_second), sleep)


def names(events: Any) -> set[str]:
    return {json.loads(event.body)["xdm"]["_id"] for event in events}


def verdicts(settlement: Settlement) -> list[Verdict]:
    return [deferred.judgement.verdict for deferred in settlement.deferred]


@dataclass
class PickyEdge:
    """Takes a request unless an event of it is bad; refuses it then, with or without naming the bad ones."""

    bad: set[str]
    says: Callable[[list[int]], dict[str, Any]] = lambda indexes: {}
    taken: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    seconds: float = EDGE_SECONDS

    def collect(
        self, envelope: Envelope, request_id: str, body: bytes, authorization: Authorization, deadline: Deadline
    ) -> Answer:
        self.requests.append(request_id)
        found = [event["xdm"]["_id"] for event in json.loads(body)["events"]]
        guilty = [index for index, name in enumerate(found) if name in self.bad]
        if guilty:
            return Answer(400, {}, problem("0105-400", **self.says(guilty)))
        self.taken += found
        return Answer(202, {}, b"")


def test_the_whole_shipment_reaches_edge_in_one_request():
    """With its envelope and its request id."""
    fake = edge(202)

    settlement = forwarder(fake).settle(shipment("a", "b"), ENOUGH)

    assert names(settlement.delivered) == fake.event_ids() == {"a", "b"}
    assert [(sent["envelope"], sent["request_id"]) for sent in fake.sent] == [(Envelope(DATASTREAM), "r")]


def test_a_large_shipment_goes_in_several_requests_with_traceable_ids():
    """As few as hold it; each has a UUID made of the client's id and of the events in it."""
    fake = edge(202)

    settlement = forwarder(fake).settle(waiting(*map(str, range(10)), size=20_000), ENOUGH)

    parts = [range(3), range(3, 6), range(6, 9), range(9, 10)]
    assert names(settlement.delivered) == set(map(str, range(10)))
    assert {sent["request_id"] for sent in fake.sent} == {part_id("r", part) for part in parts}
    assert {judgement.sent_as for judgement in settlement.judgements} == {sent["request_id"] for sent in fake.sent}


@pytest.mark.parametrize("refusal", [EXPIRED, Answer(401, {}, b"")], ids=["0503", "401 without a code"])
def test_an_expired_token_is_replaced_once_and_the_request_sent_again(refusal: Answer):
    """Nothing of a 401 was taken, so the same request goes again with a new token."""
    fake = edge(refusal, 202)

    settlement = forwarder(fake).settle(shipment("a"), ENOUGH)

    assert names(settlement.delivered) == {"a"}
    assert [sent["token"] for sent in fake.sent] == ["token-1", "token-2"]
    assert settlement.tokens_minted == 1


def test_a_second_expired_token_is_a_matter_of_setup():
    """If a fresh token is called expired, another one will not mend it, and none is minted for a while."""
    fake, authorizer = edge(EXPIRED), FakeAuthorizer()

    settlement = forwarder(fake, authorizer).settle(shipment("a"), ENOUGH)

    assert verdicts(settlement) == [Verdict.SETUP]
    assert len(fake.sent) == 2
    assert authorizer.distrusted


@pytest.mark.parametrize(
    ("error", "verdict", "ambiguous"),
    [
        (Unreachable("x"), Verdict.TRANSIENT, 0),
        (NoAnswer("x"), Verdict.TRANSIENT, 2),
        (SetupError("x"), Verdict.SETUP, 0),
    ],
)
def test_without_an_answer_only_a_request_that_was_sent_is_in_doubt(
    error: AdobeError, verdict: Verdict, ambiguous: int
):
    """Adobe may have the events only if bytes were sent."""
    settlement = forwarder(edge(error)).settle(shipment("a", "b"), ENOUGH)

    assert verdicts(settlement) == [verdict]
    assert settlement.in_doubt == ambiguous


def test_without_a_token_nothing_is_sent():
    """IMS down is an outage like any other, with its Retry-After."""
    fake = edge(202)

    settlement = forwarder(fake, FakeAuthorizer(error=Unreachable("x", retry_after=9))).settle(shipment("a"), ENOUGH)

    assert verdicts(settlement) == [Verdict.TRANSIENT]
    assert settlement.deferred[0].judgement.retry_after == 9
    assert fake.sent == []


def test_nothing_is_sent_when_no_time_is_left_for_an_answer():
    """A request that cannot be waited for would only leave doubt."""
    fake = edge(202)

    settlement = forwarder(fake).settle(shipment("a"), Deadline(NOW + EDGE_SECONDS - 0.1, lambda: NOW))

    assert verdicts(settlement) == [Verdict.TRANSIENT]
    assert fake.sent == []


def test_events_that_edge_names_are_taken_out_and_the_others_delivered():
    """One more request, however many are bad."""
    fake = PickyEdge({"b", "d"}, lambda indexes: {"report": {"errors": [f"bad at index {n}" for n in indexes]}})

    settlement = forwarder(fake).settle(shipment(*"abcde"), ENOUGH)

    assert names(settlement.delivered) == set(fake.taken) == {"a", "c", "e"}
    assert {rejection.index for rejection in settlement.rejections} == {1, 3}
    assert fake.requests == ["r", part_id("r", [0, 2, 4])]


@pytest.mark.parametrize("bad", [0, 1, 499, 500, 998, 999])
def test_one_bad_event_among_a_thousand_is_found_by_halving(bad: int):
    """In at most about 2·log2(n) further requests, when Edge does not name it."""
    fake = PickyEdge({str(bad)})

    settlement = forwarder(fake).settle(shipment(*map(str, range(1000)), size=1), ENOUGH)

    assert set(fake.taken) == set(map(str, range(1000))) - {str(bad)}
    assert len(fake.taken) == 999
    assert [rejection.index for rejection in settlement.rejections] == [bad]
    assert len(fake.requests) - 1 <= 2 * math.ceil(math.log2(1000))


def test_several_bad_events_are_found():
    """Every good one is delivered once."""
    bad = {"3", "4", "77", "99"}
    fake = PickyEdge(bad)

    settlement = forwarder(fake).settle(shipment(*map(str, range(100))), ENOUGH)

    assert sorted(fake.taken) == sorted(set(map(str, range(100))) - bad)
    assert {str(rejection.index) for rejection in settlement.rejections} == bad


@dataclass
class SlowEdge(PickyEdge):
    """Takes nine seconds for each request."""

    clock: Clock = field(default_factory=Clock)

    def collect(self, *arguments: Any) -> Answer:
        pass_time(self.clock, 9, EDGE_SECONDS, arguments[-1])
        return super().collect(*arguments)


def test_how_long_edge_took_is_known():
    """In seconds, for the log."""
    fake = SlowEdge(set())

    settlement = forwarder(fake, clock=fake.clock).settle(shipment("a"), Deadline.after(28, fake.clock))

    assert [judgement.seconds for judgement in settlement.judgements] == [9]


def test_what_is_undecided_when_time_ends_is_deferred():
    """Halving stops; nothing is dropped."""
    fake = SlowEdge({"5"})

    settlement = forwarder(fake, clock=fake.clock).settle(waiting(*map(str, range(10))), Deadline.after(45, fake.clock))

    undecided = {name for deferred in settlement.deferred for name in names(deferred.events)}
    assert len(fake.requests) == 4
    assert undecided
    assert names(settlement.delivered) | undecided == set(map(str, range(10)))
    assert names(settlement.delivered).isdisjoint(undecided)


def test_a_refused_request_is_refused_as_a_whole():
    """Nothing is isolated where no event is to blame."""
    fake = edge(Answer(400, {}, problem("0003-400")))

    settlement = forwarder(fake).settle(shipment("a", "b"), ENOUGH)

    assert names(settlement.refusals[0].events) == {"a", "b"}
    assert len(fake.sent) == 1


def test_an_edge_that_is_down_is_spared():
    """After five failures in a row it is not asked for ten seconds, then once."""
    fake, clock = edge(503), Clock()
    under_test = forwarder(fake, clock=clock)

    for _ in range(FAILURES_TO_OPEN + 3):
        assert verdicts(under_test.settle(shipment("a"), Deadline.after(28, clock))) == [Verdict.TRANSIENT]
    asked_before = len(fake.sent)
    clock.seconds += OPEN_SECONDS
    for _ in range(3):
        under_test.settle(shipment("a"), Deadline.after(28, clock))

    assert asked_before == FAILURES_TO_OPEN
    assert len(fake.sent) == FAILURES_TO_OPEN + 1


def test_an_answer_in_between_shows_that_edge_is_up():
    """Only failures in a row open the breaker."""
    fake = edge(*[503] * (FAILURES_TO_OPEN - 1), 202, *[503] * (FAILURES_TO_OPEN - 1), 202)
    under_test = forwarder(fake)

    settlements = [under_test.settle(shipment("a"), ENOUGH) for _ in range(2 * FAILURES_TO_OPEN)]

    assert [names(settlement.delivered) for settlement in settlements].count({"a"}) == 2


@pytest.mark.parametrize("status", [429, 500])
def test_retry_after_is_obeyed_for_every_shipment(status: int):
    """What Adobe asked for holds for all that comes, not only for the request it was said to."""
    fake, clock = edge(Answer(status, {"retry-after": "60"}, b""), 202), Clock()
    under_test = forwarder(fake, clock=clock)

    under_test.settle(shipment("a"), Deadline.after(28, clock))
    spared = under_test.settle(shipment("b"), Deadline.after(28, clock))
    clock.seconds += 60
    served = under_test.settle(shipment("c"), Deadline.after(28, clock))

    assert verdicts(spared) == [Verdict.TRANSIENT]
    assert names(served.delivered) == {"c"}
    assert len(fake.sent) == 2


def test_a_matter_of_setup_does_not_open_the_breaker():
    """Somebody may mend it at any moment."""
    fake = edge(403)
    under_test = forwarder(fake)

    for _ in range(10):
        under_test.settle(shipment("a"), ENOUGH)

    assert len(fake.sent) == 10


def test_a_lack_of_time_does_not_open_the_breaker():
    """It says nothing of Edge."""
    fake = edge(202)
    under_test = forwarder(fake)

    for _ in range(FAILURES_TO_OPEN):
        under_test.settle(shipment("a"), Deadline(NOW + EDGE_SECONDS - 0.1, lambda: NOW))

    assert names(under_test.settle(shipment("a"), ENOUGH).delivered) == {"a"}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        pytest.param({"report": {"eventIndex": 0}}, {"report": {"eventIndex": 1}}, id="Edge counts in what it got"),
        pytest.param({"report": {"eventIndex": 1}}, {}, id="it got no such event"),
        pytest.param({"report": {"eventIndex": -1}}, {}, id="there is no such event"),
        pytest.param({}, {}, id="it names none"),
    ],
)
def test_a_complaint_names_the_event_by_the_clients_index(said: dict[str, Any], told: dict[str, Any]):
    nested = {"type": "t", "status": 503}
    fake = FakeEdge([Answer(207, {}, json.dumps({"errors": [nested | said]}).encode())])
    whole = waiting("a", "b")

    part = whole._replace(events=whole.events[1:])
    settlement = forwarder(fake).settle(part, ENOUGH)

    assert settlement.notices == [nested | told]


def test_events_ignored_for_lack_of_consent_are_counted():
    """They are delivered, and gone."""
    settlement = forwarder(edge(Answer(200, {}, problem("0301-200")))).settle(shipment("a", "b"), ENOUGH)

    assert settlement.ignored == 2


def test_trouble_behind_one_datastream_spares_that_one_only():
    """Its neighbours are delivered meanwhile."""
    fake = edge(*[Answer(503, {}, problem("0201-503"))] * FAILURES_TO_OPEN, 202)
    under_test = forwarder(fake)
    for _ in range(FAILURES_TO_OPEN):
        under_test.settle(shipment("a"), ENOUGH)

    spared = under_test.settle(shipment("a"), ENOUGH)
    served = under_test.settle(shipment("b", datastream="another"), ENOUGH)

    assert [deferred.judgement.was_tried for deferred in spared.deferred] == [False]
    assert names(served.delivered) == {"b"}


@dataclass
class WaitingEdge(PickyEdge):
    """Answers the first request only when all others are waiting, or after a while that shows that none does."""

    others: threading.Event = field(default_factory=threading.Event)

    def collect(self, *arguments: Any) -> Answer:
        if not self.requests:
            self.others.wait(0.2)
        return super().collect(*arguments)


def test_parts_of_a_request_wait_for_the_answer_to_the_probe():
    """When Edge is well again all of them are delivered, not one."""
    down, well, clock = edge(503), WaitingEdge(set()), Clock()
    under_test = forwarder(down, clock=clock)
    for _ in range(FAILURES_TO_OPEN):
        under_test.settle(shipment("a"), Deadline.after(28, clock))
    clock.seconds += OPEN_SECONDS
    under_test._edge = well

    settlement = under_test.settle(waiting(*map(str, range(16)), size=60_000), Deadline.after(28, clock))

    assert names(settlement.delivered) == set(map(str, range(16)))


def test_parts_of_a_request_do_not_outlast_its_time_waiting_for_a_probe():
    """A probe that fails sends them to the spool, untried."""
    fake, clock = edge(503), Clock()
    under_test = forwarder(fake, clock=clock)
    for _ in range(FAILURES_TO_OPEN):
        under_test.settle(shipment("a"), Deadline.after(28, clock))
    clock.seconds += OPEN_SECONDS

    settlement = under_test.settle(waiting(*map(str, range(16)), size=60_000), Deadline.after(28, clock))

    assert len(fake.sent) == FAILURES_TO_OPEN + 1
    assert sum(judgement.was_tried for judgement in settlement.judgements) == 1
    assert sum(len(deferred.events) for deferred in settlement.deferred) == 16


@dataclass
class CrashingEdge(PickyEdge):
    """Answers a bare 500 when a request has a bad event."""

    def collect(self, *arguments: Any) -> Answer:
        answer = super().collect(*arguments)
        return answer if answer.status < 400 else Answer(500, {}, b"")


@dataclass
class BrokenEdge(PickyEdge):
    """Raises, as nobody has foreseen, when a request has a bad event."""

    def collect(self, *arguments: Any) -> Answer:
        if any(event["xdm"]["_id"] in self.bad for event in json.loads(arguments[2])["events"]):
            raise KeyError("ada@example.com")
        return super().collect(*arguments)


@dataclass
class UnreadingEdge(PickyEdge):
    """Refuses a request as one that it cannot read when it has a bad event."""

    def collect(self, *arguments: Any) -> Answer:
        answer = super().collect(*arguments)
        return answer if answer.status < 400 else Answer(400, {}, problem("0101-400"))


def test_a_failure_of_ours_in_one_part_keeps_what_became_of_the_others(logged: io.StringIO):
    """It may have been sent, so it counts as ambiguous; the log has type and place, and no word of the error."""
    fake = BrokenEdge({"7"})

    settlement = forwarder(fake).settle(waiting(*map(str, range(16)), size=40_000), ENOUGH)

    assert names(settlement.delivered) == set(map(str, range(16))) - {"7"}
    assert [names(deferred.events) for deferred in settlement.deferred] == [{"7"}]
    assert settlement.in_doubt == 1
    (line,) = map(json.loads, logged.getvalue().splitlines())
    assert (line["level"], line["error"]) == ("ERROR", "KeyError")
    assert line["at"].startswith("test_forward.py:")
    assert "ada" not in logged.getvalue()


class OddBatch(Batch):
    """One that fails to name the request with event #7."""

    def sent_as(self, events: Sequence[Event]) -> str:
        if events[0].index == 7:
            raise KeyError
        return super().sent_as(events)


def test_whatever_fails_in_one_part_keeps_what_became_of_the_others():
    """Also what is neither the request nor its answer."""
    odd = OddBatch(*waiting(*map(str, range(16)), size=40_000))

    settlement = forwarder(edge(202)).settle(odd, ENOUGH)

    assert names(settlement.delivered) == set(map(str, range(16))) - {"7"}
    assert [names(deferred.events) for deferred in settlement.deferred] == [{"7"}]


def test_an_event_that_makes_the_relay_itself_fail_is_isolated_when_it_is_redelivered():
    """As one that makes Edge fail: the others are delivered."""
    fake = BrokenEdge({"42"})

    settlement = forwarder(fake).settle(shipment(*map(str, range(100))), ENOUGH)

    assert names(settlement.delivered) == set(map(str, range(100))) - {"42"}
    assert [names(deferred.events) for deferred in settlement.deferred] == [{"42"}]


@pytest.mark.parametrize("make", [shipment, waiting])
def test_a_request_full_of_tiny_bad_events_costs_at_most_120_requests(make: Callable[..., Any]):
    """60 KB of events that Edge refuses without naming one were 1,559."""
    fake = PickyEdge(set(map(str, range(780))))

    settlement = forwarder(fake).settle(make(*map(str, range(780)), size=20), ENOUGH)

    assert len(fake.requests) <= 120
    assert len(settlement.rejections) + sum(len(refusal.events) for refusal in settlement.refusals) == 780


def test_what_a_client_sends_is_not_divided_when_edge_says_nothing_about_it():
    """The client waits; redelivery looks for the event that is to blame."""
    fake = edge(500)

    settlement = forwarder(fake).settle(waiting("a", "b"), ENOUGH)

    assert verdicts(settlement) == [Verdict.UNCERTAIN]
    assert len(fake.sent) == 1


def test_an_edge_that_fails_on_everything_is_spared_too():
    """After five such answers in a row, for the datastream: they may be about what is behind it."""
    fake = edge(500)
    under_test = forwarder(fake)
    for _ in range(FAILURES_TO_OPEN + 1):
        under_test.settle(waiting("a"), ENOUGH)
    assert len(fake.sent) == FAILURES_TO_OPEN

    another = waiting("a")._replace(envelope=Envelope("another"))
    under_test.settle(another, ENOUGH)
    assert len(fake.sent) == FAILURES_TO_OPEN + 1


def test_a_breaker_does_not_stop_the_search_that_it_is_about():
    """A probe with an event that makes Edge fail: the others of its message are delivered all the same."""
    clock = Clock()
    fake = edge(500)
    under_test = forwarder(fake, clock=clock)
    for _ in range(FAILURES_TO_OPEN):
        under_test.settle(shipment("a"), Deadline.after(28, clock))
    clock.seconds += OPEN_SECONDS
    under_test._edge = CrashingEdge({"42"})

    settlement = under_test.settle(shipment(*map(str, range(100))), Deadline.after(28, clock))

    assert names(settlement.delivered) == set(map(str, range(100))) - {"42"}


LATENCIES = [0.1, 1, 3, 6, 8, 8.9, 10.9]


@pytest.mark.parametrize("latency", LATENCIES)
def test_a_slow_edge_gets_no_event_of_a_large_request_twice(latency: float):
    """What there is no time for is not sent at all: no answer is cut off, so nothing is in doubt."""
    clock = Clock()
    fake = edge(202)
    fake.clock, fake.takes = clock, latency
    whole = waiting(*map(str, range(70)), size=60_000)

    settlement = forwarder(fake, clock=clock).settle(whole, Deadline.after(20.5, clock))

    sent = [found["xdm"]["_id"] for request in fake.sent for found in json.loads(request["body"])["events"]]
    assert len(sent) == len(set(sent)) == len(settlement.delivered)
    assert settlement.in_doubt == 0
    assert len(settlement.delivered) >= min(70, 1 + (20.5 - EDGE_SECONDS) // latency)  # of one of the threads
    assert clock() <= NOW + 20.5


@dataclass
class TimedEdge(PickyEdge):
    """Notes when each request came, and how many units of the quota it uses."""

    clock: Clock = field(default_factory=Clock)
    came: list[tuple[float, int]] = field(default_factory=list)

    def collect(self, *arguments: Any) -> Answer:
        self.came.append((round(self.clock() - NOW, 3), math.ceil(len(arguments[2]) / 8_192)))
        return super().collect(*arguments)


def test_a_paced_request_waits_until_those_before_it_have_had_their_time():
    """60 KB are eight units: at ten a second, 0.8 seconds."""
    fake = TimedEdge(set())
    under_test = paced(fake, fake.clock, 10)

    for name in "abc":
        under_test.settle(shipment(name, size=60_000), Deadline.after(28, fake.clock))

    assert fake.came == [(0.0, 8), (0.8, 8), (1.6, 8)]


def test_over_a_run_no_more_units_are_used_than_the_pace_grants():
    """A search keeps to it, too: its requests count like others."""
    fake = TimedEdge({"17", "3"})
    under_test = paced(fake, fake.clock, 20)

    under_test.settle(shipment(*map(str, range(80)), size=700), Deadline.after(28, fake.clock))
    under_test.settle(shipment(*map(str, range(80, 90)), size=5_000), Deadline.after(28, fake.clock))

    used = list(itertools.accumulate(units for _, units in fake.came))
    assert len(fake.came) > 10
    assert all(before <= 20 * at + 0.1 for before, (at, _) in zip(used, fake.came[1:], strict=False))


def test_a_request_that_would_have_to_wait_too_long_is_not_sent():
    """It is left for the next round, untried, and takes nothing of the quota."""
    fake = TimedEdge(set())
    under_test = paced(fake, fake.clock, 1)
    under_test.settle(shipment("a", size=60_000), Deadline.after(28, fake.clock))

    untried = under_test.settle(shipment("b"), Deadline.after(EDGE_SECONDS + 7.9, fake.clock))
    under_test.settle(shipment("c"), Deadline.after(EDGE_SECONDS + 8, fake.clock))

    assert [judgement.was_tried for judgement in untried.judgements] == [False]
    assert [names(deferred.events) for deferred in untried.deferred] == [{"b"}]
    assert (fake.taken, fake.came) == (["a", "c"], [(0.0, 8), (8.0, 1)])


@pytest.mark.parametrize(("size", "units"), [(1_000, 1), (8_192, 1), (8_193, 2), (60_000, 8)])
def test_a_request_uses_as_many_units_as_it_has_started_8_kb(size: int, units: int):
    """Adobe counts 8,192 bytes as one; those of the frame and of the commas are among them."""
    events = Event(0, b"x" * 500), Event(1, b"x" * (size - FRAME_BYTES - 500 - 1))  # 1: the comma
    whole = waiting()._replace(events=events)
    fake = edge(202)

    settlement = forwarder(fake).settle(whole, ENOUGH)

    assert [len(sent["body"]) for sent in fake.sent] == [size]
    assert [judgement.units for judgement in settlement.judgements] == [units]


@pytest.mark.parametrize(
    ("answers", "units"),
    [
        pytest.param([202], 1, id="taken"),
        pytest.param([503], 1, id="not taken"),
        pytest.param([EXPIRED, 202], 2, id="sent again with a new token"),
        pytest.param([NoAnswer("x")], 1, id="sent without an answer"),
        pytest.param([EXPIRED, NoAnswer("x")], 2, id="sent again without an answer"),
        pytest.param([Unreachable("x")], 0, id="not sent"),
        pytest.param([EXPIRED, Unreachable("x")], 1, id="not sent again"),
        pytest.param([EXPIRED, OutOfTime()], 1, id="no time to send it again"),
    ],
)
def test_units_are_counted_for_each_time_a_request_is_sent(answers: list[Answer | AdobeError | int], units: int):
    """And not for what was not sent."""
    settlement = forwarder(edge(*answers)).settle(shipment("a"), ENOUGH)

    assert [judgement.units for judgement in settlement.judgements] == [units]


@pytest.mark.parametrize("seconds", [EDGE_SECONDS - 0.1, 28], ids=["no time", "no token"])
def test_what_was_not_sent_uses_no_units(seconds: float):
    """Neither for lack of time nor for lack of a token."""
    under_test = forwarder(edge(202), FakeAuthorizer(error=Unreachable("x")))

    settlement = under_test.settle(shipment("a"), Deadline(NOW + seconds, lambda: NOW))

    assert [judgement.units for judgement in settlement.judgements] == [0]


def test_events_of_several_clients_go_under_one_id_and_each_alone_under_its_own():
    """An event that is found in a search is sent as that of its own client."""
    fake = PickyEdge({"b"})
    load = shared("a", "b")

    settlement = forwarder(fake).settle(load, ENOUGH)

    assert [item.origin for item in load.items_of(settlement.delivered)] == [("a", 0)]
    assert [load.items[rejection.index].origin for rejection in settlement.rejections] == [("b", 0)]
    assert fake.requests == [load.sent_as(load.events), "a", "b"]
    assert is_uuid(fake.requests[0])


def test_of_several_clients_one_that_has_many_bad_events_costs_nobody_else_its_good_ones():
    """Beyond 120 requests the rest waits for the next try, and is not refused."""
    fake = PickyEdge(set(map(str, range(0, 780, 2))))

    settlement = forwarder(fake).settle(shared(*map(str, range(780))), ENOUGH)

    waiting_events = sum(len(deferred.events) for deferred in settlement.deferred)
    assert len(fake.requests) <= 120
    assert settlement.refusals == []
    assert len(settlement.delivered) + len(settlement.rejections) + waiting_events == 780


def test_an_event_that_makes_edge_refuse_its_whole_request_is_taken_out_when_it_is_redelivered():
    """Edge calls the body unreadable for one event of another client."""
    fake = UnreadingEdge({"7"})

    settlement = forwarder(fake).settle(shared(*map(str, range(50))), ENOUGH)

    assert names(settlement.delivered) == set(map(str, range(50))) - {"7"}
    assert [names(refusal.events) for refusal in settlement.refusals] == [{"7"}]


@pytest.mark.parametrize("answer", [202, 500], ids=["taken", "failed"])
def test_what_is_redelivered_is_evidence(answer: int):
    """What a client that waits gets is none: it is one of many functions."""
    under_test = forwarder(edge(answer))
    under_test.settle(waiting("a"), ENOUGH)
    assert under_test.evidence.was_alone(DATASTREAM, ANOTHER, NOW)

    found = shipment("a")
    under_test.settle(found, ENOUGH)
    assert not under_test.evidence.was_alone(DATASTREAM, ANOTHER, NOW)
    assert under_test.evidence.was_alone(DATASTREAM, mark(found.events[0].body), NOW)


def test_a_lost_connection_is_evidence_like_any_failure():
    """Edge was asked."""
    under_test = forwarder(edge(NoAnswer("x")))

    under_test.settle(shipment("a"), ENOUGH)

    assert not under_test.evidence.was_alone(DATASTREAM, ANOTHER, 0.0)


def test_a_request_that_was_not_sent_is_no_evidence():
    """Edge has not seen it."""
    under_test = forwarder(edge(Unreachable("x")))

    under_test.settle(shipment("a"), ENOUGH)

    assert under_test.evidence.was_alone(DATASTREAM, ANOTHER, 0.0)
