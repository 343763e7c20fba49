"""A client's `POST /ee/v2/collect`, read: what it asks for, the events Edge may take, the events it never will."""

import re
from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from typing import NamedTuple

from relay.body import read_content
from relay.core.envelope import Envelope
from relay.core.events import MAX_REQUEST_BYTES, Event, EventReader, Rejection
from relay.core.packing import pack
from relay.core.problem import Problem, edge_problem, our_problem
from relay.core.request_id import part_id
from relay.errors import InvalidRequest
from relay.http_request import MAX_BODY_BYTES, HttpRequest, check_content_type, read_body
from relay.passed_on import read_hint, read_parameters, read_visitor_headers

_DATASTREAM_ID = re.compile(r"[!-~]{1,256}")
_NAMES_OF_DATASTREAMS = frozenset({"datastreamid", "configid"})  # the second is that of Edge's older API

# What the members may add to a batch: large ones go with every request, and small events fit in by ones or twos.
_MOST_BYTES = 2 * MAX_BODY_BYTES

# An answer tells of so many rejected events one by one: nobody reads more, and Lambda returns 6 MB at most.
MAX_REJECTIONS = 1_000
_LONGEST_DETAIL = 300  # characters, where many are told together


class Batch(NamedTuple):
    """The events that Edge may take, in the client's order and at least one, and those rejected on sight."""

    envelope: Envelope
    request_id: str
    silent: bool
    events: tuple[Event, ...]
    rejections: tuple[Rejection, ...]

    @property
    def is_answered(self) -> bool:
        """The client waits for its answer."""
        return False

    @property
    def attempts(self) -> int:
        """This is the first."""
        return 0

    @property
    def is_shared(self) -> bool:
        """They are of one client's request."""
        return False

    @property
    def is_suspect(self) -> bool:
        """Edge has not seen them."""
        return False

    def sent_as(self, events: Sequence[Event]) -> str:
        """The id under which Edge gets these of the events: the client's own if they are all, or one made of it."""
        if len(events) == len(self.events):
            return self.request_id
        return part_id(self.request_id, [event.index for event in events])

    def failed_at(self, _: Event, /) -> float:
        """Edge has not seen it."""
        return 0.0


def read_batch(request: HttpRequest, request_id: str, allowed_datastreams: Set[str], received_at: datetime) -> Batch:
    """The batch in the request. Raises InvalidRequest when nothing of it can be forwarded.

    An empty `allowed_datastreams` allows them all; `received_at` is in UTC.
    """
    hint = read_hint(request)
    check_content_type(request)
    datastream_id = _read_datastream_id(request, allowed_datastreams)
    parameters, headers = read_parameters(request), read_visitor_headers(request)
    content = read_content(read_body(request))
    envelope = Envelope(datastream_id, hint, content.members, parameters, headers)
    if envelope.overhead > MAX_REQUEST_BYTES:
        raise InvalidRequest(_no_room(envelope))
    reader = EventReader(received_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), envelope.overhead)
    events: list[Event] = []
    rejections: list[Rejection] = []
    for index, (event, text) in enumerate(zip(content.events, content.texts, strict=True)):
        outcome = reader.read(index, event, text)
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
    if envelope.overhead * len(events) > _MOST_BYTES:  # if each were a request; so seldom is it worth counting them
        parts = sum(1 for _ in pack(events, envelope.overhead))
        if envelope.overhead * parts > _MOST_BYTES:
            raise InvalidRequest(_too_many_copies(envelope, parts))
    return Batch(
        envelope=envelope,
        request_id=request_id,
        silent=request.query.get("silent", "").lower() == "true",
        events=tuple(events),
        rejections=tuple(rejections),
    )


def _no_room(envelope: Envelope) -> Problem:
    beside = f"The members beside events take {len(envelope.members)} bytes."
    limit = f"Edge accepts {MAX_REQUEST_BYTES} bytes a request, so no event fits."
    return edge_problem("0112-413", f"{beside} {limit} Make the members smaller.")


def _too_many_copies(envelope: Envelope, parts: int) -> Problem:
    beside = (
        f"The members beside events take {len(envelope.members)} bytes, and the events need {parts} requests to Edge"
    )
    return edge_problem("0112-413", f"{beside} that each carry them. Make the members smaller, or send fewer events.")


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
    named = {datastream_id, *(value for name, value in request.parameters if name.lower() in _NAMES_OF_DATASTREAMS)}
    if not all(map(_DATASTREAM_ID.fullmatch, named)):
        raise InvalidRequest(edge_problem("0003-400", "The datastream ID has characters that no datastream ID has."))
    if allowed and not named <= allowed:
        raise InvalidRequest(
            our_problem(
                "datastream-not-allowed",
                403,
                "Datastream not allowed",
                "This endpoint does not forward to that datastream. "
                "Check datastreamId and configId, or ask the operator to add it to AllowedDatastreams.",
            )
        )
    if len(named) > 1:
        detail = "datastreamId, dataStreamId and configId name different datastreams. Send one."
        raise InvalidRequest(edge_problem("0003-400", detail))
    return datastream_id
