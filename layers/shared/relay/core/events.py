"""One event of a client's batch: checked as Edge documents it, no stricter, and made ready to send."""

import json
import uuid
from dataclasses import dataclass
from typing import Any

from relay.core.completion import with_booleans, with_members
from relay.core.envelope import FRAME_BYTES
from relay.core.json_text import TOO_DEEP, is_deeper
from relay.core.problem import Problem, edge_problem

# Edge documents 64 KB a request; whether that is 65,536 or 64,000 is open, so the smaller one.
MAX_REQUEST_BYTES = 64_000

# Adobe's quota counts each started 8 KB of a request. Source: AdobeDocs/data-collection-apis, guardrails.
UNIT_BYTES = 8_192

# Arrays and objects one within another; the event is the first. Far above any XDM schema. Far below the 1,000 at which
# Python 3.11 stops (later versions: more), and Jackson, which Edge most likely reads with: so what is accepted here can
# be read everywhere.
MAX_DEPTH = 200

# Of the ids that we give to events without one. Never change it, nor how such an id is made: a repeated event would get
# another id.
_ID_NAMESPACE = uuid.UUID("6f0e9d3c-6f4b-4a58-9a0c-1d2b7c5e8f10")

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True, slots=True)
class Event:
    """An event that Edge may take: its place in the client's array, and its JSON in UTF-8 as it will be sent."""

    index: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that Edge will never take, and why."""

    index: int
    problem: Problem
    sent_as: str = ""  # the id of the request that Edge refused; empty: it was not sent

    def as_json(self) -> dict[str, Any]:
        """The entry of a `207` answer: the problem, with the event's place in the client's array."""
        return self.problem.as_json(eventIndex=self.index)


class EventReader:
    """Reads the events of one client's array, and completes what later tries need to send the same event again.

    `received_at` is the time of receipt in RFC 3339; `overhead` counts the bytes of a request besides its events.

    A complete event goes as the client wrote it, and completion changes nothing but what it adds. In `primary` the
    strings "true" and "false", as Adobe's own samples have them, become the booleans that XDM wants. A `timestamp` that
    is missing or null becomes the time of receipt. An `_id` that is missing or null becomes a UUID made of the event
    itself, so the same event, sent again with its timestamp, gets the same one; the n-th copy within an array is taken
    for an event of its own.
    """

    def __init__(self, received_at: str, overhead: int) -> None:
        self._received_at = received_at
        self._overhead = overhead
        self._copies: dict[str, int] = {}

    def read(self, index: int, content: Any, text: bytes) -> Event | Rejection:
        """The event at `index` of the array, or why Edge would refuse it.

        `text` is its JSON in UTF-8, `content` is what that says, or `TOO_DEEP`.
        """
        if is_too_deep(content, text):
            detail = f"Event #{index} is nested deeper than {MAX_DEPTH} levels. Make it flatter."
            return Rejection(index, edge_problem("0101-400", detail))
        problem, primary_texts = _check(index, content)
        if problem:
            return Rejection(index, problem)
        xdm = content["xdm"]
        if len(text) > 2 * MAX_REQUEST_BYTES:  # no completion makes that fit, and it would take long
            return Rejection(index, self._too_large(index, self._overhead + len(text)))
        if primary_texts or xdm.get("timestamp") is None or xdm.get("_id") is None:
            text = self._complete(content, text.decode(), primary_texts)
        size = self._overhead + len(text)
        if size > MAX_REQUEST_BYTES:
            return Rejection(index, self._too_large(index, size))
        return Event(index, text)

    def _complete(self, content: dict[str, Any], text: str, primary_texts: int) -> bytes:
        """The event as it will be sent: completed, unless only that would make it too large."""
        if primary_texts:
            text = with_booleans(text, primary_texts)
        xdm = content["xdm"]
        missing = [name for name in ("timestamp", "_id") if xdm.get(name) is None]
        nulls = xdm.keys() & missing
        members = {}
        if "timestamp" in missing:
            members["timestamp"] = xdm["timestamp"] = self._received_at
        if "_id" in missing:
            members["_id"] = self._make_id(encode(content))
        if members:
            completed = with_members(text, members, nulls).encode()
            if self._overhead + len(completed) <= MAX_REQUEST_BYTES:
                return completed
        return text.encode()

    def _make_id(self, text: str) -> str:
        copy = self._copies[text] = self._copies.get(text, -1) + 1
        name = f"{copy} {text}".encode("utf-8", "backslashreplace").decode()  # a lone surrogate was an escape
        return str(uuid.uuid5(_ID_NAMESPACE, name))

    def _too_large(self, index: int, size: int) -> Problem:
        beside = self._overhead - FRAME_BYTES
        members = f", {beside} of them for the members beside events" if beside else ""
        smaller = "the event or the members" if beside else "the event"
        detail = f"Event #{index} needs a request of {size} bytes{members}. Edge accepts {MAX_REQUEST_BYTES}."
        return edge_problem("0112-413", f"{detail} Make {smaller} smaller.")


def is_too_deep(content: Any, text: bytes) -> bool:
    """Whether a value has more than `MAX_DEPTH` levels; `text` is its JSON in UTF-8, `content` as from `Cursor`."""
    return content is TOO_DEEP or is_deeper(text, MAX_DEPTH)


def _check(index: int, content: Any) -> tuple[Problem | None, int]:
    """Why Edge would refuse the event, and how many identities say as a string whether they are primary.

    Those strings become booleans in `content`.
    """
    if not isinstance(content, dict):
        return edge_problem("0102-400", f"Event #{index} is not a JSON object."), 0
    xdm = content.get("xdm", {})
    if not isinstance(xdm, dict):
        return _wrong_type(index, "xdm", "an object"), 0
    identity_map = xdm.get("identityMap", {})
    if not isinstance(identity_map, dict):
        return _wrong_type(index, "xdm.identityMap", "an object"), 0
    has_primary = False
    texts = 0
    for identities in identity_map.values():
        if not isinstance(identities, list):
            return _wrong_type(index, "xdm.identityMap", "an object of arrays of objects"), 0
        for identity in identities:
            if not isinstance(identity, dict):
                return _wrong_type(index, "xdm.identityMap", "an object of arrays of objects"), 0
            primary = identity.get("primary")
            if primary in ("true", "false"):
                identity["primary"] = primary = primary == "true"
                texts += 1
            has_primary |= primary is True
    if has_primary:
        return None, texts
    return edge_problem(
        "0306-400",
        f'Event #{index} has no primary identity. Mark one identity of its xdm.identityMap with "primary": true.',
    ), 0


def _wrong_type(index: int, field: str, expected: str) -> Problem:
    return edge_problem("0102-400", f"Field {field} of event #{index} is not {expected}.")
