"""The ids under which parts of a client's request are sent to Edge."""

import re
import uuid
from collections.abc import Iterable

_NAMESPACE = uuid.UUID("c0a5f3d2-8f1e-4f0c-9a67-2b8d1e6f4a35")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def shared_id(origins: Iterable[tuple[str, int]]) -> str:
    """A UUID for a request to Edge with events of several clients' requests: (request id, index) of each, in order."""
    indexes: dict[str, list[int]] = {}
    for request_id, index in origins:
        indexes.setdefault(request_id, []).append(index)
    names = [f"{request_id} {','.join(map(str, found))}" for request_id, found in indexes.items()]
    return str(uuid.uuid5(_NAMESPACE, ";".join(names)))


def part_id(request_id: str, indexes: Iterable[int]) -> str:
    """A UUID for the part of a client's request that has the events with these indexes; the same every time.

    Adobe's OpenAPI document wants UUIDs; whether Edge refuses other ids is open.
    """
    return shared_id((request_id, index) for index in indexes)


def is_uuid(request_id: str) -> bool:
    """In the usual form, with hyphens."""
    return bool(_UUID.fullmatch(request_id))
