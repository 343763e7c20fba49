"""What an execution environment has seen at Edge of late."""

import pytest

from relay.core.evidence import AROUND_SECONDS, MEMORY_SECONDS, SEVERAL, Evidence, Weight
from tests.support import NOW

BAD = ("bad", 0)
GOOD = ("good", 0)


def evidence(*answers: tuple[tuple[str, int], float, bool]) -> Evidence:
    """Of answers for one datastream: the events, seconds after NOW, whether Edge took them."""
    found = Evidence(NOW - MEMORY_SECONDS)
    for key, seconds, was_taken in answers:
        found.note("d", key, NOW + seconds, was_taken=was_taken)
    return found


def test_a_failure_while_edge_takes_others_counts_fully():
    """It shows that the event is to blame."""
    found = evidence((GOOD, 0, True), (BAD, 1, False))

    assert found.weight("d", BAD, NOW + 1, 0.0) is Weight.FULL


@pytest.mark.parametrize(
    "key", [GOOD, ("request at Edge", SEVERAL), ("bad", 1)], ids=["one", "several", "its neighbour"]
)
def test_whatever_else_edge_takes_is_evidence(key: tuple[str, int]):
    """An event of any client, or several together."""
    found = evidence((key, 0, True), (BAD, 1, False))

    assert found.weight("d", BAD, NOW + 1, 0.0) is Weight.FULL


@pytest.mark.parametrize("seconds", [-AROUND_SECONDS, AROUND_SECONDS])
def test_a_delivery_shortly_before_or_after_is_of_the_same_time(seconds: float):
    """One further off is not."""
    near, far = evidence((BAD, 0, False), (GOOD, seconds, True)), evidence((BAD, 0, False), (GOOD, seconds * 1.1, True))

    assert near.weight("d", BAD, NOW + 60, 0.0) is Weight.FULL
    assert far.weight("d", BAD, NOW + 60, 0.0) is Weight.NONE


def test_a_delivery_since_the_last_failure_counts_for_something():
    """Edge was well in between, and fails again."""
    found = evidence((GOOD, -100, True), (BAD, 0, False))

    assert found.weight("d", BAD, NOW, NOW - 200) is Weight.SOME
    assert found.weight("d", BAD, NOW, NOW - 50) is Weight.NONE


def test_without_a_delivery_nothing_counts():
    """In an outage every request fails."""
    found = evidence(*((("r", place), 0.0, False) for place in range(10)), (BAD, 1, False))

    assert found.weight("d", BAD, NOW + 1, NOW - 900) is Weight.NONE


def test_the_delivery_of_an_event_is_no_evidence_against_itself():
    """Only others show that Edge is well."""
    assert evidence((BAD, 0, True)).weight("d", BAD, NOW, NOW - 1) is Weight.NONE


@pytest.mark.parametrize(("taken", "failed", "weight"), [(2, 2, Weight.FULL), (2, 3, Weight.NONE)])
def test_nothing_counts_while_edge_takes_fewer_others_than_it_fails_on(taken: int, failed: int, weight: Weight):
    """Then it fails on everything now and then."""
    answers = [(("t", place), 0.0, True) for place in range(taken)] + [
        (("f", place), 0.0, False) for place in range(failed)
    ]

    assert evidence(*answers, (BAD, 1, False)).weight("d", BAD, NOW + 1, 0.0) is weight


def test_what_edge_fails_on_again_and_again_says_nothing_about_edge():
    """Many bad events must not protect each other."""
    found = evidence((GOOD, 0, True))
    for place in range(50):
        found.note("d", ("suspect", place), NOW, was_taken=False, was_suspect=True)

    assert found.weight("d", ("suspect", 0), NOW, 0.0) is Weight.FULL


def test_a_suspect_that_edge_takes_is_evidence_like_any_other():
    """Edge is well."""
    found = evidence((BAD, 0, False))
    found.note("d", ("suspect", 0), NOW, was_taken=True, was_suspect=True)

    assert found.weight("d", BAD, NOW, 0.0) is Weight.FULL


def test_another_datastream_is_no_evidence():
    """It has other services behind it."""
    found = evidence((GOOD, 0, True), (BAD, 0, False))

    assert found.weight("e", BAD, NOW, NOW - 1) is Weight.NONE
    assert not found.takes_others("e", NOW)


def test_edge_takes_others_when_it_has_just_taken_something():
    """Within a quarter of a minute."""
    found = evidence((GOOD, 0, True), (BAD, 100, False))

    assert found.takes_others("d", NOW + AROUND_SECONDS)
    assert not found.takes_others("d", NOW + AROUND_SECONDS + 1)


def test_an_event_was_alone_when_no_other_was_sent_since():
    """Also if Edge has failed on the other."""
    found = evidence((GOOD, 0, False), (BAD, 100, False))

    assert found.was_alone("d", BAD, NOW + 1)
    assert not found.was_alone("d", BAD, NOW)
    assert not found.was_alone("d", ("another", 0), NOW + 100)


def test_a_memory_that_has_just_begun_cannot_tell_that_there_was_nothing():
    """Other execution environments may have sent others."""
    found = Evidence(NOW)

    assert not found.reaches_back(NOW + MEMORY_SECONDS - 1)
    assert found.reaches_back(NOW + MEMORY_SECONDS)
