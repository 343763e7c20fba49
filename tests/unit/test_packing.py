"""Packing events into requests."""

import itertools
import math
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from relay.core.envelope import FRAME_BYTES, Envelope
from relay.core.events import MAX_REQUEST_BYTES, Event
from relay.core.packing import pack

# Sizes from the smallest event to the largest that fits.
SIZES = st.lists(st.one_of(st.integers(2, 600), st.integers(2, MAX_REQUEST_BYTES - FRAME_BYTES)), max_size=200)


# Without members, and with some.
ENVELOPES = st.sampled_from([Envelope("d"), Envelope("d", members=b'"meta":{"x":"' + b"y" * 500 + b'"}')])


def bodies(events: Iterable[Event]) -> list[bytes]:
    return [event.body for event in events]


def events_of(sizes: list[int]) -> tuple[Event, ...]:
    return tuple(Event(index, b"x" * size) for index, size in enumerate(sizes))


@given(SIZES)
def test_every_event_is_packed_once_and_in_order(sizes: list[int]):
    """Nothing is lost, doubled or reordered."""
    events = events_of(sizes)

    assert tuple(event for group in pack(events, FRAME_BYTES) for event in group) == events


@given(SIZES, ENVELOPES)
def test_no_request_is_larger_than_edge_takes(sizes: list[int], envelope: Envelope):
    """Measured on the bytes that are really sent, the request's own members included."""
    room = MAX_REQUEST_BYTES - envelope.overhead
    groups = pack(events_of([min(size, room) for size in sizes]), envelope.overhead)

    assert all(len(envelope.body(bodies(group))) <= MAX_REQUEST_BYTES for group in groups)


@given(SIZES, ENVELOPES)
def test_no_two_neighbours_would_fit_into_one_request(sizes: list[int], envelope: Envelope):
    """So there are as few requests as the order allows."""
    groups = list(pack(events_of(sizes), envelope.overhead))

    assert all(
        len(envelope.body(bodies((*one, two[0])))) > MAX_REQUEST_BYTES for one, two in itertools.pairwise(groups)
    )


def test_a_request_is_filled_to_the_last_byte():
    """And one byte more, the comma counted, makes two."""
    room = MAX_REQUEST_BYTES - FRAME_BYTES

    assert len(list(pack(events_of([room]), FRAME_BYTES))) == 1
    assert len(list(pack(events_of([100, room - 101]), FRAME_BYTES))) == 1
    assert len(list(pack(events_of([100, room - 100]), FRAME_BYTES))) == 2
    assert len(list(pack(events_of([room, 100, room - 101]), FRAME_BYTES))) == 2


def test_many_small_events_take_as_few_requests_as_their_bytes():
    """100 events of 450 bytes are one request; 10,000 are as many as their bytes need."""
    assert len(list(pack(events_of([450] * 100), FRAME_BYTES))) == 1
    assert len(list(pack(events_of([450] * 10_000), FRAME_BYTES))) <= math.ceil(451 * 10_000 / MAX_REQUEST_BYTES) + 1


def test_no_events_are_no_request():
    """An empty request is never sent."""
    assert list(pack((), FRAME_BYTES)) == []


def test_the_request_holds_the_events_in_order():
    """{"events": […]}, as Edge wants it, with the request's own members in front."""
    events = [b'{"a":1}', b'{"b":2}']

    assert Envelope("d").body(events) == b'{"events":[{"a":1},{"b":2}]}'
    assert Envelope("d", members=b'"meta":{}').body(events) == b'{"meta":{},"events":[{"a":1},{"b":2}]}'
