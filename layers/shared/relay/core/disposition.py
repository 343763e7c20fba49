"""Decide what becomes of the events of a load after a try: delivered, dead letters, or to be tried again, and when."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from relay.core.backoff import LONGEST, MAX_DELAY, delay, wait_in_trouble, wait_of_suspect, wait_out_of_time
from relay.core.envelope import Envelope
from relay.core.evidence import Evidence, Weight, mark
from relay.core.load import Item, Load, messages_of
from relay.core.message import Message, Parcel
from relay.core.problem import Problem
from relay.core.settlement import Deferred, Settlement
from relay.core.verdict import Judgement, Verdict

_TRIES_TO_CONVICT = 3
UNCLEAR_TO_CONVICT = _TRIES_TO_CONVICT * Weight.FULL
ALONE_SECONDS = 3 * 24 * 3600.0  # after which such an answer convicts an event that nothing else could be compared with

_LONGEST_ATTRIBUTE = 1_024  # characters


class DeadLetter(NamedTuple):
    """Events that Adobe will never take, in a message of their own, or a text that nobody can read; and why.

    If it cannot be stored, its events are tried again if they may be; otherwise its message stays on the spool.
    """

    message: int  # its number in the round
    content: Message | str
    attributes: Mapping[str, str]
    items: tuple[Item, ...] = ()
    may_be_tried: bool = True

    @property
    def cause(self) -> str:
        """For the log: reason and code."""
        return f"{self.attributes['reason']} {self.attributes.get('code', '')}".rstrip()

    @property
    def events(self) -> int:
        """How many; a text counts as one."""
        return self.content.events if isinstance(self.content, Message) else 1

    def retries(self) -> list["Retry"]:
        """Its events, to be tried again if it cannot be stored."""
        if isinstance(self.content, str) or not self.may_be_tried:
            return []
        return [Retry(self.content.envelope, item, wait_out_of_time(), None) for item in self.items]


class Retry(NamedTuple):
    """An event to try again, with its history as it is now; seconds that it waits at most, and what Adobe asked for."""

    envelope: Envelope
    item: Item
    wait: float
    retry_after: float | None


class PutBack(NamedTuple):
    """A message to store, the seconds before it can be received, and what it holds."""

    message: Message
    delay: int
    items: list[Item]


class Disposition(NamedTuple):
    """A place for each event of a load."""

    delivered: list[Item]
    dead: list[DeadLetter]
    retries: list[Retry]


def dispose(load: Load, settlement: Settlement, evidence: Evidence, now: float) -> Disposition:
    """What becomes of the events after a try; `now` is in epoch seconds."""
    tries = int(settlement.was_tried)
    by_place = {event.index: event for event in load.events}
    dead: list[DeadLetter] = []
    retries: list[Retry] = []
    for rejection in settlement.rejections:
        items = _tried(load.items_of([by_place[rejection.index]]), tries)
        dead += bury(load.envelope, items, "event rejected", rejection.sent_as, rejection.problem)
    for refusal in settlement.refusals:
        items = _tried(load.items_of(refusal.events), tries)
        dead += bury(load.envelope, items, refusal.reason, refusal.sent_as, refusal.problem)
    for deferred in settlement.deferred:
        judgement = deferred.judgement
        if not deferred.is_about_one_event:
            says_more = judgement.was_tried and judgement.verdict is not Verdict.UNCERTAIN
            items = _tried(load.items_of(deferred.events), tries, is_cleared_of_time=says_more)
            retries += _retries(load.envelope, items, judgement, now)
            continue
        retry = _retry_alone(load, deferred, evidence, tries, now)
        if _is_convicted(retry.item.parcel, evidence, now):
            reason, sent_as = "answers not understood", judgement.sent_as
            dead += bury(load.envelope, [retry.item], reason, sent_as, judgement.problem, judgement)
        else:
            retries.append(retry)
    return Disposition(load.items_of(settlement.delivered), dead, retries)


def leave(load: Load, judgement: Judgement, now: float) -> Disposition:
    """What becomes of events that were not tried, for what was said to others or for lack of time."""
    return Disposition([], [], list(_retries(load.envelope, load.items_of(load.events), judgement, now)))


def put_back(retries: Iterable[Retry], random: Callable[[], float], now: float) -> list[PutBack]:
    """The events to try again, in as few messages as hold them: together only what waits for the same."""
    groups: dict[tuple[Envelope, bool], list[Retry]] = {}
    for retry in retries:
        groups.setdefault((retry.envelope, retry.wait > LONGEST), []).append(retry)
    found = []
    for (envelope, _), group in groups.items():
        waits = {id(retry.item): retry for retry in group}
        for message, items in messages_of(envelope, [retry.item for retry in group]):
            longest = max(waits[id(item)].wait for item in items)
            retry_after = max(waits[id(item)].retry_after or 0.0 for item in items)
            found.append(PutBack(message, min(MAX_DELAY, delay(longest, retry_after, random(), now)), items))
    return found


def _tried(items: Sequence[Item], tries: int, *, is_cleared_of_time: bool = False) -> list[Item]:
    """The items with so many tries more; if Edge has said something else meanwhile, three days begin anew."""
    parcels: dict[int, Parcel] = {}
    for item in items:
        if id(item.parcel) not in parcels:
            since = 0.0 if is_cleared_of_time else item.parcel.unclear_since
            changed = item.parcel._replace(attempts=item.parcel.attempts + tries, unclear_since=since)
            parcels[id(item.parcel)] = changed
    return [item._replace(parcel=parcels[id(item.parcel)]) for item in items]


def _retries(envelope: Envelope, items: Iterable[Item], judgement: Judgement, now: float) -> Iterator[Retry]:
    is_trouble = judgement.was_tried or judgement.retry_after is not None
    is_setup = judgement.verdict is Verdict.SETUP
    for item in items:
        age = now - item.parcel.accepted_at
        wait = wait_in_trouble(age, is_setup=is_setup) if is_trouble else wait_out_of_time()
        yield Retry(envelope, item, wait, judgement.retry_after)


def _retry_alone(load: Load, deferred: Deferred, evidence: Evidence, tries: int, now: float) -> Retry:
    """The retry of an event that Edge says nothing about, with what counts against it."""
    (item,) = _tried(load.items_of(deferred.events), tries)
    parcel = item.parcel.with_events((item.event,))._replace(unclear_at=now)
    if deferred.weight:
        parcel = parcel._replace(unclear=parcel.unclear + deferred.weight, unclear_since=0.0)
        wait = wait_of_suspect(math.ceil(parcel.unclear / Weight.FULL))
    else:  # nothing speaks against it, so this is waited out like any outage
        is_alone = evidence.was_alone(load.envelope.datastream_id, mark(item.event.body), parcel.unclear_since)
        parcel = parcel._replace(unclear_since=(parcel.unclear_since or now) if is_alone else 0.0)
        wait = wait_in_trouble(now - parcel.accepted_at)
    return Retry(load.envelope, item._replace(parcel=parcel), wait, deferred.judgement.retry_after)


def _is_convicted(parcel: Parcel, evidence: Evidence, now: float) -> bool:
    """By evidence, or because there is nothing that could be evidence."""
    is_old = 0.0 < parcel.unclear_since <= now - ALONE_SECONDS and evidence.reaches_back(now)
    return parcel.unclear >= UNCLEAR_TO_CONVICT or (is_old and parcel.attempts >= _TRIES_TO_CONVICT)


def bury(
    envelope: Envelope,
    items: Sequence[Item],
    reason: str,
    sent_as: str,
    problem: Problem | None = None,
    judgement: Judgement | None = None,
) -> list[DeadLetter]:
    """A dead letter for each client's request; Edge's problem with the events, or the judgement, says more."""
    groups: dict[int, list[Item]] = {}
    for item in items:
        groups.setdefault(id(item.parcel), []).append(item)
    status = judgement and judgement.status
    shared = {
        "reason": reason,
        "code": problem.type.rpartition("/")[2] if problem else f"HTTP {status}" if status else "",
        "detail": _printable(" ".join([problem.detail, *problem.report.get("errors", ())]) if problem else ""),
        "datastreamId": _printable(envelope.datastream_id),
    }
    letters = []
    for group in groups.values():
        number, parcel, _ = group[0]
        accepted_at = datetime.fromtimestamp(parcel.accepted_at, UTC)
        attributes = shared | {
            "requestId": _printable(parcel.request_id),
            "sentAs": _printable(sent_as or parcel.sent_as),
            "attempts": str(parcel.attempts),
            "firstAcceptedAt": accepted_at.isoformat(timespec="seconds"),
        }
        content = Message(envelope, (parcel.with_events(tuple(item.event for item in group)),))
        written = {name: value for name, value in attributes.items() if value}
        letters.append(DeadLetter(number, content, written, tuple(group)))
    return letters


def _printable(text: str) -> str:
    """SQS takes no control characters in an attribute, and a detail can quote what a client sent."""
    return "".join(character if character.isprintable() else "?" for character in text)[:_LONGEST_ATTRIBUTE]
