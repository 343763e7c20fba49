"""How deep events and members may be, which is the same at each depth, place and version of Python."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from relay.batch import Batch, read_batch
from relay.body import read_content
from relay.core.envelope import FRAME_BYTES
from relay.core.events import MAX_DEPTH, Event, EventReader, Rejection, encode
from relay.core.json_text import TOO_DEEP
from relay.core.message import Message, UnreadableMessage, read_message, write_message
from relay.core.problem import Problem
from relay.errors import InvalidRequest
from relay.http_request import read_http_request
from tests.support import NOW, event, message_of, post

GOOD = encode(event("good"))
IDENTITIES = '"identityMap": {"CRMID": [{"id": "1", "primary": true}]}'

too_deep = pytest.mark.parametrize("depth", [201, 995, 20_000])
any_depth = pytest.mark.parametrize("depth", [199, 200, 201, 900, 975, 990, 995, 1_005, 20_000])


def arrays(depth: int) -> str:
    return "[" * depth + "]" * depth


def objects(depth: int) -> str:
    return '{"a":' * (depth - 1) + "{}" + "}" * (depth - 1)


def mixed(depth: int) -> str:
    """Arrays and objects with siblings, white space, and strings full of brackets, quotes and backslashes."""
    levels = depth - 2
    opening = ['[ "}]\\"[{\\\\",{},', '{ "]\\\\" : [\n] , "[{\\"" :\t'] * (levels // 2 + 1)
    closing = [" , 1]", ' , "b":1.50 }'] * (levels // 2 + 1)
    return "".join(opening[:levels]) + "[[]]" + "".join(reversed(closing[:levels]))


def in_data(value: str) -> str:
    return f'{{"xdm": {{"_id": "deep", {IDENTITIES}}}, "data": {value}}}'


def in_xdm(value: str) -> str:
    """An event that lacks what is completed."""
    return f'{{"xdm": {{"n": {value}, {IDENTITIES.replace("true", chr(34) + "true" + chr(34))}}}}}'


def in_identity_map(value: str) -> str:
    return f'{{"xdm": {{"_id": "deep", "identityMap": {{"CRMID": [{{"id": {value}, "primary": true}}]}}}}}}'


def in_a_member_that_is_replaced(value: str) -> str:
    """A decoder keeps the last of two members with one name; Edge gets both."""
    return f'{{"xdm": {{"_id": "deep", {IDENTITIES}}}, "data": {value}, "data": 1}}'


def nested(depth: int, inner: str = "arrays", place: str = "data") -> str:
    """The text of an event of this depth."""
    around, make = PLACES[place]
    return make(INNER[inner](depth - around))


INNER = {"arrays": arrays, "objects": objects, "mixed": mixed}
PLACES = {
    "data": (1, in_data),
    "xdm": (2, in_xdm),
    "identity map": (5, in_identity_map),
    "a replaced member": (1, in_a_member_that_is_replaced),
}


def read(*events: str, more: str = "") -> Batch:
    body = f'{{"events": [{", ".join(events)}]{more}}}'
    return read_batch(read_http_request(post(body.encode())), "r", frozenset(), datetime.fromtimestamp(NOW, UTC))


def refusal(body: str) -> Problem:
    with pytest.raises(InvalidRequest) as refused:
        read_content(body.encode())
    return refused.value.problem


def places(found: Batch) -> tuple[list[int], list[int]]:
    """Of the events that are taken, and of those that are rejected."""
    return [item.index for item in found.events], [item.index for item in found.rejections]


@contextmanager
def calls_left(count: int) -> Iterator[None]:
    """As if so many more calls than these were open already."""
    limit = sys.getrecursionlimit()
    frame, used = sys._getframe(), 0
    while frame := frame.f_back:
        used += 1
    sys.setrecursionlimit(used + count)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("inner", INNER)
@too_deep
def test_an_event_that_is_too_deep_is_rejected_alone(depth: int, inner: str, place: str):
    """By its index; its neighbours are taken."""
    found = read(GOOD, nested(depth, inner, place), GOOD)

    assert places(found) == ([0, 2], [1])
    assert found.rejections[0].problem.type[-8:] == "0101-400"
    assert found.rejections[0].problem.detail == "Event #1 is nested deeper than 200 levels. Make it flatter."


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("inner", INNER)
def test_an_event_of_just_the_limit_is_taken(inner: str, place: str):
    """And completed as any other."""
    text = nested(MAX_DEPTH, inner, place)

    (taken,) = read(text).events

    assert json.loads(taken.body)["xdm"].keys() == json.loads(text)["xdm"].keys() | {"_id", "timestamp"}
    assert INNER[inner](MAX_DEPTH - PLACES[place][0]).encode() in taken.body


@pytest.mark.parametrize("count", [250, 950])
@any_depth
def test_how_many_calls_are_open_changes_nothing(depth: int, count: int):
    """Nor whether Python could decode the event."""
    with calls_left(count):
        outcome = places(read(GOOD, nested(depth, "mixed"), GOOD))

    assert outcome == (([0, 1, 2], []) if depth <= MAX_DEPTH else ([0, 2], [1]))


@too_deep
@pytest.mark.parametrize(
    ("events", "taken"),
    [
        pytest.param("dg", [1], id="first"),
        pytest.param("gd", [0], id="last"),
        pytest.param("ddgdd", [2], id="most of them"),
    ],
)
def test_its_place_in_the_array_does_not_matter(events: str, taken: list[int], depth: int):
    found = read(*[GOOD if kind == "g" else nested(depth) for kind in events])

    assert places(found)[0] == taken


@too_deep
def test_a_request_with_nothing_but_events_that_are_too_deep_is_refused(depth: int):
    """As any request of which no event is accepted."""
    with pytest.raises(InvalidRequest) as refused:
        read(nested(depth), nested(depth, "objects"))

    assert refused.value.problem.type[-8:] == "0101-400"
    assert [error[:8] for error in refused.value.problem.report["errors"]] == ["Event #0", "Event #1"]


@too_deep
def test_the_limit_comes_before_all_other_checks(depth: int):
    """Or the answer would depend on whether Python could decode the event."""
    assert read(GOOD, arrays(depth)).rejections[0].problem.detail.startswith("Event #1 is nested deeper")


def test_an_event_is_as_deep_as_its_text_says():
    """Wide is not deep, and brackets in strings are none."""
    wide = json.dumps(event("a", items=[{"a": [{}]} for _ in range(1_000)], text='[{"\\' * 1_000))

    assert places(read(wide)) == ([0], [])


@too_deep
@pytest.mark.parametrize("body", ['{"%s": %s, "events": [{}]}', '{"events": [{}], "%s" : %s }'], ids=["first", "last"])
@pytest.mark.parametrize(
    ("name", "told"), [("meta", "meta"), ("query", "query"), ("new", "new"), ("ï\\u0041 漢", r"\xefA \u6f22")]
)
def test_a_member_that_is_too_deep_refuses_the_request(name: str, told: str, body: str, depth: int):
    """It would go with every event."""
    problem = refusal(body % (name, objects(depth)))

    assert problem.type[-8:] == "0101-400"
    assert problem.detail == f"The field {told} is nested deeper than 200 levels."


@pytest.mark.parametrize("inner", INNER)
def test_a_member_of_just_the_limit_is_kept(inner: str):
    """As it is written."""
    value = INNER[inner](MAX_DEPTH)

    assert read(GOOD, more=f', "new": {value}').envelope.members.startswith(b'"new":' + value[:2].strip().encode())


@any_depth
@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(arrays, "0102-400", id="an array"),
        pytest.param(lambda depth: "[" * depth, "0101-400", id="an array that never closes"),
        pytest.param(lambda depth: f'{{"events": {objects(depth)}}}', "0102-400", id="events no array"),
        pytest.param(lambda depth: f'{{"events": [{"[" * depth}', "0101-400", id="an event that never closes"),
        pytest.param(lambda depth: f'{{"events": [{nested(depth)[:-1]}]}}', "0101-400", id="an event cut short"),
        pytest.param(lambda depth: f'{{"events": [{nested(depth)} {GOOD}]}}', "0101-400", id="a comma missing"),
        pytest.param(lambda depth: f'{{"events": [{nested(depth)}, {GOOD},]}}', "0101-400", id="a comma too many"),
        pytest.param(lambda depth: f'{{"events": [{GOOD}, {nested(depth)}, nul]}}', "0101-400", id="no JSON after it"),
        pytest.param(
            lambda depth: f'{{"events": [{nested(depth).replace("[]", "[NaN]")}]}}', "0101-400", id="NaN within it"
        ),
        pytest.param(
            lambda depth: f'{{"events": [{nested(depth).replace("[]", "[}")}]}}', "0101-400", id="the wrong bracket"
        ),
        pytest.param(lambda depth: f'{{"events": [{nested(depth)}], "events": []}}', "0102-400", id="events twice"),
        pytest.param(lambda depth: f'{{"meta": {"[" * depth}', "0101-400", id="a member that never closes"),
    ],
)
def test_a_deep_body_that_is_wrong_otherwise_is_refused_for_that(body, code: str, depth: int):  # noqa: ANN001
    """With one code at any depth."""
    assert refusal(body(depth)).type[-8:] == code


def test_white_space_and_a_byte_order_mark_change_nothing():
    body = f'\ufeff\r\n{{\t"events" : [ {GOOD} , {" ".join(arrays(1_500))} ,\n{GOOD} ] }} '

    assert [value is TOO_DEEP for value in read_content(body.encode()).events] in ([False] * 3, [False, True, False])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(arrays(500_000), id="arrays"),
        pytest.param(objects(75_000), id="objects"),
        pytest.param(",".join([nested(2_000)] * 250), id="many deep events"),
        pytest.param(f"{'[' * 2_000}{'[1],' * 50_000}1{']' * 2_000}", id="deep, then wide"),
    ],
)
@pytest.mark.timeout(60)  # seconds; what is quadratic takes many minutes
def test_a_megabyte_of_depth_is_read_in_linear_time(text: str):
    """One attacker's request costs seconds at most."""
    assert len(read(text, GOOD).events) == 1


