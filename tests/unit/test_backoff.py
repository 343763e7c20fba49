"""How long a spooled message waits."""

import random

import pytest

from relay.core.backoff import backoff
from relay.core.verdict import Verdict


@pytest.mark.parametrize(
    ("verdict", "tries", "bound"),
    [
        (Verdict.TRANSIENT, 1, 5),
        (Verdict.TRANSIENT, 2, 10),
        (Verdict.TRANSIENT, 5, 80),
        (Verdict.TRANSIENT, 10, 1800),
        (Verdict.TRANSIENT, 10_000, 1800),
        (Verdict.UNCERTAIN, 1, 450),
        (Verdict.SETUP, 1, 60),
        (Verdict.SETUP, 3, 240),
        (Verdict.SETUP, 9, 1800),
    ],
)
def test_the_bound_doubles_up_to_half_an_hour(verdict: Verdict, tries: int, bound: int):
    """From 5 s, from 60 s where a person has to mend it, from 450 s for a few tries; full jitter below the bound."""
    assert backoff(verdict, tries, None, 1.0) == bound
    is_upper_half = bound == 1800 or verdict is Verdict.UNCERTAIN
    assert backoff(verdict, tries, None, 0.5) == round(bound / 2) or is_upper_half
    assert backoff(verdict, tries, None, 0.0) == (bound // 2 if is_upper_half else 1)


@pytest.mark.parametrize("verdict", [Verdict.TRANSIENT, Verdict.SETUP])
def test_fourteen_days_of_outage_are_fewer_tries_than_sqs_grants(verdict: Verdict):
    """After 1,000 receives SQS itself makes a dead letter of a message, without a reason."""
    chance, seconds, tries = random.Random(1), 0, 0  # noqa: S311
    while seconds < 14 * 24 * 3600:
        tries += 1
        seconds += backoff(verdict, tries, None, chance.random())

    assert tries < 1000


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_never_less_than_adobe_asked_for(chance: float):
    """Retry-After is a lower bound."""
    assert backoff(Verdict.TRANSIENT, 1, 600.0, chance) == 600
    assert backoff(Verdict.TRANSIENT, 20, 1.2, 1.0) == 1800
