"""Pack events, in order, into as few Edge requests as hold them."""

from collections.abc import Iterable, Iterator

from relay.core.events import MAX_REQUEST_BYTES, Event


def pack(events: Iterable[Event], overhead: int) -> Iterator[tuple[Event, ...]]:
    """Groups of consecutive events, each with its envelope's `overhead` and the commas at most MAX_REQUEST_BYTES.

    No other division into consecutive groups needs fewer. Every event must fit into a request by itself.
    """
    group: list[Event] = []
    size = overhead
    for event in events:
        grown = size + len(event.body) + (1 if group else 0)  # 1: the comma
        if group and grown > MAX_REQUEST_BYTES:
            yield tuple(group)
            group, grown = [], overhead + len(event.body)
        group.append(event)
        size = grown
    if group:
        yield tuple(group)