@pytest.mark.parametrize("text", ["[" * 1_000_000, '{"":' * 250_000], ids=["arrays", "objects"])
@pytest.mark.timeout(60)
def test_a_megabyte_that_never_closes_is_refused_in_linear_time(text: str):
    """As no JSON."""
    assert "not valid JSON" in refusal(f'{{"events": [{text}').detail


def in_a_message(body: str) -> Message:
    return message_of(Event(0, body.encode()))


def events_of(message: Message) -> tuple[Event, ...]:
    (parcel,) = message.parcels
    return parcel.events


@pytest.mark.parametrize("text", ["é 漢 😀", "\ufffe", "\uffff"], ids=ascii)
def test_the_spool_keeps_an_event_of_just_the_limit(text: str):
    """To the byte, also where its characters are not for SQS."""
    (taken,) = read(nested(MAX_DEPTH, "mixed", "xdm").replace('"xdm"', f'"text": "{text}", "xdm"')).events

    assert events_of(read_message(write_message(in_a_message(taken.body.decode())))) == (taken,)


@pytest.mark.parametrize("text", ["a", "\ufffe"], ids=ascii)
@pytest.mark.parametrize("depth", [500, 800, 5_000, 15_000])
def test_a_deeper_event_of_an_earlier_version_is_read_or_called_unreadable(depth: int, text: str):
    """What Python can decode is not lost because it would not be accepted today."""
    body = nested(depth).replace('"deep"', f'"{text}"')
    try:
        message = read_message(write_message(in_a_message(body)))
    except UnreadableMessage:
        assert depth > 800
    else:
        assert events_of(message) == (Event(0, body.encode()),)


