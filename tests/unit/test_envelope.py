"""What belongs to a request and not to one of its events."""

import pytest

from relay.core.envelope import (
    FRAME_BYTES,
    MAX_HEADER_BYTES,
    MAX_PARAMETER_BYTES,
    MAX_PARAMETERS,
    VISITOR_HEADERS,
    Envelope,
    is_hint,
)


@pytest.mark.parametrize("members", [b"", b'"meta":{}', b'"meta":{"a":1},"query":{}'])
def test_the_overhead_is_what_the_body_has_besides_its_events(members: bytes):
    envelope = Envelope("d", members=members)

    assert envelope.overhead == len(envelope.body([]))
    assert (envelope.overhead == FRAME_BYTES) == (members == b"")


@pytest.mark.parametrize("hint", ["or2", "va6", "irl1", "ind1", "jpn3", "sgp3", "aus3", "new99"])
def test_a_location_hint_is_letters_and_digits(hint: str):
    """Those of today, and those that Adobe may add."""
    assert is_hint(hint)
    assert Envelope("d", hint).fault() is None


@pytest.mark.parametrize("hint", ["..", ".", "or2/..", "%2e%2e", "or 2", "", "é", "or2\n", "a" * 17, "-"])
def test_what_could_lead_elsewhere_is_no_location_hint(hint: str):
    """It becomes a part of a path."""
    assert not is_hint(hint)
    assert bool(Envelope("d", hint).fault()) == (hint != "")


@pytest.mark.parametrize(
    ("envelope", "words"),
    [
        pytest.param(Envelope("d", ".."), "location hint", id="hint"),
        pytest.param(Envelope("d", parameters=(("a", "b"),) * (MAX_PARAMETERS + 1)), "51 parameters", id="too many"),
        pytest.param(Envelope("d", parameters=(("long", "x" * MAX_PARAMETER_BYTES),)), "long", id="long parameter"),
        pytest.param(Envelope("d", parameters=(("odd", "\ud800"),)), "odd", id="parameter not Unicode"),
        pytest.param(Envelope("d", headers=(("Cookie", "a=b"),)), "Cookie", id="a header that is not passed on"),
        pytest.param(Envelope("d", headers=(("User-Agent", "a\r\nX: y"),)), "User-Agent", id="line break"),
        pytest.param(Envelope("d", headers=(("User-Agent", "a\0"),)), "User-Agent", id="NUL"),
        pytest.param(Envelope("d", headers=(("Forwarded", "\ud800"),)), "Forwarded", id="header not Unicode"),
        pytest.param(Envelope("d", headers=(("Forwarded", "x" * 9_000),)), "Forwarded", id="long header"),
    ],
)
def test_what_cannot_be_sent_is_named(envelope: Envelope, words: str):
    """By its name, never by its value."""
    fault = envelope.fault()

    assert fault
    assert words in fault
    assert "x" * 20 not in fault


def test_a_name_that_cannot_be_shown_is_escaped_and_cut_off():
    fault = Envelope("d", parameters=(("\x1b[31m" + "é" * 100, "x" * MAX_PARAMETER_BYTES),)).fault()

    assert fault
    assert fault.isascii()
    assert fault.isprintable()
    assert len(fault) < 500


def test_what_a_visitor_really_sends_can_be_sent():
    """All headers at once, other alphabets, tabs."""
    headers = tuple((name, "Ünicode\t漢字; v=1") for name in VISITOR_HEADERS)

    assert Envelope("d", "or2", b"", (("adobeAepValidationToken", "1-2-3"), ("é", "")), headers).fault() is None
    assert sum(len(value.encode()) for _, value in headers) < MAX_HEADER_BYTES
