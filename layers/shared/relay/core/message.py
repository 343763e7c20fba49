"""A message of the spool: events that one Edge request can carry, with their envelope and their origins, as JSON.

Version 2 has everything as the client wrote it:

    {"version": 2,
     "envelope": {"datastreamId", "hint", "parameters": [[name, value], …], "headers": [[name, value], …],
                  "members": {…}},
     "parcels": [{"requestId": the client's, "sentAs": the id of an Edge request with these events alone,
                  "acceptedAt": epoch seconds, "attempts", "unclear", "unclearAt", "unclearSince": epoch seconds,
                  "indexes": places in the client's array, "events": […]}, …]}

A parcel has events of one client's request with the same history. Many are small, so what they can do without is not
written: each "unclear…" that is zero, and, in a message of several parcels, `sentAs` when it is the client's own id.
Members or an event with a character that SQS refuses are stored as a JSON string. Former versions wrote one parcel a
message, read only one, and want its `sentAs`. The oldest counted in "uncertain" answers that are no evidence, which is
not read any more.

Version 1, which is still read, has only the datastream of the envelope, and its events are encoded anew:

    {"version": 1, "datastreamId", "requestId": the id of the last Edge request, "acceptedAt", "attempts", "uncertain",
     "events": […]}
"""

import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from relay.core.envelope import Envelope
from relay.core.events import MAX_REQUEST_BYTES, Event, encode
from relay.core.json_text import TOO_DEEP, Cursor
from relay.core.request_id import is_uuid, part_id

VERSION = 2

_VERSION_1 = re.compile(r'\s*\{\s*"version"\s*:\s*1\s*,')  # how every message of it begins
_REFUSED_BY_SQS = re.compile("[\ufffe\uffff]")  # of the characters that JSON allows in a text
_MOST = 1_000_000_000  # tries, and events of a request: more than there can be
_LATEST = 1e11  # epoch seconds; no message is from the year 5138


class UnreadableMessage(ValueError):
    """The text is not a message of a version that we know."""


class Parcel(NamedTuple):
    """Events of one client's request that have the same history."""

    request_id: str  # of the client's request
    sent_as: str  # the id under which Edge gets these events if it gets them alone
    accepted_at: float  # epoch seconds
    events: tuple[Event, ...]  # with their places in the client's array
    attempts: int  # tries before this was written
    unclear: int = 0  # how much counts against its only event: Edge failed on it while it took others
    unclear_at: float = 0.0  # epoch seconds; when the last answer to it came that said nothing
    unclear_since: float = 0.0  # epoch seconds; from when on there were only such answers, and nothing else to send

    @property
    def is_suspect(self) -> bool:
        """Whether Edge has failed on its event before."""
        return self.unclear_at > 0.0

    def cleared(self) -> Self:
        """The same with nothing counted against its event."""
        return self._replace(unclear=0, unclear_at=0.0, unclear_since=0.0)

    def with_events(self, events: tuple[Event, ...]) -> Self:
        """A parcel with some of the events; what was counted against an only event stays with it."""
        if len(events) == len(self.events):
            return self
        sent_as = part_id(self.request_id, [event.index for event in events])
        return self.cleared()._replace(events=events, sent_as=sent_as)


class Message(NamedTuple):
    """What is needed to send the events later, and to tell where they came from."""

    envelope: Envelope
    parcels: tuple[Parcel, ...]

    @property
    def events(self) -> int:
        """How many."""
        return sum(len(parcel.events) for parcel in self.parcels)


def write_message(message: Message) -> str:
    """The message's text, of characters that SQS takes."""
    envelope = message.envelope
    head = {
        "datastreamId": envelope.datastream_id,
        "hint": envelope.hint,
        "parameters": envelope.parameters,
        "headers": envelope.headers,
    }
    members = _carry(b"{" + envelope.members + b"}")
    is_only = len(message.parcels) == 1
    parcels = ", ".join([_write_parcel(parcel, is_only=is_only) for parcel in message.parcels])
    return (
        f'{{"version": {VERSION}, "envelope": {json.dumps(head)[:-1]}, "members": {members}}}, "parcels": [{parcels}]}}'
    )


def _write_parcel(parcel: Parcel, *, is_only: bool) -> str:
    optional = {
        "sentAs": parcel.sent_as if is_only or parcel.sent_as != parcel.request_id else "",
        "unclear": parcel.unclear,
        "unclearAt": parcel.unclear_at,
        "unclearSince": parcel.unclear_since,
    }
    head = {
        "requestId": parcel.request_id,
        "acceptedAt": parcel.accepted_at,
        "attempts": parcel.attempts,
        **{name: value for name, value in optional.items() if value},
        "indexes": [event.index for event in parcel.events],
    }
    events = ",".join([_carry(event.body) for event in parcel.events])
    return f'{json.dumps(head)[:-1]}, "events": [{events}]}}'