@pytest.mark.parametrize("depth", [500, 800, 5_000, 100_000])
def test_a_deeper_event_of_version_1_is_read_or_called_unreadable(depth: int):
    """The same for messages whose events are encoded anew."""
    head = '{"version": 1, "datastreamId": "d", "requestId": "r", "acceptedAt": 1, "attempts": 1, "uncertain": 0'
    try:
        message = read_message(f'{head}, "events": [{nested(depth)}]}}')
    except UnreadableMessage:
        assert depth > 800
    else:
        assert json.loads(events_of(message)[0].body)["xdm"]["_id"] == "deep"


@pytest.mark.parametrize("value", ["1e300", "NaN", "1e400", "-1", "2e11"])
@pytest.mark.parametrize("name", ["acceptedAt", "attempts"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_number_that_no_message_has_makes_it_unreadable(version: int, name: str, value: str):
    """At once, before anything calculates with it."""
    content = json.loads(write_message(in_a_message(GOOD)))
    if version == 1:
        parcel = content = {"version": 1, "datastreamId": "d", **content["parcels"][0]}
    else:
        (parcel,) = content["parcels"]
    parcel[name] = "here"

    with pytest.raises(UnreadableMessage):
        read_message(json.dumps(content).replace('"here"', value))


@any_depth
def test_measuring_needs_no_decoder(depth: int):
    """The reader alone keeps to the limit, too."""
    text = nested(depth)

    outcome = EventReader("2026-11-21T12:00:00.000Z", FRAME_BYTES).read(0, event(timestamp="t"), text.encode())

    assert isinstance(outcome, Rejection) == (depth > MAX_DEPTH)
