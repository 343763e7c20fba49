"""An event is convicted on evidence only: what becomes of spooled events that Edge answers with a bare 500."""

import json
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from functions.redeliver.app import handler
from relay.core.authorization import Authorization
from relay.core.deadline import Deadline
from relay.core.envelope import Envelope
from relay.core.events import Event
from relay.core.message import Message, Parcel, write_message
from relay.core.verdict import Answer
from relay.delivery.redeliver import Redeliverer
from relay.errors import NoAnswer
from relay.forward import Forwarder
from tests.support import (
    EDGE_SECONDS,
    NOW,
    Clock,
    FakeAuthorizer,
    FakeQueue,
    context,
    ids,
    pass_time,
    spooled_events,
    sqs_record,
)

DAY = 86_400
FAILS, TAKES = 500, 202


@dataclass
class World:
    """A spool, a redeliver function, and an Edge that answers as `edge` says: to names of events, at a time."""

    edge: Callable[[set[str]], int | Exception]
    clock: Clock = field(default_factory=Clock)
    delivered: Counter[str] = field(default_factory=Counter)
    dead_letters: FakeQueue = field(default_factory=FakeQueue)
    requests: list[tuple[float, set[str]]] = field(default_factory=list)
    waiting: dict[str, tuple[float, str]] = field(default_factory=dict)
    seconds: float = EDGE_SECONDS
    takes: float = 0.1
    every: float = 0.0  # seconds between two rounds, at least

    def __post_init__(self) -> None:
        self._ids = 0
        self._last_round = -math.inf
        self.received = 0  # messages, each time
        self.rounds = 0
        self._spool = FakeQueue()
        self.restart()

    def restart(self) -> None:
        """A new execution environment, which has seen nothing."""
        forwarder = Forwarder(self, FakeAuthorizer(), self.clock)
        self._redeliverer = Redeliverer(forwarder, self._spool, self.dead_letters, None, lambda: 0.5, self.clock, 1)

    def collect(
        self, envelope: Envelope, request_id: str, body: bytes, authorization: Authorization, deadline: Deadline
    ) -> Answer:
        found = [event["xdm"]["_id"] for event in json.loads(body)["events"]]
        self.requests.append((self.clock() - NOW, set(found)))
        pass_time(self.clock, self.takes, self.seconds, deadline)
        status = self.edge(set(found))
        if isinstance(status, Exception):
            raise status
        if status == TAKES:
            self.delivered.update(found)
        return Answer(status, {}, b"")

    def spool(self, *names: str, datastream: str = "d", visitor: str = "") -> None:
        """One message with these events."""
        events = tuple(Event(place, json.dumps({"xdm": {"_id": name}}).encode()) for place, name in enumerate(names))
        request_id = f"request of {names[0]}"
        parcel = Parcel(request_id, request_id, self.clock(), events, 1)
        envelope = Envelope(datastream, headers=(("User-Agent", visitor),) if visitor else ())
        self._keep(write_message(Message(envelope, (parcel,))), 0)

    def _keep(self, text: str, delay: float) -> None:
        self._ids += 1
        self.waiting[f"m{self._ids}"] = (self.clock() + delay, text)

    def pass_days(self, days: float, *, rounds_of: int = 10) -> None:
        """Let the redeliver function work for so long."""
        end = self.clock() + days * DAY
        while self.waiting and (earliest := min(at for at, _ in self.waiting.values())) < end:
            self.clock.seconds = max(self.clock(), earliest, self._last_round + self.every)
            self._last_round = self.clock()
            if self.clock() >= end:
                break
            visible = [name for name, (at, _) in self.waiting.items() if at <= self.clock()][:rounds_of]
            self._redeliver({name: self.waiting.pop(name)[1] for name in visible})
        self.clock.seconds = max(self.clock(), end)

    def _redeliver(self, texts: dict[str, str]) -> None:
        records = [sqs_record(text, name) for name, text in texts.items()]
        self.received += len(records)
        self.rounds += 1
        stored = len(self._spool.texts)
        started = self.clock()
        answer = handler({"Records": records}, context(30), self._redeliverer)
        assert self.clock() - started < 30
        for failure in answer["batchItemFailures"]:
            name = failure["itemIdentifier"]
            self.waiting[name] = (self.clock() + 180, texts[name])
        for text, delay in zip(self._spool.texts[stored:], self._spool.delays[stored:], strict=True):
            self._keep(text, delay)

    def dead(self) -> list[tuple[set[str], str]]:
        return [
            (ids(spooled_events(text)), why["reason"])
            for text, why in zip(self.dead_letters.texts, self.dead_letters.attributes, strict=True)
        ]


