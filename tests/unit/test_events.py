"""One event of a client's batch."""

import json
import uuid
from typing import Any

import pytest

from relay.core.envelope import FRAME_BYTES
from relay.core.events import MAX_REQUEST_BYTES, Event, EventReader, Rejection, encode
from relay.core.json_text import TOO_DEEP, compact
from tests.support import SEED, event

RECEIVED_AT = "2026-11-21T12:00:00.000Z"


def read_event(index: int, content: Any, overhead: int = FRAME_BYTES) -> Event | Rejection:
    return read_text(json.dumps(content), index, overhead)


def read_text(text: str, index: int = 0, overhead: int = FRAME_BYTES) -> Event | Rejection:
    return EventReader(RECEIVED_AT, overhead).read(index, json.loads(text), *compact([text]))


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


def test_what_could_not_be_decoded_is_rejected_as_too_deep():
    """Whatever its text; no event that is taken is unreadable later."""
    outcome = EventReader(RECEIVED_AT, FRAME_BYTES).read(3, TOO_DEEP, b"{}")

    assert code(outcome) == "0101-400"


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


COMPLETE = '"_id":"a","timestamp":"2021-08-09T14:09:20.859Z","identityMap":{"CRMID":[{"id":"1","primary":true}]}'


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("19.90", id="a zero at the end"),
        pytest.param("1E2", id="an exponent"),
        pytest.param("123456789012345678901234567890", id="30 digits"),
        pytest.param("-0.0", id="minus zero"),
        pytest.param("1e400", id="more than a double"),
        pytest.param("0.1234567890123456789", id="more digits than a double"),
        pytest.param(r'"caf\u00e9 \/ \ud83d\ude00"', id="escapes"),
        pytest.param('"café 漢😀"', id="other alphabets"),
        pytest.param(r'"\ud800"', id="an escaped lone surrogate"),
        pytest.param('{"a":1,"a":2}', id="one name twice"),
        pytest.param('{"":null," ":[]}', id="odd names"),
    ],
)
@pytest.mark.parametrize(
    "xdm", [f"{{{COMPLETE}}}", COMPLETE.join(["{", "}"]).replace('"_id":"a",', "")], ids=["complete", "without _id"]
)
def test_what_the_client_wrote_goes_as_it_was_written(xdm: str, value: str):
    """Digits, escapes and names; also when something else of the event is completed."""
    outcome = read_text(f'{{"data": {value}, "xdm": {xdm}}}')

    assert isinstance(outcome, Event)
    assert outcome.body.startswith(f'{{"data":{value},"xdm":{{'.encode())


def test_only_insignificant_white_space_goes():
    """Bytes are quota."""
    outcome = read_text(f'\n {{ "data" : [ " a  b " , 1 ],\r\n\t"xdm": {{{COMPLETE}}} }} ')

    assert isinstance(outcome, Event)
    assert outcome.body == f'{{"data":[" a  b ",1],"xdm":{{{COMPLETE}}}}}'.encode()


@pytest.mark.parametrize(
    ("xdm", "sent"),
    [
        pytest.param(
            '{"_id": 1, "timestamp": 2, "identityMap": {"A": [{"primary": "true", "x": "true"}, {"primary":"false"}]}}',
            '{"_id":1,"timestamp":2,"identityMap":{"A":[{"primary":true,"x":"true"},{"primary":false}]}}',
            id="primary as text",
        ),
        pytest.param(
            '{"_id": 1, "timestamp": 2, "identityMap": {"A": [{"primary": true}], "A": [{"primary": "tru\\u0065"}]}}',
            '{"_id":1,"timestamp":2,"identityMap":{"A":[{"primary":true}],"A":[{"primary":true}]}}',
            id="the last of two namespaces",
        ),
        pytest.param(
            '{ "identityMap": {"A": [{"primary": true}]}, "_id": 1}',
            '{"timestamp":"2026-11-21T12:00:00.000Z","identityMap":{"A":[{"primary":true}]},"_id":1}',
            id="no timestamp",
        ),
        pytest.param(
            '{"timestamp": null, "identityMap": {"A": [{"primary": true}]}, "_id": 1}',
            '{"timestamp":"2026-11-21T12:00:00.000Z","identityMap":{"A":[{"primary":true}]},"_id":1}',
            id="timestamp null",
        ),
        pytest.param(
            '{"identityMap": {"A": [{"primary": true}]}, "_id": "", "timestamp": 0}',
            '{"identityMap":{"A":[{"primary":true}]},"_id":"","timestamp":0}',
            id="odd values are Edge's to judge",
        ),
    ],
)
def test_completing_changes_nothing_but_what_it_adds(xdm: str, sent: str):
    """Where something is missing, or null, or primary is written as text."""
    outcome = read_text(f'{{"xdm": {xdm}, "data": 1.0}}')

    assert isinstance(outcome, Event)
    assert outcome.body == f'{{"xdm":{sent},"data":1.0}}'.encode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param('"plain"', id="nothing alike"),
        pytest.param(r'"\u0041"', id="an escape"),
        pytest.param('{"xdm":{}}', id="a member named xdm"),
        pytest.param('"xdm"', id="a string named xdm"),
        pytest.param(r'"a\"xdm"', id="a string that ends in xdm"),
        pytest.param('{"primary":"true"}', id="a member named primary"),
        pytest.param(r'"\"primary\":\"true\""', id="a string that holds such a member"),
        pytest.param('[{"identityMap":{"A":[{"primary":"false"}]}}]', id="an identity map"),
    ],
)
@pytest.mark.parametrize("xdm_name", ['"xdm"', r'"\u0078dm"'], ids=["as it is", "in an escape"])
def test_what_only_looks_like_a_part_to_complete_stays(data: str, xdm_name: str):
    """Whether the part is found by looking for it or by walking through the text."""
    xdm = '{"identityMap":{"A":[{"id":"1","primary":"true"}]},"_id":null}'

    outcome = read_text(f'{{"before":{data},{xdm_name}:{xdm},"after":{data}}}')

    assert isinstance(outcome, Event)
    sent = outcome.body.decode()
    assert sent.startswith(f'{{"before":{data},{xdm_name}:{{"timestamp":')
    assert sent.endswith(f'}},"after":{data}}}')
    assert json.loads(outcome.body)["xdm"]["identityMap"] == {"A": [{"id": "1", "primary": True}]}
    assert uuid.UUID(json.loads(outcome.body)["xdm"]["_id"])


