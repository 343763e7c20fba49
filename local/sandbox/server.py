"""The sandbox over HTTP: Adobe's three APIs, and `/_sandbox` to set faults and to see what was taken.

`{authorization}` in an ordered body becomes what the caller sent as that header.

POST   /_sandbox/faults               order a fault (see faults.py)
GET    /_sandbox/faults               those in force, `times` counting down
DELETE /_sandbox/faults               end all faults
GET    /_sandbox/collected            what Edge took: [{requestId, datastreamId, bytes, events}]
GET    /_sandbox/count                of events that Edge took
GET    /_sandbox/requests             every request to Adobe's APIs: [{endpoint, status}]; status null: dropped
GET    /_sandbox/tokens               all that are minted and not revoked
POST   /_sandbox/tokens               {"lifetime": seconds} | {"expire": true} | {"revoke": true}
PUT    /_sandbox/credentials          {client_id, client_secrets: […], org_id, scopes}
PUT    /_sandbox/ingestions/<mapping> {"submit": […], "status": […]} (see campaign.py)
GET    /_sandbox/ingestions           per mapping: posts, gets, requestIds
DELETE /_sandbox/collected            forget what was taken and asked, keep the rest
DELETE /_sandbox                      forget everything, tokens included
"""

import asyncio
import dataclasses
import json
import time
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from local.sandbox.accounts import DEFAULT_CREDENTIALS, Accounts
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
        fault = self.faults.meet(endpoint, body) or Fault()
        await asyncio.sleep(fault.delay)
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


def create_app(credentials: dict[str, Any] | None = None) -> Starlette:
    """The sandbox as an ASGI application, knowing one credential."""
    sandbox = Sandbox(credentials or DEFAULT_CREDENTIALS)

    async def token(request: Request) -> Response:
        return await sandbox.serve("token", request, sandbox.accounts.mint)

    async def collect(request: Request) -> Response:
        def handle(body: bytes) -> Reply:
            return sandbox.edge.collect(sandbox.accounts, request.query_params, request.headers, body)

        return await sandbox.serve("collect", request, handle)

    async def ingest(request: Request) -> Response:
        organization, mapping_id = request.path_params["organization"], request.path_params["mapping_id"]

        def submit(body: bytes) -> Reply:
            return sandbox.campaign.submit(sandbox.accounts, organization, mapping_id, request.headers)

        def status(body: bytes) -> Reply:
            return sandbox.campaign.status(
                sandbox.accounts, organization, mapping_id, request.headers, request.query_params, body
            )

        if request.method == "POST":
            return await sandbox.serve("ingest", request, submit)
        return await sandbox.serve("ingest_status", request, status)

    return Starlette(
        routes=[
            Route("/ims/token/v3", token, methods=["POST"]),
            Route("/ee/v2/collect", collect, methods=["POST"]),
            Route(
                "/{organization}/campaign/dataIngestion/xdmIngestion/{mapping_id}/ingest",
                ingest,
                methods=["GET", "POST"],
            ),
            *_control_routes(sandbox),
        ]
    )


def _control_routes(sandbox: Sandbox) -> list[Route]:
    def reading(read: Callable[[], Any]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            return JSONResponse(read())

        return endpoint

    def changing(change: Callable[..., None]) -> Callable[[Request], Any]:
        """An endpoint that hands the path's parameters and the JSON body to `change`; wrong ones are a 400."""

        async def endpoint(request: Request) -> Response:
            try:
                content = json.loads(await request.body() or b"{}")
                change(**request.path_params, **content)
            except (ValueError, TypeError) as error:
                return JSONResponse({"error": str(error)}, 400)
            return Response(status_code=204)

        return endpoint

    def count() -> int:
        return sum(len(request["events"]) for request in sandbox.edge.taken)

    def faults_in_force() -> list[dict[str, Any]]:
        return sandbox.faults.in_force()

    def end_faults() -> None:
        sandbox.faults.clear()

    def change_tokens(lifetime: float | None = None, expire: bool = False, revoke: bool = False) -> None:
        if lifetime is not None:
            sandbox.accounts.token_lifetime = lifetime
        if expire:
            sandbox.accounts.expire_tokens()
        if revoke:
            sandbox.accounts.revoke_tokens()

    def change_credentials(**members: Any) -> None:
        sandbox.accounts = dataclasses.replace(sandbox.accounts, **members)

    def ingestions() -> dict[str, Any]:
        return {
            mapping_id: {"posts": mapping.posts, "gets": mapping.gets, "requestIds": mapping.request_ids}
            for mapping_id, mapping in sandbox.campaign.mappings.items()
        }

    def script(mapping_id: str, submit: list[Any] | None = None, status: list[Any] | None = None) -> None:
        sandbox.campaign.script(mapping_id, submit or [], status or [])

    return [
        Route("/_sandbox", changing(sandbox.reset), methods=["DELETE"]),
        Route(
            "/_sandbox/faults", changing(lambda **fault: sandbox.faults.add(Fault.from_json(fault))), methods=["POST"]
        ),
        Route("/_sandbox/faults", reading(faults_in_force), methods=["GET"]),
        Route("/_sandbox/faults", changing(end_faults), methods=["DELETE"]),
        Route("/_sandbox/count", reading(count), methods=["GET"]),
        Route("/_sandbox/collected", reading(lambda: sandbox.edge.taken), methods=["GET"]),
        Route("/_sandbox/collected", changing(sandbox.forget), methods=["DELETE"]),
        Route("/_sandbox/requests", reading(lambda: sandbox.requests), methods=["GET"]),
        Route("/_sandbox/tokens", reading(lambda: list(sandbox.accounts.expiry_by_token)), methods=["GET"]),
        Route("/_sandbox/tokens", changing(change_tokens), methods=["POST"]),
        Route("/_sandbox/credentials", changing(change_credentials), methods=["PUT"]),
        Route("/_sandbox/ingestions", reading(ingestions), methods=["GET"]),
        Route("/_sandbox/ingestions/{mapping_id}", changing(script), methods=["PUT"]),
    ]
