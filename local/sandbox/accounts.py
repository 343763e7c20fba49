"""Who may call the sandbox: one credential, the tokens minted for it, and IMS, which mints them."""

import hmac
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from local.sandbox.reply import Reply, edge_error, gateway_error

DEFAULT_CREDENTIALS = {
    "client_id": "sandbox-client",
    "client_secret": "sandbox-secret",
    "org_id": "53A16ACB5CC1D3760A495C99@AdobeOrg",
    "scopes": "openid,AdobeID,read_organizations",
}


@dataclass(slots=True)
class Accounts:
    """The credential that IMS knows (with up to two valid secrets, as in a rotation) and the tokens it has minted."""

    client_id: str
    client_secrets: list[str]
    org_id: str
    scopes: str
    token_lifetime: float = 86_399  # seconds
    expiry_by_token: dict[str, float] = field(default_factory=dict)

    def mint(self, form: bytes) -> Reply:
        """IMS's answer to a form-encoded `POST /ims/token/v3`."""
        values = {name: found[-1] for name, found in parse_qs(form.decode("utf-8", "replace")).items()}
        if values.get("grant_type") != "client_credentials":
            return _refusal("unsupported_grant_type", "unsupported grant_type parameter")
        if values.get("client_id") != self.client_id:
            return _refusal("invalid_client", "invalid client_id parameter")
        if not any(hmac.compare_digest(values.get("client_secret", ""), known) for known in self.client_secrets):
            return _refusal("invalid_client", "invalid client_secret parameter")
        if not set(values.get("scope", "").split(",")) <= set(self.scopes.split(",")):
            return _refusal("invalid_scope", "invalid scope parameter")
        token = secrets.token_urlsafe(32)
        self.expiry_by_token[token] = time.time() + self.token_lifetime
        return Reply(200, {"access_token": token, "token_type": "bearer", "expires_in": int(self.token_lifetime)})

    def expire_tokens(self) -> None:
        """All tokens are past their time, whatever IMS once said."""
        self.expiry_by_token = dict.fromkeys(self.expiry_by_token, 0.0)

    def revoke_tokens(self) -> None:
        """Adobe's gateway no longer knows any token."""
        self.expiry_by_token.clear()

    def refusal_at_edge(self, headers: Any, request_id: str) -> Reply | None:
        """Why Edge refuses a caller with these headers; None when it does not."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return edge_error("0500-401", request_id, self.org_id)
        expiry = self.expiry_by_token.get(token)
        if expiry is not None and expiry <= time.time():
            return edge_error("0503-401", request_id, self.org_id)
        return self.refusal_at_gateway(headers) or self._foreign_organization(headers)

    def refusal_at_gateway(self, headers: Any) -> Reply | None:
        """Why Adobe's API gateway, which stands before every API, refuses a caller; None when it does not."""
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if self.expiry_by_token.get(token, 0.0) <= time.time():
            return gateway_error("401013", "Oauth token is not valid")
        if headers.get("x-api-key") != self.client_id:
            return gateway_error("403003", "Api Key is invalid")
        return None

    def _foreign_organization(self, headers: Any) -> Reply | None:
        if headers.get("x-gw-ims-org-id") != self.org_id:
            return gateway_error("403010", "Org is not valid")
        return None


def _refusal(error: str, description: str) -> Reply:
    return Reply(400, {"error": error, "error_description": description})
