"""One event of a client's batch: checked as Edge documents it, no stricter, and made ready to send."""

import json
import uuid
from dataclasses import dataclass
from typing import Any

from relay.core.problem import Problem, edge_problem

# Edge documents 64 KB a request; whether that is 65,536 or 64,000 is open, so the smaller one.
MAX_REQUEST_BYTES = 64_000

FRAME_BYTES = len(b'{"events":[]}')

# Of the ids that we give to events without one. Never change it: a repeated event would get another id.
_ID_NAMESPACE = uuid.UUID("6f0e9d3c-6f4b-4a58-9a0c-1d2b7c5e8f10")

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False).encode


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

    def as_json(self) -> dict[str, Any]:
        """The entry of a `207` answer: the problem, with the event's place in the client's array."""
        return self.problem.as_json(eventIndex=self.index)


class EventReader:
    """Reads the events of one client's array, and completes what later tries need to send the same event again.

    `received_at` is the time of receipt in RFC 3339. `"primary": "true"`, as Adobe's own samples have it, becomes the
    boolean that XDM wants. A missing `timestamp` becomes the time of receipt. A missing `_id` becomes a UUID made of
    the event itself, so the same event, sent again with its timestamp, gets the same one; the n-th copy within an
    array is taken for an event of its own.
    """

    def __init__(self, received_at: str) -> None:
        self._received_at = received_at
        self._copies: dict[str, int] = {}

    def read(self, index: int, content: Any) -> Event | Rejection:
        """The event at `index` of the array, or why Edge would refuse it."""
        problem = _refusal(index, content)
        if problem:
            return Rejection(index, problem)
        try:
            body = self._complete(content)
        except (ValueError, RecursionError):  # a lone surrogate, a number beyond a double, a nesting without end
            return Rejection(
                index,
                edge_problem(
                    "0101-400",
                    f"Event #{index} has text that is not Unicode, a number out of range, or too deep a nesting.",
                ),
            )
        size = FRAME_BYTES + len(body)
        if size > MAX_REQUEST_BYTES:
            return Rejection(
                index,
                edge_problem(
                    "0112-413",
                    f"Event #{index} alone makes a request of {size} bytes; Edge takes {MAX_REQUEST_BYTES}.",
                ),
            )
        return Event(index, body)

    def _complete(self, content: dict[str, Any]) -> bytes:
        """The event as it will be sent: completed, unless only that would make it too large."""
        xdm = content["xdm"]
        missing = [name for name in ("timestamp", "_id") if not xdm.get(name)]
        if "timestamp" in missing:
            xdm["timestamp"] = self._received_at
        text = encode(content)
        if "_id" in missing:
            copy = self._copies[text] = self._copies.get(text, -1) + 1
            xdm["_id"] = str(uuid.uuid5(_ID_NAMESPACE, f"{copy} {text}"))
            text = encode(content)
        body = text.encode()
        if missing and FRAME_BYTES + len(body) > MAX_REQUEST_BYTES:
            for name in missing:
                del xdm[name]
            body = encode(content).encode()
        return body


def _refusal(index: int, content: Any) -> Problem | None:
    if not isinstance(content, dict):
        return edge_problem("0102-400", f"Event #{index} is not a JSON object.")
    xdm = content.get("xdm", {})
    if not isinstance(xdm, dict):
        return _wrong_type(index, "xdm", "an object")
    identity_map = xdm.get("identityMap", {})
    if not isinstance(identity_map, dict):
        return _wrong_type(index, "xdm.identityMap", "an object")
    has_primary = False
    for identities in identity_map.values():
        if not isinstance(identities, list) or not all(isinstance(identity, dict) for identity in identities):
            return _wrong_type(index, "xdm.identityMap", "an object of arrays of objects")
        for identity in identities:
            primary = identity.get("primary")
            if primary in ("true", "false"):
                identity["primary"] = primary = primary == "true"
            has_primary |= primary is True
    if has_primary:
        return None
    return edge_problem(
        "0306-400",
        f'Event #{index} has no primary identity. Mark one identity of its xdm.identityMap with "primary": true.',
    )


def _wrong_type(index: int, field: str, expected: str) -> Problem:
    return edge_problem("0102-400", f"Field {field} of event #{index} is not {expected}.")
