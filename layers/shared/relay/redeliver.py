"""Redeliver spooled messages: to Edge, back to the spool for later, or to the dead letters for good."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

from relay.core.backoff import LONGEST, backoff
from relay.core.deadline import Deadline
from relay.core.disposition import DeadLetter, Disposition, Retry, dead_letter, dispose, suspicion, with_events
from relay.core.isolation import MOST_REQUESTS
from relay.core.message import Message, Outgoing, UnreadableMessage, read_message
from relay.core.settlement import Deferred, Settlement
from relay.core.verdict import Judgement, Scope, Verdict
from relay.errors import ReplaysUnknown, log_failure
from relay.forward import LOGGED_IDS, NO_TIME, Forwarder
from relay.measure import count, measure_settlement
from relay.spool import MAX_DELAY, Queue, store

logger = Logger(child=True)

_ANSWER_SECONDS = 0.5  # kept back for answering
_AGE_OF_A_TRY = 40.0  # seconds that a message has waited; twice as many count for one try more, and so on
_MANY_RECEIVES = 100  # of the 1,000 that SQS grants a message, tried or not

# Messages of a datastream that Edge says nothing about, one after the other: the first may hold the only bad event.
_UNCLEAR_IN_A_ROW = 2

# More requests in the same try with an event that Edge fails on while it takes others. If it fails on half of all
# requests, three tries of four requests convict one good event of 4,000.
_REPETITIONS = 3


class Spool(Queue, Protocol):
    def hide(self, seconds_by_receipt: Mapping[str, int], deadline: Deadline) -> None:
        """Hide received messages for so long."""
        ...


class Replays(Protocol):
    def claim(self, dead_letter_id: str, replay_id: str, deadline: Deadline) -> bool:
        """Whether this replay of the dead letter is the first. Raises ReplaysUnknown if it cannot be told."""
        ...


@dataclass(frozen=True, slots=True)
class Received:
    """A message as the spool hands it out; of a replay, the dead letter's id and that of the attempt to replay it."""

    message_id: str
    receipt: str
    text: str
    replay_of: str | None = None
    replay_id: str | None = None
    receives: int = 1


@dataclass(slots=True)
class Tally:
    """Events, by what became of them in one invocation; messages that failed, and replays that were dropped."""

    redelivered: int = 0
    dead_lettered: int = 0
    possible_duplicates: int = 0
    put_back: int = 0
    oldest: float = math.inf  # when the oldest of those put back was accepted, epoch seconds
    failed: int = 0
    replays_dropped: int = 0

    def metrics(self) -> dict[str, int]:
        return {
            "EventsRedelivered": self.redelivered,
            "EventsDeadLettered": self.dead_lettered,
            "PossibleDuplicates": self.possible_duplicates,
            "InternalErrors": self.failed,
            "ReplaysDropped": self.replays_dropped,
        }


class _Unsettled(NamedTuple):
    """A received message, and what must be stored before it may be deleted; None: its events must not be tried."""

    received: Received
    message: Message | None
    disposition: Disposition
    delivered: int = 0  # events


@dataclass(frozen=True, slots=True)
class Redeliverer:
    """What redelivering works with; `random` gives numbers from 0 to 1."""

    forwarder: Forwarder
    spool: Spool
    dead_letters: Queue
    replays: Replays
    random: Callable[[], float]
    now: Callable[[], float]

    def redeliver(self, messages: Sequence[Received], within: float, metrics: Metrics) -> set[str]:
        """Redeliver what an invocation got, in so many seconds: the ids of the messages that must not be deleted."""
        round_ = Round(self, Deadline.after(within - _ANSWER_SECONDS, self.now))
        round_.take(messages)
        coming_again = round_.close()
        for settlement in round_.settlements:
            measure_settlement(metrics, settlement)
        metrics.add_metric("SpoolAge", MetricUnit.Seconds, round_.age())
        count(metrics, MessagesReceived=len(messages), **round_.tally.metrics())
        log = logger.warning if round_.has_trouble() else logger.info
        log("messages redelivered", extra=round_.facts())
        return coming_again


