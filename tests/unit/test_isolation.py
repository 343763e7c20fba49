"""Finding the events that Edge will not take, and delivering their neighbours."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.events import Event
from relay.core.evidence import Weight
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
    is_answered: bool = True
    is_shared: bool = False
    takes_others: bool = False
    attempt: int = 0
    weight: Weight = Weight.NONE
    requests: list[set[int]] = field(default_factory=list)

    def run(self) -> Settlement:
        events = tuple(Event(index, b"{}") for index in range(self.events))
        isolation = Isolation(
            events,
            is_answered=self.is_answered,
            is_shared=self.is_shared,
            takes_others=self.takes_others,
            attempt=self.attempt,
        )
        while sent := isolation.next():
            self.requests.append({event.index for event in sent})
            isolation.learn(self.edge(self.requests[-1]), self.weight)
        settlement = isolation.settlement
        places = [
            *(event.index for event in settlement.delivered),
            *(rejection.index for rejection in settlement.rejections),
            *(event.index for refusal in settlement.refusals for event in refusal.events),
            *(event.index for deferred in settlement.deferred for event in deferred.events),
        ]
        assert sorted(places) == list(range(self.events))  # every event in exactly one place
        return settlement


def refused_for_the_body() -> Judgement:
    """Edge cannot read the request, or cannot process it: one event of it may be why."""
    return Judgement(Verdict.REQUEST_REFUSED, 400, "0101-400", edge_problem("0101-400", "no JSON"))


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
    """Both halves, and one event by itself, which waits apart: it may be what Edge fails on."""
    search = Search(lambda _: UNCLEAR, 100)
    settlement = search.run()

    assert deferred(settlement) == [{0}, set(range(1, 100))]
    assert search.requests == [set(range(100)), set(range(50)), set(range(50, 100)), {0}]


@pytest.mark.parametrize(
    ("events", "requests", "waiting"),
    [(1, 1, [{0}]), (2, 3, [{0}, {1}]), (3, 4, [{0, 1, 2}])],
    ids=["one event", "two, each by itself", "three, of which one was not sent by itself"],
)
def test_a_small_request_costs_less_in_an_outage(events: int, requests: int, waiting: list[set[int]]):
    """There is less to divide."""
    search = Search(lambda _: UNCLEAR, events)

    assert deferred(search.run()) == waiting
    assert len(search.requests) == requests


def test_a_bad_event_in_each_half_looks_like_an_outage_until_one_event_is_taken():
    """One event by itself is most likely good."""
    settlement = Search(crashing(10, 60), 100).run()

    assert deferred(settlement) == [{10}, {60}]
    assert len(settlement.delivered) == 98


def test_the_event_that_goes_by_itself_is_another_one_at_each_try():
    """Of a hundred events 95 are tried in 150 tries, each far from the one before: bad events come in rows."""
    tries = [Search(lambda _: UNCLEAR, 100, attempt=attempt) for attempt in range(150)]
    for search in tries:
        search.run()

    alone = [min(search.requests[-1]) for search in tries]
    assert len(set(alone)) >= 95
    assert min(abs(one - other) for one, other in itertools.pairwise(alone)) > 30


@pytest.mark.parametrize("good", [7, 50, 99])
def test_even_a_single_good_event_is_delivered_at_last(good: int):
    """However many bad ones surround it."""
    bad = set(range(100)) - {good}
    tries = (Search(crashing(*bad), 100, attempt=attempt).run() for attempt in range(300))

    assert any(good in {event.index for event in settlement.delivered} for settlement in tries)


def test_what_is_unclear_in_parts_is_in_one_place_each():
    """Also when Edge refuses the whole and says nothing about the halves."""
    answers = itertools.chain([refused()], itertools.repeat(UNCLEAR))

    assert deferred(Search(lambda _: next(answers), 100).run()) == [{0}, set(range(1, 100))]


def test_a_client_that_waits_is_not_kept_waiting_for_a_search():
    """Redelivery does it."""
    search = Search(crashing(1), 100, is_answered=False)

    assert deferred(search.run()) == [set(range(100))]
    assert len(search.requests) == 1


@pytest.mark.parametrize("is_answered", [True, False], ids=["redelivered", "a client waits"])
def test_a_request_full_of_bad_events_costs_at_most_120_requests(is_answered: bool):
    """What is left then is refused as one group, with Edge's reason and ours."""
    search = Search(lambda _: refused(), 780, is_answered)
    settlement = search.run()

    assert len(search.requests) == MOST_REQUESTS - 1  # one of them may have to be repeated with a new token
    (rest,) = settlement.refusals
    assert rest.reason == NOT_ISOLATED
    assert rest.problem.type.endswith("EXEG-0105-400")
    assert "smaller batches" in rest.problem.detail
    assert len(settlement.rejections) + len(rest.events) == 780


