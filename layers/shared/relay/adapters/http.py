"""The one seam to the network: an HTTP request out, an Answer back, or an error that says whether anything was sent."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import requests
import urllib3
from requests.exceptions import ConnectTimeout, RequestException, SSLError, Timeout

from relay.core.verdict import Answer
from relay.errors import AdobeError, NoAnswer, SetupError, Unreachable

MAX_ANSWER_BYTES = 1024 * 1024  # Adobe's answers are a few KB; a larger one is not read to its end
IDLE_SECONDS = 50  # servers and NAT gateways drop idle connections, and a frozen function does not hear of it
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: until a connection stands, and for each wait on it after that."""

    connect: float
    read: float


class Http:
    """A keep-alive connection to one outside system. Redirects are not followed: they would carry credentials away."""

    def __init__(self, timeouts: Timeouts, now: Callable[[], float] = time.time) -> None:
        self._timeouts = timeouts
        self._now = now
        self._last_used = now()
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy or netrc look-up per call; netrc would replace our Authorization

    def request(
        self,
        method: str,
        url: str,
        *,
        within: float,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None = None,
        data: bytes | Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer, with at most `within` seconds spent; a body that is cut off, too long or too slow comes as empty.

        Raises SetupError, Unreachable or NoAnswer.
        """
        deadline = self._now() + within
        if self._now() - self._last_used > IDLE_SECONDS:
            self._session.close()  # the next request opens a fresh connection; nothing was sent on the old one
        connect = min(self._timeouts.connect, within / 2)
        timeout = (connect, min(self._timeouts.read, within - connect))
        try:
            with self._session.request(
                method,
                url,
                params=params,
                data=data,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                body = self._read(response, deadline)
        except RequestException as error:
            raise _translate(error) from error
        finally:
            self._last_used = self._now()
        return Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        body = bytearray()
        try:
            while chunk := response.raw.read1(_CHUNK):
                body += chunk
                if len(body) > MAX_ANSWER_BYTES or self._now() > deadline:
                    return b""
        except (urllib3.exceptions.HTTPError, OSError):
            return b""
        return bytes(body)


def _translate(error: RequestException) -> AdobeError:
    """What the error says about the one thing that matters: was anything sent?"""
    if isinstance(error, SSLError):
        return SetupError("TLS certificate not trusted")
    if isinstance(error, ConnectTimeout):
        return Unreachable("connection timed out")
    if isinstance(error, Timeout):
        return NoAnswer("no answer in time")
    if isinstance(error, requests.ConnectionError):
        cause = error.args[0] if error.args else None
        if isinstance(cause, urllib3.exceptions.MaxRetryError) and isinstance(
            cause.reason, urllib3.exceptions.NewConnectionError
        ):
            return Unreachable("connection refused, or no such host")
        return NoAnswer("connection lost")
    return SetupError("request could not be made")  # an address or a header that is not one
