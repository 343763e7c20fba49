"""A message of the spool."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.envelope import Envelope
from relay.core.events import Event, EventReader
from relay.core.json_text import compact
from relay.core.message import Message, UnreadableMessage, read_message, write_message
from relay.core.request_id import part_id
from tests.support import NOW, event

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
RECORDED = (Path(__file__).parent / "recorded/version_1.json").read_text()
RECORDED_2 = (Path(__file__).parent / "recorded/version_2.json").read_text()  # of the version before evidence
ENVELOPE = Envelope(
    datastream_id="d",
    hint="or2",
    members=rb'"meta":{"price":19.90,"name":"\u00e9"},"query":{}',
    parameters=(("adobeAepValidationToken", "t"), ("a", "é")),
    headers=(("User-Agent", "Ü/1"), ("X-Forwarded-For", "192.0.2.1, 198.51.100.2")),
)


def message(*contents: Any, envelope: Envelope = ENVELOPE, ensure_ascii: bool = True) -> Message:
    reader = EventReader("2026-11-21T12:00:00.000Z", envelope.overhead)
    texts = [json.dumps(content, ensure_ascii=ensure_ascii) for content in contents]
    read = zip(texts, compact(texts), strict=True)
    events = [reader.read(3 * index, json.loads(text), body) for index, (text, body) in enumerate(read)]
    return Message(envelope, "r", "s", NOW, tuple(item for item in events if isinstance(item, Event)), 1)


@given(JSON, st.booleans())
def test_what_a_client_sent_comes_back_byte_for_byte(data: Any, ensure_ascii: bool):
    """So every later try sends the very bytes of the first: members, headers, parameters, hint, events, places."""
    try:
        written = message(event("a") | {"data": data}, event("b"), ensure_ascii=ensure_ascii)
        (members,) = compact([f'"meta": {json.dumps(data, ensure_ascii=ensure_ascii)}'])
    except UnicodeEncodeError:  # a lone surrogate that is no escape
        return
    written = written._replace(envelope=ENVELOPE._replace(members=members))

    assert read_message(write_message(written)) == written


def test_a_message_says_what_version_it_is():
    """So that another version can tell."""
    content = json.loads(write_message(message(event("a"))))

    (parcel,) = content["parcels"]
    assert content["version"] == 2
    assert content["envelope"]["datastreamId"] == "d"
    assert [found["xdm"]["_id"] for found in parcel["events"]] == ["a"]


def test_a_character_that_sqs_refuses_is_not_in_the_message():
    """U+FFFE and U+FFFF are JSON, and SQS takes no message with them."""
    odd = message(event("a\ufffe"), event("b"), ensure_ascii=False)
    odd = odd._replace(envelope=ENVELOPE._replace(members='"meta":{"a":"\uffff"}'.encode()))

    text = write_message(odd)

    assert not {"\ufffe", "\uffff"} & set(text)
    assert read_message(text) == odd


def test_a_message_of_version_1_is_still_read():
    """As it was recorded: its events have the bytes that the former version sent."""
    found = read_message(RECORDED)

    assert found.envelope == Envelope("3849362f-f325-4418-8cc8-993342b254f7")
    assert found.request_id == "f567a988-4b3c-45a6-9ed8-f283188a445e-2"
    assert found.sent_as == part_id(found.request_id, [0, 1])
    assert (found.accepted_at, found.attempts, found.unclear) == (1_800_000_000.0, 2, 0)
    assert [item.index for item in found.events] == [0, 1]
    assert [json.loads(item.body) for item in found.events] == json.loads(RECORDED)["events"]
    assert '"prop1":"café 19.90"'.encode() in found.events[0].body
    assert b'{"price":19.9,"big":123456789012345678901234567890}' in found.events[1].body


def test_what_the_former_version_counted_against_an_event_is_no_evidence():
    """It counted answers to whole requests, also in an outage. Everything else of such a message is read."""
    found = read_message(RECORDED_2)

    assert (found.unclear, found.unclear_at, found.unclear_since) == (0, 0, 0)
    assert (found.request_id, found.attempts, [item.index for item in found.events]) == ("order-4711", 3, [0, 2])


def test_the_former_version_finds_all_it_needs():
    """After a rollback it reads what this version wrote: it cannot do without a number of uncertain answers."""
    (parcel,) = json.loads(write_message(message(event("a"))._replace(unclear=2)))["parcels"]
    (former,) = json.loads(RECORDED_2)["parcels"]

    assert former.keys() <= parcel.keys()
    assert parcel["uncertain"] == 0


def test_what_counts_against_an_event_is_kept():
    """How often, when the last time, and since when nothing else was sent."""
    written = message(event("a"))._replace(unclear=2, unclear_at=NOW, unclear_since=NOW - 1)

    assert read_message(write_message(written)) == written


def test_a_message_that_a_person_has_laid_out_anew_is_read():
    """Copied out of a console, for example."""
    for text in (write_message(message(event("a"))), RECORDED):
        laid_out = json.dumps(json.loads(text), indent=2, ensure_ascii=False)

        assert json.loads(write_message(read_message(laid_out))) == json.loads(write_message(read_message(text)))


def test_a_uuid_in_a_version_1_message_is_kept():
    """It was the client's own, or an invocation's."""
    text = RECORDED.replace("445e-2", "445e")

    assert read_message(text).sent_as == "f567a988-4b3c-45a6-9ed8-f283188a445e"


def test_what_is_read_of_version_1_is_written_in_version_2():
    """A message that is written again has the current version."""
    found = read_message(RECORDED)

    text = write_message(found)

    assert json.loads(text)["version"] == 2
    assert read_message(text) == found


GOOD = json.loads(write_message(message(event("a"))))
GOOD_1 = json.loads(RECORDED)


def broken() -> list[Any]:
    """Messages of which one member is wrong."""
    parcel, envelope = GOOD["parcels"][0], GOOD["envelope"]
    values: dict[str, Any] = {
        "version": 3,
        "parcels": [],
        "envelope": None,
    }
    found = [pytest.param(GOOD | {name: value}, id=f"{name}={value}") for name, value in values.items()]
    found.append(pytest.param(GOOD | {"parcels": [parcel, parcel]}, id="two parcels"))
    parcels: list[tuple[str, Any]] = [
        ("events", []),
        ("events", [5]),
        ("events", ["x"]),
        ("events", [event("a", text="x" * 64_000)]),
        ("events", "x"),
        ("indexes", [0, 1]),
        ("indexes", ["x"]),
        ("requestId", "a\x1b[31m"),
        ("sentAs", "\ud800"),
        ("acceptedAt", "yesterday"),
        ("acceptedAt", 1e300),
        ("acceptedAt", -1),
        ("acceptedAt", float("nan")),
        ("acceptedAt", float("inf")),
        ("attempts", None),
        ("attempts", float("inf")),
        ("attempts", -1),
        ("attempts", 1e300),
        ("unclear", "x"),
        ("unclear", -1),
        ("unclearAt", float("nan")),
        ("unclearSince", float("inf")),
        ("indexes", [-1]),
    ]
    found += [
        pytest.param(GOOD | {"parcels": [parcel | {name: value}]}, id=f"{name}={value}") for name, value in parcels
    ]
    envelopes: list[tuple[str, Any]] = [
        ("datastreamId", "\ud800"),
        ("hint", ".."),
        ("hint", None),
        ("members", "{} {}"),
        ("parameters", [["datastreamId", "another"]]),
        ("headers", [["User-Agent", " a"]]),
        ("members", 5),
        ("parameters", [["a"]]),
        ("parameters", 5),
        ("headers", [["Cookie", "a=b"]]),
        ("headers", [["User-Agent", "a\r\nX: y"]]),
    ]
    found += [
        pytest.param(GOOD | {"envelope": envelope | {name: value}}, id=f"{name}={value}") for name, value in envelopes
    ]
    found += [
        pytest.param(GOOD_1 | {name: value}, id=f"version 1, {name}={value}")
        for name, value in [("events", [5]), ("events", []), ("acceptedAt", 1e300), ("acceptedAt", "x")]
    ]
    return found


@pytest.mark.parametrize("content", broken())
def test_a_message_that_could_not_have_been_written_is_not_read(content: Any):
    """Whatever somebody has put into the queue."""
    with pytest.raises(UnreadableMessage):
        read_message(json.dumps(content))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("rubbish", id="not JSON"),
        pytest.param("[" * 100_000, id="too deep"),
        pytest.param('{"version": 2, "parcels": ' + "[" * 100_000, id="too deep inside"),
        pytest.param("[]", id="no object"),
        pytest.param("{}", id="no members"),
        pytest.param(json.dumps(GOOD) + "x", id="something after it"),
        pytest.param(json.dumps(GOOD).replace("1800000000.0", "1e400"), id="a time beyond numbers"),
    ],
)
def test_what_is_no_message_is_told(text: str):
    """At once, so that it can become a dead letter."""
    with pytest.raises(UnreadableMessage):
        read_message(text)
