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
from relay.core.message import Message, Parcel, UnreadableMessage, read_message, write_message
from relay.core.request_id import part_id
from tests.support import NOW, event

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
RECORDED = (Path(__file__).parent / "recorded/version_1.json").read_text()
RECORDED_2 = (Path(__file__).parent / "recorded/version_2.json").read_text()  # of the version before evidence
ONE_PARCEL = (Path(__file__).parent / "recorded/version_2_one_parcel.json").read_text()  # before several parcels
ENVELOPE = Envelope(
    datastream_id="d",
    hint="or2",
    members=rb'"meta":{"price":19.90,"name":"\u00e9"},"query":{}',
    parameters=(("adobeAepValidationToken", "t"), ("a", "é")),
    headers=(("User-Agent", "Ü/1"), ("X-Forwarded-For", "192.0.2.1, 198.51.100.2")),
)


def events_of(*contents: Any, ensure_ascii: bool = True) -> tuple[Event, ...]:
    """As they are read of a client's array; other events are between them."""
    reader = EventReader("2026-11-21T12:00:00.000Z", ENVELOPE.overhead)
    texts = [json.dumps(content, ensure_ascii=ensure_ascii) for content in contents]
    read = zip(texts, compact(texts), strict=True)
    events = [reader.read(3 * index, json.loads(text), body) for index, (text, body) in enumerate(read)]
    return tuple(item for item in events if isinstance(item, Event))


def parcel_of(*contents: Any, ensure_ascii: bool = True) -> Parcel:
    return Parcel("r", "s", NOW, events_of(*contents, ensure_ascii=ensure_ascii), 1)


def message(*parcels: Parcel) -> Message:
    """By default of one parcel with one event."""
    return Message(ENVELOPE, parcels or (parcel_of(event("a")),))


# Request ids, ids at Edge, and what else a history has; times in quarters of a second, as any float would do.
HISTORIES = st.builds(
    Parcel,
    request_id=st.sampled_from(["r", "order 4711", "f567a988-4b3c-45a6-9ed8-f283188a445e"]),
    sent_as=st.sampled_from(["r", "s", "f567a988-4b3c-45a6-9ed8-f283188a445e"]),
    accepted_at=st.integers(0, 2**34).map(lambda quarters: quarters / 4),
    events=st.just(()),
    attempts=st.integers(0, 999),
    unclear=st.integers(0, 9),
    unclear_at=st.integers(0, 2**34).map(lambda quarters: quarters / 4),
    unclear_since=st.integers(0, 2**34).map(lambda quarters: quarters / 4),
)


@given(JSON, st.booleans(), st.lists(HISTORIES, min_size=1, max_size=5))
def test_what_clients_sent_comes_back_byte_for_byte(data: Any, ensure_ascii: bool, histories: list[Parcel]):
    """So every later try sends the very bytes of the first: members, headers, parameters, hint, events, places."""
    try:
        events = events_of(event("a") | {"data": data}, event("b"), ensure_ascii=ensure_ascii)
        (members,) = compact([f'"meta": {json.dumps(data, ensure_ascii=ensure_ascii)}'])
    except UnicodeEncodeError:  # a lone surrogate that is no escape
        return
    parcels = tuple(history._replace(events=events) for history in histories)
    written = Message(ENVELOPE._replace(members=members), parcels)

    assert read_message(write_message(written)) == written


def test_parcels_of_several_clients_keep_their_histories():
    """Who sent the events, under which id, when, how often they were tried, and what counts against one."""
    written = message(
        parcel_of(event("a"), event("b")),
        parcel_of(event("c"))._replace(request_id="r2", sent_as="r2", accepted_at=NOW + 60, attempts=3),
        parcel_of(event("d"))._replace(unclear=4, unclear_at=NOW + 1, unclear_since=NOW + 2),
    )

    found = read_message(write_message(written))

    assert found == written
    assert found.events == 4


def test_what_a_small_parcel_can_do_without_is_not_written():
    """Many of one event go into one message."""
    small = parcel_of(event("a"))._replace(sent_as="r")

    first, second = json.loads(write_message(message(small, small._replace(sent_as="s", unclear=1))))["parcels"]

    assert first.keys() == {"requestId", "acceptedAt", "attempts", "indexes", "events"}
    assert second.keys() == {*first, "sentAs", "unclear"}


def test_a_message_says_what_version_it_is():
    """So that another version can tell."""
    content = json.loads(write_message(message()))

    (parcel,) = content["parcels"]
    assert content["version"] == 2
    assert content["envelope"]["datastreamId"] == "d"
    assert [found["xdm"]["_id"] for found in parcel["events"]] == ["a"]


def test_a_character_that_sqs_refuses_is_not_in_the_message():
    """U+FFFE and U+FFFF are JSON, and SQS takes no message with them."""
    odd = message(parcel_of(event("a\ufffe"), event("b"), ensure_ascii=False))
    odd = odd._replace(envelope=ENVELOPE._replace(members='"meta":{"a":"\uffff"}'.encode()))

    text = write_message(odd)

    assert not {"\ufffe", "\uffff"} & set(text)
    assert read_message(text) == odd


