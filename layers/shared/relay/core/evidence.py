"""What an execution environment has seen at Edge of late: the evidence on which an event is convicted.

An answer that says nothing about the events (a bare 500) convicts nobody by itself: in an outage every request gets it.
"""

from collections.abc import Sequence
from typing import Any

from relay.core.events import Event

AROUND_SECONDS = 60.0  # so far apart, a delivery and a failure are still about the same state of Edge

_MOST_DATASTREAMS = 1_000

Key = tuple[str, int, int]


class Evidence:
    """For each datastream: when Edge last took something, and what was sent last. Times are epoch seconds."""

    def __init__(self) -> None:
        self._taken_at: dict[str, float] = {}
        self._sent_at: dict[str, dict[Key, float]] = {}

    def note(self, datastream_id: str, key: Key, now: float, *, was_taken: bool) -> None:
        """A request got an answer; `key` is that of its events."""
        if was_taken:
            _keep(self._taken_at, datastream_id, now, _MOST_DATASTREAMS)
        sent_at = self._sent_at.get(datastream_id, {})
        _keep(sent_at, key, now, 2)  # two are enough to know the last that is another's
        _keep(self._sent_at, datastream_id, sent_at, _MOST_DATASTREAMS)

    def takes_others(self, datastream_id: str, now: float, since: float) -> bool:
        """Whether Edge takes other events of the datastream while it fails on one: it does not fail on everything.

        It has taken some just now, or after it failed on the event `since`, the last time before.
        """
        taken_at = self._taken_at.get(datastream_id, 0.0)
        return taken_at >= now - AROUND_SECONDS or 0.0 < since < taken_at

    def was_alone(self, datastream_id: str, key: Key, since: float) -> bool:
        """Whether no other events of the datastream were sent since then, as far as we know."""
        return all(other == key or at < since for other, at in self._sent_at.get(datastream_id, {}).items())


def key_of(request_id: str, events: Sequence[Event]) -> Key:
    """What tells the events of one request from those of another."""
    return request_id, events[0].index, len(events)


def _keep(found: dict[Any, Any], key: Any, value: Any, most: int) -> None:
    """Put it last, and forget the first if there are too many."""
    found.pop(key, None)
    found[key] = value
    if len(found) > most:
        del found[next(iter(found))]
