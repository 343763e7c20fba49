"""One event of a client's batch: checked as Edge documents it, no stricter, and made ready to send."""

import json
from dataclasses import dataclass
from typing import Any

from relay.core.problem import Problem, edge_problem

# Edge documents 64 KB a request; whether that is 65,536 or 64,000 is open, so the smaller one.
MAX_REQUEST_BYTES = 64_000

_OPEN, _CLOSE = b'{"events":[', b"]}"

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False).encode


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


def request_body(events: tuple[Event, ...]) -> bytes:
    """The body of the Edge request that carries the events, in order."""
    return _OPEN + b",".join([event.body for event in events]) + _CLOSE


def read_event(index: int, content: Any) -> Event | Rejection:
    """The event at `index` of the client's array, or why Edge would refuse it.

    `"primary": "true"`, as Adobe's own samples write it, becomes the boolean that XDM wants.
    """
    problem = _refusal(index, content)
    if problem:
        return Rejection(index, problem)
    try:
        body = _encode(content).encode()
    except (ValueError, RecursionError):  # a lone surrogate, a number beyond a double, a nesting without end
        return Rejection(
            index,
            edge_problem(
                "0101-400",
                f"Event #{index} has text that is not Unicode, a number out of range, or too deep a nesting.",
            ),
        )
    size = len(_OPEN) + len(body) + len(_CLOSE)
    if size > MAX_REQUEST_BYTES:
        return Rejection(
            index,
            edge_problem(
                "0112-413",
                f"Event #{index} alone makes a request of {size} bytes; Edge takes {MAX_REQUEST_BYTES}.",
            ),
        )
    return Event(index, body)


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
