"""Decide what becomes of a spooled message after a try: which of its events are dead letters, which are tried again."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from relay.core.events import Event
from relay.core.evidence import Evidence, Key, Weight, key_of
from relay.core.message import Message
from relay.core.problem import Problem
from relay.core.request_id import id_at_edge
from relay.core.settlement import Deferred, Settlement
from relay.core.verdict import Judgement, Verdict

_TRIES_TO_CONVICT = 3
UNCLEAR_TO_CONVICT = _TRIES_TO_CONVICT * Weight.FULL
ALONE_SECONDS = 3 * 24 * 3600.0  # after which such an answer convicts an event that nothing else could be compared with

_LONGEST_ATTRIBUTE = 1_024  # characters


class DeadLetter(NamedTuple):
    """Events that Adobe will never take, in a message of their own, or a text that nobody can read; and why."""

    content: Message | str
    attributes: Mapping[str, str]

    @property
    def cause(self) -> str:
        """For the log: reason and code."""
        return f"{self.attributes['reason']} {self.attributes.get('code', '')}".rstrip()

    @property
    def events(self) -> int:
        """How many; a text counts as one."""
        return len(self.content.events) if isinstance(self.content, Message) else 1


class Retry(NamedTuple):
    """Events to try again, in a message of their own; verdict, tries (from 1) and Retry-After say when: see backoff."""

    message: Message
    verdict: Verdict
    tries: int
    retry_after: float | None


class Disposition(NamedTuple):
    """What is to be stored before a spooled message may be deleted."""

    dead: list[DeadLetter]
    retries: list[Retry]


def dispose(message: Message, settlement: Settlement, evidence: Evidence, now: float) -> Disposition:
    """A place for every event of the message that Edge did not take; `now` is in epoch seconds."""
    tried = message._replace(attempts=message.attempts + settlement.was_tried)
    by_index = {event.index: event for event in message.events}
    dead = [
        dead_letter(tried, (by_index[rejection.index],), "event rejected", rejection.sent_as, rejection.problem)
        for rejection in settlement.rejections
    ]
    dead += [
        dead_letter(tried, refusal.events, refusal.reason, refusal.sent_as, refusal.problem)
        for refusal in settlement.refusals
    ]
    retries = []
    for deferred in settlement.deferred:
        judgement = deferred.judgement
        retry = _retry(tried, deferred, evidence, now)
        if (
            judgement.verdict is Verdict.UNCERTAIN
            and not judgement.has_failed
            and _is_convicted(retry.message, evidence, now)
        ):
            reason = "answers not understood"
            dead.append(
                dead_letter(retry.message, deferred.events, reason, judgement.sent_as, judgement.problem, judgement)
            )
        else:
            retries.append(retry)
    return Disposition(dead, retries)


def _retry(message: Message, deferred: Deferred, evidence: Evidence, now: float) -> Retry:
    events, judgement = deferred
    rest = with_events(message, events)
    verdict = judgement.verdict
    if verdict is not Verdict.UNCERTAIN:
        if judgement.was_tried:  # Edge has said something else meanwhile
            rest = rest._replace(unclear_since=0.0)
        return Retry(rest, verdict, max(1, rest.attempts), judgement.retry_after)
    if judgement.has_failed:  # that is no word of Edge's
        return Retry(rest, Verdict.TRANSIENT, max(1, rest.attempts), None)
    if weight := suspicion(message, deferred, evidence, now):
        rest = rest._replace(unclear=rest.unclear + weight, unclear_at=now, unclear_since=0.0)
        return Retry(rest, verdict, math.ceil(rest.unclear / Weight.FULL), judgement.retry_after)
    if len(events) == 1:
        is_alone = evidence.was_alone(message.envelope.datastream_id, _key(message, events), rest.unclear_since)
        since = (rest.unclear_since or now) if is_alone else 0.0
        rest = rest._replace(unclear_at=now, unclear_since=since)
    # nothing speaks against the events, so this is waited out like any outage
    return Retry(rest, Verdict.TRANSIENT, max(1, rest.attempts), judgement.retry_after)


def suspicion(message: Message, deferred: Deferred, evidence: Evidence, now: float) -> Weight:
    """How much counts against a single event of the message: Edge fails on it while it takes others."""
    events, judgement = deferred
    if len(events) > 1 or judgement.verdict is not Verdict.UNCERTAIN or judgement.has_failed:
        return Weight.NONE
    since = message.unclear_at if len(message.events) == 1 else 0.0
    return evidence.weight(message.envelope.datastream_id, _key(message, events), now, since)


def _key(message: Message, events: tuple[Event, ...]) -> Key:
    return key_of(message.request_id, events)


def _is_convicted(message: Message, evidence: Evidence, now: float) -> bool:
    """By evidence, or because there is nothing that could be evidence."""
    is_old = 0.0 < message.unclear_since <= now - ALONE_SECONDS and evidence.reaches_back(now)
    return message.unclear >= UNCLEAR_TO_CONVICT or (is_old and message.attempts >= _TRIES_TO_CONVICT)


def with_events(message: Message, events: tuple[Event, ...]) -> Message:
    """A message with some of the events; what was counted against an only event stays with it."""
    if len(events) == len(message.events):
        return message
    return message.cleared()._replace(events=events, sent_as=id_at_edge(message, events))


def dead_letter(
    message: Message,
    events: tuple[Event, ...],
    reason: str,
    sent_as: str,
    problem: Problem | None = None,
    judgement: Judgement | None = None,
) -> DeadLetter:
    """A dead letter with these events of the message; Edge's problem with them, or the judgement, says more."""
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
    return DeadLetter(with_events(message, events), {name: value for name, value in attributes.items() if value})


def _printable(text: str) -> str:
    """SQS takes no control characters in an attribute, and a detail can quote what a client sent."""
    return "".join(character if character.isprintable() else "?" for character in text)[:_LONGEST_ATTRIBUTE]
