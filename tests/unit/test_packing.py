"""Packing events into requests."""

import itertools
import json
import math

from hypothesis import given
from hypothesis import strategies as st

from relay.core.events import FRAME_BYTES, MAX_REQUEST_BYTES, Event
from relay.core.packing import pack, request_body

# Sizes from the smallest event to the largest that fits.
SIZES = st.lists(st.one_of(st.integers(2, 600), st.integers(2, MAX_REQUEST_BYTES - FRAME_BYTES)), max_size=200)


def events_of(sizes: list[int]) -> tuple[Event, ...]:
    return tuple(Event(index, b"x" * size) for index, size in enumerate(sizes))


@given(SIZES)
def test_every_event_is_packed_once_and_in_order(sizes: list[int]):
    """Nothing is lost, doubled or reordered."""
    events = events_of(sizes)

    assert tuple(event for group in pack(events) for event in group) == events


@given(SIZES)
def test_no_request_is_larger_than_edge_takes(sizes: list[int]):
    """Measured on the bytes that are really sent."""
    assert all(len(request_body(group)) <= MAX_REQUEST_BYTES for group in pack(events_of(sizes)))


@given(SIZES)
def test_no_two_neighbours_would_fit_into_one_request(sizes: list[int]):
    """So there are as few requests as the order allows."""
    groups = list(pack(events_of(sizes)))

    assert all(len(request_body((*one, two[0]))) > MAX_REQUEST_BYTES for one, two in itertools.pairwise(groups))


def test_a_request_is_filled_to_the_last_byte():
    """And one byte more, the comma counted, makes two."""
    room = MAX_REQUEST_BYTES - FRAME_BYTES

    assert len(list(pack(events_of([room])))) == 1
    assert len(list(pack(events_of([100, room - 101])))) == 1
    assert len(list(pack(events_of([100, room - 100])))) == 2
    assert len(list(pack(events_of([room, 100, room - 101])))) == 2


def test_many_small_events_take_as_few_requests_as_their_bytes():
    """100 events of 450 bytes are one request; 10,000 are as many as their bytes need."""
    assert len(list(pack(events_of([450] * 100)))) == 1
    assert len(list(pack(events_of([450] * 10_000)))) <= math.ceil(451 * 10_000 / MAX_REQUEST_BYTES) + 1


def test_no_events_are_no_request():
    """An empty request is never sent."""
    assert list(pack(())) == []


def test_the_request_holds_the_events_in_order():
    """{"events": […]}, as Edge wants it."""
    body = request_body((Event(0, b'{"a":1}'), Event(5, b'{"b":2}')))

    assert json.loads(body) == {"events": [{"a": 1}, {"b": 2}]}
