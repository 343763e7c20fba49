"""Redeliver spooled messages: to Edge, back to the spool for later, or to the dead letters for good."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn, Protocol

from relay.core.backoff import backoff
from relay.core.events import Event
from relay.core.message import Message, UnreadableMessage, read_message, write_message
from relay.core.problem import Problem
from relay.core.request_id import part_id
from relay.core.verdict import Judgement, Verdict
from relay.errors import PutBack, ReplaysUnknown
from relay.forward import LOGGED_IDS, Deferred, Forwarder, Settlement

MAX_UNCERTAIN = 3  # more tries after the first answer that could not be understood
_STORE_SECONDS = 8.0  # kept back for dead letters and for putting messages back
_NOT_STORED = Judgement(Verdict.TRANSIENT, reason="not stored")
_MAX_DELAY = 900  # seconds that SQS can hold back a new message


class QueueWriter(Protocol):
    def put(
        self, texts: Sequence[str], *, delays: Sequence[int] = (), attributes: Sequence[Mapping[str, str]] = ()
    ) -> set[int]: ...

    def put_back(self, seconds_by_receipt: Mapping[str, int]) -> None: ...


class Replays(Protocol):
    def claim(self, dead_letter_id: str, message_id: str) -> bool:
        """Whether this message is the one that replays the dead letter. Raises ReplaysUnknown if it cannot be told."""
        ...


@dataclass(frozen=True, slots=True)
class Received:
    """A message as the spool hands it out; `receives` counts from 1, `replay_of` is the id of a dead letter."""

    message_id: str
    receipt: str
    text: str
    receives: int
    replay_of: str | None = None


@dataclass(slots=True)
class Tally:
    """Events, by what became of them in one invocation."""

    redelivered: int = 0
    dead_lettered: int = 0
    possible_duplicates: int = 0
    put_back: int = 0
    oldest: float = math.inf  # when the oldest of those put back was accepted, epoch seconds

    def metrics(self) -> dict[str, int]:
        return {
            "EventsRedelivered": self.redelivered,
            "EventsDeadLettered": self.dead_lettered,
            "PossibleDuplicates": self.possible_duplicates,
        }


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Events that Adobe will never take, as the message they came in, and why."""

    text: str
    attributes: Mapping[str, str]
    message: Message | None = None  # None: it was unreadable

    @property
    def cause(self) -> str:
        """For the log: reason and code."""
        return f"{self.attributes['reason']} {self.attributes.get('code', '')}".rstrip()

    @property
    def events(self) -> int:
        """An unreadable message counts as one."""
        return len(self.message.events) if self.message else 1


@dataclass(frozen=True, slots=True)
class Redeliverer:
    """What redelivering works with; `random` gives numbers from 0 to 1."""

    forwarder: Forwarder
    spool: QueueWriter
    dead_letters: QueueWriter
    replays: Replays
    random: Callable[[], float]
    now: Callable[[], float]

    def round(self, within: float) -> "Round":
        """For the messages of one invocation, which has so many seconds."""
        return Round(self, self.now() + within - _STORE_SECONDS)