def crashing(*bad: str, how: int | Exception = FAILS) -> Callable[[set[str]], int | Exception]:
    return lambda names: how if names & set(bad) else TAKES


HUNDRED = [f"e{number}" for number in range(100)]


def test_one_event_that_crashes_edge_holds_back_none_of_its_neighbours():
    """They are delivered in the first round, each once."""
    world = World(crashing("e42"))
    world.spool(*HUNDRED)
    world.pass_days(0.001)

    assert world.delivered == Counter(set(HUNDRED) - {"e42"})
    assert world.dead() == []


def test_an_event_is_convicted_after_three_tries_while_edge_takes_others():
    """Minutes apart, so that one short trouble convicts nobody."""
    world = World(crashing("bad"))
    world.spool("bad")
    for number in range(360):
        world.spool(f"good{number}")
        world.pass_days(1 / 24 / 360)

    assert world.dead() == [({"bad"}, "answers not understood")]
    tries = [at for at, names in world.requests if names == {"bad"}]
    assert len(tries) == 1 + 3 * 4  # the first one makes it a suspect
    assert tries[5] - tries[4] > 200
    assert tries[9] - tries[8] > 400
    assert world.dead_letters.attributes[0]["attempts"] == "5"  # the first was the collect function's
    assert world.dead_letters.attributes[0]["code"] == "HTTP 500"


def test_others_count_whether_they_come_before_or_after_it():
    """SQS keeps no order."""
    for names in (["bad", "good"], ["good", "bad"]):
        world = World(crashing("bad"))
        for round_ in range(20):
            for name in names:
                if name == "good" or not round_:
                    world.spool(f"{name}{round_}" if name == "good" else name)
            world.pass_days(1 / 24)

        assert world.dead() == [({"bad"}, "answers not understood")]


def test_several_events_that_crash_edge_hold_back_nobody():
    """Wherever they are."""
    bad = {"e1", "e50", "e51", "e99"}
    world = World(crashing(*bad))
    world.spool(*HUNDRED)
    world.spool(*(f"f{number}" for number in range(100)))
    world.pass_days(0.1)

    assert set(world.delivered) == {*HUNDRED, *(f"f{number}" for number in range(100))} - bad
    assert max(world.delivered.values()) == 1


def test_what_shares_a_request_with_events_that_crash_edge_is_delivered_in_the_same_round():
    """However long those have been there."""
    bad = {f"bad{number}" for number in range(8)}
    world = World(crashing(*bad))
    for name in bad:
        world.spool(name)
    world.pass_days(1 / 24)
    world.spool("good")
    world.waiting = {name: (world.clock(), text) for name, (_, text) in world.waiting.items()}
    world.pass_days(0.00001)

    assert set(world.delivered) == {"good"}
    assert world.dead() == []


def test_events_that_edge_has_failed_on_alone_are_tried_last_and_by_themselves():
    """Then it shows whether Edge takes others, and these cost no search."""
    world = World(crashing("bad"))
    world.spool("bad", "good")
    world.pass_days(0.00001)
    world.spool("other")
    world.waiting = {name: (world.clock(), text) for name, (_, text) in world.waiting.items()}
    world.requests.clear()
    world.pass_days(0.00001)

    assert [names for _, names in world.requests[:2]] == [{"other"}, {"bad"}]


def test_two_single_events_that_crash_edge_hold_back_those_behind_them_for_a_moment_only():
    """Two in a row look like an outage; the others come back before they do."""
    world = World(crashing("bad0", "bad1"))
    world.spool("bad0")
    world.spool("bad1")
    for number in range(8):
        world.spool(f"good{number}")
    world.pass_days(1 / 24 / 30)

    assert set(world.delivered) == {f"good{number}" for number in range(8)}


@pytest.mark.parametrize(("days", "every"), [(0.1, 0), (4, 900)])
def test_an_outage_made_of_500s_convicts_nobody_however_long_it_lasts(days: float, every: float):
    """And it costs eight requests for each round at most, not one for each event."""
    world = World(lambda _: FAILS, every=every)
    for number in range(2):
        world.spool(*(f"{number}-{name}" for name in HUNDRED))
    world.spool("single")
    world.pass_days(days)
    assert world.dead() == []
    assert len(world.requests) <= 8 * world.rounds

    world.edge = lambda _: TAKES
    world.pass_days(0.1)
    assert len(world.delivered) == 201
    assert set(world.delivered.values()) == {1}


def test_single_events_are_not_convicted_by_an_outage_either():
    """Each one's failure speaks for the others."""
    world = World(lambda _: FAILS, every=900)
    for number in range(5):
        world.spool(f"e{number}")
    world.pass_days(4, rounds_of=3)

    assert world.dead() == []


