"""Edge Network's `POST /ee/v2/collect`, as strict as it is documented to be."""

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from local.sandbox.accounts import Accounts
from local.sandbox.reply import Reply, edge_error

MAX_REQUEST_BYTES = 64_000
CONTENT_TYPES = ("application/json", "text/plain", "text/javascript")


@dataclass(slots=True)
class Edge:
    """What Edge took: one entry per request, in order."""

    taken: list[dict[str, Any]] = field(default_factory=list)

    def collect(self, accounts: Accounts, query: Any, headers: Any, body: bytes) -> Reply:
        """The answer. A 4xx takes nothing of the batch."""
        request_id = self.request_id(query, headers)

        def refuse(code: str, index: int = 0) -> Reply:
            return edge_error(code, request_id, accounts.org_id, index)

        if refusal := accounts.refusal_at_edge(headers, request_id):
            return refusal
        datastream_id = query.get("datastreamId") or query.get("dataStreamId")
        if not datastream_id:
            return refuse("0002-400")
        if headers.get("content-type", "").partition(";")[0].strip().lower() not in CONTENT_TYPES:
            return refuse("0111-415")
        if not body:
            return refuse("0109-408")
        if len(body) > MAX_REQUEST_BYTES:
            return refuse("0112-413")
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):  # packed bodies too: Edge takes neither gzip nor Smile
            return refuse("0101-400")
        events = content.get("events") if isinstance(content, dict) else None
        if not isinstance(events, list):
            return refuse("0102-400")
        if not events:
            return refuse("0103-400")
        for index, event in enumerate(events):
            if code := _refusal(event):
                return refuse(code, index)
        self.taken.append(
            {"requestId": request_id, "datastreamId": datastream_id, "bytes": len(body), "events": events}
        )
        if query.get("silent", "").lower() == "true":
            return Reply(204)
        return Reply(202, {"requestId": request_id})

    @staticmethod
    def request_id(query: Any, headers: Any) -> str:
        """The caller's id, or a new one; with Edge's own suffix, as since June 2026."""
        given = query.get("requestId") or headers.get("x-request-id") or str(uuid.uuid4())
        return f"{given}-{uuid.uuid4().hex[:16]}"


def _refusal(event: Any) -> str | None:
    if not isinstance(event, dict) or not isinstance(event.get("xdm", {}), dict):
        return "0102-400"
    identity_map = event.get("xdm", {}).get("identityMap", {})
    if not isinstance(identity_map, dict):
        return "0102-400"
    identities = []
    for namespace in identity_map.values():
        if not isinstance(namespace, list) or not all(isinstance(identity, dict) for identity in namespace):
            return "0102-400"
        identities += namespace
    if not any(identity.get("primary") in (True, "true") for identity in identities):
        return "0306-400"
    return None
