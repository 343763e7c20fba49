"""The circuit breakers."""

from relay.core.breaker import FAILURES_TO_OPEN, OPEN_SECONDS, Breaker, Breakers, Spared, Tickets
from relay.core.verdict import Judgement, Scope, Verdict
from tests.support import NOW

DOWN = Judgement(Verdict.TRANSIENT, 503)
UPSTREAM_DOWN = Judgement(Verdict.TRANSIENT, 503, "0201-503", scope=Scope.DATASTREAM)
TAKEN = Judgement(Verdict.DELIVERED, 202)


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed(breaker.begin(), NOW, None)
    return breaker


def test_a_few_failures_do_not_open_it():
    """Four are an accident."""
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed(breaker.begin(), NOW, None)

    assert breaker.wait(NOW) == 0


def test_a_success_starts_the_count_anew():
    """Five in a row, not five in all."""
    breaker = Breaker()
    for _ in range(3 * FAILURES_TO_OPEN):
        breaker.failed(breaker.begin(), NOW, None)
        breaker.succeeded(breaker.begin())

    assert breaker.wait(NOW) == 0


def test_five_failures_in_a_row_open_it_for_ten_seconds():
    """Callers then pay milliseconds instead of timeouts."""
    breaker = opened()

    assert breaker.wait(NOW) == OPEN_SECONDS
    assert breaker.wait(NOW + OPEN_SECONDS) == 0


def test_one_probe_is_let_through():
    """The others wait for what it finds."""
    breaker = opened()
    breaker.begin()

    assert breaker.is_probing


def test_a_probe_that_succeeds_closes_it():
    """Everything flows again."""
    breaker = opened()
    breaker.succeeded(breaker.begin())
    breaker.begin()

    assert breaker.wait(NOW + OPEN_SECONDS) == 0
    assert not breaker.is_probing


def test_a_probe_that_fails_opens_it_again():
    """One failure is enough then."""
    breaker = opened()
    breaker.failed(breaker.begin(), NOW + OPEN_SECONDS, None)

    assert breaker.wait(NOW + OPEN_SECONDS) == OPEN_SECONDS


def test_a_probe_that_tells_nothing_lets_another_one_follow():
    """It had no time, or no token."""
    breaker = opened()
    breaker.returned(breaker.begin())

    assert breaker.wait(NOW + OPEN_SECONDS) == 0
    assert not breaker.is_probing


def test_a_probe_that_fails_opens_it_again_also_after_a_retry_after():
    """There was one failure before it, not five."""
    breaker = Breaker()
    breaker.failed(breaker.begin(), NOW, 60.0)
    breaker.failed(breaker.begin(), NOW + 60, None)

    assert breaker.wait(NOW + 60) == OPEN_SECONDS


def test_retry_after_is_obeyed_at_once():
    """Adobe's word counts from the first failure on, and for as long as it says."""
    breaker = Breaker()
    breaker.failed(breaker.begin(), NOW, 60.0)

    assert breaker.wait(NOW) == 60


def test_a_late_success_does_not_end_what_adobe_asked_for():
    """It was to a request that was sent before."""
    breaker = Breaker()
    early, late = breaker.begin(), breaker.begin()
    breaker.failed(early, NOW, 60.0)
    breaker.succeeded(late)

    assert breaker.wait(NOW + 1) == 59


def test_the_late_answer_of_an_earlier_request_lets_no_second_probe_start():
    """Whatever it says, it says it about another time."""
    for answer in (Breaker.succeeded, Breaker.returned, lambda breaker, late: breaker.failed(late, NOW, None)):
        breaker = Breaker()
        late = breaker.begin()
        for _ in range(FAILURES_TO_OPEN):
            breaker.failed(breaker.begin(), NOW, None)
        breaker.begin()  # the probe
        answer(breaker, late)

        assert breaker.is_probing
        assert breaker.wait(NOW + OPEN_SECONDS) == 0


def test_a_probe_that_meets_a_new_retry_after_lets_another_one_follow():
    """Nothing is spared for ever."""
    breaker = Breaker()
    late = breaker.begin()
    breaker.failed(breaker.begin(), NOW, 10.0)
    probe = breaker.begin()
    breaker.failed(late, NOW + 10, 60.0)
    breaker.succeeded(probe)

    assert breaker.wait(NOW + 10) == 60
    assert breaker.wait(NOW + 70) == 0
    assert not breaker.is_probing


