"""Connections that are not trusted: neither to bring an answer in time nor to be alive after a while.

urllib3 bounds only each wait for the next bytes: a server that drips its status line or headers, or says `100 Continue`
for ever, would outlast any timeout.
"""

import http.client
import io
import socket
import ssl
from functools import cache
from time import monotonic, time
from typing import Any

import requests.adapters
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError
from urllib3.util.ssl_ import ALPN_PROTOCOLS, create_urllib3_context

IDLE_SECONDS = 50  # servers and NAT gateways drop idle connections, and a frozen function does not hear of it


class _InTime(io.RawIOBase):
    """What a socket receives until its timeout has passed once, counted from now."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._received = connection.makefile("rb", buffering=0)
        self._deadline = monotonic() + (connection.gettimeout() or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError("the answer is not here in time")
        self._socket.settimeout(left)
        return self._received.readinto(buffer)

    def close(self) -> None:
        self._received.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self.fp.close()
        self.fp = io.BufferedReader(_InTime(sock))


class _HttpConnection(HTTPConnection):
    response_class = _Response
    _used_at = 0.0  # epoch seconds: a monotonic clock may rest while a function is frozen

    def connect(self) -> None:
        """Connect in the connect timeout, all in all, or send nothing.

        urllib3 has that timeout anew for each address of a name and for the TLS handshake, and none for DNS: a few dead
        addresses would eat the time of the answer, and nobody would know what became of the request.
        """
        began, most = monotonic(), self.timeout or 0.0
        try:
            super().connect()
        except TimeoutError as error:  # in the handshake
            raise ConnectTimeoutError(self, "no TLS handshake in time") from error
        if monotonic() - began > most:
            self.close()
            raise ConnectTimeoutError(self, "a connection that took too long")

    def getresponse(self) -> Any:
        response = super().getresponse()
        self._used_at = time()
        return response

    @property
    def is_connected(self) -> bool:
        """False makes the pool open a fresh connection; nothing was sent on this one."""
        return super().is_connected and time() - self._used_at < IDLE_SECONDS


class _HttpsConnection(_HttpConnection, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


@cache
def tls_context(bundle: str) -> ssl.SSLContext:
    """One for all connections: to read the bundle takes longer than everything else about them."""
    context = create_urllib3_context()
    context.load_verify_locations(bundle)
    context.set_alpn_protocols(ALPN_PROTOCOLS)
    # urllib3 would do that anew for each connection, under the handshakes of others: python/cpython#141012.
    context.set_alpn_protocols = lambda _: None  # type: ignore[method-assign, assignment]
    return context


class Connections(requests.adapters.HTTPAdapter):
    """An adapter of requests, whose read timeout is for the whole answer.

    What its methods would do for proxies, cookies and client certificates, of which we have none, is left out: it would
    be a third of the time of a request.
    """

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        self._pools: dict[str, Any] = {}
        context = tls_context(requests.adapters.DEFAULT_CA_BUNDLE_PATH)
        super().init_poolmanager(*arguments, ssl_context=context, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def get_connection_with_tls_context(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> Any:
        """The pool of the address, for which urllib3 would otherwise make a key each time."""
        origin = "/".join((request.url or "").split("/", 3)[:3])
        if origin not in self._pools:
            self._pools[origin] = super().get_connection_with_tls_context(request, verify=True)
        return self._pools[origin]

    def request_url(self, request: requests.PreparedRequest, _: Any) -> str:
        """Path and query: nothing is sent through a proxy."""
        return request.path_url

    def build_response(self, request: requests.PreparedRequest, raw: Any) -> requests.Response:
        """Status, headers and body; no cookie is kept."""
        response = requests.Response()
        response.status_code, response.headers, response.raw = raw.status, raw.headers, raw
        response.request, response.connection = request, self
        return response

    def cert_verify(self, *arguments: Any) -> None:
        """The context verifies; requests would have each connection read the bundle again."""
