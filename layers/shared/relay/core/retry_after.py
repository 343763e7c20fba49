"""Retry-After: the header's text in, seconds to wait out."""

from email.utils import parsedate_to_datetime

SHORTEST = 1.0
LONGEST = 900.0  # a quarter of an hour: one odd header must not put events to sleep for a day


def read_retry_after(header: str | None, now: float) -> float | None:
    """Seconds from `now` (epoch seconds), within SHORTEST…LONGEST; None when there is nothing usable.

    Both forms of RFC 9110 are read: delay-seconds and HTTP-date.
    """
    text = (header or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])  # longer ones are clamped all the same
    else:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, OverflowError, TypeError):
            return None
    return min(max(seconds, SHORTEST), LONGEST)