def test_a_clock_that_is_set_back_shuts_nothing_for_long():
    """An answer that is a moment older than the failure is no such clock."""
    breaker = Breaker()
    breaker.failed(breaker.begin(), NOW, 900.0)

    assert breaker.wait(NOW - 0.001) > 900
    assert breaker.wait(NOW - 86_400) == 0


def test_a_late_failure_does_not_shorten_what_adobe_asked_for():
    """Answers of parallel requests come in any order."""
    breaker = Breaker()
    breaker.failed(breaker.begin(), NOW, 60.0)
    breaker.failed(breaker.begin(), NOW, 1.0)

    assert breaker.wait(NOW) == 60


def answered(breakers: Breakers, datastream_id: str, judgement: Judgement | None, times: int = 1) -> None:
    for _ in range(times):
        tickets = breakers.enter(datastream_id, NOW)
        assert isinstance(tickets, Tickets)
        breakers.leave(datastream_id, tickets, judgement, NOW)


def test_trouble_behind_one_datastream_spares_that_one_only():
    """Its neighbours are delivered meanwhile."""
    breakers = Breakers()
    answered(breakers, "a", UPSTREAM_DOWN, FAILURES_TO_OPEN)

    assert breakers.enter("a", NOW) == Spared(OPEN_SECONDS, Scope.DATASTREAM)
    assert isinstance(breakers.enter("b", NOW), Tickets)


def test_trouble_of_edge_spares_every_datastream():
    """Also when each of them has met it once only."""
    breakers = Breakers()
    for name in "abcde":
        answered(breakers, name, DOWN)

    assert breakers.enter("f", NOW) == Spared(OPEN_SECONDS, Scope.EDGE)


def test_trouble_behind_a_datastream_shows_that_edge_is_well():
    """Edge's own failures are then not in a row."""
    breakers = Breakers()
    answered(breakers, "a", DOWN, FAILURES_TO_OPEN - 1)
    answered(breakers, "b", UPSTREAM_DOWN)
    answered(breakers, "a", DOWN)

    assert isinstance(breakers.enter("a", NOW), Tickets)


def test_while_edge_is_probed_every_datastream_waits():
    """The probe's answer is about all of them."""
    breakers = Breakers()
    answered(breakers, "a", DOWN, FAILURES_TO_OPEN)
    later = NOW + OPEN_SECONDS
    probe = breakers.enter("a", later)

    assert isinstance(probe, Tickets)
    assert breakers.enter("b", later) is None
    breakers.leave("a", probe, TAKEN, later)
    assert isinstance(breakers.enter("b", later), Tickets)


def test_a_datastream_that_is_spared_takes_no_probe_of_edge():
    """Or nobody would send it."""
    breakers = Breakers()
    answered(breakers, "a", UPSTREAM_DOWN, FAILURES_TO_OPEN - 1)
    answered(breakers, "b", DOWN, FAILURES_TO_OPEN)
    later = NOW + OPEN_SECONDS
    probe = breakers.enter("a", later)
    assert isinstance(probe, Tickets)
    breakers.leave("a", probe, UPSTREAM_DOWN, later)

    assert isinstance(breakers.enter("a", later), Spared)
    assert isinstance(breakers.enter("b", later), Tickets)


def test_what_came_to_nothing_changes_nothing():
    """A request that was never sent, or a judgement without an answer that is no trouble."""
    breakers = Breakers()
    answered(breakers, "a", DOWN, FAILURES_TO_OPEN - 1)
    answered(breakers, "a", None)
    answered(breakers, "a", Judgement(Verdict.SETUP, reason="no secret"))
    answered(breakers, "a", DOWN)

    assert isinstance(breakers.enter("a", NOW), Spared)


def test_datastreams_with_trouble_are_not_remembered_without_bound():
    """Anybody may send to any of them."""
    breakers = Breakers()
    for number in range(3_000):
        answered(breakers, str(number), UPSTREAM_DOWN)

    assert len(breakers._datastreams) == 1_000
