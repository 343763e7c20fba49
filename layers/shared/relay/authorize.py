"""Keep an authorization for Adobe: mint a token, and renew it shortly before it expires."""

import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from aws_lambda_powertools import Logger

from relay.core.authorization import Authorization, Credentials, Token
from relay.core.deadline import Deadline
from relay.errors import AdobeError, OutOfTime, SetupError

logger = Logger(child=True)

RENEW_BEFORE = 600.0  # seconds before expiry, as Adobe's own clients do
RETRY_RENEWAL = 30.0  # seconds between attempts while the old token still holds
REFUSED_SECONDS = 5.0  # between attempts while Adobe refuses us: IMS throttles those who ask again and again
UNREACHABLE_SECONDS = 1.0  # between attempts while IMS is down: requests in parallel wait for it once

_T = TypeVar("_T")


class CredentialsStore(Protocol):
    def read(self, deadline: Deadline) -> Credentials: ...


class TokenService(Protocol):
    def mint(self, credentials: Credentials, now: float, deadline: Deadline) -> Token: ...


class Authorizations(Protocol):
    """What calls of Adobe need; an Authorizer, for one."""

    minted: int  # tokens so far

    def authorization(self, deadline: Deadline) -> Authorization: ...

    def replace(self, refused: Authorization, deadline: Deadline) -> Authorization: ...

    def distrust(self) -> None: ...


def ask(
    call: Callable[[Authorization], _T],
    is_expired: Callable[[_T], bool],
    authorizations: Authorizations,
    deadline: Deadline,
) -> _T:
    """What `call` answers; when that says the token expired, once more with a new one.

    An answer that still says so comes back as it is, and no newer token is tried for a while. Raises AdobeError.
    """
    authorization = authorizations.authorization(deadline)
    answer = call(authorization)
    if not is_expired(answer):
        return answer
    answer = call(authorizations.replace(authorization, deadline))
    if is_expired(answer):
        authorizations.distrust()
    return answer


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
        self._lock = threading.Lock()  # requests that run in parallel share one new token
        self._failure: AdobeError | None = None  # of the last attempt, for all who ask soon after
        self._failure_until = 0.0
        self.minted = 0

    def authorization(self, deadline: Deadline) -> Authorization:
        """The authorization to use now. Raises AdobeError when none can be had by the deadline."""
        with self._lock:
            if self._current and self._now() < self._renew_at:
                return self._current
            try:
                return self._renew(deadline)
            except AdobeError as error:
                if self._current and self._now() < self._expires_at:
                    if not isinstance(error, OutOfTime):
                        logger.warning("token not renewed, the old one still holds", extra={"reason": error.reason})
                        self._renew_at = self._now() + RETRY_RENEWAL
                    return self._current
                raise

    def replace(self, refused: Authorization, deadline: Deadline) -> Authorization:
        """Another authorization than the one Adobe refused as expired. Raises AdobeError."""
        with self._lock:
            if self._current and self._current != refused:
                return self._current
            self._current = None
            return self._renew(deadline)

    def distrust(self) -> None:
        """A token fresh from IMS was refused as expired: until a while has passed, another one would be, too."""
        self._remember(SetupError("Adobe refuses new tokens"))

    def _renew(self, deadline: Deadline) -> Authorization:
        left = self._failure_until - self._now()
        if self._failure and left > 0:  # another attempt would be in vain, or was asked not to be made
            raise type(self._failure)(self._failure.reason, left if self._failure.retry_after else None)
        try:
            return self._mint(deadline)
        except OutOfTime:  # says nothing of IMS
            raise
        except AdobeError as error:
            self._remember(error)
            raise

    def _mint(self, deadline: Deadline) -> Authorization:
        credentials = self._store.read(deadline)
        token = self._service.mint(credentials, self._now(), deadline)
        self.minted += 1
        self._failure = None
        self._current = Authorization(token.value, credentials.client_id, credentials.org_id)
        self._expires_at = token.expires_at
        self._renew_at = token.expires_at - min(RENEW_BEFORE, token.lifetime / 2)
        return self._current

    def _remember(self, error: AdobeError) -> None:
        self._failure = error
        usual = REFUSED_SECONDS if isinstance(error, SetupError) else UNREACHABLE_SECONDS
        self._failure_until = self._now() + max(usual, error.retry_after or 0.0)
