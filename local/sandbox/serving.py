"""How the sandbox serves a request: as usual, or as the fault that it meets says."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from local.sandbox.accounts import Accounts
from local.sandbox.campaign import Campaign
from local.sandbox.edge import Edge
from local.sandbox.faults import Fault, Faults
from local.sandbox.reply import Reply, edge_error

# A 207 as Adobe's troubleshooting page shows it: nested statuses of events that were taken.
_MULTI_STATUS = {
    "handle": [],
    "errors": [
        {
            "type": "https://ns.adobe.com/aep/errors/EXEG-0201-503",
            "status": 503,
            "title": "The 'com.adobe.experience.platform.ode' service is temporarily unable to serve this request.",
            "report": {"eventIndex": 0},
        }
    ],
    "warnings": [
        {
            "type": "https://ns.adobe.com/aep/errors/EXEG-0204-200",
            "status": 200,
            "title": "A warning occurred while calling the 'com.adobe.audiencemanager' service for this request.",
        }
    ],
}


class DroppableProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which also tells the application how to drop the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"drop": self.transport.abort}  # type: ignore[dict-item]


class Dropped(Response):
    """No answer: the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"]["drop"]()
        while (await receive())["type"] != "http.disconnect":
            pass


class Cut(Response):
    """Half an answer: its Content-Length promises all of it, then uvicorn closes the unfinished connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": bytes(self.body)[: len(self.body) // 2], "more_body": True})


class Sandbox:
    """All of the sandbox's state, and how a request meets a fault."""

    def __init__(self, credentials: dict[str, Any]) -> None:
        self._credentials = credentials
        self.reset()

    def reset(self) -> None:
        given = dict(self._credentials)
        self.accounts = Accounts(client_secrets=[given.pop("client_secret")], **given)
        self.edge = Edge()
        self.campaign = Campaign()
        self.faults = Faults()
        self.requests: list[dict[str, Any]] = []

    def forget(self) -> None:
        self.edge.taken.clear()
        self.requests.clear()

    async def serve(self, endpoint: str, request: Request, handle: Callable[[bytes], Reply]) -> Response:
        """Take the request with `handle`, unless a fault is in force that says otherwise."""
        body = await request.body()
        datastream_id = self.edge.datastream_id(request.query_params)
        fault = self.faults.meet(endpoint, datastream_id, body) or Fault()
        requests = self.requests
        await asyncio.sleep(fault.delay)
        if self.requests is not requests:  # reset meanwhile: what was sent before must not show up afterwards
            return Dropped()
        reply = self._faulty_reply(fault, request, body)
        if fault.drop != "before" and (reply is None or (reply.taken and fault.code is None)):
            usual = handle(body)
            reply = usual if reply is None or not usual.taken else reply
        self.requests.append({"endpoint": endpoint, "status": None if fault.drop else reply and reply.status})
        if fault.drop or reply is None:
            return Dropped()
        body = reply.encoded().replace(b"{authorization}", request.headers.get("authorization", "").encode())
        return (Cut if fault.cut else Response)(
            body, reply.status, {"Content-Type": "application/json", **reply.headers}
        )

    def _faulty_reply(self, fault: Fault, request: Request, body: bytes) -> Reply | None:
        headers = fault.answer_headers(time.time())
        request_id = self.edge.request_id(request.query_params, request.headers)
        if fault.code:
            reply = edge_error(fault.code, request_id, self.accounts.org_id, fault.guilty_index(body))
            return Reply(fault.status or reply.status, reply.body, {**reply.headers, **headers})
        if fault.status is None:
            return None
        content = fault.body
        if fault.status == 207 and content is None:
            content = {"requestId": request_id, **_MULTI_STATUS}
        return Reply(fault.status, content, headers)
