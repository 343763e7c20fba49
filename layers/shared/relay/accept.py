"""Accept a client's batch: what Edge does not take now, or is not asked to take, is spooled before the client hears."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from relay.batch import Batch
from relay.core.backoff import MAX_DELAY, delay_at_least
from relay.core.deadline import Deadline
from relay.core.events import Event, Rejection
from relay.core.packing import pack
from relay.core.settlement import Deferred, Settlement
from relay.core.verdict import Judgement, Verdict
from relay.forward import LOGGED_IDS, Forwarder
from relay.spool import Queue, store

_LOGGED_VERDICTS = 10  # one request can lead to hundreds
_NOT_ASKED = Judgement(Verdict.TRANSIENT, reason="the client does not wait", was_tried=False)


class Acceptance(NamedTuple):
    """What became of a batch. Every event is delivered, spooled, rejected, or still the client's (unsafe)."""

    batch: Batch
    settlement: Settlement
    spooled: tuple[Event, ...]
    unsafe: tuple[Event, ...]
    rejections: list[Rejection]  # of all kinds, in the client's order
    is_async: bool  # Edge was not asked, because nobody waits for it

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
        if self.is_async:
            facts["async"] = True
        return {name: fact for name, fact in facts.items() if fact != []}

    @property
    def severity(self) -> str:
        """Whether somebody has to act, should know, or need not care."""
        verdicts = {deferred.judgement.verdict for deferred in self.settlement.deferred}
        if Verdict.SETUP in verdicts or self.unsafe:
            return "error"
        return "warning" if verdicts and not self.is_async else "info"

    @property
    def accepted(self) -> int:
        """How many events are delivered or spooled."""
        return len(self.settlement.delivered) + len(self.spooled)


class Acceptor:
    """Forwards first and spools on trouble, or spools at once."""

    def __init__(self, forwarder: Forwarder, spool: Queue, now: Callable[[], float]) -> None:
        self._forwarder = forwarder
        self._spool = spool
        self._now = now

    def accept(self, batch: Batch, deadline: Deadline) -> Acceptance:
        """What became of the batch, by the deadline."""
        # what is undecided then must still find its place, also if one call of the spool hangs
        settlement = self._forwarder.settle(batch, deadline.before(2 * self._spool.seconds))
        return self._accepted(batch, settlement, deadline)

    def keep(self, batch: Batch, deadline: Deadline) -> Acceptance:
        """The same without asking Edge: all of the batch is to go to the spool."""
        groups = pack(batch.events, batch.envelope.overhead)
        settlement = Settlement(deferred=[Deferred(events, _NOT_ASKED) for events in groups])
        return self._accepted(batch, settlement, deadline, is_async=True)

    def _accepted(
        self, batch: Batch, settlement: Settlement, deadline: Deadline, *, is_async: bool = False
    ) -> Acceptance:
        unsafe = self._keep(batch, settlement.deferred, deadline) if settlement.deferred else set()
        return Acceptance(
            batch,
            settlement,
            spooled=_events(deferred for n, deferred in enumerate(settlement.deferred) if n not in unsafe),
            unsafe=_events(deferred for n, deferred in enumerate(settlement.deferred) if n in unsafe),
            rejections=_rejections(batch, settlement),
            is_async=is_async,
        )

    def _keep(self, batch: Batch, deferred: Sequence[Deferred], deadline: Deadline) -> set[int]:
        from relay.core.message import Message, Outgoing, Parcel  # noqa: PLC0415 - on most days nothing is spooled

        messages = []
        for events, judgement, _ in deferred:
            parcel = Parcel(
                request_id=batch.request_id,
                sent_as=batch.sent_as(events),
                accepted_at=self._now(),
                events=events,
                attempts=int(judgement.was_tried),
            )
            delay = min(MAX_DELAY, delay_at_least(judgement.retry_after or 0.0, self._now()))  # as Adobe asked
            messages.append(Outgoing(Message(batch.envelope, (parcel,)), delay))
        return store(self._spool, messages, deadline)


def _rejections(batch: Batch, settlement: Settlement) -> list[Rejection]:
    refused = [rejection for refusal in settlement.refusals for rejection in refusal.rejections()]
    found = [*batch.rejections, *settlement.rejections, *refused]
    return sorted(found, key=lambda rejection: rejection.index)


def _events(deferred: Iterable[Deferred]) -> tuple[Event, ...]:
    return tuple(event for item in deferred for event in item.events)
