"""Keep an authorization for Adobe: mint a token, and renew it shortly before it expires."""

from collections.abc import Callable
from typing import Protocol

from aws_lambda_powertools import Logger

from relay.core.authorization import Authorization, Credentials, Token
from relay.errors import AdobeError

logger = Logger(child=True)

RENEW_BEFORE = 600.0  # seconds before expiry, as Adobe's own clients do
RETRY_RENEWAL = 30.0  # seconds between attempts while the old token still holds


class CredentialsStore(Protocol):
    def read(self) -> Credentials: ...


class TokenService(Protocol):
    def mint(self, credentials: Credentials, now: float, within: float) -> Token: ...


class Authorizer:
    """Mints a token when there is none, renews it before it expires, and keeps the old one while renewal fails.

    Credentials are read anew for every token, so that a rotated secret is used without a restart.
    Time is the wall clock: a monotonic one stands still while Lambda has frozen the function.
    """

    def __init__(self, store: CredentialsStore, service: TokenService, now: Callable[[], float]) -> None:
        self._store = store
        self._service = service
        self._now = now
        self._current: Authorization | None = None
        self._renew_at = 0.0
        self._expires_at = 0.0

    def authorization(self, within: float) -> Authorization:
        """The authorization to use now. Raises AdobeError when there is none and none can be had."""
        now = self._now()
        if self._current and now < self._renew_at:
            return self._current
        try:
            return self._renew(within)
        except AdobeError as error:
            if self._current and now < self._expires_at:
                logger.warning("token not renewed, the old one still holds", extra={"reason": error.reason})
                self._renew_at = now + RETRY_RENEWAL
                return self._current
            raise

    def replace(self, refused: Authorization, within: float) -> Authorization:
        """Another authorization than the one Adobe refused as expired. Raises AdobeError."""
        if self._current and self._current != refused:
            return self._current
        self._current = None
        return self._renew(within)

    def _renew(self, within: float) -> Authorization:
        credentials = self._store.read()
        now = self._now()
        token = self._service.mint(credentials, now, within)
        self._current = Authorization(token.value, credentials.client_id, credentials.org_id)
        self._expires_at = token.expires_at
        self._renew_at = token.expires_at - min(RENEW_BEFORE, token.lifetime / 2)
        return self._current
