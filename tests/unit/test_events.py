"""One event of a client's batch."""

import json
import uuid
from typing import Any

import pytest

from relay.core.events import FRAME_BYTES, MAX_REQUEST_BYTES, Event, EventReader, Rejection, encode
from tests.support import SEED, event

RECEIVED_AT = "2026-11-21T12:00:00.000Z"


def read_event(index: int, content: Any) -> Event | Rejection:
    return EventReader(RECEIVED_AT).read(index, content)


def code(outcome: Event | Rejection) -> str:
    assert isinstance(outcome, Rejection)
    return outcome.problem.type[-8:]


def with_identity_map(identity_map: Any) -> dict[str, Any]:
    return {"xdm": {"identityMap": identity_map}}


def test_primary_written_as_text_becomes_a_boolean():
    """Adobe's own samples write "true"; XDM wants true."""
    content = with_identity_map({"FPID": [{"id": "1", "primary": "true"}, {"id": "2", "primary": "false"}]})

    outcome = read_event(0, content)

    assert isinstance(outcome, Event)
    sent = json.loads(outcome.body)
    assert [identity["primary"] for identity in sent["xdm"]["identityMap"]["FPID"]] == [True, False]


@pytest.mark.parametrize("index", [0, 1])
def test_the_seeds_events_are_taken(index: int):
    """The events of Adobe's documentation, with all they hold."""
    outcome = read_event(index, json.loads(json.dumps(SEED["events"][index])))

    assert isinstance(outcome, Event)
    expected = json.loads(json.dumps(SEED["events"][index]).replace('"true"', "true"))
    sent = json.loads(outcome.body)
    assert uuid.UUID(sent["xdm"].pop("_id"))
    assert sent == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("text", "0102-400", id="text"),
        pytest.param(None, "0102-400", id="null"),
        pytest.param([], "0102-400", id="array"),
        pytest.param({}, "0306-400", id="empty"),
        pytest.param({"xdm": []}, "0102-400", id="xdm no object"),
        pytest.param({"xdm": {}}, "0306-400", id="no identity map"),
        pytest.param(with_identity_map([]), "0102-400", id="identity map no object"),
        pytest.param(with_identity_map({}), "0306-400", id="identity map empty"),
        pytest.param(with_identity_map({"A": {}}), "0102-400", id="namespace no array"),
        pytest.param(with_identity_map({"A": ["x"]}), "0102-400", id="identity no object"),
        pytest.param(with_identity_map({"A": [{"id": "1"}]}), "0306-400", id="no primary"),
        pytest.param(with_identity_map({"A": [{"id": "1", "primary": False}]}), "0306-400", id="primary false"),
        pytest.param(with_identity_map({"A": [{"id": "1", "primary": 1}]}), "0306-400", id="primary a number"),
        pytest.param(with_identity_map({"A": [{"id": "1", "primary": [True]}]}), "0306-400", id="primary an array"),
        pytest.param(event(name="\ud800"), "0101-400", id="lone surrogate"),
        pytest.param(event(weight=float("inf")), "0101-400", id="number beyond a double"),
        pytest.param(event(text="x" * MAX_REQUEST_BYTES), "0112-413", id="too large alone"),
    ],
)
def test_what_edge_would_refuse_is_rejected_with_edges_code(content: Any, expected: str):
    """The condition has the code that Edge documents for it, and the event's index."""
    outcome = read_event(3, content)

    assert code(outcome) == expected
    assert isinstance(outcome, Rejection)
    assert outcome.index == 3
    assert "#3" in outcome.problem.detail


