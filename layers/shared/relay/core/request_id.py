"""The ids under which parts of a client's request are sent to Edge."""

import re
import uuid
from collections.abc import Iterable, Sequence
from typing import Protocol

from relay.core.events import Event

_NAMESPACE = uuid.UUID("c0a5f3d2-8f1e-4f0c-9a67-2b8d1e6f4a35")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def part_id(request_id: str, indexes: Iterable[int]) -> str:
    """A UUID for the part of a client's request that has the events with these indexes; the same every time.

    Adobe's OpenAPI document wants UUIDs; whether Edge refuses other ids is open.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{request_id} {','.join(map(str, indexes))}"))


class Whole(Protocol):
    """Events of one client's request, and the id under which Edge gets them if one request holds them all."""

    @property
    def request_id(self) -> str: ...

    @property
    def sent_as(self) -> str: ...

    @property
    def events(self) -> tuple[Event, ...]: ...


def id_at_edge(whole: Whole, events: Sequence[Event]) -> str:
    """The id under which Edge gets these of the events: that of the whole, or one derived for a part."""
    if len(events) == len(whole.events):
        return whole.sent_as
    return part_id(whole.request_id, [event.index for event in events])


def is_uuid(request_id: str) -> bool:
    """In the usual form, with hyphens."""
    return bool(_UUID.fullmatch(request_id))
