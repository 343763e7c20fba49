"""How long events of the spool wait for their next try."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.backoff import (
    LONGEST,
    MAX_DELAY,
    delay,
    delay_at_least,
    wait_in_trouble,
    wait_of_suspect,
    wait_out_of_time,
)
from tests.support import NOW


@pytest.mark.parametrize(
    ("age", "usual", "for_setup"),
    [(0, 5, 60), (10, 5, 60), (20, 10, 60), (120, 60, 60), (170, 85, 85), (180, 90, 90), (14 * 24 * 3600, 90, 90)],
)
def test_in_an_outage_events_wait_half_their_age_up_to_90_seconds(age: float, usual: float, for_setup: float):
    """From 5 s, and from 60 s where a person has to fix it."""
    assert wait_in_trouble(age) == usual
    assert wait_in_trouble(age, is_setup=True) == for_setup


def test_a_clock_that_was_set_back_makes_nothing_wait_less_than_the_shortest():
    """Events can look as if they were accepted in the future."""
    assert wait_in_trouble(-3600) == wait_in_trouble(0)


@pytest.mark.parametrize("is_setup", [False, True], ids=["outage", "set-up"])
def test_all_that_waits_is_tried_within_90_seconds(is_setup: bool):
    """However long the outage has lasted when Edge is back."""
    chance, age, longest = random.Random(1), 0.0, 0  # noqa: S311
    while age < 24 * 3600:
        wait = delay(wait_in_trouble(age, is_setup=is_setup), None, chance.random(), NOW + age)
        age, longest = age + wait + chance.random(), max(longest, wait)

    assert 60 < longest <= LONGEST


def test_the_number_of_tries_grows_with_the_logarithm_of_a_short_outage():
    """Three minutes of it are about a dozen."""
    chance, age, tries = random.Random(1), 0.0, 0  # noqa: S311
    while age < 180:
        tries += 1
        age += delay(wait_in_trouble(age), None, chance.random(), NOW + age)

    assert tries <= 16


@pytest.mark.parametrize(("tries", "seconds"), [(1, 450), (2, 900), (3, 900), (10_000, 900)])
def test_the_tries_that_convict_an_event_do_not_fall_into_one_short_trouble(tries: int, seconds: float):
    """Seven and a half minutes, then as long as SQS holds a message back."""
    assert wait_of_suspect(tries) == seconds


# Any moment, and any place between the shortest and the longest wait.
MOMENTS = st.floats(0, 1e5).map(lambda seconds: NOW + seconds)
CHANCES = st.floats(0, 1)


@given(MOMENTS, CHANCES)
def test_what_a_round_did_not_get_to_comes_again_within_five_seconds(now: float, chance: float):
    """Nothing was said against it. SQS would hand it out to the same round without any wait."""
    assert 1 <= delay(wait_out_of_time(), None, chance, now) <= 5


@given(st.floats(1, MAX_DELAY), CHANCES, MOMENTS)
def test_not_all_come_at_once(longest: float, chance: float, now: float):
    """Each waits between half of the longest time and all of it, to within the steps of the clock."""
    found = delay(longest, None, chance, now)

    step = 5 if longest * (1 + chance) / 2 < 30 else 15
    assert longest * (1 + chance) / 2 - step < found <= max(5, math.ceil(longest))


@given(st.floats(1, MAX_DELAY), CHANCES, MOMENTS)
def test_what_waits_comes_back_together(longest: float, chance: float, now: float):
    """At a full five seconds of the clock, or just after: so it shares requests."""
    past = (now + delay(longest, None, chance, now)) % 5

    assert past < 1 or past > 4.999_999  # what is left of dividing so large a number is not exact


@given(st.floats(1, 90), st.floats(0.1, 900), CHANCES, MOMENTS)
def test_never_less_than_adobe_asked_for(longest: float, asked: float, chance: float, now: float):
    """Retry-After is a lower bound, and little is added to it."""
    found = delay(longest, asked, chance, now)

    assert asked <= found + 1e-6
    assert found <= max(asked + 6, delay(longest, None, chance, now))
    assert asked <= delay_at_least(asked, now) + 1e-6 <= asked + 7


def test_what_adobe_asked_for_is_no_upper_bound():
    """An outage that lasts is asked about less often."""
    assert delay(90.0, 1.2, 1.0, NOW) == 90


def test_what_adobe_asked_nothing_for_need_not_wait():
    """What is spooled without a try goes to Edge at once."""
    assert delay_at_least(0.0, NOW + 1) == 0
