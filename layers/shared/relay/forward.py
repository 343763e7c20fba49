"""Forward events to Edge, in as few requests as hold them, and settle what becomes of each."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from relay.authorize import Authorizations, ask
from relay.core.authorization import Authorization
from relay.core.breaker import Breakers, Spared, Tickets
from relay.core.deadline import Deadline
from relay.core.envelope import Envelope
from relay.core.events import UNIT_BYTES, Event
from relay.core.evidence import MANY_TRIES, Evidence, Weight, mark
from relay.core.isolation import Isolation
from relay.core.packing import pack
from relay.core.settlement import Settlement
from relay.core.verdict import Answer, Judgement, Scope, Verdict, judge
from relay.errors import AdobeError, NoAnswer, OutOfTime, SetupError, log_failure

if TYPE_CHECKING:
    from relay.core.pace import Pace

LOGGED_IDS = 100  # of requests to Edge, in one log line: isolation sends up to 120 for each part of a request

# Requests at once: Edge's answers take tens of milliseconds, and more would only queue behind one CPU.
PARALLEL = 8

NO_TIME = Judgement(Verdict.TRANSIENT, reason="no time left to ask", was_tried=False)
_BREAKERS_OPEN = {
    Scope.EDGE: "breaker open: nothing is sent to Edge for a while",
    Scope.DATASTREAM: "breaker open: nothing is sent to this datastream for a while",
}


class EdgeCollect(Protocol):
    seconds: float  # that a call takes at most

    def collect(
        self, envelope: Envelope, request_id: str, body: bytes, authorization: Authorization, deadline: Deadline
    ) -> Answer: ...


class Shipment(Protocol):
    """Events with equal envelopes, each of which fits into a request of its own with the envelope."""

    @property
    def envelope(self) -> Envelope: ...

    @property
    def events(self) -> tuple[Event, ...]:
        """Each has an index of its own."""
        ...

    @property
    def is_answered(self) -> bool:
        """Whether the clients have been told that the events are safe."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether the events are of several clients' requests."""
        ...

    @property
    def is_suspect(self) -> bool:
        """Whether an answer that says nothing may be about the events: Edge has failed on them before."""
        ...

    @property
    def attempts(self) -> int:
        """Tries before this one."""
        ...

    def sent_as(self, events: Sequence[Event]) -> str:
        """The id under which Edge gets these of the events together."""
        ...

    def failed_at(self, event: Event, /) -> float:
        """When Edge has last failed on the event by itself, in epoch seconds; 0 if it has not."""
        ...


