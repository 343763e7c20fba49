"""An HTTP request as API Gateway hands it to a function: names in any case, a body that is bounded before it is read.

Read by hand: importing Powertools' data classes would double what this package adds to a cold start.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from relay.core.problem import edge_problem, our_problem
from relay.errors import InvalidRequest

# What Lambda lets through; a gzip body may not unpack to more either.
MAX_BODY_BYTES = 6 * 1024 * 1024

# Edge lists these; Smile (application/x-jackson-smile) it declared unsupported in 2026.
CONTENT_TYPES = ("application/json", "text/plain", "text/javascript")

# A tracing id comes back in a header and in logs, so: printable ASCII without blanks.
_REQUEST_ID = re.compile(r"[!-~]{1,128}")


class HttpRequest(NamedTuple):
    """A request with its body still packed.

    `headers` and `query` have the last value by lower-case name, `header_lines` all values by lower-case name.
    `parameters` are names and values of the query as they were sent.
    """

    headers: Mapping[str, str]
    header_lines: Mapping[str, Sequence[str]]
    query: Mapping[str, str]
    parameters: tuple[tuple[str, str], ...]
    path: Mapping[str, str]
    body: str
    is_base64: bool
    caller: str  # the API key's id, or the key itself where API Gateway does not tell the id; never logged


def read_http_request(event: Mapping[str, Any]) -> HttpRequest:
    """The request in a Lambda proxy integration event (payload format 1.0)."""
    headers = _by_lower_name(event.get("headers"))
    lines: dict[str, list[str]] = {}
    for name, values in (event.get("multiValueHeaders") or {name: [headers[name]] for name in headers}).items():
        lines.setdefault(name.lower(), []).extend(value for value in values or () if value is not None)
    query = event.get("queryStringParameters") or {}
    parameters = event.get("multiValueQueryStringParameters") or {name: [value] for name, value in query.items()}
    identity = (event.get("requestContext") or {}).get("identity") or {}
    return HttpRequest(
        headers=headers,
        header_lines=lines,
        query=_by_lower_name(query),
        parameters=tuple(
            (name, value) for name, values in parameters.items() for value in values or () if value is not None
        ),
        path=event.get("pathParameters") or {},
        body=event.get("body") or "",
        is_base64=bool(event.get("isBase64Encoded")),
        caller=identity.get("apiKeyId") or headers.get("x-api-key", ""),
    )


def _by_lower_name(values: Mapping[str, str] | None) -> dict[str, str]:
    return {name.lower(): value for name, value in (values or {}).items() if value is not None}


def read_request_id(request: HttpRequest) -> str | None:
    """The client's tracing id: query `requestId`, else header `x-request-id`; None when it sent none."""
    request_id = request.query.get("requestid") or request.headers.get("x-request-id")
    if request_id and not _REQUEST_ID.fullmatch(request_id):
        raise InvalidRequest(
            edge_problem(
                "0108-400", "requestId must be 1 to 128 printable ASCII characters without blanks, a UUID for example."
            )
        )
    return request_id or None


def check_content_type(request: HttpRequest) -> None:
    """Refuse a content type that Edge does not list. A missing one is taken for JSON."""
    content_type = request.headers.get("content-type", CONTENT_TYPES[0]).partition(";")[0].strip().lower()
    if "/" not in content_type:
        raise InvalidRequest(edge_problem("0106-400", f"Set Content-Type to one of {', '.join(CONTENT_TYPES)}."))
    if content_type not in CONTENT_TYPES:
        raise InvalidRequest(edge_problem("0111-415", f"Set Content-Type to one of {', '.join(CONTENT_TYPES)}."))


def read_body(request: HttpRequest) -> str | bytes:
    """The request's body, unpacked, at most MAX_BODY_BYTES; memory stays bounded whatever was packed."""
    if not request.body:
        raise InvalidRequest(
            edge_problem("0109-408", 'The request has no body. Send {"events": [...]}; do not retry it as it is.')
        )
    body: str | bytes = request.body.removeprefix("\ufeff")
    if request.is_base64:
        if len(request.body) > MAX_BODY_BYTES * 4 // 3 + 4:
            raise _too_large()
        try:
            body = base64.b64decode(request.body, validate=True)
        except (binascii.Error, ValueError) as error:
            raise _unreadable("The body is marked as base64 and is not.") from error
        body = _unpack(body, request.headers.get("content-encoding", "identity").strip().lower())
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    return body


def _unpack(body: bytes, encoding: str) -> bytes:
    if encoding in ("identity", ""):
        return body
    if encoding != "gzip":
        raise InvalidRequest(
            our_problem(
                "unsupported-content-encoding",
                415,
                "Unsupported Content-Encoding",
                "Send the body as it is, or packed with gzip.",
            )
        )
    if not body.startswith(b"\x1f\x8b"):  # API Gateway has already unpacked it and left the header
        return body
    import gzip  # noqa: PLC0415 - few requests need it
    import io  # noqa: PLC0415
    import zlib  # noqa: PLC0415

    try:
        return gzip.GzipFile(fileobj=io.BytesIO(body)).read(MAX_BODY_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable("The body is marked as gzip and cannot be unpacked.") from error


def _unreadable(detail: str) -> InvalidRequest:
    return InvalidRequest(edge_problem("0101-400", detail))


def _too_large() -> InvalidRequest:
    return InvalidRequest(
        edge_problem("0112-413", f"The body is larger than {MAX_BODY_BYTES} bytes. Send it in parts.")
    )
