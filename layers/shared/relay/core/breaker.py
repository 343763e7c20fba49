"""Circuit breakers: after a run of failures, stop asking for a while, then ask once."""

from typing import NamedTuple

from relay.core.verdict import Judgement, Scope

FAILURES_TO_OPEN = 5  # in a row
OPEN_SECONDS = 10.0
LONGEST_OPEN = 900.0  # as long as any Retry-After is obeyed

_MOST_DATASTREAMS = 1_000  # with trouble of their own at once; beyond that the oldest is forgotten


class Breaker:
    """Closed, open until a time, or half open with one probe on its way. Times are epoch seconds of the caller.

    Every request has a ticket. An answer counts only if its request began in the present period: an answer to an
    earlier one says nothing about now, but for a Retry-After, which holds whenever it was said.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._open_until = 0.0
        self._period = 0
        self._probe: int | None = None  # its ticket

    @property
    def is_probing(self) -> bool:
        """Whether the others have to wait for the answer to the probe."""
        return self._probe is not None

    def wait(self, now: float) -> float:
        """Seconds until a request may be sent; 0 when one may be sent now, or once the probe's answer is here."""
        if (
            self._open_until - now > 2 * LONGEST_OPEN
        ):  # the clock was set back, and by more than the order of two answers
            self._open_until = now
        return max(0.0, self._open_until - now)

    def begin(self) -> int:
        """The ticket of a request that is sent now; when half open, it is the probe."""
        if self._open_until:
            self._period += 1
            self._probe = self._period
        return self._period

    def succeeded(self, ticket: int) -> None:
        """The other side answered, whatever it said."""
        if ticket == self._period:
            self._failures, self._open_until, self._probe = 0, 0.0, None

    def failed(self, ticket: int, now: float, retry_after: float | None) -> None:
        """The other side is down or throttles. What it asked for in Retry-After opens the breaker at once."""
        if retry_after is not None:
            self._open(now + retry_after)
        elif ticket == self._period:
            self._failures += 1
            if ticket == self._probe or self._failures >= FAILURES_TO_OPEN:
                self._open(now + OPEN_SECONDS)

    def returned(self, ticket: int) -> None:
        """The request has told nothing: if it was the probe, another one may be sent."""
        if ticket == self._probe:
            self._probe = None

    def _open(self, until: float) -> None:
        self._open_until = max(self._open_until, until)
        self._period += 1
        self._probe = None


class Tickets(NamedTuple):
    """Of one request, at the breaker of Edge and at that of its datastream."""

    edge: int
    datastream: int


class Spared(NamedTuple):
    """No request is sent for so many seconds, because of trouble with Edge or with the datastream only."""

    seconds: float
    scope: Scope


class Breakers:
    """One for Edge as a whole, and one for each datastream that has trouble of its own."""

    def __init__(self) -> None:
        self._edge = Breaker()
        self._datastreams: dict[str, Breaker] = {}

    def enter(self, datastream_id: str, now: float) -> Tickets | Spared | None:
        """Tickets for a request that is sent now. None: a probe is on its way, ask again when it is back."""
        datastream = self._datastreams.get(datastream_id)
        if seconds := self._edge.wait(now):
            return Spared(seconds, Scope.EDGE)
        if datastream and (seconds := datastream.wait(now)):
            return Spared(seconds, Scope.DATASTREAM)
        if self._edge.is_probing or (datastream and datastream.is_probing):
            return None
        return Tickets(self._edge.begin(), datastream.begin() if datastream else 0)

    def leave(self, datastream_id: str, tickets: Tickets, judgement: Judgement | None, now: float) -> None:
        """Learn from what came back; None, or a judgement without trouble and without an answer, tells nothing."""
        trouble = judgement.trouble if judgement else None
        if judgement and trouble is Scope.EDGE:
            self._edge.failed(tickets.edge, now, judgement.retry_after)
        elif judgement and judgement.status is not None:
            self._edge.succeeded(tickets.edge)
        else:
            self._edge.returned(tickets.edge)
        if trouble is Scope.DATASTREAM:
            self._of(datastream_id).failed(tickets.datastream, now, None)
        elif datastream := self._datastreams.get(datastream_id):
            if judgement and judgement.status is not None and trouble is None:
                datastream.succeeded(tickets.datastream)
            else:
                datastream.returned(tickets.datastream)

    def _of(self, datastream_id: str) -> Breaker:
        if datastream_id not in self._datastreams and len(self._datastreams) >= _MOST_DATASTREAMS:
            del self._datastreams[next(iter(self._datastreams))]
        return self._datastreams.setdefault(datastream_id, Breaker())