class Forwarder:
    """Sends events to Edge: renews the token once a request, isolates bad events, spares what is in trouble."""

    def __init__(
        self,
        edge: EdgeCollect,
        authorizer: Authorizations,
        now: Callable[[], float],
        pace: "Pace | None" = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._edge = edge
        self._authorizer = authorizer
        self._now = now
        self._pace = pace
        self._sleep = sleep
        self._breakers = Breakers()
        self._returned = threading.Condition()  # guards what requests in parallel share; tells when one has come back
        self.evidence = Evidence(now())  # of what was redelivered

    def has_time(self, deadline: Deadline) -> bool:
        """Whether a request may begin."""
        return deadline.fits(self._edge.seconds)

    def settle(self, shipment: Shipment, deadline: Deadline) -> Settlement:
        """What became of the events, by the deadline. Adobe's failings, and ours, are results and not errors."""
        minted_before = self._authorizer.minted
        groups = list(pack(shipment.events, shipment.envelope.overhead))
        settlement = self._settle_groups(shipment, groups, deadline)
        settlement.tokens_minted = self._authorizer.minted - minted_before
        return settlement

    def _settle_groups(self, shipment: Shipment, groups: list[tuple[Event, ...]], deadline: Deadline) -> Settlement:
        if len(groups) == 1:
            return self._settle_group(shipment, groups[0], deadline)
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - few shipments need more than one request

        def settle_group(group: tuple[Event, ...]) -> Settlement:
            return self._settle_group(shipment, group, deadline)

        whole = Settlement()
        with ThreadPoolExecutor(min(PARALLEL, len(groups))) as pool:
            for part in pool.map(settle_group, groups):
                whole.add(part)
        return whole

    def _settle_group(self, shipment: Shipment, group: tuple[Event, ...], deadline: Deadline) -> Settlement:
        """Send one request's worth of events; where Edge fails on some of them, send the others again without."""
        isolation = Isolation(
            group,
            is_answered=shipment.is_answered,
            is_shared=shipment.is_shared,
            takes_others=shipment.is_suspect
            and self.evidence.takes_others(shipment.envelope.datastream_id, self._now()),
            attempt=shipment.attempts,
        )
        try:
            while events := isolation.next():
                # Only the last word of a search is about Edge. Or the breaker would stop the search that it is about.
                goes_on = shipment.is_answered and (len(events) > 1 or bool(isolation.settlement.delivered))
                self._learn(isolation, shipment, events, deadline, goes_on=goes_on)
        except Exception as error:  # noqa: BLE001 - what was learnt of the other requests must not be lost
            isolation.abandon(_failure(error))
        return isolation.settlement

    def _learn(
        self,
        isolation: Isolation,
        shipment: Shipment,
        events: tuple[Event, ...],
        deadline: Deadline,
        *,
        goes_on: bool,
    ) -> None:
        request_id = shipment.sent_as(events)
        judgement = self._send(shipment, request_id, events, deadline, goes_on=goes_on)
        try:
            weight = self._weight(shipment, events) if judgement.verdict is Verdict.UNCERTAIN else Weight.NONE
            isolation.learn(judgement._replace(sent_as=request_id), weight)
        except Exception as error:  # noqa: BLE001 - the events are to blame, perhaps: they are isolated as for a bare 500
            isolation.learn(_failure(error)._replace(sent_as=request_id))

    def _weight(self, shipment: Shipment, events: tuple[Event, ...]) -> Weight:
        """What it counts against the events that Edge has failed on them."""
        if not shipment.is_suspect or len(events) > 1:
            return Weight.NONE
        datastream_id, (event,) = shipment.envelope.datastream_id, events
        return self.evidence.weight(datastream_id, mark(event.body), self._now(), shipment.failed_at(event))

    def _send(
        self, shipment: Shipment, request_id: str, events: tuple[Event, ...], deadline: Deadline, *, goes_on: bool
    ) -> Judgement:
        datastream_id = shipment.envelope.datastream_id
        if self._pace and not self._keep_pace(self._pace, shipment, events, deadline):
            return NO_TIME
        tickets = self._enter(datastream_id, deadline)
        if isinstance(tickets, Judgement):
            return tickets
        judgement: Judgement | None = None
        started = self._now()
        try:
            judgement = self._doubt(shipment, self._ask(shipment, request_id, events, deadline))
        except Exception as error:  # noqa: BLE001 - one of several requests in parallel must not take the others along
            judgement = _failure(error)
        finally:  # whatever happened, a probe has come back
            now = self._now()
            with self._returned:
                if (goes_on or shipment.is_suspect) and judgement and judgement.verdict is Verdict.UNCERTAIN:
                    self._breakers.leave(datastream_id, tickets, None, now)  # it may be about the events
                else:
                    self._breakers.leave(datastream_id, tickets, judgement, now)
                if shipment.is_answered and judgement and judgement.was_sent:
                    event = mark(events[0].body) if len(events) == 1 else None
                    was_taken = judgement.verdict is Verdict.DELIVERED
                    self.evidence.note(datastream_id, event, now, was_taken=was_taken, was_suspect=shipment.is_suspect)
                self._returned.notify_all()
        return judgement._replace(seconds=now - started)

    def _doubt(self, shipment: Shipment, judgement: Judgement) -> Judgement:
        """After many tries, a gateway that gives up or a lost connection is as UNCERTAIN as a bare 500.

        To wait in vain for an answer is slow, so a lost connection is so only while Edge takes others.
        """
        if shipment.attempts < MANY_TRIES or not judgement.says_nothing:
            return judgement
        is_known = judgement.status is not None or shipment.is_suspect
        if not is_known and not self.evidence.takes_others(shipment.envelope.datastream_id, self._now()):
            return judgement
        return judgement._replace(verdict=Verdict.UNCERTAIN, scope=Scope.DATASTREAM)

    def _enter(self, datastream_id: str, deadline: Deadline) -> Tickets | Judgement:
        """Leave to send a request, or why not. When a probe is on its way, its answer is waited for."""
        with self._returned:
            while self.has_time(deadline):
                entry = self._breakers.enter(datastream_id, self._now())
                if isinstance(entry, Spared):
                    reason = _BREAKERS_OPEN[entry.scope]
                    return NO_TIME._replace(reason=reason, retry_after=entry.seconds, scope=entry.scope)
                if entry:
                    return entry
                self._returned.wait(deadline.left() - self._edge.seconds)
        return NO_TIME

    def _keep_pace(self, pace: "Pace", shipment: Shipment, events: tuple[Event, ...], deadline: Deadline) -> bool:
        """Wait until the events' request may be sent; False if the time is too short for that."""
        size = shipment.envelope.overhead + sum(len(event.body) + 1 for event in events) - 1  # 1: the comma
        with self._returned:
            now = self._now()
            if not deadline.fits(pace.wait(now) + self._edge.seconds):
                return False
            seconds = pace.take(_units(size), now)
        if seconds:
            self._sleep(seconds)
        return True

    def _ask(self, shipment: Shipment, request_id: str, events: tuple[Event, ...], deadline: Deadline) -> Judgement:
        envelope = shipment.envelope
        body = envelope.body(event.body for event in events)
        has_new_hint = bool(envelope.hint) and not shipment.is_answered
        units = 0

        def collect(authorization: Authorization) -> Judgement:
            nonlocal units
            answer = self._edge.collect(envelope, request_id, body, authorization, deadline)
            units += _units(len(body))
            return judge(answer, self._now(), has_new_hint=has_new_hint)

        try:
            judgement = ask(collect, _is_expired, self._authorizer, deadline)
        except OutOfTime:
            return NO_TIME._replace(units=units)
        except AdobeError as error:
            judgement = _judge_error(error)
            units += _units(len(body)) if judgement.ambiguous else 0
        if _is_expired(judgement):
            judgement = judgement._replace(verdict=Verdict.SETUP)
        return judgement._replace(units=units)


def _units(size: int) -> int:
    """How much of Adobe's quota a request of so many bytes uses."""
    return -(-size // UNIT_BYTES)


def _is_expired(judgement: Judgement) -> bool:
    return judgement.verdict is Verdict.TOKEN_EXPIRED


def _judge_error(error: AdobeError) -> Judgement:
    """The verdict when there is no answer of Edge to judge."""
    verdict = Verdict.SETUP if isinstance(error, SetupError) else Verdict.TRANSIENT
    return Judgement(verdict, reason=error.reason, retry_after=error.retry_after, ambiguous=isinstance(error, NoAnswer))


def _failure(error: Exception) -> Judgement:
    """Code of ours failed, so nothing is known of the events: Edge may have them."""
    log_failure("a request to Edge failed in code of ours; its events are kept", error)
    reason = f"the relay failed: {type(error).__name__}"
    return Judgement(Verdict.UNCERTAIN, reason=reason, ambiguous=True, has_failed=True)