def test_an_outage_that_begins_just_after_a_delivery_convicts_nobody():
    """One try is not three."""
    world = World(lambda _: TAKES, every=900)
    world.spool("first")
    world.pass_days(0.0001)
    world.edge = lambda _: FAILS
    for number in range(5):
        world.spool(f"e{number}")
    world.pass_days(2)

    assert world.dead() == []


def test_an_edge_that_fails_on_every_other_request_convicts_nobody():
    """What is tried again is taken."""
    answers = iter([FAILS, TAKES] * 10_000)
    world = World(lambda _: next(answers))
    for number in range(20):
        world.spool(*(f"{number}-{name}" for name in HUNDRED[: number + 1]))
    world.pass_days(1)

    assert world.dead() == []
    assert sum(world.delivered.values()) == 210


def test_an_event_with_nothing_to_compare_it_with_is_convicted_after_three_days():
    """There is no evidence, and none will come."""
    world = World(crashing("bad"), every=900)
    world.spool("bad")
    world.pass_days(2.9)
    assert world.dead() == []
    world.pass_days(0.2)

    assert world.dead() == [({"bad"}, "answers not understood")]


def test_without_memory_nobody_can_tell_that_there_is_nothing_else():
    """Five events in an outage, and a new environment for each round: each of them seems to be alone."""
    world = World(lambda _: FAILS, every=900)
    for number in range(5):
        world.spool(f"e{number}")
    for _ in range(4 * 96):
        world.restart()
        world.pass_days(1 / 96)

    assert world.dead() == []


@pytest.mark.parametrize("status", [503, 403])
def test_three_days_begin_anew_when_edge_says_something_else(status: int):
    """It was in trouble."""
    world = World(crashing("bad"), every=900)
    world.spool("bad")
    world.pass_days(2)
    world.edge = lambda _: status
    world.pass_days(2)
    world.edge = crashing("bad")
    world.pass_days(2.5)

    assert world.dead() == []


def test_a_new_execution_environment_does_not_forget_what_counts_against_an_event():
    """That is in the message."""
    world = World(crashing("bad"))
    world.spool("bad")
    for number in range(60):
        world.restart()
        world.spool(f"good{number}")
        world.pass_days(1 / 24 / 60)

    assert world.dead() == [({"bad"}, "answers not understood")]


def test_a_delivery_between_two_tries_is_evidence():
    """However seldom others come."""
    world = World(crashing("bad"), every=900)
    world.spool("bad")
    for number in range(10):
        world.spool(f"good{number}")
        world.pass_days(0.25)

    assert world.dead() == [({"bad"}, "answers not understood")]


def test_an_edge_that_fails_on_half_of_all_requests_convicts_hardly_any_good_event():
    """An event is tried four times at once, three times, before it is convicted."""
    chance = random.Random(1)  # noqa: S311
    world = World(lambda _: FAILS if chance.random() < 0.5 else TAKES)
    for number in range(600):
        world.spool(f"e{number}")
    world.pass_days(1)

    assert world.dead() == []
    assert set(world.delivered) == {f"e{number}" for number in range(600)}


@pytest.mark.parametrize("seconds", [60, 300])
def test_an_edge_that_is_down_and_up_in_turn_convicts_nobody(seconds: int):
    """A delivery long before or after a failure says less than one at that very time."""
    world = World(lambda _: TAKES)
    world.edge = lambda _: FAILS if (world.clock() - NOW) % (2 * seconds) < seconds else TAKES
    for number in range(300):
        world.spool(f"e{number}")
        world.pass_days(1 / 24 / 60)
    world.pass_days(0.5)

    assert world.dead() == []
    assert len(world.delivered) == 300


def test_an_edge_that_fails_on_most_requests_convicts_nobody():
    """While it takes fewer others than it fails on, a failure says nothing about an event."""
    chance = random.Random(1)  # noqa: S311
    world = World(lambda _: FAILS if world.clock() < NOW + DAY / 12 and chance.random() < 0.9 else TAKES)
    for number in range(80):
        world.spool(f"e{number}")
    world.pass_days(0.5)

    assert world.dead() == []
    assert len(world.delivered) == 80


@pytest.mark.parametrize("share", [0.8, 0.95])
def test_an_edge_that_fails_on_most_requests_convicts_nobody_of_those_who_come_all_the_time(share: float):
    """There is always something that it has just taken."""
    chance = random.Random(1)  # noqa: S311
    world = World(lambda _: FAILS if chance.random() < share else TAKES, every=5, takes=0.2)
    for number in range(240):
        world.spool(f"e{number}", visitor=f"v{number % 40}")
        world.pass_days(1 / 24 / 120, rounds_of=1000)

    assert world.dead() == []
    assert len(world.delivered) > 150


