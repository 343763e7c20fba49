"""Retry-After."""

from email.utils import formatdate

import pytest

from relay.core.retry_after import read_retry_after
from tests.support import NOW


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param("7", 7.0, id="seconds"),
        pytest.param(" 7 ", 7.0, id="blanks"),
        pytest.param("0", 1.0, id="zero"),
        pytest.param("86400", 900.0, id="a day"),
        pytest.param("9" * 400, 900.0, id="400 digits"),
        pytest.param(formatdate(NOW + 60, usegmt=True), 60.0, id="date"),
        pytest.param(formatdate(NOW - 60, usegmt=True), 1.0, id="date in the past"),
        pytest.param(formatdate(NOW + 1e6, usegmt=True), 900.0, id="date far ahead"),
        pytest.param("-5", None, id="negative"),
        pytest.param("1.5", None, id="fraction"),
        pytest.param("soon", None, id="rubbish"),
        pytest.param("\u0663", None, id="a digit that is not ASCII"),
        pytest.param("Mon, 99 Foo 2026 00:00:00 GMT", None, id="no such date"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="missing"),
    ],
)
def test_both_forms_are_read_and_clamped(header: str | None, seconds: float | None):
    """Seconds or an HTTP-date, between 1 s and 15 min; anything else is as if it were missing."""
    assert read_retry_after(header, NOW) == seconds
