"""What an execution environment has seen at Edge of late: the evidence on which an event is convicted.

An answer that says nothing about the events (a bare 500) convicts nobody by itself: in an outage every request gets it.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from relay.core.events import Event

AROUND_SECONDS = 15.0  # so far apart, a delivery and a failure are still about the same state of Edge
MEMORY_SECONDS = 1_800.0  # as long as any message is hidden: whoever else waits has been tried meanwhile

_LATELY_SECONDS = 900.0
_MOST_DATASTREAMS = 200
_MOST_ANSWERS = 100  # of a datastream


class Weight(IntEnum):
    """How much a failure on an event counts against it."""

    NONE = 0
    SOME = 1  # Edge has taken others since it failed on the event before
    FULL = 3  # Edge takes others at that very time


class Key(NamedTuple):
    """What tells the events of one request from those of another."""

    request_id: str
    first_index: int
    events: int


class _Answer(NamedTuple):
    at: float
    was_taken: bool


class Evidence:
    """The last answers to requests for each datastream. Times are epoch seconds; `now` is when this memory begins."""

    def __init__(self, now: float) -> None:
        self._began_at = now
        self._answers: dict[str, dict[Key, _Answer]] = {}

    def note(self, datastream_id: str, key: Key, now: float, *, was_taken: bool) -> None:
        """A request with these events got an answer."""
        answers = self._answers.get(datastream_id, {})
        _keep(answers, key, _Answer(now, was_taken), _MOST_ANSWERS)
        _keep(self._answers, datastream_id, answers, _MOST_DATASTREAMS)

    def weight(self, datastream_id: str, key: Key, now: float, since: float) -> Weight:
        """How much it counts that Edge has just failed on this single event; `since` is when it did so before.

        Nothing if Edge takes fewer others than it fails on: then it fails on everything now and then.
        """
        answers = self._answers.get(datastream_id, {})
        others = [
            answer
            for other, answer in answers.items()
            # a request that had this event among others has failed because of it
            if other != key and (answer.was_taken or other.request_id != key.request_id or other.events == 1)
        ]
        lately = [answer for answer in others if answer.at >= now - _LATELY_SECONDS]
        if 2 * sum(answer.was_taken for answer in lately) < len(lately):
            return Weight.NONE
        failed_at = answers[key].at if key in answers else now
        taken_at = [answer.at for answer in others if answer.was_taken]
        if any(abs(at - failed_at) <= AROUND_SECONDS for at in taken_at):
            return Weight.FULL
        return Weight.SOME if any(0.0 < since < at for at in taken_at) else Weight.NONE

    def was_alone(self, datastream_id: str, key: Key, since: float) -> bool:
        """Whether no other events of the datastream were sent since then, as far as we know."""
        answers = self._answers.get(datastream_id, {})
        return all(other == key or answer.at < since for other, answer in answers.items())

    def reaches_back(self, now: float) -> bool:
        """Whether this memory is long enough to tell that there is nothing else."""
        return now - self._began_at >= MEMORY_SECONDS


def key_of(request_id: str, events: Sequence[Event]) -> Key:
    """The key of events of one client's request."""
    return Key(request_id, events[0].index, len(events))


def _keep(found: dict[Any, Any], key: Any, value: Any, most: int) -> None:
    """Put it last, and forget the first if there are too many."""
    found.pop(key, None)
    found[key] = value
    if len(found) > most:
        del found[next(iter(found))]
