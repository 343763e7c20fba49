"""Which load of a round goes next, and which does not go."""

import pytest

from relay.core.envelope import Envelope
from relay.core.events import Event, Rejection
from relay.core.load import Item, Load
from relay.core.message import Parcel
from relay.core.problem import edge_problem
from relay.core.schedule import Schedule
from relay.core.settlement import Deferred, Settlement
from relay.core.verdict import Judgement, Scope, Verdict
from tests.support import NOW

OUTAGE = Judgement(Verdict.TRANSIENT, 503)
BEHIND = Judgement(Verdict.TRANSIENT, 503, "0201-503", scope=Scope.DATASTREAM)
UNCLEAR = Judgement(Verdict.UNCERTAIN, 500, scope=Scope.DATASTREAM)
GAVE_UP = Judgement(Verdict.TRANSIENT, 502)
LOST = Judgement(Verdict.TRANSIENT, ambiguous=True)
SETUP = Judgement(Verdict.SETUP, 403)
REFUSED_CREDENTIALS = Judgement(Verdict.SETUP)


def load(
    name: str, datastream: str = "d", hint: str = "", *, is_suspect: bool = False, accepted_at: float = NOW
) -> Load:
    event = Event(0, b"{}")
    items = [Item(0, Parcel(name, name, accepted_at, (event,), 1), event)]
    return Load.of(Envelope(datastream, hint), items, is_suspect=is_suspect)


def names(loads: list[Load]) -> list[str]:
    return [found.items[0].parcel.request_id for found in loads]


def start(schedule: Schedule) -> list[Load]:
    """All that may go now."""
    found = []
    while more := schedule.next():
        found.append(more)
    return found


def taken(found: Load) -> Settlement:
    return Settlement(delivered=list(found.events))


def deferred(found: Load, judgement: Judgement) -> Settlement:
    return Settlement(deferred=[Deferred(found.events, judgement)])


def rest(schedule: Schedule) -> dict[str, Judgement | None]:
    return {found.items[0].parcel.request_id: outage for found, outage in schedule.rest()}


def test_the_first_load_goes_alone_and_the_others_follow_when_edge_takes_it():
    """In an outage a round costs one request."""
    schedule = Schedule([load("a"), load("b"), load("c")])

    (first,) = start(schedule)
    schedule.learn(first, taken(first))

    assert names(start(schedule)) == ["b", "c"]


def test_the_first_load_of_each_datastream_goes_alone():
    """Others go beside it."""
    schedule = Schedule([load("a"), load("b", "e"), load("c", "e"), load("d", "f")])

    (first,) = start(schedule)
    schedule.learn(first, taken(first))
    second = start(schedule)
    schedule.learn(second[0], taken(second[0]))

    assert names(second) == ["b", "d"]
    assert names(start(schedule)) == ["c"]


def test_a_rejection_shows_as_well_that_edge_takes_events():
    """Its answer was about the events."""
    schedule = Schedule([load("a"), load("b"), load("c")])
    (first,) = start(schedule)

    schedule.learn(first, Settlement(rejections=[Rejection(0, edge_problem("0306-400", ""))]))

    assert names(start(schedule)) == ["b", "c"]


@pytest.mark.parametrize(
    ("judgement", "waiting"),
    [
        pytest.param(OUTAGE, {"b", "c", "e"}, id="Edge is down"),
        pytest.param(BEHIND, {"b", "c"}, id="trouble behind a datastream"),
        pytest.param(SETUP, {"b"}, id="a matter of set-up"),
        pytest.param(REFUSED_CREDENTIALS, {"b", "c", "e"}, id="refused credentials"),
        pytest.param(UNCLEAR, set(), id="nothing said, once"),
    ],
)
def test_trouble_holds_back_what_it_concerns(judgement: Judgement, waiting: set[str]):
    """Everything, its datastream, or its datastream at that location hint."""
    schedule = Schedule([load("a"), load("b"), load("c", hint="or2"), load("e", "e")])
    (first,) = start(schedule)
    schedule.learn(first, deferred(first, judgement))
    while running := start(schedule):
        for found in running:
            schedule.learn(found, taken(found))

    assert rest(schedule) == dict.fromkeys(waiting, judgement)


