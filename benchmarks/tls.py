"""Opening a TLS connection, as a burst does many at once: ours, over one that reads the bundle of authorities anew."""

import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import requests
import trustme

from benchmarks.timing import ROUNDS, seconds
from relay.adapters import connections
from relay.adapters.http import Http, Timeouts
from relay.core.deadline import Deadline
from relay.core.verdict import Answer


def measure() -> list[float]:
    """The ratios, a request and its answer included; reading the bundle each time is how requests does it."""

    def ask() -> Answer:
        return Http(Timeouts(2, 9)).request("GET", url, deadline=Deadline.after(20, time.time), headers={})

    def ask_anew() -> Answer:
        connections.tls_context.cache_clear()
        return ask()

    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as url:
        ask()
        return [seconds(ask, 8) / seconds(ask_anew, 8) for _ in range(ROUNDS)]


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """An address that says 200 to one request of a connection; its authority is trusted besides the usual ones."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    bundle = folder / "bundle.pem"
    bundle.write_bytes(Path(requests.certs.where()).read_bytes() + authority.cert_pem.bytes())
    with (
        patch("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(bundle)),
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with tls.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(65536)
                    secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
