"""The body of a `POST /ee/v2/collect`: its events, and its members beside them, as they are written."""

import json
from typing import Any, NamedTuple

from relay.core.envelope import printable
from relay.core.events import MAX_DEPTH, MAX_REQUEST_BYTES, UNIT_BYTES, is_too_deep
from relay.core.json_text import BLANKS, Cursor, compact
from relay.core.problem import edge_problem
from relay.errors import InvalidRequest

# Source: AdobeDocs/data-collection-apis, OpenAPI document, BatchV2Request. Other members may be anything.
_OBJECTS = frozenset({"meta", "query"})

_NEARLY_FULL_BYTES = MAX_REQUEST_BYTES // UNIT_BYTES * UNIT_BYTES


class Content(NamedTuple):
    """What a body holds, as it was written, in UTF-8; insignificant white space that costs quota is left out."""

    members: bytes  # beside `events`: `"meta":{…},"query":{…}`
    texts: list[bytes]  # of each event
    events: list[Any]  # decoded, or `TOO_DEEP`


def read_content(body: str | bytes) -> Content:
    """The content of a body that is a JSON object with at least one event. Raises InvalidRequest."""
    try:
        written_body = body if isinstance(body, bytes) else body.encode()
        text = written_body.decode("utf-8-sig")  # json would guess UTF-16, too
        members, events, texts = _walk(Cursor(text))
        (written,) = compact([",".join(members)])
        is_dear = _blanks_cost(text, len(written_body))
        return Content(written, compact(texts) if is_dear else [found.encode() for found in texts], events)
    except ValueError as error:
        raise _refusal("0101-400", _describe(error)) from error


def _blanks_cost(text: str, size: int) -> bool:
    """Whether to remove the white space of a body of `size` bytes could save a unit of Adobe's quota.

    Blanks in strings count, too, so it is removed too often rather than too rarely; and always where a request to Edge
    is nearly full.
    """
    if size > _NEARLY_FULL_BYTES:
        return True
    blanks = sum(text.count(blank) for blank in BLANKS if blank in text)  # to look is far quicker than to count
    return (size - 1) // UNIT_BYTES > (size - 1 - blanks) // UNIT_BYTES


def _walk(cursor: Cursor) -> tuple[list[str], list[Any], list[str]]:
    if cursor.peek() != "{":
        cursor.value()
        raise _refusal("0102-400", 'The body must be a JSON object: {"events": [...]}.')
    members: list[str] = []
    found: tuple[list[Any], list[str]] | None = None
    for name in cursor.members():
        start = cursor.member_at
        if name == "events":
            if found:
                raise _refusal("0102-400", "The field events occurs more than once.")
            if cursor.peek() != "[":
                raise _refusal("0102-400", "The field events is not an array.")
            found = cursor.array()
            continue
        value, written = cursor.value()
        if is_too_deep(value, written.encode()):
            raise _refusal("0101-400", f"The field {printable(name)} is nested deeper than {MAX_DEPTH} levels.")
        if name in _OBJECTS and not isinstance(value, dict):
            raise _refusal("0102-400", f"The field {name} is not an object.")
        members.append(cursor.text[start : cursor.at])
    cursor.end()
    if not found:
        raise _refusal("0103-400", "The field events is mandatory.")
    events, texts = found
    if not events:
        raise _refusal("0103-400", "The field events holds no event.")
    return members, events, texts


def _refusal(code: str, detail: str) -> InvalidRequest:
    return InvalidRequest(edge_problem(code, detail))


def _describe(error: Exception) -> str:
    """Where the JSON breaks, without a word of what it holds."""
    if isinstance(error, json.JSONDecodeError):
        return f"The body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
    if isinstance(error, UnicodeDecodeError):
        return f"The body is not valid UTF-8 at byte {error.start}. If it is packed, send Content-Encoding: gzip."
    if isinstance(error, UnicodeEncodeError):
        return "The body has text that is not Unicode."
    return "The body is not valid JSON: NaN, Infinity and numbers of thousands of digits are not allowed."
