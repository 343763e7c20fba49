"""A load: events of the spool that one request to Edge can carry, whoever sent them. Each keeps its own origin."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Self

from relay.core.envelope import Envelope
from relay.core.events import Event
from relay.core.evidence import MANY_TRIES
from relay.core.message import Message, Parcel
from relay.core.packing import pack_runs
from relay.core.request_id import shared_id

# All of a load can be bad, and each is sent four times in one try: about a hundred requests.
_MOST_SUSPECTS = 20


class _Doubt(IntEnum):
    NONE = 0
    OFTEN = 1  # tried in vain
    SUSPECT = 2  # Edge has failed on the event


class Item(NamedTuple):
    """An event of a round: the number of the message that holds it, the parcel with its history, and itself."""

    message: int
    parcel: Parcel
    event: Event

    @property
    def origin(self) -> tuple[str, int]:
        """The id of the client's request, and the event's place in it."""
        return self.parcel.request_id, self.event.index


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """A shipment of the redeliver function; the index of each event is its place among the items."""

    envelope: Envelope
    items: tuple[Item, ...]
    events: tuple[Event, ...]
    is_suspect: bool  # Edge has failed on each of the events before

    @classmethod
    def of(cls, envelope: Envelope, items: Sequence[Item], *, is_suspect: bool = False) -> Self:
        events = tuple(Event(place, item.event.body) for place, item in enumerate(items))
        return cls(envelope, tuple(items), events, is_suspect)

    @property
    def is_answered(self) -> bool:
        """The clients have had their 2xx."""
        return True

    @property
    def is_shared(self) -> bool:
        """Whether the events may be of several clients' requests: their ids do not tell, as two can be the same."""
        return any(item.parcel is not self.items[0].parcel for item in self.items)

    @property
    def attempts(self) -> int:
        """Tries before this one, of the event that was tried most."""
        return max(item.parcel.attempts for item in self.items)

    @property
    def accepted_at(self) -> float:
        """When the event that waits longest was accepted, in epoch seconds."""
        return min(item.parcel.accepted_at for item in self.items)

    def items_of(self, events: Iterable[Event]) -> list[Item]:
        return [self.items[event.index] for event in events]

    def failed_at(self, event: Event, /) -> float:
        """When Edge has last failed on the event by itself, in epoch seconds; 0 if it has not."""
        return self.items[event.index].parcel.unclear_at

    def sent_as(self, events: Sequence[Event]) -> str:
        """The id under which Edge gets these of the events together."""
        parcel = self.items[events[0].index].parcel
        if len(events) == len(parcel.events) and all(self.items[event.index].parcel is parcel for event in events):
            return parcel.sent_as
        return shared_id(item.origin for item in self.items_of(events))


def plan_loads(messages: Iterable[tuple[int, Message, bool]]) -> list[Load]:
    """As few loads as hold the events of the (number, message, whether it goes by itself), the least doubtful first.

    Events share a load only when their envelopes are equal, and their doubts: what Edge has failed on, or not taken in
    many tries, holds back nothing else.
    """
    runs: dict[tuple[Envelope, _Doubt, int | None], list[list[Item]]] = {}
    for number, message, is_alone in messages:
        found: dict[_Doubt, list[Item]] = {}
        for parcel in message.parcels:
            items = [Item(number, parcel, event) for event in parcel.events]
            found.setdefault(_doubt(parcel), []).extend(items)
        for doubt, run in found.items():
            runs.setdefault((message.envelope, doubt, number if is_alone else None), []).append(run)
    return [
        Load.of(envelope, items, is_suspect=doubt is _Doubt.SUSPECT)
        for (envelope, doubt, _), found_runs in sorted(runs.items(), key=lambda item: item[0][1])
        for packed in pack_runs(found_runs, envelope.overhead, _size)
        for items in (_divided(packed) if doubt is _Doubt.SUSPECT else [packed])
    ]


def _divided(items: Sequence[Item]) -> list[Sequence[Item]]:
    return [items[place : place + _MOST_SUSPECTS] for place in range(0, len(items), _MOST_SUSPECTS)]


def _doubt(parcel: Parcel) -> _Doubt:
    if parcel.is_suspect:
        return _Doubt.SUSPECT
    return _Doubt.OFTEN if parcel.attempts >= MANY_TRIES else _Doubt.NONE


def messages_of(envelope: Envelope, items: Iterable[Item]) -> list[tuple[Message, list[Item]]]:
    """As few messages as hold the items, each with its own."""
    runs: dict[int, list[Item]] = {}
    for item in items:
        runs.setdefault(item.message, []).append(item)
    return [
        (Message(envelope, tuple(_parcels(found))), found)
        for found in pack_runs(runs.values(), envelope.overhead, _size)
    ]


def _size(item: Item) -> int:
    return len(item.event.body)


def _parcels(items: Iterable[Item]) -> Iterable[Parcel]:
    """The items' parcels, each with those of its events that are here."""
    events: dict[int, list[Event]] = {}
    parcels: dict[int, Parcel] = {}
    for item in items:
        parcels[id(item.parcel)] = item.parcel
        events.setdefault(id(item.parcel), []).append(item.event)
    for key, parcel in parcels.items():
        yield parcel.with_events(tuple(events[key]))
