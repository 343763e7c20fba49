"""The sandbox over HTTP: Adobe's three APIs, and `/_sandbox` to set faults and to see what was taken.

`{authorization}` in an ordered body becomes what the caller sent as that header.

POST   /_sandbox/faults               order a fault (see faults.py)
GET    /_sandbox/faults               those in force, `times` counting down
DELETE /_sandbox/faults               end all faults
GET    /_sandbox/collected            what Edge took, one entry for each request: see below
PUT    /_sandbox/edge                 {"uuidRequestIds": true | false}: whether request ids that are no UUID are refused
GET    /_sandbox/count                of events that Edge took
GET    /_sandbox/requests             every request to Adobe's APIs: [{endpoint, status}]; status null: dropped
GET    /_sandbox/tokens               all that are minted and not revoked
POST   /_sandbox/tokens               {"lifetime": seconds} | {"expire": true} | {"revoke": true}
PUT    /_sandbox/credentials          {client_id, client_secrets: […], org_id, scopes}
PUT    /_sandbox/ingestions/<mapping> {"submit": […], "status": […]} (see campaign.py)
GET    /_sandbox/ingestions           per mapping: posts, gets, requestIds
DELETE /_sandbox/collected            forget what was taken and asked, keep the rest
DELETE /_sandbox                      forget everything, tokens and options included

An entry of what Edge took:

requestId     the caller's or a new one, with Edge's suffix
datastreamId  of the query
hint          the location hint of the path; "" without one
query         all parameters, decoded, as [name, value] pairs in the order sent
headers       by lower-case name, without authorization, host, content-length, connection and accept-encoding; several
              lines of one name are joined with ", "
bytes         length of the body
body          the body as text, exactly as received; bytes that are not UTF-8 as Python's `surrogateescape` reads them
members       the body's members beside `events`, as JSON
events        the body's events, as JSON
"""

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.accounts import DEFAULT_CREDENTIALS
from local.sandbox.control import control_routes
from local.sandbox.reply import Reply
from local.sandbox.serving import DroppableProtocol, Sandbox

__all__ = ["DroppableProtocol", "create_app"]


def create_app(credentials: dict[str, Any] | None = None) -> Starlette:
    """The sandbox as an ASGI application, knowing one credential."""
    sandbox = Sandbox(credentials or DEFAULT_CREDENTIALS)

    async def token(request: Request) -> Response:
        return await sandbox.serve("token", request, sandbox.accounts.mint)

    async def collect(request: Request) -> Response:
        def handle(body: bytes) -> Reply:
            hint = request.path_params.get("hint", "")
            return sandbox.edge.collect(sandbox.accounts, hint, request.query_params, request.headers, body)

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
            Route("/ee/{hint}/v2/collect", collect, methods=["POST"]),
            Route(
                "/{organization}/campaign/dataIngestion/xdmIngestion/{mapping_id}/ingest",
                ingest,
                methods=["GET", "POST"],
            ),
            *control_routes(sandbox),
        ]
    )