def test_one_clients_bad_events_are_no_reason_to_give_up_anothers():
    """Beyond the limit events of several clients wait for the next try."""
    search = Search(lambda _: refused(), 780, is_shared=True)
    settlement = search.run()

    assert len(search.requests) == MOST_REQUESTS - 1
    assert settlement.refusals == []
    (rest,) = settlement.deferred
    assert len(rest.events) + len(settlement.rejections) == 780
    assert not rest.judgement.was_tried
    assert rest.judgement.scope is None  # so it is no outage that would hold back other loads


@pytest.mark.parametrize("is_shared", [False, True], ids=["one client's", "several clients'"])
def test_an_event_for_which_edge_refuses_the_whole_request_is_found(is_shared: bool):
    """Once the clients are answered: the neighbours are delivered."""
    search = Search(lambda sent: refused_for_the_body() if 42 in sent else TAKEN, 100, is_shared=is_shared)
    settlement = search.run()

    (refusal,) = settlement.refusals
    assert [event.index for event in refusal.events] == [42]
    assert (refusal.problem.type[-13:], refusal.reason) == ("EXEG-0101-400", "request refused")
    assert len(settlement.delivered) == 99
    assert len(search.requests) <= 1 + 2 * math.ceil(math.log2(100))


def test_a_client_that_waits_hears_at_once_that_its_request_is_refused():
    """It knows what it has sent."""
    search = Search(lambda _: refused_for_the_body(), 100, is_answered=False)
    settlement = search.run()

    assert [len(refusal.events) for refusal in settlement.refusals] == [100]
    assert len(search.requests) == 1


def test_a_request_that_is_refused_for_what_its_events_share_is_not_divided():
    """Its datastream, for example. Each half would be refused as well."""
    problem = edge_problem("0003-400", "no such datastream")
    search = Search(lambda _: Judgement(Verdict.REQUEST_REFUSED, 400, "0003-400", problem), 100, is_shared=True)
    settlement = search.run()

    assert [len(refusal.events) for refusal in settlement.refusals] == [100]
    assert len(search.requests) == 1


def test_when_edge_takes_others_each_event_that_it_fails_on_goes_by_itself():
    """Those that it has failed on before: nothing of the request has to be taken first."""
    search = Search(lambda _: UNCLEAR, 8, takes_others=True)
    settlement = search.run()

    assert sorted(map(sorted, deferred(settlement))) == [[place] for place in range(8)]
    assert [{place} in search.requests for place in range(8)] == [True] * 8
    assert len(search.requests) == 15


def test_a_suspect_is_sent_four_times_in_a_row_before_the_try_counts():
    """Edge may fail on anything now and then."""
    search = Search(crashing(1), 2, takes_others=True, weight=Weight.FULL)
    settlement = search.run()

    assert search.requests == [{0, 1}, {0}, {1}, {1}, {1}, {1}]
    assert [found.weight for found in settlement.deferred] == [Weight.FULL]


def test_a_suspect_that_edge_takes_at_the_second_time_is_delivered():
    """It was not to blame."""
    answers = iter([UNCLEAR, TAKEN])
    search = Search(lambda _: next(answers), 1, takes_others=True, weight=Weight.FULL)
    settlement = search.run()

    assert [event.index for event in settlement.delivered] == [0]
    assert settlement.deferred == []


def test_a_suspect_is_sent_once_if_nothing_counts_against_it():
    """In an outage that would be in vain."""
    search = Search(lambda _: UNCLEAR, 1)
    settlement = search.run()

    assert search.requests == [{0}]
    assert [found.weight for found in settlement.deferred] == [Weight.NONE]


def test_twenty_suspects_that_are_all_bad_are_all_sent_four_times_in_one_try():
    """So the next try has others to look at."""
    search = Search(lambda _: UNCLEAR, 20, takes_others=True, weight=Weight.FULL)
    settlement = search.run()

    assert [found.weight for found in settlement.deferred] == [Weight.FULL] * 20
    assert len(search.requests) == 19 + 20 * 4


def test_among_hundreds_of_bad_events_each_try_finds_some():
    """It cannot find them all."""
    search = Search(crashing(*range(200)), 400)
    settlement = search.run()

    assert len(search.requests) == MOST_REQUESTS - 1
    assert len(settlement.delivered) == 200
    assert sum(len(found) == 1 for found in deferred(settlement)) >= 20


def test_when_edge_names_bad_events_one_by_one_a_client_hears_after_120_requests():
    """The others are rejected with them, and the client can send them again."""
    search = Search(lambda _: refused("event #0 is bad"), 780, is_answered=False)
    settlement = search.run()

    assert len(search.requests) == MOST_REQUESTS - 1
    assert [refusal.reason for refusal in settlement.refusals] == [NOT_ISOLATED]


