"""Finding the events that Edge will not take, and delivering their neighbours."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from relay.core.events import Event
from relay.core.isolation import MOST_REQUESTS, NOT_ISOLATED, Isolation
from relay.core.problem import edge_problem
from relay.core.settlement import Settlement
from relay.core.verdict import Judgement, Scope, Verdict

TAKEN = Judgement(Verdict.DELIVERED, 202)
UNCLEAR = Judgement(Verdict.UNCERTAIN, 500, scope=Scope.DATASTREAM)
DOWN = Judgement(Verdict.TRANSIENT, 503)
LOST = Judgement(Verdict.TRANSIENT, ambiguous=True)
NO_TIME = Judgement(Verdict.TRANSIENT, was_tried=False)


def refused(detail: str = "") -> Judgement:
    return Judgement(Verdict.EVENT_REJECTED, 400, "0105-400", edge_problem("0105-400", detail))


@dataclass
class Search:
    """A search among events with these places, and the requests it made; `edge` answers them."""

    edge: Callable[[set[int]], Judgement]
    events: int
    halves_unclear: bool = True
    attempt: int = 0
    requests: list[set[int]] = field(default_factory=list)

    def run(self) -> Settlement:
        events = tuple(Event(index, b"{}") for index in range(self.events))
        isolation = Isolation(events, halves_unclear=self.halves_unclear, attempt=self.attempt)
        while sent := isolation.next():
            self.requests.append({event.index for event in sent})
            isolation.learn(self.edge(self.requests[-1]))
        settlement = isolation.settlement
        places = [
            *(event.index for event in settlement.delivered),
            *(rejection.index for rejection in settlement.rejections),
            *(event.index for refusal in settlement.refusals for event in refusal.events),
            *(event.index for deferred in settlement.deferred for event in deferred.events),
        ]
        assert sorted(places) == list(range(self.events))  # every event in exactly one place
        return settlement


def crashing(*bad: int) -> Callable[[set[int]], Judgement]:
    """An Edge that says nothing of events when it gets one of these."""
    return lambda sent: UNCLEAR if sent & set(bad) else TAKEN


def deferred(settlement: Settlement) -> list[set[int]]:
    return [{event.index for event in found.events} for found in settlement.deferred]


@pytest.mark.parametrize("bad", [0, 1, 49, 50, 98, 99])
def test_one_event_that_crashes_edge_is_found_and_its_neighbours_are_delivered(bad: int):
    """In about 2·log2(n) further requests."""
    search = Search(crashing(bad), 100)
    settlement = search.run()

    assert deferred(settlement) == [{bad}]
    assert len(settlement.delivered) == 99
    assert len(search.requests) <= 1 + 2 * math.ceil(math.log2(100))


def test_an_outage_costs_three_requests_more():
    """Both halves, and one event by itself. Everything waits together."""
    search = Search(lambda _: UNCLEAR, 100)
    settlement = search.run()

    assert deferred(settlement) == [set(range(100))]
    assert search.requests == [set(range(100)), set(range(50)), set(range(50, 100)), {0}]


@pytest.mark.parametrize(("events", "requests"), [(1, 1), (2, 3), (3, 4)])
def test_a_small_request_costs_less_in_an_outage(events: int, requests: int):
    """There is less to divide."""
    search = Search(lambda _: UNCLEAR, events)

    assert deferred(search.run()) == [set(range(events))]
    assert len(search.requests) == requests


def test_a_bad_event_in_each_half_looks_like_an_outage_until_one_event_is_taken():
    """One event by itself is most likely good."""
    settlement = Search(crashing(10, 60), 100).run()

    assert deferred(settlement) == [{10}, {60}]
    assert len(settlement.delivered) == 98


def test_the_event_that_goes_by_itself_is_another_one_at_each_try():
    """So it is a good one at some try, if there is one."""
    bad = set(range(100)) - {7}
    tries = [Search(crashing(*bad), 100, attempt=turn) for turn in range(50)]

    assert [7 in {event.index for event in search.run().delivered} for search in tries].count(True) == 1


def test_a_client_that_waits_is_not_kept_waiting_for_a_search():
    """Redelivery does it."""
    search = Search(crashing(1), 100, halves_unclear=False)

    assert deferred(search.run()) == [set(range(100))]
    assert len(search.requests) == 1


@pytest.mark.parametrize("detail", ["", "event #0 is bad"], ids=["named by nobody", "named one by one"])
def test_a_request_full_of_bad_events_costs_at_most_120_requests(detail: str):
    """What is left then is refused as one group, with Edge's reason and ours."""
    search = Search(lambda _: refused(detail), 780)
    settlement = search.run()

    assert len(search.requests) == MOST_REQUESTS - 1  # one of them may have to be repeated with a new token
    (rest,) = settlement.refusals
    assert rest.reason == NOT_ISOLATED
    assert rest.problem.type.endswith("EXEG-0105-400")
    assert "smaller batches" in rest.problem.detail
    assert len(settlement.rejections) + len(rest.events) == 780


def test_events_that_crash_edge_are_never_refused_for_their_number():
    """Beyond the limit they wait together: nothing but evidence convicts."""
    search = Search(crashing(*range(0, 780, 2)), 780, attempt=1)
    settlement = search.run()

    assert len(search.requests) < MOST_REQUESTS
    assert settlement.refusals == settlement.rejections == []


def test_an_outage_ends_the_search():
    """What was not sent waits along with what was."""
    answers = iter([refused(), TAKEN, DOWN])
    search = Search(lambda _: next(answers), 8)
    settlement = search.run()

    assert deferred(settlement) == [{4, 5, 6, 7}]
    assert len(search.requests) == 3


def test_what_may_have_arrived_waits_apart_from_what_was_not_sent():
    """Or more events than need be would count as possible duplicates."""
    answers = iter([refused(), LOST])
    settlement = Search(lambda _: next(answers), 8).run()

    assert deferred(settlement) == [{0, 1, 2, 3}, {4, 5, 6, 7}]
    assert [found.judgement.ambiguous for found in settlement.deferred] == [True, False]


def test_when_time_ends_the_rest_waits_together():
    """It is tried again as one request."""
    answers = iter([refused(), refused(), NO_TIME])
    settlement = Search(lambda _: next(answers), 8).run()

    assert deferred(settlement) == [set(range(8))]
    assert not settlement.deferred[0].judgement.was_tried


def test_bad_events_of_both_kinds_are_told_apart():
    """Some that Edge refuses, some that make it crash."""

    def edge(sent: set[int]) -> Judgement:
        return refused() if sent & {3, 30} else crashing(70)(sent)

    settlement = Search(edge, 100).run()

    assert {rejection.index for rejection in settlement.rejections} == {3, 30}
    assert deferred(settlement) == [{70}]
    assert len(settlement.delivered) == 97


def test_after_a_failure_to_learn_the_same_events_can_be_learnt_about():
    """No event is lost, or in two places."""
    isolation = Isolation((Event(0, b"{}"), Event(1, b"{}")), halves_unclear=True, attempt=0)
    isolation.next()
    with pytest.raises(KeyError):
        isolation.learn(TAKEN._replace(notices=({"report": {}},)))
    isolation.learn(UNCLEAR._replace(has_failed=True))
    while isolation.next():
        isolation.learn(TAKEN)

    assert {event.index for event in isolation.settlement.delivered} == {0, 1}