def test_two_loads_in_a_row_about_which_nothing_is_said_are_an_outage_of_their_datastream():
    """The first may hold the only bad event."""
    schedule = Schedule([load("a"), load("b"), load("c"), load("e", "e")])
    for _ in range(2):
        (found,) = start(schedule)
        schedule.learn(found, deferred(found, UNCLEAR))

    assert names(start(schedule)) == ["e"]
    assert rest(schedule) == {"c": UNCLEAR}


def test_after_such_a_load_the_one_that_waits_longest_is_next():
    """New bad events do not hold back what has been there before."""
    schedule = Schedule([load("new"), load("newer"), load("old", accepted_at=NOW - 60)])
    (first,) = start(schedule)
    schedule.learn(first, deferred(first, UNCLEAR))

    (second,) = start(schedule)
    assert names([second]) == ["old"]
    schedule.learn(second, taken(second))
    assert names(start(schedule)) == ["newer"]


@pytest.mark.parametrize("silence", [GAVE_UP, LOST], ids=["a gateway gave up", "a connection was lost"])
def test_two_loads_in_a_row_without_a_word_of_edge_are_an_outage_of_edge(silence: Judgement):
    """The first may hold an event that brings it down."""
    schedule = Schedule([load("a"), load("b"), load("c", "e")])
    (first,) = start(schedule)
    schedule.learn(first, deferred(first, silence))
    (second,) = start(schedule)
    assert names([second]) == ["b"]
    schedule.learn(second, deferred(second, silence))

    assert start(schedule) == []
    assert rest(schedule) == {"c": silence}


def test_one_load_in_parts_counts_once():
    """Its parts may all hold bad events."""
    schedule = Schedule([load("a"), load("b")])
    (first,) = start(schedule)
    schedule.learn(first, Settlement(deferred=[Deferred(first.events, UNCLEAR), Deferred(first.events, UNCLEAR)]))

    assert names(start(schedule)) == ["b"]


def test_suspects_that_edge_fails_on_are_no_outage_if_it_takes_others():
    """If it takes nothing, two loads of them are tried, and not all."""
    suspects = [load(f"suspect{number}", is_suspect=True) for number in range(3)]
    alone, beside = Schedule(suspects), Schedule([load("a"), *suspects])
    for _ in range(2):
        (found,) = start(alone)
        alone.learn(found, deferred(found, UNCLEAR))
    (first,) = start(beside)
    beside.learn(first, taken(first))
    two = start(beside)[:2]
    for found in two:
        beside.learn(found, deferred(found, UNCLEAR))

    assert rest(alone) == {"suspect2": UNCLEAR}
    assert rest(beside) == {}


def test_suspects_go_when_the_others_of_their_datastream_are_back():
    """Then it shows whether Edge takes those."""
    schedule = Schedule([load("a"), load("b"), load("suspect", is_suspect=True), load("other", "e", is_suspect=True)])
    (first,) = start(schedule)
    schedule.learn(first, taken(first))
    running = start(schedule)
    assert names(running) == ["b", "other"]

    schedule.learn(running[0], taken(running[0]))

    assert names(start(schedule)) == ["suspect"]


def test_what_was_not_started_for_lack_of_time_is_told_without_an_outage():
    """It comes again soon."""
    schedule = Schedule([load("a"), load("b")])
    (first,) = start(schedule)
    schedule.learn(first, taken(first))

    assert rest(schedule) == {"b": None}


def test_of_two_outages_the_one_counts_for_which_adobe_asks_to_wait_longest():
    """Retry-After is a lower bound."""
    schedule = Schedule([load("a"), load("b", "e"), load("c", "f"), load("d", "g")])
    (first,) = start(schedule)
    schedule.learn(first, taken(first))
    second, third, _ = start(schedule)
    schedule.learn(second, deferred(second, OUTAGE._replace(retry_after=7.0)))
    schedule.learn(third, deferred(third, OUTAGE._replace(retry_after=5.0)))

    assert schedule.outages[None].retry_after == 7.0