def test_thousands_of_identities_are_completed_at_once():
    """In one pass over the text: an event may have megabytes before it is found to be too large."""
    identities = ",".join(['{"id":"1","primary":"true"}'] * 200_000)

    outcome = read_text(f'{{"xdm":{{"_id":"a","timestamp":"b","identityMap":{{"A":[{identities}]}}}}}}')

    assert code(outcome) == "0112-413"


def test_the_last_of_two_xdm_is_completed():
    """It is the one that was checked."""
    outcome = read_text(f'{{"xdm": 5, "xdm": {{{COMPLETE.replace("true", chr(34) + "true" + chr(34))}}}}}')

    assert isinstance(outcome, Event)
    assert outcome.body == f'{{"xdm":5,"xdm":{{{COMPLETE}}}}}'.encode()


def test_an_event_that_just_fits_is_taken():
    """64,000 bytes are allowed, 64,001 are not."""
    room = MAX_REQUEST_BYTES - FRAME_BYTES
    smallest = read_event(0, event(text="", timestamp=RECEIVED_AT))
    assert isinstance(smallest, Event)
    padding = "x" * (room - len(smallest.body))

    assert isinstance(read_event(0, event(text=padding, timestamp=RECEIVED_AT)), Event)
    assert code(read_event(0, event(text=padding + "x", timestamp=RECEIVED_AT))) == "0112-413"


def test_members_of_the_request_leave_less_room_for_an_event():
    """They go with every event, so they count; the refusal says that they are the cause."""
    outcome = read_event(1, event(text="x" * 50_000, timestamp=RECEIVED_AT), overhead=FRAME_BYTES + 20_000)

    assert code(outcome) == "0112-413"
    assert isinstance(outcome, Rejection)
    assert "20000 of them for the members beside events" in outcome.problem.detail


def completed(content: dict[str, Any], reader: EventReader | None = None) -> dict[str, Any]:
    """The xdm of the event as it will be sent."""
    text = json.dumps(content)
    outcome = (reader or EventReader(RECEIVED_AT, FRAME_BYTES)).read(0, json.loads(text), *compact([text]))
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
    later = EventReader("2027-01-01T00:00:00.000Z", FRAME_BYTES)
    completed(without_id(timestamp="2022-01-01T00:00:00Z"), later)

    first, second = completed(content), completed(content, later)

    assert uuid.UUID(first["_id"])
    assert first["_id"] == second["_id"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            '{"xdm":{"identityMap":{"FPID":[{"id":"79bf8e83-f708-414b-b1ed-5789ff33bf0b","primary":"true"}]},'
            '"eventType":"web.webpagedetails.pageViews","timestamp":"2021-08-09T14:09:20.859Z"},'
            '"data":{"prop1":"caf\\u00e9 19.90"}}',
            "a00784e6-ceee-54cd-ac10-f0b5e1e2cc43",
            id="with a timestamp",
        ),
        pytest.param(
            '{"data": {"price": 19.90, "big": 123456789012345678901234567890}, '
            '"xdm": {"identityMap": {"CRMID": [{"id": "1", "primary": true}]}}}',
            "436c7dee-96f2-541d-858b-475500e602b8",
            id="without",
        ),
    ],
)
def test_an_update_of_the_relay_changes_no_id(text: str, expected: str):
    """An event that is sent before and after it gets one id; these are of the first version."""
    outcome = read_text(text)

    assert isinstance(outcome, Event)
    assert json.loads(outcome.body)["xdm"]["_id"] == expected


@pytest.mark.parametrize("value", ["1e400", r'"\ud800"'], ids=["more than a double", "an escaped lone surrogate"])
def test_whatever_json_can_say_gets_an_id(value: str):
    text = json.dumps(without_id())[:-1] + f', "data": {value}}}'

    first, second = read_text(text), read_text(text)

    assert isinstance(first, Event)
    assert isinstance(second, Event)
    assert first.body == second.body


def test_copies_within_a_batch_are_events_of_their_own():
    """Two equal clicks in one request are two clicks; sent again, they get the same two ids."""
    content = without_id(timestamp="2021-08-09T14:09:20.859Z")
    reader, again = EventReader(RECEIVED_AT, FRAME_BYTES), EventReader(RECEIVED_AT, FRAME_BYTES)

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
