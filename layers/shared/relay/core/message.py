"""A message of the spool: one Edge request's worth of events, in ASCII JSON with a version.

`{"version": 1, "datastreamId", "requestId", "acceptedAt": epoch seconds, "attempts", "uncertain", "events": […]}`
"""

import json
from typing import Any, NamedTuple

from relay.core.events import Event, encode

VERSION = 1


class UnreadableMessage(ValueError):
    """The text is not a message of this version."""


class Message(NamedTuple):
    """What is needed to send the events later, and to tell where they came from."""

    datastream_id: str
    request_id: str
    accepted_at: float  # epoch seconds
    events: tuple[Event, ...]
    attempts: int  # tries before this message was written
    uncertain: int  # answers so far that could not be understood


def write_message(message: Message) -> str:
    """The message's text: ASCII, so that one character is one byte wherever it is stored."""
    head = {
        "version": VERSION,
        "datastreamId": message.datastream_id,
        "requestId": message.request_id,
        "acceptedAt": message.accepted_at,
        "attempts": message.attempts,
        "uncertain": message.uncertain,
    }
    return f'{json.dumps(head)[:-1]}, "events": [{",".join(map(_as_ascii, message.events))}]}}'


def read_message(text: str) -> Message:
    """The message; its events have the very bytes they had when it was written. Raises UnreadableMessage."""
    try:
        content = json.loads(text)
        message = Message(
            str(content["datastreamId"]),
            str(content["requestId"]),
            float(content["acceptedAt"]),
            _read_events(content["events"]),
            int(content["attempts"]),
            int(content["uncertain"]),
        )
        version = content["version"]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise UnreadableMessage("not a message") from error
    if version != VERSION or not message.events:
        raise UnreadableMessage("not a message of this version")
    return message


def _as_ascii(event: Event) -> str:
    if event.body.isascii():
        return event.body.decode("ascii")
    return json.dumps(json.loads(event.body), separators=(",", ":"))


def _read_events(contents: Any) -> tuple[Event, ...]:
    if not isinstance(contents, list) or not all(isinstance(content, dict) for content in contents):
        raise TypeError("events are not an array of objects")
    return tuple(Event(index, encode(content).encode()) for index, content in enumerate(contents))