def test_nesting_beyond_what_can_be_written_is_rejected():
    """Too deep for the encoder is a rejection, not a crash."""
    nested: Any = 1
    for _ in range(100_000):
        nested = [nested]

    assert code(read_event(0, event(nested=nested))) == "0101-400"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(with_identity_map({"A": [{"id": "", "primary": True}]}), id="empty id"),
        pytest.param(with_identity_map({"A": [{"primary": True}]}), id="no id"),
        pytest.param(with_identity_map({"A": [{"primary": True}], "B": [{"primary": True}]}), id="two primaries"),
        pytest.param(event(timestamp="tomorrow"), id="odd timestamp"),
        pytest.param(event() | {"data": 5, "more": None}, id="unknown members"),
        pytest.param(event(_id=5), id="id a number"),
    ],
)
def test_nothing_is_refused_that_edge_does_not_document(content: Any):
    """What Edge leaves open is for Edge to judge."""
    assert isinstance(read_event(0, content), Event)


def test_text_travels_as_utf8_and_without_blanks():
    """Bytes are quota: no escapes where UTF-8 will do, no blanks."""
    outcome = read_event(0, event(name="é漢😀"))

    assert isinstance(outcome, Event)
    assert "é漢😀".encode() in outcome.body
    assert b" " not in outcome.body


def test_an_event_that_just_fits_is_taken():
    """64,000 bytes are allowed, 64,001 are not."""
    room = MAX_REQUEST_BYTES - FRAME_BYTES
    smallest = read_event(0, event(text="", timestamp=RECEIVED_AT))
    assert isinstance(smallest, Event)
    padding = "x" * (room - len(smallest.body))

    assert isinstance(read_event(0, event(text=padding, timestamp=RECEIVED_AT)), Event)
    assert code(read_event(0, event(text=padding + "x", timestamp=RECEIVED_AT))) == "0112-413"


def completed(content: dict[str, Any], reader: EventReader | None = None) -> dict[str, Any]:
    """The xdm of the event as it will be sent."""
    outcome = (reader or EventReader(RECEIVED_AT)).read(0, json.loads(json.dumps(content)))
    assert isinstance(outcome, Event)
    return json.loads(outcome.body)["xdm"]


def without_id(**xdm: Any) -> dict[str, Any]:
    content = event("a", **xdm)
    del content["xdm"]["_id"]
    return content


def test_a_missing_timestamp_becomes_the_time_of_receipt():
    """So that an event that is delivered days later says when it happened."""
    assert completed(event("a"))["timestamp"] == RECEIVED_AT


def test_what_the_client_sent_is_never_changed():
    """Its _id and its timestamp stay what they are."""
    sent = completed(event("mine", timestamp="2021-08-09T14:09:20.859Z"))

    assert (sent["_id"], sent["timestamp"]) == ("mine", "2021-08-09T14:09:20.859Z")


def test_a_timestamped_event_gets_the_same_id_every_time():
    """So that Adobe can tell a repetition, whenever and wherever in a batch it comes."""
    content = without_id(timestamp="2021-08-09T14:09:20.859Z")
    later = EventReader("2027-01-01T00:00:00.000Z")
    later.read(0, without_id(timestamp="2022-01-01T00:00:00Z"))

    first, second = completed(content), completed(content, later)

    assert uuid.UUID(first["_id"])
    assert first["_id"] == second["_id"]


def test_copies_within_a_batch_are_events_of_their_own():
    """Two equal clicks in one request are two clicks; sent again, they get the same two ids."""
    content = without_id(timestamp="2021-08-09T14:09:20.859Z")
    reader, again = EventReader(RECEIVED_AT), EventReader(RECEIVED_AT)

    once = [completed(content, reader)["_id"] for _ in range(2)]
    twice = [completed(content, again)["_id"] for _ in range(2)]

    assert len(set(once)) == 2
    assert once == twice


def test_events_that_differ_get_ids_that_differ():
    """Also when only their data differ."""
    plain = without_id(timestamp="2021-08-09T14:09:20.859Z")

    assert completed(plain)["_id"] != completed(plain | {"data": {"a": 1}})["_id"]


def test_an_event_is_not_made_too_large_by_completing_it():
    """What fits as the client sent it goes as the client sent it."""
    content = without_id(text="")
    content["xdm"]["text"] = "x" * (MAX_REQUEST_BYTES - FRAME_BYTES - len(encode(content)))

    xdm = completed(content)

    assert set(xdm) == {"identityMap", "text"}
