"""The one seam to the network: an HTTP request out, an Answer back, or an error that says whether anything was sent."""

import json
import logging
import ssl
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlencode

import requests
import urllib3
from requests.exceptions import (
    ConnectTimeout,
    InvalidHeader,
    InvalidSchema,
    InvalidURL,
    MissingSchema,
    RequestException,
    SSLError,
)

from relay.adapters.connections import Connections
from relay.core.deadline import Deadline
from relay.core.verdict import Answer, read_object
from relay.errors import AdobeError, NoAnswer, OutOfTime, SetupError, Unreachable

USER_AGENT = "adobe-relay/0.1.0"  # unless there is a visitor's
MAX_ANSWER_BYTES = 1024 * 1024  # Adobe's answers are a few KB; a larger one is not read to its end
UNREAD = b"?"  # not empty: an empty body can be all that was to be said, this one cannot
_CHUNK = 64 * 1024

logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings quote answers, and answers can quote identities


class Timeouts(NamedTuple):
    """Seconds: until a connection stands, and for the whole answer after that."""

    connect: float
    read: float

    @property
    def total(self) -> float:
        return self.connect + self.read


class Http:
    """Keep-alive connections to one outside system.

    An adapter of requests' without its session: no cookie of one answer goes out with the next request, no redirect is
    read (its Location would be parsed, its body unpacked) or followed with our credentials, no proxy or netrc is used.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self.seconds = timeouts.total  # that a request takes at most
        self._adapter = Connections()

    def request(
        self,
        method: str,
        url: str,
        *,
        deadline: Deadline,
        headers: Mapping[str, str],
        params: Iterable[tuple[str, str]] = (),
        data: bytes | Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer. It is not begun with less time left than it may take: nobody would know what became of it.

        A body that is cut off, too long or too slow, or that quotes our token, comes as UNREAD.
        Raises SetupError, Unreachable (OutOfTime when it was not begun) or NoAnswer.
        """
        prepared = _prepare(method, url, params, headers, data)
        if not deadline.fits(self.seconds):
            raise OutOfTime
        end = time.monotonic() + self.seconds
        try:
            with self._adapter.send(prepared, stream=True, timeout=self._timeouts) as response:
                if response.status_code < 200:  # an interim answer: the final one would be taken for the next request's
                    response.raw.close()
                    raise NoAnswer("an interim answer and no final one")
                body = _read(response, end)
            if _quotes_token(body, headers):  # parts of it may be passed on: to clients, histories, messages
                body = UNREAD
        except (RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            raise _translate(error) from error
        return Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)


def _prepare(
    method: str,
    url: str,
    params: Iterable[tuple[str, str]],
    headers: Mapping[str, str],
    data: bytes | Mapping[str, str] | None,
) -> requests.PreparedRequest:
    """What requests would make of the arguments. URLs are checked once, and remembered."""
    prepared = requests.PreparedRequest()
    prepared.prepare_method(method)
    query = urlencode(list(params))
    prepared.url = f"{_checked(url)}?{query}" if query else _checked(url)
    texts = {"User-Agent": USER_AGENT, **headers}
    try:  # as bytes: a header may hold any text, and urllib3 takes one of them for an order: @@@SKIP_HEADER@@@
        prepared.prepare_headers({name: text.encode() for name, text in texts.items()})
    except InvalidHeader as error:
        raise SetupError("a header that cannot be sent") from error
    prepared.prepare_body(data, None)
    return prepared


@lru_cache
def _checked(url: str) -> str | None:
    try:
        return requests.Request("GET", url).prepare().url
    except (InvalidURL, MissingSchema) as error:
        raise SetupError("not an address") from error


def _read(response: requests.Response, end: float) -> bytes:
    body = bytearray()
    try:
        while chunk := response.raw.read1(_CHUNK):
            body += chunk
            if len(body) > MAX_ANSWER_BYTES or time.monotonic() > end:
                return UNREAD
    except (urllib3.exceptions.HTTPError, OSError):
        return UNREAD
    return bytes(body)


def _quotes_token(body: bytes, headers: Mapping[str, str]) -> bool:
    token = headers.get("Authorization", "").removeprefix("Bearer ")
    if not token:
        return False
    if b"\\" in body or b"\0" in body:  # written in another way, it would be the same after reading
        return token.encode() in body or token in json.dumps(read_object(body), ensure_ascii=False)
    return token.encode() in body


def _translate(error: Exception) -> AdobeError:
    """What the error says about the one thing that matters: was anything sent? In doubt, yes."""
    if isinstance(error, InvalidURL | InvalidSchema):
        return SetupError("not an address")
    if isinstance(error, ConnectTimeout):
        return Unreachable("connection timed out")
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(error, SSLError) and isinstance(getattr(reason, "args", (None,))[0], ssl.SSLCertVerificationError):
        return SetupError("TLS certificate not trusted")
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return Unreachable("connection refused, or no such host")
    return NoAnswer("no answer in time, or connection lost")
