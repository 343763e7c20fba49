"""A load: events of the spool that one request to Edge can carry, whoever sent them. Each keeps its own origin."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple, Self

from relay.core.envelope import Envelope
from relay.core.events import Event
from relay.core.message import Message, Parcel
from relay.core.packing import pack_runs
from relay.core.request_id import shared_id

_OFTEN = 4  # tries


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


@dataclass(frozen=True, slots=True)
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

    def suspects(self, events: tuple[Event, ...]) -> Self:
        """The same with some of its events, on which Edge has failed."""
        return replace(self, events=events, is_suspect=True)

    @property
    def is_answered(self) -> bool:
        """The clients have had their 2xx."""
        return True

    @property
    def is_shared(self) -> bool:
        """Whether the events are of several clients' requests."""
        first = self.items[0].parcel.request_id
        return any(item.parcel.request_id != first for item in self.items)

    @property
    def attempts(self) -> int:
        """Tries before this one, of the event that was tried most."""
        return max(item.parcel.attempts for item in self.items)

    def items_of(self, events: Iterable[Event]) -> list[Item]:
        return [self.items[event.index] for event in events]

    def origin(self, event: Event) -> tuple[str, int]:
        """The id of the client's request, and the event's place in it."""
        return self.items[event.index].origin

    def sent_as(self, events: Sequence[Event]) -> str:
        """The id under which Edge gets these of the events together."""
        parcel = self.items[events[0].index].parcel
        if len(events) == len(parcel.events) and all(self.items[event.index].parcel is parcel for event in events):
            return parcel.sent_as
        return shared_id(map(self.origin, events))


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
        for items in pack_runs(found_runs, envelope.overhead, _size)
    ]


def _doubt(parcel: Parcel) -> _Doubt:
    if parcel.is_suspect:
        return _Doubt.SUSPECT
    return _Doubt.OFTEN if parcel.attempts >= _OFTEN else _Doubt.NONE


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
