"""Forward events to Edge, in as few requests as hold them, and settle what becomes of each."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from relay.authorize import LEAST_CALL_SECONDS, Authorizations, ask
from relay.core.authorization import Authorization
from relay.core.breaker import Breaker
from relay.core.envelope import Envelope
from relay.core.events import Event, Rejection
from relay.core.packing import pack
from relay.core.problem import Problem
from relay.core.request_id import part_id
from relay.core.verdict import Answer, Judgement, Verdict, judge
from relay.errors import AdobeError, NoAnswer, SetupError

_UNKNOWN = Judgement(Verdict.TRANSIENT)
_NO_CONSENT = "0301-200"

LOGGED_IDS = 100  # of requests to Edge, in one log line: isolation can send hundreds

# Requests at once: Edge's answers take tens of milliseconds, and more would only queue behind one CPU.
_PARALLEL = 8


class EdgeCollect(Protocol):
    def collect(
        self, envelope: Envelope, request_id: str, body: bytes, authorization: Authorization, within: float
    ) -> Answer: ...


class Shipment(Protocol):
    """Events of one client's request, each of which fits into a request of its own with the envelope."""

    @property
    def envelope(self) -> Envelope: ...

    @property
    def request_id(self) -> str:
        """The id of the client's request."""
        ...

    @property
    def sent_as(self) -> str:
        """The id under which Edge gets all the events, if one request holds them."""
        ...

    @property
    def is_answered(self) -> bool:
        """Whether the client has been told that the events are safe."""
        ...

    @property
    def events(self) -> tuple[Event, ...]: ...


class Deferred(NamedTuple):
    """Events of one Edge request that Edge has not decided on, and why."""

    events: tuple[Event, ...]
    judgement: Judgement


class Refusal(NamedTuple):
    """Events of one Edge request that was refused as a request, and Edge's problem with it."""

    events: tuple[Event, ...]
    problem: Problem
    sent_as: str

    def rejections(self) -> list[Rejection]:
        return [Rejection(event.index, self.problem, self.sent_as) for event in self.events]


@dataclass(slots=True)
class Settlement:
    """What became of each event: every one is in exactly one of the first four."""

    delivered: list[Event] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    deferred: list[Deferred] = field(default_factory=list)
    notices: list[Mapping[str, Any]] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)  # one for each Edge request, in no order
    ignored: int = 0  # of the delivered: Adobe dropped them for lack of consent
    tokens_minted: int = 0

    def add(self, other: "Settlement") -> None:
        self.delivered += other.delivered
        self.rejections += other.rejections
        self.refusals += other.refusals
        self.deferred += other.deferred
        self.notices += other.notices
        self.judgements += other.judgements
        self.ignored += other.ignored

    def derived_ids(self, request_id: str) -> list[str]:
        """The ids under which Edge got, or would have got, parts of the client's request; without the client's own."""
        return [judgement.sent_as for judgement in self.judgements if judgement.sent_as != request_id]

    def ambiguous_events(self) -> int:
        """Events that Adobe may have although they will be sent again."""
        return sum(len(deferred.events) for deferred in self.deferred if deferred.judgement.ambiguous)


