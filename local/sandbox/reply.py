"""An answer of the sandbox, before it becomes HTTP."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.sandbox.catalogue import error_body


@dataclass(frozen=True, slots=True)
class Reply:
    """`body`: JSON, or a string or None that is sent as it is."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        if self.body is None:
            return b""
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()

    @property
    def taken(self) -> bool:
        return self.status < 300


def edge_error(code: str, request_id: str, org_id: str, index: int = 0, errors: Sequence[str] = ()) -> Reply:
    """Edge's problem; the arguments are those of `error_body`."""
    body = error_body(code, request_id, org_id, index, errors)
    return Reply(body["status"], body, {"Content-Type": "application/problem+json"})


def gateway_error(error_code: str, message: str) -> Reply:
    """The form that Adobe's API gateway uses: a string of digits that starts with the status."""
    return Reply(int(error_code[:3]), {"error_code": error_code, "message": message})
