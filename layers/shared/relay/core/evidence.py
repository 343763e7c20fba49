"""What an execution environment has seen at Edge of late: the evidence on which an event is convicted.

An answer that says nothing about the events (a bare 500) convicts nobody by itself: in an outage every request gets it.
"""

from enum import IntEnum
from typing import Any, NamedTuple

AROUND_SECONDS = 15.0  # so far apart, a delivery and a failure are still about the same state of Edge
MEMORY_SECONDS = 1_800.0  # twice as long as any message is delayed: whoever else waits has been tried meanwhile

_LATELY_SECONDS = 900.0
_MOST_DATASTREAMS = 200
_MOST_ANSWERS = 100  # of a datastream


class Weight(IntEnum):
    """How much a failure on an event counts against it."""

    NONE = 0
    SOME = 1  # Edge has taken others since it failed on the event before
    FULL = 3  # Edge takes others at that very time


# What tells one request from another: of a single event the id of the client's request and the place in it, of several
# events the id of the request to Edge, and SEVERAL.
Key = tuple[str, int]
SEVERAL = -1


class _Answer(NamedTuple):
    at: float
    was_taken: bool
    was_suspect: bool  # Edge had failed on the events before


class Evidence:
    """The last answers to requests for each datastream. Times are epoch seconds; `now` is when this memory begins."""

    def __init__(self, now: float) -> None:
        self._began_at = now
        self._answers: dict[str, dict[Key, _Answer]] = {}

    def note(self, datastream_id: str, key: Key, now: float, *, was_taken: bool, was_suspect: bool = False) -> None:
        """A request with these events got an answer."""
        answers = self._answers.get(datastream_id, {})
        _keep(answers, key, _Answer(now, was_taken, was_suspect), _MOST_ANSWERS)
        _keep(self._answers, datastream_id, answers, _MOST_DATASTREAMS)

    def weight(self, datastream_id: str, key: Key, now: float, since: float) -> Weight:
        """How much it counts that Edge has just failed on this single event; `since` is when it did so before.

        Nothing if Edge takes fewer others than it fails on: then it fails on everything now and then.
        """
        answers = dict(self._answers.get(datastream_id, {}))  # another thread may note one meanwhile
        others = [answer for other, answer in answers.items() if other != key]
        lately = [
            answer
            for answer in others
            # that Edge fails on suspects again is no news of Edge
            if answer.at >= now - _LATELY_SECONDS and (answer.was_taken or not answer.was_suspect)
        ]
        if 2 * sum(answer.was_taken for answer in lately) < len(lately):
            return Weight.NONE
        failed_at = answers[key].at if key in answers else now
        taken_at = [answer.at for answer in others if answer.was_taken]
        if any(abs(at - failed_at) <= AROUND_SECONDS for at in taken_at):
            return Weight.FULL
        return Weight.SOME if any(0.0 < since < at for at in taken_at) else Weight.NONE

    def takes_others(self, datastream_id: str, now: float) -> bool:
        """Whether Edge takes events of the datastream at this very time."""
        answers = dict(self._answers.get(datastream_id, {}))
        return any(answer.was_taken and abs(now - answer.at) <= AROUND_SECONDS for answer in answers.values())

    def was_alone(self, datastream_id: str, key: Key, since: float) -> bool:
        """Whether no other events of the datastream were sent since then, as far as we know."""
        answers = dict(self._answers.get(datastream_id, {}))
        return all(other == key or answer.at < since for other, answer in answers.items())

    def reaches_back(self, now: float) -> bool:
        """Whether this memory is long enough to tell that there is nothing else."""
        return now - self._began_at >= MEMORY_SECONDS


def _keep(found: dict[Any, Any], key: Any, value: Any, most: int) -> None:
    """Put it last, and forget the first if there are too many."""
    found.pop(key, None)
    found[key] = value
    if len(found) > most:
        del found[next(iter(found))]
