"""The circuit breaker."""

from relay.core.breaker import FAILURES_TO_OPEN, OPEN_SECONDS, Breaker
from tests.support import NOW


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed(NOW, None)
    return breaker


def test_a_few_failures_do_not_open_it():
    """Four are an accident."""
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed(NOW, None)

    assert breaker.allows(NOW)


def test_a_success_starts_the_count_anew():
    """Five in a row, not five in all."""
    breaker = Breaker()
    for _ in range(3 * FAILURES_TO_OPEN):
        breaker.failed(NOW, None)
        breaker.succeeded(NOW)

    assert breaker.allows(NOW)


def test_five_failures_in_a_row_open_it_for_ten_seconds():
    """Callers then pay milliseconds instead of timeouts."""
    breaker = opened()

    assert not breaker.allows(NOW + OPEN_SECONDS - 0.1)
    assert breaker.allows(NOW + OPEN_SECONDS)


def test_one_probe_is_let_through():
    """The others wait for what it finds."""
    breaker = opened()

    assert [breaker.allows(NOW + OPEN_SECONDS) for _ in range(3)] == [True, False, False]


def test_a_probe_that_succeeds_closes_it():
    """Everything flows again."""
    breaker = opened()
    breaker.allows(NOW + OPEN_SECONDS)
    breaker.succeeded(NOW + OPEN_SECONDS)

    assert [breaker.allows(NOW + OPEN_SECONDS) for _ in range(3)] == [True] * 3


def test_a_probe_that_fails_opens_it_again():
    """One failure is enough then."""
    breaker = opened()
    breaker.allows(NOW + OPEN_SECONDS)
    breaker.failed(NOW + OPEN_SECONDS, None)

    assert not breaker.allows(NOW + 2 * OPEN_SECONDS - 0.1)
    assert breaker.allows(NOW + 2 * OPEN_SECONDS)


def test_a_probe_that_fails_opens_it_again_also_after_a_retry_after():
    """There was one failure before it, not five."""
    breaker = Breaker()
    breaker.failed(NOW, 60.0)
    breaker.allows(NOW + 60)
    breaker.failed(NOW + 60, None)

    assert not breaker.allows(NOW + 60 + OPEN_SECONDS - 0.1)


def test_retry_after_is_obeyed_at_once():
    """Adobe's word counts from the first failure on, and for as long as it says."""
    breaker = Breaker()
    breaker.failed(NOW, 60.0)

    assert not breaker.allows(NOW + 59)
    assert breaker.allows(NOW + 60)


def test_a_late_success_does_not_end_what_adobe_asked_for():
    """It was to a request that was sent before."""
    breaker = Breaker()
    breaker.failed(NOW, 60.0)
    breaker.succeeded(NOW + 1)

    assert not breaker.allows(NOW + 59)
    assert [breaker.allows(NOW + 60) for _ in range(2)] == [True, False]


def test_a_probe_that_meets_a_new_retry_after_lets_another_one_follow():
    """Nothing is spared for ever."""
    breaker = opened()
    breaker.allows(NOW + OPEN_SECONDS)
    breaker.failed(NOW + OPEN_SECONDS, 60.0)  # a request that was sent before
    breaker.succeeded(NOW + OPEN_SECONDS + 1)  # the probe

    assert breaker.allows(NOW + OPEN_SECONDS + 60)


def test_a_clock_that_is_set_back_shuts_nothing_for_long():
    """An answer that is a moment older than the failure is no such clock."""
    breaker = Breaker()
    breaker.failed(NOW, 900.0)

    assert not breaker.allows(NOW - 0.001)
    assert breaker.allows(NOW - 86_400)


def test_a_late_failure_does_not_shorten_what_adobe_asked_for():
    """Answers of parallel requests come in any order."""
    breaker = Breaker()
    breaker.failed(NOW, 60.0)
    breaker.failed(NOW, 1.0)

    assert not breaker.allows(NOW + 59)
