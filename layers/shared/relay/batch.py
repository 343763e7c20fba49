"""A client's `POST /ee/v2/collect`, read: what it asks for, the events Edge may take, the events it never will."""

import json
import re
from collections.abc import Iterable, Set
from datetime import datetime
from typing import Any, NamedTuple, NoReturn

from relay.core.events import Event, EventReader, Rejection
from relay.core.problem import Problem, edge_problem, our_problem
from relay.errors import InvalidRequest
from relay.http_request import HttpRequest, check_content_type, read_body

_DATASTREAM_ID = re.compile(r"[!-~]{1,256}")

# An answer tells of so many rejected events one by one: nobody reads more, and Lambda returns 6 MB at most.
MAX_REJECTIONS = 1_000
_LONGEST_DETAIL = 300  # characters, where many are told together


class Batch(NamedTuple):
    """The events that Edge may take, in the client's order and at least one, and those rejected on sight."""

    datastream_id: str
    request_id: str
    silent: bool
    events: tuple[Event, ...]
    rejections: tuple[Rejection, ...]


def read_batch(request: HttpRequest, request_id: str, allowed_datastreams: Set[str], received_at: datetime) -> Batch:
    """The batch in the request. Raises InvalidRequest when nothing of it can be forwarded.

    An empty `allowed_datastreams` allows them all; `received_at` is in UTC.
    """
    reader = EventReader(received_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
    check_content_type(request)
    datastream_id = _read_datastream_id(request, allowed_datastreams)
    events: list[Event] = []
    rejections: list[Rejection] = []
    for index, content in enumerate(_read_events(read_body(request))):
        outcome = reader.read(index, content)
        if isinstance(outcome, Event):
            events.append(outcome)
        elif len(rejections) < MAX_REJECTIONS:
            rejections.append(outcome)
        else:
            summary = f"More than {MAX_REJECTIONS} events are invalid; report.errors has the first {MAX_REJECTIONS}."
            raise InvalidRequest(nothing_accepted(rejections, summary))
    if not events:
        raise InvalidRequest(
            nothing_accepted(rejections, f"All {len(rejections)} events are invalid, see report.errors.")
        )
    return Batch(
        datastream_id=datastream_id,
        request_id=request_id,
        silent=request.query.get("silent", "").lower() == "true",
        events=tuple(events),
        rejections=tuple(rejections),
    )


def nothing_accepted(rejections: list[Rejection], summary: str) -> Problem:
    """One problem for a request of which no event was accepted, naming every event by its index."""
    first = rejections[0].problem
    if len(rejections) == 1:
        return first
    if any(rejection.problem.type != first.type for rejection in rejections):
        first = edge_problem("0105-400", "")
    return Problem(
        type=first.type,
        status=first.status,
        title=first.title,
        detail=summary,
        report={"errors": describe(rejections[:MAX_REJECTIONS])},
    )


def describe(rejections: Iterable[Rejection]) -> list[str]:
    """The rejected events for `report.errors`: sentences that name them as #n."""
    return [_name(rejection)[:_LONGEST_DETAIL] for rejection in rejections]


def _name(rejection: Rejection) -> str:
    words = rejection.problem.detail or rejection.problem.title
    return words if re.search(rf"#{rejection.index}\b", words) else f"#{rejection.index}: {words}"


def _read_datastream_id(request: HttpRequest, allowed: Set[str]) -> str:
    datastream_id = request.query.get("datastreamid")
    if not datastream_id:
        raise InvalidRequest(edge_problem("0002-400", "Name the datastream in the query: ?datastreamId=..."))
    if not _DATASTREAM_ID.fullmatch(datastream_id):
        raise InvalidRequest(edge_problem("0003-400", "The datastream ID has characters that no datastream ID has."))
    if allowed and datastream_id not in allowed:
        raise InvalidRequest(
            our_problem(
                "datastream-not-allowed",
                403,
                "Datastream not allowed",
                "This endpoint does not forward to that datastream. "
                "Check datastreamId, or ask the operator to add it to AllowedDatastreams.",
            )
        )
    return datastream_id


def _read_events(body: str | bytes) -> list[Any]:
    try:
        text = body.decode("utf-8-sig") if isinstance(body, bytes) else body  # json would guess UTF-16, too
        content = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(edge_problem("0101-400", _describe(error))) from error
    if not isinstance(content, dict):
        raise InvalidRequest(edge_problem("0102-400", 'The body must be a JSON object: {"events": [...]}.'))
    if "events" not in content:
        raise InvalidRequest(edge_problem("0103-400", "The field events is mandatory."))
    events = content["events"]
    if not isinstance(events, list):
        raise InvalidRequest(edge_problem("0102-400", "The field events is not an array."))
    if not events:
        raise InvalidRequest(edge_problem("0103-400", "The field events holds no event."))
    return events


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _describe(error: Exception) -> str:
    """Where the JSON breaks, without a word of what it holds."""
    if isinstance(error, json.JSONDecodeError):
        return f"The body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
    if isinstance(error, UnicodeDecodeError):
        return f"The body is not valid UTF-8 at byte {error.start}. If it is packed, send Content-Encoding: gzip."
    if isinstance(error, RecursionError):
        return "The body is nested too deeply."
    return "The body is not valid JSON: NaN, Infinity and numbers of thousands of digits are not allowed."
