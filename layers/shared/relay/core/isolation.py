"""Find the events that Edge will not take, and deliver their neighbours: what to send next, and what became of each.

Edge refuses a whole request for one bad event. If it names the event, the others go again without it; if it names none,
the request is halved. After an answer that says nothing about the events (a bare 500) it is halved as well, as long as
Edge takes others meanwhile. If it takes neither half, nor one event by itself, that is an outage, and the search ends.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from relay.core.events import Event, Rejection
from relay.core.problem import Problem
from relay.core.settlement import Deferred, Refusal, Settlement
from relay.core.verdict import Judgement, Verdict

# For the events of one request: to isolate many bad events would take twice as many requests as there are events.
MOST_REQUESTS = 120
_TOKEN_RENEWALS = 1  # kept free: a request is sent a second time when the token has expired
NOT_ISOLATED = "events not isolated"

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

    def __init__(self, events: tuple[Event, ...], *, halves_unclear: bool, attempt: int) -> None:
        """After an unclear answer the events are halved only if so told. `attempt` counts the tries before this one."""
        self.settlement = Settlement()
        self._parts = [_Part(events)]
        self._unclear: list[Deferred] = []  # what Edge has said nothing about
        self._halves_unclear = halves_unclear
        self._attempt = attempt
        self._requests = 0
        self._divisions = 0  # of unclear events while Edge takes nothing
        self._takes_some = False
        self._is_over = False  # Edge takes nothing now

    def next(self) -> tuple[Event, ...] | None:
        """The events of the next request; None when all are settled."""
        if not self._parts and self._halves_unclear and not self._is_over:
            self._parts = self._divided()
        if self._parts and self._requests < MOST_REQUESTS - _TOKEN_RENEWALS:
            self._requests += 1
            return self._parts[-1].events
        self._close()
        return None

    def learn(self, judgement: Judgement) -> None:
        """What came of the request with the `next` events; `judgement.sent_as` is its id."""
        events = self._parts[-1].events
        verdict, problem = judgement.verdict, judgement.problem
        notices = [_in_client_terms(notice, events) for notice in judgement.notices]
        guilty = _guilty(events, judgement) if verdict is Verdict.EVENT_REJECTED else []
        self._parts.pop()  # from here on nothing can go wrong, so no event is lost or in two places
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
        elif verdict is Verdict.REQUEST_REFUSED and problem:
            settled.refusals.append(Refusal(events, problem, judgement.sent_as))
        elif verdict is Verdict.UNCERTAIN:
            self._unclear.append(Deferred(events, judgement))
        else:
            self._put_off(events, judgement)

    def abandon(self, judgement: Judgement) -> None:
        """Nothing more can be learnt: what is left waits together."""
        events = _together([*self._parts, *self._unclear])
        self._parts, self._unclear, self._is_over = [], [], True
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

        While Edge takes others: both halves of everything. Otherwise three requests at most, to see whether it does.
        """
        large = [found for found in self._unclear if len(found.events) > 1]
        if self._takes_some:
            self._unclear = [found for found in self._unclear if len(found.events) == 1]
            return [part for found in large for part in _halves(*found)]
        self._divisions += 1
        if not large or self._divisions > 2:
            return []
        if self._divisions == 1:
            self._unclear.remove(large[0])
            return _halves(*large[0])
        # Each half may hold a bad event. One event by itself is most likely good. The next try sends another, far off.
        places = [(found, place) for found in large for place in range(len(found.events))]
        found, place = places[int(self._attempt * _GOLDEN_RATIO % 1 * len(places))]
        self._unclear.remove(found)
        self._unclear.append(found._replace(events=found.events[:place] + found.events[place + 1 :]))
        return [_Part(found.events[place : place + 1], found.judgement)]

    def _close(self) -> None:
        """Settle what is left: parts beyond the limit, and what Edge has said nothing about."""
        suspects = [found for found in self._unclear if self._takes_some and len(found.events) == 1]
        together = [found for found in self._unclear if found not in suspects]
        refused: list[_Part] = []
        waiting: list[_Part] = []
        for part in self._parts:
            is_refused = part.cause and part.cause.verdict is Verdict.EVENT_REJECTED
            # nothing was said against those that are not named; if nobody waits for an answer, the next try goes on
            is_good = part.is_named and self._halves_unclear
            (refused if is_refused and not is_good else waiting).append(part)
        if refused and (cause := refused[-1].cause) and cause.problem:
            refusal = Refusal(_together(refused), _not_isolated(cause.problem), cause.sent_as, NOT_ISOLATED)
            self.settlement.refusals.append(refusal)
        if waiting:
            self.settlement.deferred.append(Deferred(_together(waiting), _LIMIT))
        self.settlement.deferred += suspects
        if together:
            self.settlement.deferred.append(Deferred(_together(together), together[0].judgement))
        self._parts, self._unclear = [], []


def _guilty(events: tuple[Event, ...], judgement: Judgement) -> list[Rejection]:
    from relay.core.blame import blame  # noqa: PLC0415 - few requests have bad events

    found = blame(judgement.problem, events) if judgement.problem else []
    return [replace(rejection, sent_as=judgement.sent_as) for rejection in found]


def _halves(events: tuple[Event, ...], cause: Judgement) -> list[_Part]:
    """The first half last, since that is where the next to send is taken from."""
    middle = len(events) // 2
    return [_Part(events[middle:], cause), _Part(events[:middle], cause)]


def _innocent(events: tuple[Event, ...], guilty: Iterable[Rejection], cause: Judgement) -> list[_Part]:
    indexes = {rejection.index for rejection in guilty}
    rest = tuple(event for event in events if event.index not in indexes)
    return [_Part(rest, cause, is_named=True)] if rest else []


def _together(parts: Sequence[_Part | Deferred] | Sequence[_Part] | Sequence[Deferred]) -> tuple[Event, ...]:
    """Their events, in the client's order."""
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
