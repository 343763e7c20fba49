"""Which messages of a round are done with."""

from relay.core.disposition import DeadLetter, Disposition, Retry
from relay.core.envelope import Envelope
from relay.core.events import Event
from relay.core.ledger import Ledger
from relay.core.load import Item
from relay.core.message import Message, Parcel
from tests.support import NOW

EVENTS = tuple(Event(place, b"{}") for place in range(3))
PARCEL = Parcel("r", "r", NOW, EVENTS, 1)


def items(message: int, count: int) -> list[Item]:
    return [Item(message, PARCEL, event) for event in EVENTS[:count]]


def retries(message: int, count: int) -> list[Retry]:
    return [Retry(Envelope("d"), item, 5.0, None) for item in items(message, count)]


def letter(message: int, count: int) -> DeadLetter:
    content = Message(Envelope("d"), (PARCEL,))
    return DeadLetter(message, content, {"reason": "event rejected"}, tuple(items(message, count)))


def ledger_of(*events: int) -> Ledger:
    """Of messages with so many events."""
    ledger = Ledger()
    for message, number in enumerate(events):
        ledger.open(message, number)
    return ledger


def test_a_message_is_done_when_all_its_events_are_delivered():
    """In as many loads as they went in."""
    ledger = ledger_of(3, 1)

    ledger.decide(Disposition(items(0, 2), [], []))
    assert ledger.newly_done() == set()
    ledger.decide(Disposition([*items(0, 1), *items(1, 1)], [], []))
    assert ledger.newly_done() == {0, 1}
    assert ledger.newly_done() == set()


def test_what_is_to_be_stored_is_stored_before_its_message_is_done():
    """Dead letters, and what is tried again."""
    ledger = ledger_of(3)

    ledger.decide(Disposition(items(0, 1), [letter(0, 1)], retries(0, 1)))
    assert ledger.newly_done() == set()
    assert (len(ledger.take_dead()), len(ledger.take_retries())) == (1, 1)
    ledger.stored(0, 1)
    assert ledger.newly_done() == set()
    ledger.stored(0, 1)
    assert ledger.newly_done() == {0}
    assert ledger.take_dead() == ledger.take_retries() == []


def test_what_is_left_of_a_message_is_urgent_once_a_part_is_delivered():
    """And once nothing of it is on its way."""
    ledger = ledger_of(3, 3)

    ledger.decide(Disposition([], [], retries(0, 3)))
    ledger.decide(Disposition(items(1, 1), [], retries(1, 1)))
    assert not ledger.is_urgent
    ledger.decide(Disposition(items(1, 1), [], []))
    assert ledger.is_urgent


def test_a_message_that_stays_is_not_done_and_what_has_left_it_is_there_twice():
    """Delivered, or stored elsewhere."""
    ledger = ledger_of(3)
    ledger.decide(Disposition(items(0, 1), [], retries(0, 2)))
    ledger.stored(0, 1)

    ledger.stay(0)

    assert ledger.newly_done() == set()
    assert ledger.there_twice() == 2


def test_the_events_of_a_dead_letter_that_is_not_stored_are_tried_again():
    """Unless they must not be: then the message stays."""
    ledger = ledger_of(1, 1, 1)
    ledger.decide(Disposition([], [letter(0, 1), letter(1, 1)._replace(may_be_tried=False)], []))
    unreadable = DeadLetter(2, "rubbish", {"reason": "unreadable message"})
    ledger.decide(Disposition([], [unreadable], []))

    for found in ledger.take_dead():
        ledger.retry_instead(found)

    assert [retry.item.message for retry in ledger.take_retries()] == [0]
    assert ledger.staying() == {0, 1, 2}