@dataclass(slots=True)
class Round:
    """One invocation: first `take` the messages to Edge, then `close` finds a place for what Edge did not take.

    What is decided about a message can depend on those after it: whether Edge takes others shows if it fails on events
    or on everything. Once a message meets an outage, the others that it concerns are not tried.
    """

    redeliverer: Redeliverer
    deadline: Deadline
    tally: Tally = field(default_factory=Tally)
    settlements: list[Settlement] = field(default_factory=list)
    _tried: list[tuple[Received, Message, Settlement]] = field(default_factory=list)
    _unsettled: list[_Unsettled] = field(default_factory=list)
    _outages: dict[str | None, Judgement] = field(default_factory=dict)  # by datastream; None: of Edge as a whole
    _tries: Counter[str | None] = field(default_factory=Counter)  # of the message that met the outage
    _unclear: Counter[str] = field(default_factory=Counter)  # messages in a row, by datastream
    _replays_unknown: bool = False
    _troubles: dict[Verdict, Judgement] = field(default_factory=dict)  # what Edge did not decide on, for the log
    _causes: Counter[str] = field(default_factory=Counter)  # of dead letters, by events
    _hidden: dict[str, int] = field(default_factory=dict)  # seconds, by receipt
    _coming_again: set[str] = field(default_factory=set)  # ids of messages

    def take(self, messages: Sequence[Received]) -> None:
        """Send the messages' events, unless something speaks against it."""
        readable = [(received, message) for received in messages if (message := self._read(received))]
        # events that Edge has failed on come last: then it shows whether it takes others
        for received, message in sorted(readable, key=lambda item: item[1].unclear_at > 0.0):
            try:
                self._take(received, message)
            except Exception as error:  # noqa: BLE001 - the other messages go on
                self._fail(received, error)

    def _read(self, received: Received) -> Message | None:
        try:
            return read_message(received.text)
        except UnreadableMessage:
            unreadable = DeadLetter(received.text, {"reason": "unreadable message"})
            self._unsettled.append(_Unsettled(received, None, Disposition([unreadable], [])))
        except Exception as error:  # noqa: BLE001 - the other messages go on
            self._fail(received, error)
        return None

    def close(self) -> set[str]:
        """Store what is to be stored, and hide what stays: the ids of the messages that must not be deleted."""
        spool = self.redeliverer.spool
        to_hide = self.deadline.before(spool.seconds)
        for received, message, settlement in self._tried:
            try:
                self._repeat_suspects(message, settlement)
                disposition = dispose(message, settlement, self.redeliverer.forwarder.evidence, self.redeliverer.now())
            except Exception as error:  # noqa: BLE001 - the other messages go on
                self.tally.possible_duplicates += len(settlement.delivered)
                self._fail(received, error)
            else:
                self._unsettled.append(_Unsettled(received, message, disposition, len(settlement.delivered)))
        self._store_dead_letters(to_hide.before(spool.seconds))
        self._store_retries(to_hide)
        if self._hidden:
            try:
                spool.hide(self._hidden, self.deadline)
            except Exception as error:  # noqa: BLE001 - they come again when the queue's own time is over
                log_failure("messages not hidden: they come again when the queue's own time is over", error)
        return self._coming_again

    def age(self) -> float:
        """Seconds since the oldest of the messages that come again was accepted; 0 if none does."""
        return max(0.0, self.redeliverer.now() - self.tally.oldest)

    def has_trouble(self) -> bool:
        """Whether a person may have to look."""
        return bool(self._troubles or self.tally.dead_lettered or self.tally.failed)

    def facts(self) -> dict[str, Any]:
        """For the log."""
        sent_as = [
            sent for _, message, settlement in self._tried for sent in settlement.derived_ids(message.request_id)
        ]
        lists: dict[str, Any] = {
            "sentAs": sent_as[:LOGGED_IDS],
            "verdicts": [judgement.facts() for judgement in self._troubles.values()],
            "deadLetters": self._causes,
        }
        return {
            **self.tally.metrics(),
            "EventsPutBack": self.tally.put_back,
            "requestIds": [message.request_id for _, message, _ in self._tried],
            **{name: found for name, found in lists.items() if found},
        }

    def _take(self, received: Received, message: Message) -> None:
        for place in (None, message.envelope.datastream_id):
            if outage := self._outages.get(place):
                self._leave(received, message, outage, max(self._tries[place], message.attempts))
                return
        forwarder, to_send = self.redeliverer.forwarder, self._to_send()
        if not forwarder.has_time(to_send):
            self._leave(received, message, NO_TIME, 1)
            return
        if received.replay_of:
            if not self._is_the_replay(received, message, to_send):
                return
            message = message.cleared()  # somebody has fixed something: all tries again
        settlement = forwarder.settle(message, to_send)
        self.settlements.append(settlement)
        self.tally.redelivered += len(settlement.delivered)
        self._note_outages(message, settlement)
        if settlement.was_tried:
            self._tried.append((received, message, settlement))
        else:  # nothing has changed: the message can stay as it is
            self._leave(received, message, settlement.deferred[0].judgement, message.attempts)

    def _to_send(self) -> Deadline:
        """Afterwards dead letters and retries are stored, and messages hidden: each may be a call that hangs."""
        return self.deadline.before(3 * self.redeliverer.spool.seconds)

    def _repeat_suspects(self, message: Message, settlement: Settlement) -> None:
        """Edge may fail on anything now and then, so an event that it fails on is sent again before the try counts."""
        for deferred in list(settlement.deferred):
            left = deferred
            for _ in range(_REPETITIONS):
                if not suspicion(message, left, self.redeliverer.forwarder.evidence, self.redeliverer.now()):
                    break
                again = self._send_again(message, left, settlement)
                settlement.deferred.remove(left)
                if not again:  # so nothing is shown
                    undecided = left.judgement._replace(verdict=Verdict.TRANSIENT)
                    settlement.deferred.append(left._replace(judgement=undecided))
                    break
                settlement.add(again)
                self.tally.redelivered += len(again.delivered)
                if not again.deferred:
                    break
                (left,) = again.deferred

    def _send_again(self, message: Message, deferred: Deferred, settlement: Settlement) -> Settlement | None:
        """What became of the single event; None if there was no time, or there were requests enough."""
        if len(settlement.judgements) >= MOST_REQUESTS:
            return None
        alone = with_events(message, deferred.events)
        again = self.redeliverer.forwarder.settle(alone, self._to_send(), is_suspect=True)
        return again if again.was_tried else None

    def _is_the_replay(self, received: Received, message: Message, deadline: Deadline) -> bool:
        """Whether to send the message; if not, it is dropped, or comes again when the record can be read."""
        replay_of, replay_id = received.replay_of or "", received.replay_id or received.message_id
        is_first = None
        if not self._replays_unknown:  # if it could not be read a moment ago, that may have cost seconds
            with suppress(ReplaysUnknown):
                is_first = self.redeliverer.replays.claim(replay_of, replay_id, deadline)
        if is_first is None:
            self._replays_unknown = True
            self._count_put_back(message)
            self._hide(received)
            return False
        if not is_first:
            ids = {"deadLetterId": replay_of, "messageId": received.message_id, "requestId": message.request_id}
            if received.replay_id:
                logger.warning("replay dropped: another message replays the same dead letter", extra=ids)
                self.tally.replays_dropped += 1
            else:  # SQS gives a message that it moves another id, so this can be the only copy
                logger.warning("replay kept as a dead letter: another message replays the same one", extra=ids)
                copy = dead_letter(message, message.events, "replayed already", message.sent_as)
                self._unsettled.append(_Unsettled(received, None, Disposition([copy], [])))
        return is_first

    def _note_outages(self, message: Message, settlement: Settlement) -> None:
        """Remember what keeps other messages from being sent, too.

        A matter of set-up is no outage: it can be about one datastream, and the others' events must not wait for that.
        """
        datastream_id = message.envelope.datastream_id
        if settlement.delivered:
            self._unclear[datastream_id] = 0
        elif any(deferred.judgement.verdict is Verdict.UNCERTAIN for deferred in settlement.deferred):
            self._unclear[datastream_id] += 1
        for _, judgement in settlement.deferred:
            _keep_longest(self._troubles, judgement.verdict, judgement)
            scope = judgement.trouble if judgement.was_tried else judgement.scope
            is_suspicion = judgement.verdict is Verdict.UNCERTAIN and scope is Scope.DATASTREAM
            if scope and not (is_suspicion and self._unclear[datastream_id] < _UNCLEAR_IN_A_ROW):
                place = datastream_id if scope is Scope.DATASTREAM else None
                _keep_longest(self._outages, place, judgement)
                self._tries[place] = max(self._tries[place], message.attempts + judgement.was_tried)

    def _store_dead_letters(self, deadline: Deadline) -> None:
        """Store the dead letters; what may not be stored is tried again rather than lost."""
        letters = [(item, found) for item in self._unsettled for found in item.disposition.dead]
        outgoing = [Outgoing(found.content, attributes=found.attributes) for _, found in letters]
        unsafe = store(self.redeliverer.dead_letters, outgoing, deadline)
        for place, (item, found) in enumerate(letters):
            if place not in unsafe:
                self.tally.dead_lettered += found.events
                self._causes[found.cause] += found.events
            elif item.message and isinstance(found.content, Message):
                item.disposition.retries.append(Retry(found.content, Verdict.TRANSIENT, found.content.attempts, None))
            else:
                self._hide(item.received)

    def _store_retries(self, deadline: Deadline) -> None:
        """Store what is to be tried again, as new messages; if that fails, the old one comes again as a whole."""
        retries = [(item, retry) for item in self._unsettled for retry in item.disposition.retries]
        outgoing = [  # a longer delay SQS would refuse
            Outgoing(retry.message, min(MAX_DELAY, self._backoff(retry, MAX_DELAY))) for _, retry in retries
        ]
        unsafe = store(self.redeliverer.spool, outgoing, deadline)
        failed = {id(retries[place][0]): retries[place][0] for place in unsafe}
        for place, (item, retry) in enumerate(retries):
            if place not in unsafe:
                self._count_put_back(retry.message)
                if id(item) in failed:  # it is there twice now
                    self.tally.possible_duplicates += len(retry.message.events)
        for item in failed.values():
            self.tally.possible_duplicates += item.delivered
            self._hide(item.received)
            if item.message:
                self._count_put_back(item.message)

    def _leave(self, received: Received, message: Message, judgement: Judgement, tries: int) -> None:
        """The message was not tried, and comes again later; the longer it has waited, the later."""
        if judgement.was_tried or judgement.retry_after is not None:
            age = max(0.0, self.redeliverer.now() - message.accepted_at)
            tries = max(tries, int(math.log2(1 + age / _AGE_OF_A_TRY)))
        else:  # for lack of time: soon
            tries = 1
        # what Edge says nothing about in a row is an outage
        verdict = Verdict.TRANSIENT if judgement.verdict is Verdict.UNCERTAIN else judgement.verdict
        retry = Retry(message, verdict, tries, judgement.retry_after)
        if received.receives < _MANY_RECEIVES or received.replay_of:
            self._count_put_back(message)
            self._hide(received, self._backoff(retry, LONGEST))
        else:  # stored anew it has all its receives again, and its fourteen days
            self._unsettled.append(_Unsettled(received, message, Disposition([], [retry])))

    def _backoff(self, retry: Retry, longest: float) -> int:
        return backoff(retry.verdict, max(1, retry.tries), retry.retry_after, self.redeliverer.random(), longest)

    def _hide(self, received: Received, seconds: int = 0) -> None:
        """The message stays as it is; without seconds it comes again when the queue's own time is over."""
        self._coming_again.add(received.message_id)
        if seconds:
            self._hidden[received.receipt] = seconds

    def _fail(self, received: Received, error: Exception) -> None:
        log_failure("a message failed in code of ours; it stays on the spool", error)
        self.tally.failed += 1
        self._hide(received)

    def _count_put_back(self, message: Message) -> None:
        self.tally.put_back += len(message.events)
        self.tally.oldest = min(self.tally.oldest, message.accepted_at)


def _keep_longest(found: dict[Any, Judgement], key: Any, judgement: Judgement) -> None:
    """Of judgements alike, the one with the longest wait that Adobe asked for."""
    known = found.get(key)
    if not known or (judgement.retry_after or 0.0) > (known.retry_after or 0.0):
        found[key] = judgement
