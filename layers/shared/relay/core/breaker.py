"""A circuit breaker: after a run of failures, stop asking for a while, then ask once."""

FAILURES_TO_OPEN = 5  # in a row
OPEN_SECONDS = 10.0
LONGEST_OPEN = 900.0  # as long as any Retry-After is obeyed


class Breaker:
    """Closed, open until a time, or half open with one probe on its way. Times are epoch seconds of the caller."""

    def __init__(self, open_until: float = 0.0) -> None:
        self._failures = 0
        self._open_until = open_until
        self._probing = False

    def allows(self, now: float) -> bool:
        """Whether a request may be sent now; when half open, this one is the probe."""
        if self.wait(now) > 2 * LONGEST_OPEN:  # the clock was set back, and by more than the order of two answers
            self._open_until = now
        if self._open_until == 0.0:
            return True
        if now < self._open_until or self._probing:
            return False
        self._probing = True
        return True

    def wait(self, now: float) -> float:
        """Seconds until a request may be sent again."""
        return max(0.0, self._open_until - now)

    def succeeded(self, now: float) -> None:
        """The other side answered, whatever it said. While it is to be spared, that was to an earlier request."""
        self._probing = False
        if now >= self._open_until:
            self._failures, self._open_until = 0, 0.0

    def failed(self, now: float, retry_after: float | None) -> None:
        """The other side is down or throttles. What it asked for in Retry-After opens the breaker at once."""
        self._failures += 1
        if retry_after is not None:
            self._open_until = max(self._open_until, now + retry_after)
        elif self._probing or self._failures >= FAILURES_TO_OPEN:
            self._open_until = max(self._open_until, now + OPEN_SECONDS)
        self._probing = False