def test_when_edge_names_bad_events_one_by_one_the_next_try_of_a_spooled_message_goes_on():
    """Nothing was said against the others, and nobody waits."""
    search = Search(lambda _: refused("event #0 is bad"), 780)
    settlement = search.run()

    assert len(search.requests) == len(settlement.rejections) == MOST_REQUESTS - 1
    assert settlement.refusals == []
    assert [found.judgement.scope for found in settlement.deferred] == [None]


def test_events_that_crash_edge_are_never_refused_for_their_number():
    """Beyond the limit they wait together: nothing but evidence convicts."""
    search = Search(crashing(*range(0, 780, 2)), 780, attempt=1)
    settlement = search.run()

    assert len(search.requests) < MOST_REQUESTS
    assert settlement.refusals == settlement.rejections == []


def test_an_event_that_was_not_sent_by_itself_is_no_suspect():
    """At the limit those that crash Edge together wait together."""
    search = Search(crashing(*range(0, 780, 2)), 780, attempt=1)
    settlement = search.run()

    alone = [sent for sent in search.requests if len(sent) == 1]
    assert [places for places in deferred(settlement) if len(places) == 1 and places not in alone] == []


def test_an_event_that_is_left_over_when_an_outage_begins_is_no_suspect():
    """It was not sent by itself, so nothing is said about it."""
    answers = iter([UNCLEAR, refused(), UNCLEAR, DOWN])
    search = Search(lambda _: next(answers), 3)
    settlement = search.run()

    assert search.requests == [{0, 1, 2}, {0}, {1, 2}, {1}]
    assert [found.judgement.verdict for found in settlement.deferred] == [Verdict.TRANSIENT] * 2


def test_an_outage_ends_the_search():
    """What was not sent waits along with what was."""
    answers = iter([refused(), TAKEN, DOWN])
    search = Search(lambda _: next(answers), 8)
    settlement = search.run()

    assert deferred(settlement) == [{4, 5, 6, 7}]
    assert len(search.requests) == 3


@pytest.mark.parametrize("end", [DOWN, NO_TIME], ids=["an outage", "no time"])
def test_an_outage_or_a_lack_of_time_ends_the_search_among_unclear_events_too(end: Judgement):
    """Nothing more is sent: what is unclear waits, and what was not sent."""
    answers = iter([UNCLEAR, TAKEN, UNCLEAR, UNCLEAR, end])
    search = Search(lambda _: next(answers), 16)
    settlement = search.run()

    assert len(search.requests) == 5
    assert deferred(settlement) == [{12, 13, 14, 15}, {8, 9, 10, 11}]


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
    isolation = Isolation(
        (Event(0, b"{}"), Event(1, b"{}")), is_answered=True, is_shared=False, takes_others=False, attempt=0
    )
    isolation.next()
    with pytest.raises(KeyError):
        isolation.learn(TAKEN._replace(notices=({"report": {}},)))
    isolation.learn(UNCLEAR._replace(has_failed=True))
    while isolation.next():
        isolation.learn(TAKEN)

    assert {event.index for event in isolation.settlement.delivered} == {0, 1}


ANSWERS = st.sampled_from([
    TAKEN,
    UNCLEAR,
    UNCLEAR._replace(has_failed=True, ambiguous=True),
    DOWN,
    LOST,
    NO_TIME,
    refused(),
    refused("event #0 is bad"),
    refused_for_the_body(),
])  # fmt: skip


@given(st.lists(ANSWERS, min_size=1, max_size=200), st.integers(1, 200), st.booleans(), st.booleans(), st.booleans())
def test_whatever_edge_answers_every_event_is_in_one_place(
    answers: list[Judgement], events: int, is_answered: bool, is_shared: bool, takes_others: bool
):
    """In at most 119 requests, none of them empty. What it took is not sent again."""
    turns = itertools.cycle(answers)
    taken: list[int] = []

    def edge(sent: set[int]) -> Judgement:
        answer = next(turns)
        taken.extend(sent if answer is TAKEN else ())
        return answer

    search = Search(edge, events, is_answered, is_shared, takes_others, attempt=len(answers))
    settlement = search.run()

    assert len(search.requests) < MOST_REQUESTS
    assert all(search.requests)
    assert sorted(taken) == sorted(event.index for event in settlement.delivered)


@given(st.lists(ANSWERS, min_size=1, max_size=50), st.integers(2, 50))
def test_what_looks_like_sent_by_itself_was_sent_by_itself(answers: list[Judgement], events: int):
    """Only of such an event Edge can be said to fail on it."""
    turns = itertools.cycle(answers)
    search = Search(lambda _: next(turns), events)

    settlement = search.run()

    unclear = [found for found in settlement.deferred if found.judgement.verdict is Verdict.UNCERTAIN]
    alone = [{event.index for event in found.events} for found in unclear if len(found.events) == 1]
    assert all(places in search.requests for places in alone)
