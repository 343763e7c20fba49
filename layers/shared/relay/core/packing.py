"""Pack events into as few Edge requests as hold them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from relay.core.events import MAX_REQUEST_BYTES, Event

Item = TypeVar("Item")


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


def pack_runs(runs: Iterable[Sequence[Item]], overhead: int, size: Callable[[Item], int]) -> list[list[Item]]:
    """Groups of items, as `pack` makes them, where the order of the runs does not matter: the largest come first.

    A run goes whole into the first group that has room. A run of several items for which none has is divided: what fits
    goes into the last group, the rest into the next. So the items of a run are in one group, or in consecutive ones.
    """
    sized = [(sum(size(item) + 1 for item in run), run) for run in runs]  # 1: the comma
    sized.sort(key=lambda found: -found[0])
    groups: list[list[Item]] = []
    rooms: list[int] = []  # bytes left in each
    inviting: list[int] = []  # numbers of those that have room for the smallest run
    for total, run in sized:
        number = next((number for number in inviting if total <= rooms[number]), None)
        if number is None and len(run) > 1:
            number = len(groups) - 1
        for item in run:
            need = size(item) + 1
            if number is None or number < 0 or need > rooms[number]:
                number = len(groups)
                groups.append([])
                rooms.append(MAX_REQUEST_BYTES + 1 - overhead)
                inviting.append(number)
            groups[number].append(item)
            rooms[number] -= need
        inviting = [found for found in inviting if rooms[found] >= sized[-1][0]]
    return groups
