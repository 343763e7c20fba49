"""Edge Network's `POST /ee/v2/collect` and `POST /ee/{hint}/v2/collect`, as strict as they are documented to be."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from local.sandbox.accounts import Accounts
from local.sandbox.reply import Reply, edge_error
from local.sandbox.validation import Refused, check_batch, is_uuid, read_body

# Regions that an `interact` answer can name as the location hint, as of June 2026.
HINTS = ("or2", "va6", "irl1", "ind1", "jpn3", "sgp3", "aus3")

# Not kept for inspection: the caller's token, and what belongs to the connection.
_HEADERS_NOT_KEPT = ("authorization", "host", "content-length", "connection", "accept-encoding")


@dataclass(slots=True)
class Edge:
    """What Edge took: one entry per request, in order."""

    taken: list[dict[str, Any]] = field(default_factory=list)
    # Adobe's OpenAPI file says `format: uuid`. Whether Edge refuses other ids is documented nowhere.
    uuid_request_ids: bool = False

    def collect(self, accounts: Accounts, hint: str, query: Any, headers: Any, body: bytes) -> Reply:
        """The answer; `hint` is "" for the path without one. A 4xx takes nothing of the batch."""
        if hint and hint not in HINTS:
            # What Edge answers to an unknown hint is documented nowhere. It is an unknown path here.
            return Reply(404, "Not Found", {"Content-Type": "text/plain"})
        request_id = self.request_id(query, headers)
        if refusal := accounts.refusal_at_edge(headers, request_id):
            return refusal
        try:
            datastream_id = self._check_parameters(query, headers)
            content = read_body(headers.get("content-type", ""), body)
            check_batch(content)
        except Refused as refused:
            return edge_error(refused.code, request_id, accounts.org_id, refused.index, refused.errors)
        sent = {"hint": hint, "query": query.multi_items(), "headers": _kept(headers)}
        self.taken.append({"requestId": request_id, "datastreamId": datastream_id, **sent, **_described(body, content)})
        if query.get("silent", "").lower() == "true":
            return Reply(204)
        return Reply(202, {"requestId": request_id})

    @staticmethod
    def datastream_id(query: Any) -> str | None:
        """Of the newest spelling of the parameter, or else of the older one."""
        given: str | None = query.get("datastreamId") or query.get("dataStreamId")
        return given

    @staticmethod
    def request_id(query: Any, headers: Any) -> str:
        """The caller's id, or a new one; with Edge's own suffix, as since June 2026."""
        given = _given_request_id(query, headers) or str(uuid.uuid4())
        return f"{given}-{uuid.uuid4().hex[:16]}"

    def _check_parameters(self, query: Any, headers: Any) -> str:
        """The datastream's id; raises Refused."""
        datastream_id = self.datastream_id(query)
        if not datastream_id:
            raise Refused("0002-400")
        given = _given_request_id(query, headers)
        if self.uuid_request_ids and given and not is_uuid(given):
            raise Refused("0108-400")
        return datastream_id


def _given_request_id(query: Any, headers: Any) -> str | None:
    given: str | None = query.get("requestId") or headers.get("x-request-id")
    return given


def _kept(headers: Any) -> dict[str, str]:
    """By lower-case name; several lines of one name are joined."""
    kept: dict[str, str] = {}
    for name, value in headers.items():
        if name not in _HEADERS_NOT_KEPT:
            kept[name] = f"{kept[name]}, {value}" if name in kept else value
    return kept


def _described(body: bytes, content: dict[str, Any]) -> dict[str, Any]:
    """The body for inspection: as text, so that digits, escapes and white space can be compared, and as JSON."""
    return {
        "bytes": len(body),
        "body": body.decode("utf-8", "surrogateescape"),  # no byte is lost, whatever the client sent
        "members": {name: value for name, value in content.items() if name != "events"},
        "events": content["events"],
    }