class Forwarder:
    """Sends events to Edge: renews the token once a request, isolates bad events, spares an Edge that is down."""

    def __init__(
        self,
        edge: EdgeCollect,
        authorizer: Authorizations,
        now: Callable[[], float],
        breaker: Breaker | None = None,
    ) -> None:
        self._edge = edge
        self._authorizer = authorizer
        self._now = now
        self._breaker = breaker or Breaker()
        self._lock = threading.Lock()  # the breaker is shared by requests that run in parallel

    def settle(self, shipment: Shipment, deadline: float) -> Settlement:
        """What became of the events, by `deadline` (epoch seconds). Adobe's failings are results, not errors."""
        minted_before = self._authorizer.minted
        groups = list(pack(shipment.events, shipment.envelope.overhead))
        settlement = self._settle_groups(shipment, groups, deadline)
        settlement.tokens_minted = self._authorizer.minted - minted_before
        return settlement

    def _settle_groups(self, shipment: Shipment, groups: list[tuple[Event, ...]], deadline: float) -> Settlement:
        if len(groups) == 1:
            return self._settle_group(shipment, groups[0], deadline, shipment.sent_as)
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - few shipments need more than one request

        def settle_group(group: tuple[Event, ...]) -> Settlement:
            return self._settle_group(shipment, group, deadline)

        whole = Settlement()
        with ThreadPoolExecutor(min(_PARALLEL, len(groups))) as pool:
            for part in pool.map(settle_group, groups):
                whole.add(part)
        return whole

    def _settle_group(
        self, shipment: Shipment, group: tuple[Event, ...], deadline: float, sent_as: str | None = None
    ) -> Settlement:
        """Send one request's worth of events; where Edge refuses some of them, send the others again without.

        The first request goes under the id `sent_as` if it is given. Every other one gets an id derived from the
        client's id and the places of its events.
        """
        settled = Settlement()
        undecided = [group]
        while undecided:
            events = undecided.pop()
            request_id = sent_as or part_id(shipment.request_id, [event.index for event in events])
            sent_as = None
            judgement = self._send(shipment, request_id, events, deadline)._replace(sent_as=request_id)
            settled.judgements.append(judgement)
            if judgement.verdict is Verdict.DELIVERED:
                settled.delivered += events
                settled.ignored += len(events) if judgement.code == _NO_CONSENT else 0
                settled.notices += [_in_client_terms(notice, events) for notice in judgement.notices]
            elif judgement.verdict is Verdict.EVENT_REJECTED and judgement.problem:
                from relay.core.isolation import blame  # noqa: PLC0415 - few requests have bad events

                guilty = blame(judgement.problem, events)
                settled.rejections += [replace(rejection, sent_as=request_id) for rejection in guilty]
                undecided += _innocent(events, guilty) if guilty else _halves(events)
            elif judgement.verdict is Verdict.REQUEST_REFUSED and judgement.problem:
                settled.refusals.append(Refusal(events, judgement.problem, request_id))
            else:
                settled.deferred.append(Deferred(events, judgement))
        return settled

    def _send(self, shipment: Shipment, request_id: str, events: Sequence[Event], deadline: float) -> Judgement:
        started = self._now()
        if deadline - started < LEAST_CALL_SECONDS:
            return Judgement(Verdict.TRANSIENT, reason="no time left to ask")
        with self._lock:
            if not self._breaker.allows(started):
                wait = self._breaker.wait(started)
                return Judgement(Verdict.TRANSIENT, reason="Edge is spared for a while", retry_after=wait)
        judgement = _UNKNOWN
        try:
            body = shipment.envelope.body(event.body for event in events)
            judgement = self._ask(shipment, request_id, body, deadline)
        finally:  # whatever happened, a probe has come back
            now = self._now()
            with self._lock:
                if judgement.verdict is Verdict.TRANSIENT or judgement.retry_after is not None:
                    self._breaker.failed(now, judgement.retry_after)
                else:
                    self._breaker.succeeded(now)
        return judgement._replace(seconds=now - started)

    def _ask(self, shipment: Shipment, request_id: str, body: bytes, deadline: float) -> Judgement:
        envelope = shipment.envelope
        has_new_hint = bool(envelope.hint) and not shipment.is_answered

        def collect(authorization: Authorization, within: float) -> Judgement:
            answer = self._edge.collect(envelope, request_id, body, authorization, within)
            return judge(answer, self._now(), has_new_hint=has_new_hint)

        try:
            judgement = ask(collect, _is_expired, self._authorizer, deadline, self._now)
        except AdobeError as error:
            return _judge_error(error)
        return judgement._replace(verdict=Verdict.SETUP) if _is_expired(judgement) else judgement


def _is_expired(judgement: Judgement) -> bool:
    return judgement.verdict is Verdict.TOKEN_EXPIRED


def _judge_error(error: AdobeError) -> Judgement:
    """The verdict when there is no answer of Edge to judge."""
    verdict = Verdict.SETUP if isinstance(error, SetupError) else Verdict.TRANSIENT
    return Judgement(verdict, reason=error.reason, retry_after=error.retry_after, ambiguous=isinstance(error, NoAnswer))


def _innocent(events: tuple[Event, ...], guilty: Iterable[Rejection]) -> list[tuple[Event, ...]]:
    indexes = {rejection.index for rejection in guilty}
    rest = tuple(event for event in events if event.index not in indexes)
    return [rest] if rest else []


def _halves(events: tuple[Event, ...]) -> list[tuple[Event, ...]]:
    """The first half last, since that is where the next to send is taken from."""
    middle = len(events) // 2
    return [events[middle:], events[:middle]]


def _in_client_terms(notice: Mapping[str, Any], events: Sequence[Event]) -> Mapping[str, Any]:
    """Edge's notice with the index of the client's own array instead of that of the request."""
    if "report" not in notice:
        return notice
    index = notice["report"]["eventIndex"]
    if not 0 <= index < len(events):  # Edge names an event that it did not get
        return {name: value for name, value in notice.items() if name != "report"}
    return {**notice, "report": {"eventIndex": events[index].index}}
