"""Redeliver spooled messages: to Edge, back to the spool for later, or to the dead letters for good.

A round is what one invocation gets. Its events go to Edge packed anew, whatever messages they came in. What becomes of
each is decided in `core`; here is what asks and acts: a message is deleted once all its events are delivered or stored.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

from relay.core.deadline import Deadline
from relay.core.disposition import DeadLetter, Disposition, bury, dispose, leave, put_back
from relay.core.ledger import Ledger
from relay.core.load import Item, Load, plan_loads
from relay.core.message import Message, Outgoing, UnreadableMessage, read_message
from relay.core.schedule import Schedule, keep_longest
from relay.core.settlement import Settlement
from relay.core.verdict import Judgement, Verdict
from relay.errors import ReplaysUnknown, log_failure
from relay.forward import LOGGED_IDS, NO_TIME, PARALLEL, Forwarder
from relay.measure import count, measure_settlement
from relay.spool import Queue, store

logger = Logger(child=True)

_ANSWER_SECONDS = 0.5  # kept back for answering
_LOGGED_REQUESTS = 1_000  # of clients, in one log line

# A message that comes again so often without being stored anew was with a function that died, perhaps of it: so it goes
# by itself.
_MANY_RECEIVES = 3


class Spool(Queue, Protocol):
    def delete(self, receipts: Sequence[str], deadline: Deadline) -> bool:
        """Delete received messages; False if some may still be there."""
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

    def count_put_back(self, items: Iterable[Item]) -> None:
        for item in items:
            self.put_back += 1
            self.oldest = min(self.oldest, item.parcel.accepted_at)


@dataclass(frozen=True, slots=True)
class Redeliverer:
    """What redelivering works with; `random` gives numbers from 0 to 1, `parallel` requests are sent at once."""

    forwarder: Forwarder
    spool: Spool
    dead_letters: Queue
    replays: Replays
    random: Callable[[], float]
    now: Callable[[], float]
    parallel: int = PARALLEL

    def redeliver(self, messages: Sequence[Received], within: float, metrics: Metrics) -> set[str]:
        """Redeliver what an invocation got, in so many seconds: the ids of the messages that must not be deleted."""
        round_ = Round(self, messages, Deadline.after(within - _ANSWER_SECONDS, self.now))
        round_.send(round_.read())
        coming_again = round_.close()
        for settlement in round_.settlements:
            measure_settlement(metrics, settlement)
        metrics.add_metric("SpoolAge", MetricUnit.Seconds, max(0.0, self.now() - round_.tally.oldest))
        count(metrics, MessagesReceived=len(messages), **round_.tally.metrics())
        log = logger.warning if round_.has_trouble() else logger.info
        log("messages redelivered", extra=round_.facts())
        return coming_again


@dataclass(slots=True)
class Round:
    """One invocation: `read` the messages, `send` their events, then `close` with what Edge did not take."""

    redeliverer: Redeliverer
    received: Sequence[Received]
    deadline: Deadline
    tally: Tally = field(default_factory=Tally)
    settlements: list[Settlement] = field(default_factory=list)
    _ledger: Ledger = field(default_factory=Ledger)
    _deletes: bool = True
    _replays_unknown: bool = False
    _troubles: dict[Verdict, Judgement] = field(default_factory=dict)  # what Edge did not decide on, for the log
    _causes: Counter[str] = field(default_factory=Counter)  # of dead letters, by events
    _request_ids: dict[str, None] = field(default_factory=dict)
    _sent_as: list[str] = field(default_factory=list)

    def read(self) -> list[Load]:
        """The loads of the messages; what cannot be read, or has been replayed, gets its place."""
        readable = []
        for number, received in enumerate(self.received):
            self._ledger.open(number, 1)
            try:
                if message := self._read(number, received):
                    readable.append((number, message, received.receives >= _MANY_RECEIVES))
            except Exception as error:  # noqa: BLE001 - the other messages go on
                self._fail([number], error)
        try:
            return plan_loads(readable)
        except Exception as error:  # noqa: BLE001 - they come again, and after some times by themselves
            self._fail([number for number, _, _ in readable], error)
            return []

    def _read(self, number: int, received: Received) -> Message | None:
        try:
            message = read_message(received.text)
        except UnreadableMessage:
            letter = DeadLetter(number, received.text, {"reason": "unreadable message"})
            self._ledger.decide(Disposition([], [letter], []))
            return None
        self._ledger.open(number, message.events)
        self._request_ids |= dict.fromkeys(parcel.request_id for parcel in message.parcels)
        if received.replay_of is None:
            return message
        # somebody has fixed something: all tries again
        message = message._replace(parcels=tuple(parcel.cleared() for parcel in message.parcels))
        return message if self._is_the_replay(number, received, message) else None

    def _is_the_replay(self, number: int, received: Received, message: Message) -> bool:
        """Whether to send the message; if not, it is dropped, or comes again when the record can be read."""
        replay_of, replay_id = received.replay_of or "", received.replay_id or received.message_id
        is_first = None
        if not self._replays_unknown:  # if it could not be read a moment ago, that may have cost seconds
            with suppress(ReplaysUnknown):
                is_first = self.redeliverer.replays.claim(replay_of, replay_id, self._to_send())
        items = [Item(number, parcel, event) for parcel in message.parcels for event in parcel.events]
        if is_first is None:
            self._replays_unknown = True
            self._ledger.stay(number)
            self.tally.count_put_back(items)
            return False
        if not is_first:
            ids = {"deadLetterId": replay_of, "messageId": received.message_id}
            ids["requestId"] = message.parcels[0].request_id
            if received.replay_id:
                logger.warning("replay dropped: another message replays the same dead letter", extra=ids)
                self.tally.replays_dropped += 1
                self._ledger.open(number, 0)
            else:  # SQS gives a message that it moves another id, so this can be the only copy
                logger.warning("replay kept as a dead letter: another message replays the same one", extra=ids)
                letters = bury(message.envelope, items, "replayed already", "")
                self._ledger.decide(Disposition([], [letter._replace(may_be_tried=False) for letter in letters], []))
        return is_first

    def send(self, loads: Sequence[Load]) -> None:
        """Send the loads, several at once, as far as there is time and no trouble; decide what becomes of each."""
        schedule = Schedule(loads)
        running: dict[Future[Settlement], Load] = {}
        with ThreadPoolExecutor(self.redeliverer.parallel) as pool:
            while True:
                if self.redeliverer.forwarder.has_time(self._to_send()):
                    while len(running) < self.redeliverer.parallel and (load := schedule.next()):
                        running[pool.submit(self.redeliverer.forwarder.settle, load, self._to_send())] = load
                if not running:
                    break
                self._delete_done()  # while others are in flight
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    self._learn(running.pop(future), future, schedule)
                if self._ledger.is_urgent:
                    self.store()
        for load, outage in schedule.rest():
            self._decide(load, leave, outage or NO_TIME, self.redeliverer.now())

    def _to_send(self) -> Deadline:
        """Afterwards dead letters and retries are stored: each may be a call that hangs, and a deletion another one."""
        return self.deadline.before(3 * self.redeliverer.spool.seconds)

    def _learn(self, load: Load, future: Future[Settlement], schedule: Schedule) -> None:
        try:
            settlement = future.result()
        except Exception as error:  # noqa: BLE001 - the other loads go on
            schedule.learn(load, Settlement())
            self._fail({item.message for item in load.items}, error)
            return
        schedule.learn(load, settlement)
        self.settlements.append(settlement)
        self.tally.redelivered += len(settlement.delivered)
        self._sent_as += [judgement.sent_as for judgement in settlement.judgements]
        for deferred in settlement.deferred:
            keep_longest(self._troubles, deferred.judgement.verdict, deferred.judgement)
        evidence, now = self.redeliverer.forwarder.evidence, self.redeliverer.now()
        if not self._decide(load, dispose, settlement, evidence, now):
            self.tally.possible_duplicates += len(settlement.delivered)

    def store(self) -> None:
        """Store dead letters and what is to be tried again, each event in one of them; what fails stays as it is."""
        spool = self.redeliverer.spool
        letters = self._ledger.take_dead()
        outgoing = [Outgoing(letter.content, attributes=letter.attributes) for letter in letters]
        unsafe = store(self.redeliverer.dead_letters, outgoing, self.deadline.before(spool.seconds))
        for place, letter in enumerate(letters):
            if place in unsafe:
                self._ledger.retry_instead(letter)
                continue
            self._ledger.stored(letter.message, len(letter.items) or 1)
            self.tally.dead_lettered += letter.events
            self._causes[letter.cause] += letter.events
        retries = self._ledger.take_retries()
        try:
            found = put_back(retries, self.redeliverer.random, self.redeliverer.now())
        except Exception as error:  # noqa: BLE001 - they come again, and after some times by themselves
            self._fail({retry.item.message for retry in retries}, error)
            return
        unsafe = store(spool, [Outgoing(put.message, put.delay) for put in found], self.deadline)
        for place, put in enumerate(found):
            self.tally.count_put_back(put.items)
            for item in put.items:
                if place in unsafe:
                    self._ledger.stay(item.message)
                else:
                    self._ledger.stored(item.message, 1)

    def close(self) -> set[str]:
        """Store what is left: the ids of the messages that must not be deleted."""
        self.store()
        self.tally.possible_duplicates += self._ledger.there_twice()
        return {self.received[number].message_id for number in self._ledger.staying()}

    def _delete_done(self) -> None:
        """Delete messages while the round goes on: a function that dies then repeats what is in flight, and no more.

        Those that are done at the end are left to the event source, which deletes what is not to come again.
        """
        done = self._ledger.newly_done()
        if done and self._deletes:
            receipts = [self.received[number].receipt for number in done]
            try:
                self._deletes = self.redeliverer.spool.delete(receipts, self._to_send())
            except Exception as error:  # noqa: BLE001 - the event source deletes them as well
                self._deletes = False
                log_failure("messages not deleted during the round", error)

    def _decide(self, load: Load, decide: Callable[..., Disposition], *knowing: Any) -> bool:
        try:
            self._ledger.decide(decide(load, *knowing))
        except Exception as error:  # noqa: BLE001 - the other loads go on
            self._fail({item.message for item in load.items}, error)
            return False
        return True

    def _fail(self, numbers: Iterable[int], error: Exception) -> None:
        log_failure("messages failed in code of ours; they stay on the spool", error)
        for number in numbers:
            self.tally.failed += 1
            self._ledger.stay(number)

    def has_trouble(self) -> bool:
        """Whether a person may have to look."""
        return bool(self._troubles or self.tally.dead_lettered or self.tally.failed)

    def facts(self) -> dict[str, Any]:
        """For the log."""
        sent_as = [sent for sent in self._sent_as if sent not in self._request_ids]
        lists: dict[str, Any] = {
            "sentAs": sent_as[:LOGGED_IDS],
            "verdicts": [judgement.facts() for judgement in self._troubles.values()],
            "deadLetters": self._causes,
        }
        return {
            **self.tally.metrics(),
            "EventsPutBack": self.tally.put_back,
            "Messages": len(self.received),
            "EdgeRequests": sum(judgement.was_sent for found in self.settlements for judgement in found.judgements),
            "requestIds": list(self._request_ids)[:_LOGGED_REQUESTS],
            **{name: found for name, found in lists.items() if found},
        }
