"""What an execution environment has seen at Edge of late."""

import pytest

from relay.core.evidence import AROUND_SECONDS, MEMORY_SECONDS, Evidence, Weight, mark
from tests.support import NOW

BAD = mark(b"bad")
GOOD = mark(b"good")
SEVERAL = None


def evidence(*answers: tuple[int | None, float, bool]) -> Evidence:
    """Of answers for one datastream: the event, seconds after NOW, whether Edge took it."""
    found = Evidence(NOW - MEMORY_SECONDS)
    for event, seconds, was_taken in answers:
        found.note("d", event, NOW + seconds, was_taken=was_taken)
    return found


def of_others(taken: int, failed: int) -> list[tuple[int | None, float, bool]]:
    """So many answers to several events each."""
    return [(SEVERAL, 0.0, True)] * taken + [(SEVERAL, 0.0, False)] * failed


def test_a_failure_while_edge_takes_others_counts_fully():
    """It shows that the event is to blame."""
    found = evidence((GOOD, 0, True), (BAD, 1, False))

    assert found.weight("d", BAD, NOW + 1, 0.0) is Weight.FULL


@pytest.mark.parametrize("event", [GOOD, SEVERAL], ids=["one", "several"])
def test_whatever_else_edge_takes_is_evidence(event: int | None):
    """An event of any client, or several together."""
    found = evidence((event, 0, True), (BAD, 1, False))

    assert found.weight("d", BAD, NOW + 1, 0.0) is Weight.FULL


def test_a_delivery_shortly_before_is_of_the_same_time():
    """One further off is not."""
    found = evidence((GOOD, 0, True))

    assert found.weight("d", BAD, NOW + AROUND_SECONDS, 0.0) is Weight.FULL
    assert found.weight("d", BAD, NOW + AROUND_SECONDS * 1.1, 0.0) is Weight.NONE


def test_a_delivery_of_the_future_is_not_of_the_same_time():
    """The clock was set back."""
    assert evidence((GOOD, 3_600, True)).weight("d", BAD, NOW, 0.0) is Weight.NONE


def test_a_delivery_since_the_last_failure_counts_for_something():
    """Edge was well in between, and fails again."""
    found = evidence((GOOD, -100, True), (BAD, 0, False))

    assert found.weight("d", BAD, NOW, NOW - 200) is Weight.SOME
    assert found.weight("d", BAD, NOW, NOW - 50) is Weight.NONE


def test_without_a_delivery_nothing_counts():
    """In an outage every request fails."""
    found = evidence(*of_others(0, 10), (BAD, 1, False))

    assert found.weight("d", BAD, NOW + 1, NOW - 900) is Weight.NONE


def test_the_delivery_of_an_event_is_no_evidence_against_itself():
    """Only others show that Edge is well."""
    assert evidence((BAD, 0, True)).weight("d", BAD, NOW, NOW - 1) is Weight.NONE


@pytest.mark.parametrize(
    ("taken", "failed", "weight"),
    [(2, 2, Weight.FULL), (2, 3, Weight.SOME), (2, 6, Weight.SOME), (2, 7, Weight.NONE)],
)
def test_the_more_of_the_others_edge_fails_on_the_less_a_failure_counts(taken: int, failed: int, weight: Weight):
    """Then it fails on everything now and then."""
    assert evidence(*of_others(taken, failed), (BAD, 1, False)).weight("d", BAD, NOW + 1, 0.0) is weight


@pytest.mark.parametrize(("taken", "failed", "weight"), [(2, 2, Weight.SOME), (2, 3, Weight.NONE)])
def test_deliveries_between_two_tries_count_only_while_edge_takes_most(taken: int, failed: int, weight: Weight):
    """It may have been well then, and not now."""
    assert evidence(*of_others(taken, failed)).weight("d", BAD, NOW + 100, NOW - 100) is weight


@pytest.mark.parametrize("was_taken", [False, True])
def test_what_becomes_of_suspects_says_nothing_about_edge(was_taken: bool):
    """They are sent again until they are taken: many bad events must not protect each other, nor good ones convict."""
    found = evidence(*of_others(1, 1))
    for place in range(50):
        found.note("d", mark(b"%d" % place), NOW, was_taken=was_taken, was_suspect=True)

    assert found.weight("d", BAD, NOW, 0.0) is Weight.FULL
    found = evidence(*of_others(1, 4))
    for place in range(50):
        found.note("d", mark(b"%d" % place), NOW, was_taken=was_taken, was_suspect=True)
    assert found.weight("d", BAD, NOW, 0.0) is Weight.NONE


def test_what_edge_did_long_ago_says_nothing_about_it_now():
    """A quarter of an hour."""
    found = evidence(*of_others(9, 1))

    assert found.weight("d", BAD, NOW + 899, NOW - 1) is Weight.SOME
    assert found.weight("d", BAD, NOW + 901, NOW - 1) is Weight.NONE


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
    """Also if Edge has failed on the other, again and again."""
    found = evidence((GOOD, 0, False), (BAD, 90, False))
    found.note("d", BAD, NOW + 100, was_taken=False, was_suspect=True)

    assert found.was_alone("d", BAD, NOW + 1)
    assert not found.was_alone("d", BAD, NOW)
    assert not found.was_alone("d", GOOD, NOW + 100)
    assert found.was_alone("e", BAD, 0.0)


def test_a_memory_that_has_just_begun_cannot_tell_that_there_was_nothing():
    """Other execution environments may have sent others."""
    found = Evidence(NOW)

    assert not found.reaches_back(NOW + MEMORY_SECONDS - 1)
    assert found.reaches_back(NOW + MEMORY_SECONDS)


def test_what_is_remembered_is_bounded():
    """Anybody may send to any datastream, as often as they like."""
    found = Evidence(NOW)
    for number in range(3_000):
        found.note(f"d{number}", number, NOW, was_taken=True)
        found.note("d", number, NOW, was_taken=True)

    assert len(found._seen) == 1_000
    assert len(found._seen["d"].answers) == 100


def test_a_memory_that_forgets_a_datastream_begins_anew():
    """It cannot tell what was sent there."""
    found = Evidence(NOW)
    for number in range(1_001):
        found.note(f"d{number}", BAD, NOW + 10, was_taken=True)

    assert not found.reaches_back(NOW + MEMORY_SECONDS)
    assert found.reaches_back(NOW + MEMORY_SECONDS + 10)


def test_equal_ids_of_two_clients_do_not_make_their_events_one():
    """An event is known by its bytes."""
    assert mark(b'{"xdm": 1}') == mark(bytes(bytearray(b'{"xdm": 1}')))
    assert mark(b'{"xdm": 1}') != mark(b'{"xdm": 2}')
