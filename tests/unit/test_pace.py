"""How fast redelivery uses up Adobe's quota."""

from relay.core.pace import Pace
from tests.support import NOW


def test_each_request_waits_until_those_before_it_have_had_their_time():
    """Eight units at ten a second are 0.8 seconds."""
    pace = Pace(10)

    assert [round(pace.take(8, NOW), 3) for _ in range(3)] == [0.0, 0.8, 1.6]


def test_to_ask_how_long_to_wait_takes_nothing():
    """Whoever has not the time for it goes without."""
    pace = Pace(10)
    pace.take(8, NOW)

    assert round(pace.wait(NOW), 3) == round(pace.wait(NOW), 3) == 0.8


def test_time_in_which_nothing_was_sent_is_no_credit():
    """A burst after it would take the room of those who wait for an answer."""
    pace = Pace(10)
    pace.take(8, NOW)

    assert pace.take(8, NOW + 100) == 0
    assert round(pace.take(8, NOW + 100), 3) == 0.8
