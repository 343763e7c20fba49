"""Find the events that Edge will not take, and deliver their neighbours: what to send next, and what became of each.

Edge refuses a whole request for one bad event. If it names the event, the others go again without it; if it names none,
the request is halved. After an answer that says nothing about the events (a bare 500) it is halved as well, as long as
Edge takes others meanwhile. If it takes neither half, nor one event by itself, that is an outage, and the search ends.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from relay.core.events import Event, Rejection
from relay.core.evidence import Weight
from relay.core.problem import Problem
from relay.core.settlement import Deferred, Refusal, Settlement
from relay.core.verdict import Judgement, Verdict

# For the events of one request: to isolate many bad events would take twice as many requests as there are events.
MOST_REQUESTS = 120
_TOKEN_RENEWALS = 1  # kept free: a request is sent a second time when the token has expired
NOT_ISOLATED = "events not isolated"

# Requests with a suspect in one try. If Edge fails on half of all requests, three such tries convict one good event of
# 4,000.
_FAILURES_IN_A_ROW = 4

_GOLDEN_RATIO = 0.618034  # its multiples, without their whole numbers, are spread evenly and never close to each other
_NO_CONSENT = "0301-200"
_LIMIT = Judgement(Verdict.TRANSIENT, reason="more bad events than one try can find", was_tried=False, scope=None)


class _Part(NamedTuple):
    """Events to send, and what Edge said about a request that had them and others."""

    events: tuple[Event, ...]
    cause: Judgement | None = None
    is_named: bool = False  # Edge named the bad events, and these are the others


class Isolation:
    """The search among the events of one request: send the `next`, `learn` what came of it, until there are none."""

    def __init__(
        self, events: tuple[Event, ...], *, is_answered: bool, is_shared: bool, takes_others: bool, attempt: int
    ) -> None:
        """Only events whose clients are answered are searched for what Edge fails on, or cannot read.

        Those of several clients (`is_shared`) are searched until all is found, in as many tries as that takes.
        `takes_others`: Edge is known to take other events. `attempt` counts the tries before this one.
        """
        self.settlement = Settlement()
        self._parts = [_Part(events)]
        self._unclear: list[Deferred] = []  # what Edge has said nothing about
        self._alone: list[Deferred] = []  # the same, of events that were sent by themselves
        self._is_answered = is_answered
        self._is_shared = is_shared
        self._attempt = attempt
        self._requests = 0
        self._failures = 0  # on one event by itself, in a row
        self._divisions = 0  # of unclear events while Edge takes nothing
        self._takes_some = takes_others
        self._is_over = False  # Edge takes nothing now

    def next(self) -> tuple[Event, ...] | None:
        """The events of the next request; None when all are settled."""
        if not self._parts and self._is_answered and not self._is_over:
            self._parts = self._divided()
        if self._parts and self._requests < MOST_REQUESTS - _TOKEN_RENEWALS:
            self._requests += 1
            return self._parts[-1].events
        self._close()
        return None

    def learn(self, judgement: Judgement, weight: Weight = Weight.NONE) -> None:
        """What came of the request with the `next` events; `judgement.sent_as` is its id.

        `weight` is what counts against a suspect that Edge fails on. As it may fail on anything now and then, the event
        is sent again before the try counts.
        """
        events = self._parts[-1].events
        verdict, problem = judgement.verdict, judgement.problem
        notices = [_in_client_terms(notice, events) for notice in judgement.notices]
        guilty = _guilty(events, judgement) if verdict is Verdict.EVENT_REJECTED else []
        part = self._parts.pop()  # from here on nothing can go wrong, so no event is lost or in two places
        settled = self.settlement
        settled.judgements.append(judgement)
        settled.in_doubt += len(events) if judgement.ambiguous else 0
        if verdict is Verdict.DELIVERED:
            settled.delivered += events
            settled.ignored += len(events) if judgement.code == _NO_CONSENT else 0
            settled.notices += notices
            self._takes_some = True
        elif verdict is Verdict.EVENT_REJECTED:
            settled.rejections += guilty
            self._parts += _innocent(events, guilty, judgement) if guilty else _halves(events, judgement)
        elif self._is_answered and len(events) > 1 and judgement.is_about_body:
            self._parts += _halves(events, judgement)
        elif verdict is Verdict.REQUEST_REFUSED and problem:
            settled.refusals.append(Refusal(events, problem, judgement.sent_as))
        elif verdict is Verdict.UNCERTAIN and len(events) > 1:
            self._unclear.append(Deferred(events, judgement))
        elif verdict is Verdict.UNCERTAIN:
            self._failures += 1
            if weight and self._failures < _FAILURES_IN_A_ROW:
                self._parts.append(part)
                return
            self._alone.append(Deferred(events, judgement, weight))
        else:
            self._put_off(events, judgement)
        self._failures = 0

    def abandon(self, judgement: Judgement) -> None:
        """Nothing more can be learnt: what is left waits together."""
        events = _together([*self._parts, *self._unclear, *self._alone])
        self._parts, self._unclear, self._alone, self._is_over = [], [], [], True
        if events:
            self.settlement.deferred.append(Deferred(events, judgement))
            self.settlement.judgements.append(judgement)

    def _put_off(self, events: tuple[Event, ...], judgement: Judgement) -> None:
        """Edge takes nothing now, so nothing more is sent.

        What was sent and what was not wait together. If Edge may have the first they wait apart, so that no more events
        than need be count as possible duplicates.
        """
        self._is_over = True
        rest, self._parts = self._parts, []
        if not judgement.ambiguous:
            rest.append(_Part(events))
        else:
            self.settlement.deferred.append(Deferred(events, judgement))
        if rest:
            self.settlement.deferred.append(Deferred(_together(rest), judgement._replace(ambiguous=False)))

    def _divided(self) -> list[_Part]:
        """Parts to send of what Edge has said nothing about.

        While Edge takes others: halves of the most events, to deliver the good ones; later, of the fewest, so that each
        try finds some bad ones. Otherwise three requests at most, to see whether it does.
        """
        if self._takes_some:
            if not self._unclear:
                return []
            choose = max if self._requests < MOST_REQUESTS // 2 else min
            found = choose(self._unclear, key=lambda deferred: len(deferred.events))
            self._unclear.remove(found)
            return _halves(found.events, found.judgement)
        self._divisions += 1
        if not self._unclear or self._divisions > 2:
            return []
        if self._divisions == 1:
            found = self._unclear.pop()
            return _halves(found.events, found.judgement)
        # Each half may hold a bad event. One event by itself is most likely good. The next try sends another, far off.
        places = [(number, place) for number, found in enumerate(self._unclear) for place in range(len(found.events))]
        number, place = places[int(self._attempt * _GOLDEN_RATIO % 1 * len(places))]
        events, judgement, _ = self._unclear[number]
        self._unclear[number] = Deferred(events[:place] + events[place + 1 :], judgement)
        return [_Part(events[place : place + 1], judgement)]

    def _close(self) -> None:
        """Settle what is left: parts beyond the limit, and what Edge has said nothing about."""
        refused: list[_Part] = []
        waiting: list[_Part] = []
        for part in self._parts:
            is_refused = part.cause and part.cause.verdict in (Verdict.EVENT_REJECTED, Verdict.REQUEST_REFUSED)
            # If nobody waits for an answer, the next try goes on: nothing was said against those that are not named,
            # and one client's bad events are no reason to give up another's good ones.
            goes_on = self._is_answered and (part.is_named or self._is_shared)
            (refused if is_refused and not goes_on else waiting).append(part)
        if refused and (cause := refused[-1].cause) and cause.problem:
            refusal = Refusal(_together(refused), _not_isolated(cause.problem), cause.sent_as, NOT_ISOLATED)
            self.settlement.refusals.append(refusal)
        if waiting:
            self.settlement.deferred.append(Deferred(_together(waiting), _LIMIT))
        if sum(len(found.events) for found in self._unclear) == 1:  # not sent by itself, and must not look so
            self._unclear, self._alone = self._unclear + self._alone, []
        self.settlement.deferred += self._alone
        if self._unclear:
            events, judgement = _together(self._unclear), self._unclear[0].judgement
            if len(events) == 1:  # the search ended before it was sent by itself
                judgement = judgement._replace(verdict=Verdict.TRANSIENT)
            self.settlement.deferred.append(Deferred(events, judgement))
        self._parts, self._unclear, self._alone = [], [], []


def _guilty(events: tuple[Event, ...], judgement: Judgement) -> list[Rejection]:
    from relay.core.blame import blame  # noqa: PLC0415 - few requests have bad events

    found = blame(judgement.problem, events) if judgement.problem else []
    return [replace(rejection, sent_as=judgement.sent_as) for rejection in found]


def _halves(events: tuple[Event, ...], cause: Judgement) -> list[_Part]:
    """The first half last, since that is where the next to send is taken from. Half of a single event is nothing."""
    middle = len(events) // 2
    return [_Part(half, cause) for half in (events[middle:], events[:middle]) if half]


def _innocent(events: tuple[Event, ...], guilty: Iterable[Rejection], cause: Judgement) -> list[_Part]:
    indexes = {rejection.index for rejection in guilty}
    rest = tuple(event for event in events if event.index not in indexes)
    return [_Part(rest, cause, is_named=True)] if rest else []


def _together(parts: Sequence[_Part | Deferred] | Sequence[_Part] | Sequence[Deferred]) -> tuple[Event, ...]:
    """Their events, in the order of the shipment."""
    return tuple(sorted((event for part in parts for event in part[0]), key=lambda event: event.index))


def _not_isolated(problem: Problem) -> Problem:
    """What Edge said about all of them."""
    words = (
        f"Edge refused this event together with others, and after {MOST_REQUESTS} requests the relay stopped looking "
        "for the bad ones. Check the events, and send them again in smaller batches."
    )
    return problem._replace(detail=f"{problem.detail} {words}".lstrip(), report={})


def _in_client_terms(notice: Mapping[str, Any], events: Sequence[Event]) -> Mapping[str, Any]:
    """Edge's notice with the index of the client's own array instead of that of the request."""
    if "report" not in notice:
        return notice
    index = notice["report"]["eventIndex"]
    if not 0 <= index < len(events):  # Edge names an event that it did not get
        return {name: value for name, value in notice.items() if name != "report"}
    return {**notice, "report": {"eventIndex": events[index].index}}