def test_a_message_of_version_1_is_still_read():
    """As it was recorded: its events have the bytes that the former version sent."""
    found = read_message(RECORDED)

    (parcel,) = found.parcels
    assert found.envelope == Envelope("3849362f-f325-4418-8cc8-993342b254f7")
    assert parcel.request_id == "f567a988-4b3c-45a6-9ed8-f283188a445e-2"
    assert parcel.sent_as == part_id(parcel.request_id, [0, 1])
    assert (parcel.accepted_at, parcel.attempts, parcel.is_suspect) == (1_800_000_000.0, 2, False)
    assert [item.index for item in parcel.events] == [0, 1]
    assert [json.loads(item.body) for item in parcel.events] == json.loads(RECORDED)["events"]
    assert '"prop1":"café 19.90"'.encode() in parcel.events[0].body
    assert b'{"price":19.9,"big":123456789012345678901234567890}' in parcel.events[1].body


def test_what_an_early_version_counted_against_an_event_is_no_evidence():
    """It counted answers to whole requests, also in an outage. Everything else of such a message is read."""
    (parcel,) = read_message(RECORDED_2).parcels

    assert parcel == parcel.cleared()
    assert (parcel.request_id, parcel.attempts, [item.index for item in parcel.events]) == ("order-4711", 3, [0, 2])


def test_a_message_of_the_version_before_several_parcels_is_read_whole():
    """With what it counted against its event."""
    found = read_message(ONE_PARCEL)

    (parcel,) = found.parcels
    (item,) = parcel.events
    assert found.envelope == Envelope(
        datastream_id="3849362f-f325-4418-8cc8-993342b254f7",
        hint="or2",
        members=b'"meta":{"price":19.90}',
        parameters=(("adobeAepValidationToken", "t"),),
        headers=(("User-Agent", "Visitor/1"),),
    )
    assert parcel == Parcel(
        request_id="order-4711",
        sent_as="0d7d3b5e-0b43-5a54-8a43-6e4b9e5a0b5e",
        accepted_at=1_795_867_200.25,
        events=(item,),
        attempts=7,
        unclear=4,
        unclear_at=1_795_867_800.5,
        unclear_since=1_795_867_500.25,
    )
    assert item.index == 2
    assert item.body.endswith('"data":{"price":1.50,"name":"\\u00e9é"}}'.encode())


def test_a_message_of_one_parcel_has_all_that_the_former_version_needs():
    """After a rollback that reads it. It does without the counts, but not without the id at Edge."""
    (written,) = json.loads(write_message(message(parcel_of(event("a"))._replace(sent_as="r"))))["parcels"]
    (former,) = json.loads(ONE_PARCEL)["parcels"]

    assert former.keys() - written.keys() == {"unclear", "unclearAt", "unclearSince", "uncertain"}
    assert written["sentAs"] == "r"


def test_a_whole_parcel_keeps_its_id_and_what_counts_against_its_event():
    """It is sent again as it was."""
    parcel = parcel_of(event("a"))._replace(unclear=2, unclear_at=NOW)

    assert parcel.with_events(parcel.events) == parcel


def test_a_part_of_a_parcel_has_an_id_of_its_own():
    """Made of the client's id and the places of its events."""
    parcel = parcel_of(event("a"), event("b"), event("c"))

    part = parcel.with_events(parcel.events[1:])

    assert part == parcel._replace(events=parcel.events[1:], sent_as=part_id("r", [3, 6]))


def test_an_event_that_edge_has_failed_on_is_suspect_until_it_is_cleared():
    """Also when nothing speaks against it yet."""
    parcel = parcel_of(event("a"))._replace(unclear_at=NOW)

    assert parcel.is_suspect
    assert not parcel.cleared().is_suspect


def test_a_message_that_a_person_has_laid_out_anew_is_read():
    """Copied out of a console, for example."""
    for text in (write_message(message()), RECORDED, ONE_PARCEL):
        laid_out = json.dumps(json.loads(text), indent=2, ensure_ascii=False)

        assert json.loads(write_message(read_message(laid_out))) == json.loads(write_message(read_message(text)))


def test_a_uuid_in_a_version_1_message_is_kept():
    """It was the client's own, or an invocation's."""
    text = RECORDED.replace("445e-2", "445e")

    (parcel,) = read_message(text).parcels

    assert parcel.sent_as == "f567a988-4b3c-45a6-9ed8-f283188a445e"


def test_what_is_read_of_version_1_is_written_in_version_2():
    """A message that is written again has the current version."""
    found = read_message(RECORDED)

    text = write_message(found)

    assert json.loads(text)["version"] == 2
    assert read_message(text) == found


GOOD = json.loads(write_message(message()))
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
    found.append(pytest.param(GOOD | {"parcels": [parcel, parcel | {"attempts": -1}]}, id="its second parcel"))
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
