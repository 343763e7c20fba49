"""A client's `POST` or `GET …/xdmIngestion/{mappingId}/ingest`, read: which mapping, which request it asks about."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from relay.core.problem import our_problem
from relay.core.report import MAPPING_ID, REQUEST_ID
from relay.errors import InvalidRequest
from relay.http_request import read_body, read_http_request


class IngestRequest(NamedTuple):
    """`request_id` is the request asked about; None for a submission."""

    mapping_id: str
    request_id: str | None


def read_ingest_request(event: Mapping[str, Any], organization: str) -> IngestRequest:
    """The request in a Lambda proxy integration event. Raises InvalidRequest; then nothing has been triggered."""
    parameters = event.get("pathParameters") or {}
    if not organization or parameters.get("organization") != organization:
        detail = (
            "The organization in the path is not the one that this endpoint serves; its operator knows which it is "
            "(CampaignOrganization). Nothing was started."
        )
        raise InvalidRequest(our_problem("organization-not-allowed", 403, "Organization not allowed", detail))
    mapping_id = parameters.get("mappingId") or ""
    if not MAPPING_ID.fullmatch(mapping_id):
        detail = "mappingId in the path must be 1 to 39 letters, digits and _. Nothing was started."
        raise InvalidRequest(our_problem("invalid-mapping-id", 400, "Invalid mapping ID", detail))
    return IngestRequest(mapping_id, None if event.get("httpMethod") == "POST" else _read_request_id(event))


def _read_request_id(event: Mapping[str, Any]) -> str:
    """From the query, or from a JSON body as Adobe's page shows it."""
    request = read_http_request(event)
    value: Any = request.query.get("requestid")
    if value is None and request.body:
        try:
            value = json.loads(read_body(request))["requestId"]
        except (InvalidRequest, ValueError, TypeError, KeyError, RecursionError):
            value = None
    request_id = str(value) if type(value) in (int, str) else ""
    if not REQUEST_ID.fullmatch(request_id):
        detail = "Name the request: ?requestId=3520. It is 1 to 40 letters, digits, _ and -."
        raise InvalidRequest(our_problem("invalid-request-id", 400, "Invalid request ID", detail))
    return request_id
