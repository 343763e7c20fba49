"""What an execution environment has seen at Edge of late: the evidence on which an event is convicted.

An answer that says nothing about the events (a bare 500) convicts nobody by itself: in an outage every request gets it.
"""

import math
from collections import OrderedDict, deque
from enum import IntEnum
from typing import NamedTuple

AROUND_SECONDS = 15.0  # so long after a delivery, a failure is still about the same state of Edge
MANY_TRIES = 4  # in vain: one of the events may be the reason
MEMORY_SECONDS = 1_800.0  # twice as long as any message is delayed: whoever else waits has been tried meanwhile

_LATELY_SECONDS = 900.0
_MOST_DATASTREAMS = 1_000
_MOST_ANSWERS = 100  # of a datastream


class Weight(IntEnum):
    """How much it counts against an event that Edge fails on it four times in a row."""

    NONE = 0
    SOME = 1
    FULL = 3  # which a good event gets by chance in one of 16 tries at most


class _Answer(NamedTuple):
    at: float
    was_taken: bool
    event: int | None  # its mark, when the request had no other


class _Seen:
    """The answers for one datastream."""

    def __init__(self) -> None:
        self.answers: deque[_Answer] = deque(maxlen=_MOST_ANSWERS)  # to requests with events not failed on before
        self.last: tuple[int | None, float] = None, -math.inf  # the mark and the time of the last answer to any request
        self.other_at = -math.inf  # the time of the last one that was about something else


def mark(body: bytes) -> int:
    """What tells an event from all others, whoever sent it: two clients can give their requests the same id."""
    return hash(body)


class Evidence:
    """The last answers to requests for each datastream. Times are epoch seconds; `now` is when this memory begins."""

    def __init__(self, now: float) -> None:
        self._began_at = now
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    def note(
        self, datastream_id: str, event: int | None, now: float, *, was_taken: bool, was_suspect: bool = False
    ) -> None:
        """A request got an answer; `event` is the mark of its only event.

        What becomes of suspects is no news of Edge: they are sent again and again until they are taken.
        """
        seen = self._seen.setdefault(datastream_id, _Seen())
        self._seen.move_to_end(datastream_id)  # never out of it, since other threads read it
        if len(self._seen) > _MOST_DATASTREAMS:
            self._seen.popitem(last=False)
            self._began_at = now
        if not was_suspect:
            seen.answers.append(_Answer(now, was_taken, event))
        if event is None or event != seen.last[0]:
            seen.other_at = seen.last[1]
        seen.last = event, now

    def weight(self, datastream_id: str, event: int, now: float, since: float) -> Weight:
        """How much it counts that Edge fails on this event now; `since` is when it did so before.

        Others that it takes at this very time count more than those it has taken since then. The more of the others it
        fails on, the less one failure says; if it fails on more than three of four, nothing.
        """
        others = [answer for answer in self._answers(datastream_id) if answer.event != event]
        lately = [answer.was_taken for answer in others if answer.at >= now - _LATELY_SECONDS]
        if not lately or 4 * sum(lately) < len(lately):
            return Weight.NONE
        is_reliable = 2 * sum(lately) >= len(lately)
        taken_at = [answer.at for answer in others if answer.was_taken]
        if any(_is_around(at, now) for at in taken_at):
            return Weight.FULL if is_reliable else Weight.SOME
        return Weight.SOME if is_reliable and any(0.0 < since < at for at in taken_at) else Weight.NONE

    def takes_others(self, datastream_id: str, now: float) -> bool:
        """Whether Edge takes events of the datastream at this very time."""
        answers = self._answers(datastream_id)
        return any(answer.was_taken and _is_around(answer.at, now) for answer in answers)

    def was_alone(self, datastream_id: str, event: int, since: float) -> bool:
        """Whether no other events of the datastream were sent since then, as far as we know."""
        seen = self._seen.get(datastream_id)
        if not seen:
            return True
        last, at = seen.last
        return (seen.other_at if last == event else at) < since

    def reaches_back(self, now: float) -> bool:
        """Whether this memory is long enough to tell that there is nothing else."""
        return now - self._began_at >= MEMORY_SECONDS

    def _answers(self, datastream_id: str) -> list[_Answer]:
        """A copy, since another thread may note one meanwhile."""
        seen = self._seen.get(datastream_id)
        return list(seen.answers) if seen else []


def _is_around(at: float, now: float) -> bool:
    """Whether both are about the same state of Edge; a clock that was set back tells nothing."""
    return abs(now - at) <= AROUND_SECONDS