NO_ANSWER = NoAnswer("connection lost")


@pytest.mark.parametrize(
    ("how", "code"),
    [(502, "HTTP 502"), (504, "HTTP 504"), (NO_ANSWER, None)],
    ids=["502", "504", "a lost connection"],
)
def test_an_event_that_brings_edge_down_holds_back_its_neighbours_for_some_tries_only(
    how: int | Exception, code: str | None
):
    """What looks like Edge's own trouble may be about an event as well; it is convicted like any other."""
    world = World(crashing("bad", how=how))
    world.spool("bad", *(f"neighbour{number}" for number in range(20)))
    for number in range(480):
        world.spool(f"good{number}")
        world.pass_days(1 / 24 / 120, rounds_of=1000)

    names = {*(f"neighbour{number}" for number in range(20)), *(f"good{number}" for number in range(480))}
    assert set(world.delivered) == names
    assert world.dead() == [({"bad"}, "answers not understood")]
    assert world.dead_letters.attributes[0].get("code") == code


def test_new_events_that_crash_edge_hold_back_no_older_good_ones():
    """However many there are, each with an envelope of its own."""
    world = World(lambda _: 503, every=4)
    for number in range(50):
        world.spool(f"good{number}")
    world.pass_days(1 / 24 / 3)
    world.edge = lambda names: FAILS if any(name.startswith("bad") for name in names) else TAKES
    for number in range(120):
        world.spool(f"bad{number}", visitor=f"v{number}")
        world.spool(f"bad{number}-2", visitor=f"v{number}-2")
        world.pass_days(5 / DAY, rounds_of=1000)

    assert set(world.delivered) == {f"good{number}" for number in range(50)}


def test_a_hundred_events_that_crash_edge_are_all_convicted():
    """The search for some of them leaves requests to send the others again and again."""
    bad = {f"bad{number}" for number in range(100)}
    world = World(crashing(*bad), every=5)
    world.spool(*sorted(bad))
    for number in range(3 * 180):
        world.spool(f"good{number}")
        world.pass_days(1 / 24 / 180, rounds_of=1000)

    assert {name for names, _ in world.dead() for name in names} == bad
    assert len(world.delivered) == 540
    assert len(world.requests) < 60 * len(bad)


def test_what_comes_seldom_counts_less_than_what_comes_at_that_very_time():
    """Nine tries instead of three, when others are taken between them only."""
    world = World(crashing("bad"))
    world.spool("bad")
    for number in range(60):
        world.spool(f"good{number}")
        world.pass_days(1 / 24 / 2)

    assert world.dead() == [({"bad"}, "answers not understood")]
    tries = [at for at, names in world.requests if names == {"bad"}]
    assert len(tries) > 12


def test_the_messages_of_a_long_outage_become_few_and_come_again_about_once_a_minute():
    """So what waiting costs is bounded by the bytes that wait, and by time."""
    world = World(lambda _: 503)
    for number in range(50):
        world.spool(f"e{number}")
    world.pass_days(1 / 24)
    received = world.received
    world.pass_days(1 / 24)

    assert len(world.waiting) <= 5
    assert world.received - received < 5 * 60 * 1.5
    assert world.dead() == []


def test_an_event_on_which_code_of_ours_fails_is_no_dead_letter():
    """Adobe has said nothing about it. It waits for a corrected version, its neighbours do not."""
    world = World(crashing(), every=900)

    def edge(names: set[str]) -> int:
        if "bad" in names:
            raise KeyError
        return TAKES

    world.edge = edge
    world.spool(*HUNDRED, "bad")
    for number in range(20):
        world.spool(f"good{number}")
        world.pass_days(0.2)

    assert world.dead() == []
    assert set(world.delivered) == {*HUNDRED, *(f"good{number}" for number in range(20))}


def test_many_events_that_crash_edge_cost_at_most_120_requests_at_each_try():
    """Those that show that it does so again and again included."""
    world = World(crashing(*HUNDRED[:50]))
    world.spool(*HUNDRED)
    world.pass_days(0.0001)

    assert 100 < len(world.requests) <= 120


def test_another_datastream_is_no_evidence():
    """It can have other services behind it."""
    world = World(crashing("bad"), every=900)
    world.spool("bad")
    for number in range(100):
        world.spool(f"good{number}", datastream="another")
        world.pass_days(0.01)

    assert world.dead() == []
