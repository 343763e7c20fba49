"""Packing events into requests."""

import itertools
import math
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.envelope import FRAME_BYTES, Envelope
from relay.core.events import MAX_REQUEST_BYTES, Event
from relay.core.packing import pack, pack_runs

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


RUNS = st.lists(st.lists(st.one_of(st.integers(2, 600), st.integers(2, 63_000)), min_size=1, max_size=8), max_size=40)


def packed(runs: list[list[int]], overhead: int = FRAME_BYTES) -> list[list[tuple[int, int, int]]]:
    """The groups of items (run, place in it, size) that the sizes of the runs are packed into."""
    items = [[(number, place, size) for place, size in enumerate(run)] for number, run in enumerate(runs)]
    return pack_runs(items, overhead, lambda item: item[2])


@given(RUNS)
def test_every_item_of_a_run_is_packed_once(runs: list[list[int]]):
    """Nothing is lost or doubled."""
    found = Counter(item[:2] for group in packed(runs) for item in group)

    assert found == Counter((number, place) for number, run in enumerate(runs) for place in range(len(run)))


@given(RUNS, ENVELOPES)
def test_no_group_of_items_is_larger_than_edge_takes(runs: list[list[int]], envelope: Envelope):
    """The commas and the request's own members counted."""
    for group in packed(runs, envelope.overhead):
        sent = envelope.body(b"x" * item[2] for item in group)
        assert len(sent) <= MAX_REQUEST_BYTES


@given(RUNS)
def test_the_items_of_a_run_are_in_one_group_or_in_consecutive_ones(runs: list[list[int]]):
    """In their order, so that the requests of a message are sent one soon after the other."""
    groups = packed(runs)
    for number, run in enumerate(runs):
        places = [(where, item[1]) for where, group in enumerate(groups) for item in group if item[0] == number]
        wheres = sorted({where for where, _ in places})
        assert wheres == list(range(wheres[0], wheres[-1] + 1))
        assert [place for _, place in places] == list(range(len(run)))


@pytest.mark.parametrize(
    ("runs", "groups"),
    [
        pytest.param([[60_000], [5_000]] * 10, 11, id="large and small ones in turn"),
        pytest.param([[33_000]] * 10 + [[30_000]] * 10, 10, id="pairs"),
        pytest.param([[30_000]] * 10 + [[33_000]] * 10, 10, id="pairs in another order"),
        pytest.param([[100], [MAX_REQUEST_BYTES - FRAME_BYTES - 101]], 1, id="to the last byte"),
        pytest.param([[100], [MAX_REQUEST_BYTES - FRAME_BYTES - 100]], 2, id="one byte too many"),
        pytest.param([[1_000] * 45] * 10, 8, id="runs that would leave much room if they were not divided"),
        pytest.param([[1_000]] * 600, 10, id="many small ones"),
        pytest.param([[450] * 100] * 7, 5, id="runs that are divided"),
        pytest.param([[1_000] * 63] * 3 + [[500]], 3, id="full ones, and one that fits beside"),
        pytest.param([], 0, id="none"),
    ],
)
def test_runs_are_packed_into_as_few_groups_as_hold_them(runs: list[list[int]], groups: int):
    """The largest first, and each into the first group that has room."""
    assert len(packed(runs)) == groups


@given(st.lists(st.integers(2, 600), min_size=1, max_size=100), st.integers(1, 50))
def test_many_small_events_of_many_requests_take_as_few_requests_as_their_bytes(sizes: list[int], times: int):
    """One more at most."""
    limit = math.ceil(sum(size + 1 for size in sizes) * times / MAX_REQUEST_BYTES) + 1

    assert len(packed([[size] for size in sizes * times])) <= limit
