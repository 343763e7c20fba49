"""Pack events, in order, into as few Edge requests as hold them."""

from collections.abc import Iterable, Iterator, Sequence

from relay.core.events import FRAME_BYTES, MAX_REQUEST_BYTES, Event


def pack(events: Iterable[Event]) -> Iterator[tuple[Event, ...]]:
    """Groups of consecutive events, each at most MAX_REQUEST_BYTES as `request_body` writes it.

    No other division into consecutive groups needs fewer. Every event must fit into a request by itself.
    """
    group: list[Event] = []
    size = FRAME_BYTES
    for event in events:
        grown = size + len(event.body) + (1 if group else 0)  # 1: the comma
        if group and grown > MAX_REQUEST_BYTES:
            yield tuple(group)
            group, grown = [], FRAME_BYTES + len(event.body)
        group.append(event)
        size = grown
    if group:
        yield tuple(group)


def request_body(events: Sequence[Event]) -> bytes:
    """The body of the Edge request that carries the events, in order."""
    return b'{"events":[' + b",".join([event.body for event in events]) + b"]}"
