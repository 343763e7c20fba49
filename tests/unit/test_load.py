"""Loads: what of a round goes in one request to Edge."""

import uuid
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.envelope import Envelope
from relay.core.events import Event
from relay.core.load import Item, Load, messages_of, plan_loads
from relay.core.message import Message, Parcel
from relay.core.request_id import part_id
from tests.support import NOW

D = Envelope("d")


def parcel(request_id: str, sizes: Iterable[int] = (10,), **history: float) -> Parcel:
    events = tuple(Event(place, b"x" * size) for place, size in enumerate(sizes))
    made = Parcel(request_id, f"sent-as-{request_id}", NOW, events, 1)
    return made._replace(**history)  # type: ignore[arg-type]


def loads(*messages: Message) -> list[Load]:
    return plan_loads((number, message, False) for number, message in enumerate(messages))


def origins(load: Load) -> set[tuple[str, int]]:
    return {item.origin for item in load.items}


def test_events_of_equal_envelopes_share_a_load():
    """Whoever sent them; each is found again by its place."""
    (load,) = loads(Message(D, (parcel("a", [1, 2]),)), Message(D, (parcel("b"), parcel("c"))))

    assert origins(load) == {("a", 0), ("a", 1), ("b", 0), ("c", 0)}
    assert [item.event.body for item in load.items] == [event.body for event in load.events]
    assert load.is_shared


@pytest.mark.parametrize(
    "other",
    [
        Envelope("e"),
        Envelope("d", "or2"),
        Envelope("d", members=b'"meta":{}'),
        Envelope("d", parameters=(("a", "b"),)),
        Envelope("d", headers=(("User-Agent", "Visitor/1"),)),
    ],
)
def test_events_of_different_envelopes_share_none(other: Envelope):
    """Each member of an envelope counts."""
    found = loads(Message(D, (parcel("a"),)), Message(other, (parcel("b"),)))

    assert [(load.envelope, origins(load)) for load in found] == [(D, {("a", 0)}), (other, {("b", 0)})]


def test_the_most_doubtful_events_go_last_and_by_themselves():
    """Those that Edge has failed on, and before them those that were tried in vain."""
    suspect, often = parcel("suspect", unclear_at=NOW), parcel("often", attempts=4)

    found = loads(Message(D, (suspect, often, parcel("new"))), Message(Envelope("e"), (parcel("other"),)))

    assert [origins(load) for load in found] == [{("new", 0)}, {("other", 0)}, {("often", 0)}, {("suspect", 0)}]
    assert [load.is_suspect for load in found] == [False, False, False, True]


def test_a_message_that_goes_by_itself_shares_no_load():
    """It may have been what killed the function."""
    messages = [(number, Message(D, (parcel(name),)), name == "odd") for number, name in enumerate(["a", "odd", "b"])]

    assert sorted(map(sorted, map(origins, plan_loads(messages)))) == [[("a", 0), ("b", 0)], [("odd", 0)]]


def test_a_whole_parcel_keeps_the_id_of_its_request():
    """A part of one has an id made of it, and events of several have one of their own, the same at each try."""
    whole, other = parcel("a", [1, 2]), parcel("b")
    (load,) = loads(Message(D, (whole,)))
    (shared,) = loads(Message(D, (whole, other)))

    assert load.sent_as(load.events) == "sent-as-a"
    assert load.sent_as(load.events[1:]) == part_id("a", [1])
    assert uuid.UUID(shared.sent_as(shared.events))
    assert shared.sent_as(shared.events) == loads(Message(D, (whole, other)))[0].sent_as(shared.events)
    assert shared.sent_as(shared.events) != shared.sent_as(shared.events[:2])


def test_a_load_was_tried_as_often_as_the_event_that_was_tried_most():
    """It says which event goes by itself in a search."""
    (load,) = loads(Message(D, (parcel("a", attempts=1), parcel("b", attempts=3))))

    assert load.attempts == 3


def test_only_the_events_of_one_parcel_are_sure_to_be_of_one_client():
    """Two clients can give their requests the same id."""
    (alone,) = loads(Message(D, (parcel("a", [1, 2]),)))
    (together,) = loads(Message(D, (parcel("a"),)), Message(D, (parcel("a"),)))

    assert not alone.is_shared
    assert together.is_shared


def test_suspects_share_loads_of_twenty():
    """Each may be sent four times in one try."""
    found = loads(Message(D, tuple(parcel(f"{number}", unclear_at=NOW) for number in range(50))))

    assert [len(load.events) for load in found] == [20, 20, 10]
    assert all(load.is_suspect for load in found)


PARCELS = st.lists(st.lists(st.integers(2, 30_000), min_size=1, max_size=5), min_size=1, max_size=4)


@given(st.lists(PARCELS, max_size=8))
def test_what_is_packed_and_put_back_keeps_every_event_and_its_history(sizes: list[list[list[int]]]):
    """From messages to loads, and from loads to messages that Edge could take as they are."""
    messages = [
        Message(D, tuple(parcel(f"{number}-{n}", found, attempts=n) for n, found in enumerate(parcels)))
        for number, parcels in enumerate(sizes)
    ]
    stored = [
        message for load in loads(*messages) for message, items in messages_of(load.envelope, load.items) if items
    ]

    def events(all_messages: Iterable[Message]) -> Counter[tuple[str, int, int, bytes]]:
        return Counter(
            (found.request_id, found.attempts, event.index, event.body)
            for message in all_messages
            for found in message.parcels
            for event in found.events
        )

    assert events(stored) == events(messages)
    for message in stored:
        bodies = [event.body for found in message.parcels for event in found.events]
        assert len(D.body(bodies)) <= 64_000


def test_single_events_are_put_back_in_full_messages():
    """A hundred events of one KB are two messages."""
    items = [Item(number, one := parcel(str(number), [1_000]), one.events[0]) for number in range(100)]

    found = messages_of(D, items)

    assert len(found) == 2
    assert sum(len(message.parcels) for message, _ in found) == 100