@dataclass(slots=True)
class Round:
    """One invocation's messages, in turn. Once one of them meets an outage, the others are put back without trying.

    A matter of set-up is no outage: it can be about one datastream, and the others' events must not wait for that.
    """

    redeliverer: Redeliverer
    deadline: float  # epoch seconds
    tally: Tally = field(default_factory=Tally)
    settlements: list[Settlement] = field(default_factory=list)
    _met: dict[Verdict, Judgement] = field(default_factory=dict)  # what Edge did not decide on, and why
    _tried: list[str] = field(default_factory=list)
    _sent_as: list[str] = field(default_factory=list)
    _causes: Counter[str] = field(default_factory=Counter)  # of dead letters, by events
    _seconds_by_receipt: dict[str, int] = field(default_factory=dict)

    def take(self, received: Received) -> None:
        """Return when the message is dealt with and may be deleted. Raises PutBack when it is to come again."""
        try:
            message = read_message(received.text)
        except UnreadableMessage:
            if self._bury([DeadLetter(received.text, {"reason": "unreadable message"})]):
                self._put_back(received, None, _NOT_STORED)
            return
        if outage := self._met.get(Verdict.TRANSIENT):
            self._put_back(received, message, outage)
        if received.replay_of:
            if not self._is_the_replay(received, message):
                return
            message = message._replace(uncertain=0)  # somebody has mended something: it gets all its tries again
        self._tried.append(message.request_id)
        settlement = self.redeliverer.forwarder.settle(message, self.deadline)
        self._sent_as += settlement.derived_ids(message.request_id)
        self.settlements.append(settlement)
        self._settle(received, message, settlement)
        self.tally.redelivered += len(settlement.delivered)

    def close(self) -> None:
        """Tell the spool when the messages that were put back are to come again."""
        if self._seconds_by_receipt:
            self.redeliverer.spool.put_back(self._seconds_by_receipt)

    def age(self) -> float:
        """Seconds since the oldest of the messages that were put back was accepted; 0 if none was."""
        return max(0.0, self.redeliverer.now() - self.tally.oldest)

    def has_trouble(self) -> bool:
        """Whether a person may have to look."""
        return bool(self._met or self.tally.dead_lettered)

    def facts(self) -> dict[str, Any]:
        """For the log."""
        lists: dict[str, Any] = {
            "sentAs": self._sent_as[:LOGGED_IDS],
            "verdicts": [judgement.facts() for judgement in self._met.values()],
            "deadLetters": self._causes,
        }
        return {
            **self.tally.metrics(),
            "EventsPutBack": self.tally.put_back,
            "requestIds": self._tried,
            **{name: found for name, found in lists.items() if found},
        }

    def _settle(self, received: Received, message: Message, settlement: Settlement) -> None:
        """Find a place for every event that Edge did not take."""
        tried = message._replace(attempts=message.attempts + received.receives)
        by_index = {event.index: event for event in message.events}
        dead = [
            _letter(tried, (by_index[rejection.index],), "event rejected", rejection.sent_as, rejection.problem)
            for rejection in settlement.rejections
        ]
        dead += [
            _letter(tried, refusal.events, "request refused", refusal.sent_as, refusal.problem)
            for refusal in settlement.refusals
        ]
        later: list[tuple[Message, Judgement]] = []
        for deferred in settlement.deferred:
            judgement = deferred.judgement
            self._meet(judgement)
            if judgement.verdict is not Verdict.UNCERTAIN:
                if len(deferred.events) == len(message.events):  # nothing has changed: the message can stay as it is
                    self._put_back(received, message, judgement)
                later.append((_again(tried, deferred, message.uncertain), judgement))
            elif message.uncertain >= MAX_UNCERTAIN:
                reason = "answers not understood"
                dead.append(_letter(tried, deferred.events, reason, judgement.sent_as, judgement.problem, judgement))
            else:
                later.append((_again(tried, deferred, message.uncertain + 1), judgement))
        unsafe = self._bury(dead)
        later += [(letter.message, _NOT_STORED) for letter in unsafe if letter.message]  # tried again rather than lost
        if not later:
            return
        delays = [min(_MAX_DELAY, self._backoff(tried.attempts, judgement)) for _, judgement in later]
        if self.redeliverer.spool.put([write_message(rest) for rest, _ in later], delays=delays):
            # the whole message comes again, with events that have found their place already
            self.tally.possible_duplicates += len(settlement.delivered)
            self._put_back(received, message, self._met.get(Verdict.TRANSIENT, _NOT_STORED))
        for rest, _ in later:
            self._count_put_back(rest)

    def _meet(self, judgement: Judgement) -> None:
        """What is put back in an outage waits as long as the longest wait that Adobe asked for."""
        known = self._met.get(judgement.verdict)
        if not known or (judgement.retry_after or 0.0) > (known.retry_after or 0.0):
            self._met[judgement.verdict] = judgement

    def _bury(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Store the dead letters; those that may not be stored."""
        if not letters:
            return []
        attributes = [letter.attributes for letter in letters]
        unsafe = self.redeliverer.dead_letters.put([letter.text for letter in letters], attributes=attributes)
        for letter in (letter for place, letter in enumerate(letters) if place not in unsafe):
            self.tally.dead_lettered += letter.events
            self._causes[letter.cause] += letter.events
        return [letters[place] for place in sorted(unsafe)]

    def _is_the_replay(self, received: Received, message: Message) -> bool:
        try:
            return self.redeliverer.replays.claim(received.replay_of or "", received.message_id)
        except ReplaysUnknown:
            self._put_back(received, message, _NOT_STORED)

    def _put_back(self, received: Received, message: Message | None, judgement: Judgement) -> NoReturn:
        self._seconds_by_receipt[received.receipt] = self._backoff(received.receives, judgement)
        if message:
            self._count_put_back(message)
        raise PutBack

    def _backoff(self, tries: int, judgement: Judgement) -> int:
        return backoff(judgement.verdict, tries, judgement.retry_after, self.redeliverer.random())

    def _count_put_back(self, message: Message) -> None:
        self.tally.put_back += len(message.events)
        self.tally.oldest = min(self.tally.oldest, message.accepted_at)


def _again(message: Message, deferred: Deferred, uncertain: int) -> Message:
    return message._replace(events=deferred.events, sent_as=deferred.judgement.sent_as, uncertain=uncertain)


def _letter(
    message: Message,
    events: tuple[Event, ...],
    reason: str,
    sent_as: str,
    problem: Problem | None,
    judgement: Judgement | None = None,
) -> DeadLetter:
    rest = message
    if len(events) < len(message.events):
        rest = message._replace(events=events, sent_as=part_id(message.request_id, [event.index for event in events]))
    attributes = {
        "reason": reason,
        "code": problem.type.rpartition("/")[2] if problem else f"HTTP {judgement.status}" if judgement else "",
        "detail": _printable(" ".join([problem.detail, *problem.report.get("errors", ())]) if problem else ""),
        "datastreamId": _printable(message.envelope.datastream_id),
        "requestId": _printable(message.request_id),
        "sentAs": _printable(sent_as),
        "attempts": str(message.attempts),
        "firstAcceptedAt": datetime.fromtimestamp(message.accepted_at, UTC).isoformat(timespec="seconds"),
    }
    return DeadLetter(write_message(rest), {name: value for name, value in attributes.items() if value}, rest)


def _printable(text: str) -> str:
    """SQS takes no control characters in an attribute, and a detail can quote what a client sent."""
    return "".join(character if character.isprintable() else "?" for character in text)[:1024]
