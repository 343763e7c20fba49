"""IMS: an access token for Adobe's credentials (OAuth server-to-server).

Source: AdobeDocs/adobe-dev-console, server-to-server authentication. `expires_in` is in seconds.
"""

import json
import math
import re

from relay.adapters.http import UNREAD, Http
from relay.core.authorization import Credentials, Token
from relay.core.deadline import Deadline
from relay.core.retry_after import read_retry_after
from relay.core.verdict import Answer
from relay.errors import NoAnswer, SetupError, Unreachable

_PRINTABLE = r"[!-~]+"  # it goes into a header
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}
_ERROR = r"[a-z_]{1,40}"  # and nothing that could quote what we sent
_BUSY = {429, 500, 502, 503, 504}


class Ims:
    """The token endpoint below `base_url`."""

    def __init__(self, base_url: str, http: Http) -> None:
        self._url = f"{base_url}/ims/token/v3"
        self._http = http

    def mint(self, credentials: Credentials, now: float, deadline: Deadline) -> Token:
        """A new token. Raises SetupError when IMS refuses us, Unreachable when it cannot answer."""
        form = {
            "grant_type": "client_credentials",
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
            "scope": credentials.scopes,
        }
        try:
            answer = self._http.request("POST", self._url, deadline=deadline, headers=_HEADERS, data=form)
        except NoAnswer as error:  # no event was sent, so nothing is in doubt
            raise Unreachable("IMS does not answer") from error
        if answer.status in _BUSY:
            raise Unreachable("IMS is busy or down", read_retry_after(answer.headers.get("retry-after"), now))
        if answer.status == 200 and answer.body == UNREAD:
            raise Unreachable("IMS's answer was cut off")
        return _read_token(answer, now)


def _read_token(answer: Answer, now: float) -> Token:
    if answer.status != 200:
        raise SetupError(f"IMS refuses Adobe's credentials: {_read_error(answer)}")
    try:
        content = json.loads(answer.body)
        token, lifetime = content["access_token"], float(content["expires_in"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise SetupError("IMS answers with something that is no token") from error
    if not isinstance(token, str) or not re.fullmatch(_PRINTABLE, token) or not 0 < lifetime < math.inf:
        raise SetupError("IMS answers with something that is no token")
    return Token(token, expires_at=now + lifetime, lifetime=lifetime)


def _read_error(answer: Answer) -> str:
    """IMS's own word for it, such as invalid_client, which makes the difference for who has to mend it."""
    try:
        error = json.loads(answer.body)["error"]
    except (ValueError, TypeError, KeyError, RecursionError):
        error = None
    return error if isinstance(error, str) and re.fullmatch(_ERROR, error) else f"HTTP {answer.status}"
