"""How long events of the spool wait for their next try."""

import math

# Seconds. Once Edge is back, everything that waits is tried within the longest wait. These 90 s, 10 s that a breaker
# stays open, 5 s of the event source's window, and the sending are less than two minutes.
LONGEST = 90.0
MAX_DELAY = 900  # that SQS can hold back a new message
_SHORTEST = 5.0
_SHORTEST_FOR_SETUP = 60.0  # a person has to fix it

# Of the clock, at which waits end; a wait that is long may end a little earlier for that.
_STEP = 5.0
_LONG = 30.0
_LONG_STEP = 15.0

# The few tries that convict an event must not all fall into one short trouble.
_FIRST_FOR_SUSPECTS = 450.0


def wait_in_trouble(age: float, *, is_setup: bool = False) -> float:
    """Seconds for events that were accepted `age` seconds ago, while Edge takes nothing: half as long again.

    So the number of tries grows with the logarithm of the outage, until the longest wait.
    """
    return min(LONGEST, max(_SHORTEST_FOR_SETUP if is_setup else _SHORTEST, age / 2))


def wait_out_of_time() -> float:
    """Seconds for events that a round did not get to."""
    return _SHORTEST


def wait_of_suspect(tries: int) -> float:
    """Seconds for an event that Edge has failed on so often while it took others."""
    return min(MAX_DELAY, _FIRST_FOR_SUSPECTS * 2.0 ** min(tries - 1, 20))


def delay(longest: float, retry_after: float | None, random: float, now: float) -> int:
    """Whole seconds from half of the longest to all of it, so that not all come at once; no less than Adobe asked for.

    They end at a full five or fifteen seconds of the clock: what waits comes back together, and shares requests.
    `random` is from 0 to 1, `now` in epoch seconds.
    """
    seconds = longest * (1 + random) / 2
    step = _STEP if seconds < _LONG else _LONG_STEP
    at = (now + seconds) // step * step
    if at <= now:
        at += step
    return max(math.ceil(at - now), delay_at_least(retry_after or 0.0, now))


def delay_at_least(seconds: float, now: float) -> int:
    """Whole seconds, no less than these, that end at a full five seconds of the clock; 0 stays 0."""
    if not seconds:
        return 0
    return math.ceil(math.ceil((now + seconds) / _STEP) * _STEP - now)
