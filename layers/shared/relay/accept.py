"""Accept a client's batch: what Edge does not take now is on the spool before the client hears of it."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from relay.batch import Batch
from relay.core.deadline import Deadline
from relay.core.events import Event, Rejection
from relay.core.request_id import id_at_edge
from relay.core.settlement import Deferred, Settlement
from relay.core.verdict import Verdict
from relay.forward import LOGGED_IDS, Forwarder
from relay.spool import MAX_DELAY, Queue, store

_LOGGED_VERDICTS = 10  # one request can lead to hundreds


class Acceptance(NamedTuple):
    """What became of a batch. Every event is delivered, spooled, rejected, or still the client's (unsafe)."""

    batch: Batch
    settlement: Settlement
    spooled: tuple[Event, ...]
    unsafe: tuple[Event, ...]
    rejections: list[Rejection]  # of all kinds, in the client's order

    def facts(self) -> dict[str, Any]:
        """For the log: counts, what led to anything but delivery, and the ids at Edge that are not the client's."""
        judgements = self.settlement.judgements
        unusual = [judgement.facts() for judgement in judgements if judgement.is_unusual]
        facts: dict[str, Any] = {
            "delivered": len(self.settlement.delivered),
            "spooled": len(self.spooled),
            "rejected": len(self.rejections),
            "edgeRequests": sum(judgement.was_sent for judgement in judgements),
            "verdicts": unusual[:_LOGGED_VERDICTS],
            "sentAs": self.settlement.derived_ids(self.batch.request_id)[:LOGGED_IDS],
        }
        return {name: fact for name, fact in facts.items() if fact != []}

    @property
    def severity(self) -> str:
        """Whether somebody has to act, should know, or need not care."""
        verdicts = {deferred.judgement.verdict for deferred in self.settlement.deferred}
        if Verdict.SETUP in verdicts or self.unsafe:
            return "error"
        return "warning" if verdicts else "info"

    @property
    def accepted(self) -> int:
        """How many events are delivered or spooled."""
        return len(self.settlement.delivered) + len(self.spooled)


class Acceptor:
    """Forwards first and spools on trouble."""

    def __init__(self, forwarder: Forwarder, spool: Queue, now: Callable[[], float]) -> None:
        self._forwarder = forwarder
        self._spool = spool
        self._now = now

    def accept(self, batch: Batch, deadline: Deadline) -> Acceptance:
        """What became of the batch, by the deadline."""
        # what is undecided then must still find its place, also if one call of the spool hangs
        settlement = self._forwarder.settle(batch, deadline.before(2 * self._spool.seconds))
        unsafe = self._keep(batch, settlement.deferred, deadline) if settlement.deferred else set()
        return Acceptance(
            batch,
            settlement,
            spooled=_events(deferred for n, deferred in enumerate(settlement.deferred) if n not in unsafe),
            unsafe=_events(deferred for n, deferred in enumerate(settlement.deferred) if n in unsafe),
            rejections=_rejections(batch, settlement),
        )

    def _keep(self, batch: Batch, deferred: Sequence[Deferred], deadline: Deadline) -> set[int]:
        from relay.core.message import Message, Outgoing  # noqa: PLC0415 - on most days nothing is spooled

        messages = []
        for events, judgement in deferred:
            message = Message(
                envelope=batch.envelope,
                request_id=batch.request_id,
                sent_as=id_at_edge(batch, events),
                accepted_at=self._now(),
                events=events,
                attempts=int(judgement.was_tried),
            )
            delay = min(MAX_DELAY, math.ceil(judgement.retry_after or 0.0))  # what Adobe asked for holds there, too
            messages.append(Outgoing(message, delay))
        return store(self._spool, messages, deadline)


def _rejections(batch: Batch, settlement: Settlement) -> list[Rejection]:
    refused = [rejection for refusal in settlement.refusals for rejection in refusal.rejections()]
    found = [*batch.rejections, *settlement.rejections, *refused]
    return sorted(found, key=lambda rejection: rejection.index)


def _events(deferred: Iterable[Deferred]) -> tuple[Event, ...]:
    return tuple(event for item in deferred for event in item.events)