class Outgoing(NamedTuple):
    """What a queue is to store: a message, or the text of one; seconds before it can be received; attributes."""

    content: Message | str
    delay: int = 0  # 900 at most
    attributes: Mapping[str, str] = MappingProxyType({})

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else write_message(self.content)


def read_message(text: str) -> Message:
    """The message; its events have the very bytes they had when it was written. Raises UnreadableMessage."""
    try:
        message = _read_version_1(text) if _VERSION_1.match(text) else _read_version_2(text)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise UnreadableMessage("not a message") from error
    if not _is_sound(message):
        raise UnreadableMessage("not a message that could have been written")
    return message


def _is_sound(message: Message) -> bool:
    room = MAX_REQUEST_BYTES - message.envelope.overhead
    return (
        bool(message.parcels)
        and message.envelope.fault() is None
        and _is_name(message.envelope.datastream_id)
        and all(_is_sound_parcel(parcel, room) for parcel in message.parcels)
    )


def _is_sound_parcel(parcel: Parcel, room: int) -> bool:
    return (
        bool(parcel.events)
        and all(len(event.body) <= room and 0 <= event.index < _MOST for event in parcel.events)
        and _is_name(parcel.request_id + parcel.sent_as)
        and 0 <= parcel.accepted_at < _LATEST
        and 0 <= parcel.unclear_at < _LATEST
        and 0 <= parcel.unclear_since < _LATEST
        and 0 <= parcel.attempts < _MOST
        and 0 <= parcel.unclear < _MOST
    )


def _is_name(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _read_version_1(text: str) -> Message:
    content = json.loads(text)
    request_id = str(content["requestId"])
    if not all(isinstance(event, dict) for event in content["events"]):
        raise TypeError("events are not objects")
    events = tuple(Event(index, encode(event).encode()) for index, event in enumerate(content["events"]))
    parcel = Parcel(
        request_id=request_id,
        sent_as=request_id if is_uuid(request_id) else part_id(request_id, range(len(events))),
        accepted_at=float(content["acceptedAt"]),
        events=events,
        attempts=int(content["attempts"]),
    )
    return Message(Envelope(str(content["datastreamId"])), (parcel,))


def _read_version_2(text: str) -> Message:
    cursor = Cursor(text)
    content = _read_object(cursor, {"envelope": _read_envelope, "parcels": _read_parcels})
    cursor.end()
    if content["version"] != VERSION:
        raise ValueError("a version that is not known")
    return Message(content["envelope"], tuple(map(_read_parcel, content["parcels"])))


def _read_parcel(content: dict[str, Any]) -> Parcel:
    request_id = _text(content["requestId"])
    events = zip(content["indexes"], content["events"], strict=True)
    return Parcel(
        request_id=request_id,
        sent_as=_text(content.get("sentAs", request_id)),
        accepted_at=float(content["acceptedAt"]),
        events=tuple(Event(int(index), body) for index, body in events),
        attempts=int(content["attempts"]),
        unclear=int(content.get("unclear", 0)),
        unclear_at=float(content.get("unclearAt", 0.0)),
        unclear_since=float(content.get("unclearSince", 0.0)),
    )


def _read_object(cursor: Cursor, readers: dict[str, Callable[[Cursor], Any]]) -> dict[str, Any]:
    """The members of the object here, read with their readers where they have one."""
    return {name: readers[name](cursor) if name in readers else cursor.value()[0] for name in cursor.members()}


def _read_envelope(cursor: Cursor) -> Envelope:
    content = _read_object(cursor, {"members": _read_members})
    return Envelope(
        datastream_id=_text(content["datastreamId"]),
        hint=_text(content["hint"]),
        members=content["members"],
        parameters=_pairs(content["parameters"]),
        headers=_pairs(content["headers"]),
    )


def _read_members(cursor: Cursor) -> bytes:
    return _carried(*cursor.value())[1:-1].strip()


def _read_parcels(cursor: Cursor) -> list[dict[str, Any]]:
    return [_read_object(cursor, {"events": _read_events}) for _ in cursor.elements()]


def _read_events(cursor: Cursor) -> list[bytes]:
    return [_carried(value, written) for value, written in zip(*cursor.array(), strict=True)]


def _carry(body: bytes) -> str:
    """JSON in UTF-8 as it is, or as a JSON text that holds it where SQS would refuse a character of it."""
    text = body.decode()
    return json.dumps(text) if _REFUSED_BY_SQS.search(text) else text


def _carried(value: Any, written: str) -> bytes:
    """What `_carry` was given: an object, to the byte."""
    if isinstance(value, str):
        cursor = Cursor(value)
        value, written = cursor.value()
        cursor.end()
    if not (isinstance(value, dict) or (value is TOO_DEEP and written.startswith("{"))):
        raise TypeError("not an object")
    return written.encode()


def _pairs(content: Any) -> tuple[tuple[str, str], ...]:
    return tuple((_text(name), _text(value)) for name, value in content)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
