"""The endpoints below `/_sandbox`: what a test orders from the sandbox, and what it asks it afterwards."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.sandbox.faults import Fault
from local.sandbox.serving import Sandbox


def control_routes(sandbox: Sandbox) -> list[Route]:
    """All of them, as server.py lists them."""
    return [
        Route("/_sandbox", _changing(sandbox.reset), methods=["DELETE"]),
        Route("/_sandbox/requests", _reading(lambda: sandbox.requests), methods=["GET"]),
        *_fault_routes(sandbox),
        *_edge_routes(sandbox),
        *_account_routes(sandbox),
        *_campaign_routes(sandbox),
    ]


def _reading(read: Callable[[], Any]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        # In ASCII, unlike JSONResponse: what a client sent may hold lone surrogates, which UTF-8 cannot.
        return Response(json.dumps(read()), media_type="application/json")

    return endpoint


def _changing(change: Callable[..., None]) -> Callable[[Request], Any]:
    """An endpoint that hands the path's parameters and the JSON body to `change`; wrong ones are a 400."""

    async def endpoint(request: Request) -> Response:
        try:
            content = json.loads(await request.body() or b"{}")
            change(**request.path_params, **content)
        except (ValueError, TypeError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return Response(status_code=204)

    return endpoint


def _fault_routes(sandbox: Sandbox) -> list[Route]:
    def order(**fault: Any) -> None:
        sandbox.faults.add(Fault.from_json(fault))

    def in_force() -> list[dict[str, Any]]:
        return sandbox.faults.in_force()

    def end() -> None:
        sandbox.faults.clear()

    return [
        Route("/_sandbox/faults", _changing(order), methods=["POST"]),
        Route("/_sandbox/faults", _reading(in_force), methods=["GET"]),
        Route("/_sandbox/faults", _changing(end), methods=["DELETE"]),
    ]


def _edge_routes(sandbox: Sandbox) -> list[Route]:
    def count() -> int:
        return sum(len(request["events"]) for request in sandbox.edge.taken)

    def set_options(**options: Any) -> None:
        if set(options) != {"uuidRequestIds"} or not isinstance(options["uuidRequestIds"], bool):
            raise ValueError("the body must be one member, uuidRequestIds, true or false")
        sandbox.edge.uuid_request_ids = options["uuidRequestIds"]

    return [
        Route("/_sandbox/count", _reading(count), methods=["GET"]),
        Route("/_sandbox/collected", _reading(lambda: sandbox.edge.taken), methods=["GET"]),
        Route("/_sandbox/collected", _changing(sandbox.forget), methods=["DELETE"]),
        Route("/_sandbox/edge", _changing(set_options), methods=["PUT"]),
    ]


def _account_routes(sandbox: Sandbox) -> list[Route]:
    def change_tokens(lifetime: float | None = None, expire: bool = False, revoke: bool = False) -> None:
        if lifetime is not None:
            sandbox.accounts.token_lifetime = lifetime
        if expire:
            sandbox.accounts.expire_tokens()
        if revoke:
            sandbox.accounts.revoke_tokens()

    def change_credentials(**members: Any) -> None:
        sandbox.accounts = dataclasses.replace(sandbox.accounts, **members)

    return [
        Route("/_sandbox/tokens", _reading(lambda: list(sandbox.accounts.expiry_by_token)), methods=["GET"]),
        Route("/_sandbox/tokens", _changing(change_tokens), methods=["POST"]),
        Route("/_sandbox/credentials", _changing(change_credentials), methods=["PUT"]),
    ]


def _campaign_routes(sandbox: Sandbox) -> list[Route]:
    def ingestions() -> dict[str, Any]:
        return {
            mapping_id: {"posts": mapping.posts, "gets": mapping.gets, "requestIds": mapping.request_ids}
            for mapping_id, mapping in sandbox.campaign.mappings.items()
        }

    def script(mapping_id: str, submit: list[Any] | None = None, status: list[Any] | None = None) -> None:
        sandbox.campaign.script(mapping_id, submit or [], status or [])

    return [
        Route("/_sandbox/ingestions", _reading(ingestions), methods=["GET"]),
        Route("/_sandbox/ingestions/{mapping_id}", _changing(script), methods=["PUT"]),
    ]
