"""The one seam to the network, against servers that misbehave."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import trustme

from local.process import choose_port
from relay.adapters.http import IDLE_SECONDS, MAX_ANSWER_BYTES, Http, Timeouts
from relay.errors import AdobeError, NoAnswer, SetupError, Unreachable
from tests.support import Clock

QUICK = Timeouts(connect=1, read=0.2)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """An address at which every connection is handed to `serve`."""
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                accepted.append(connection)
                with connection:
                    serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        for connection in accepted:
            with suppress(OSError):  # it may have been closed already
                connection.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@contextmanager
def tls_server() -> Iterator[str]:
    """A server with a certificate of an authority that nobody trusts."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), tls.wrap_socket(connection, server_side=True) as secured:
            secured.recv(1)

    with server(serve) as url:
        yield url.replace("http://", "https://")


def read_request(connection: socket.socket) -> bytes:
    """One request without a body; empty when the other side has closed."""
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        received = connection.recv(65536)
        if not received:
            return b""
        request += received
    return request


def answering(*parts: bytes) -> Callable[[socket.socket], None]:
    """Answer every request of a connection with these bytes."""

    def serve(connection: socket.socket) -> None:
        while read_request(connection):
            for part in parts:
                connection.sendall(part)

    return serve


def get(url: str, http: Http | None = None, within: float = 5):
    return (http or Http(QUICK)).request("GET", url, within=within, headers={})


def test_an_answer_comes_with_status_headers_and_body():
    """Header names in lower case."""
    with server(answering(b"HTTP/1.1 503 X\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno")) as url:
        answer = get(url)

    assert (answer.status, answer.headers["retry-after"], answer.body) == (503, "7", b"no")


def test_a_connection_is_used_again():
    """Keep-alive saves a TLS handshake for every batch."""
    connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        connections.append(connection)
        answering(OK)(connection)

    with server(serve) as url:
        http = Http(QUICK)
        answers = [get(url, http).body for _ in range(3)]

    assert answers == [b"ok"] * 3
    assert len(connections) == 1


def test_a_pooled_connection_that_the_server_has_closed_is_noticed():
    """Nothing was sent on it, so the request goes over a fresh one and the caller sees no error."""
    requests_seen = []

    def serve(connection: socket.socket) -> None:
        requests_seen.append(read_request(connection))
        connection.sendall(OK)  # and close, though the answer promised keep-alive

    with server(serve) as url:
        http = Http(QUICK)
        answers = [get(url, http).body for _ in range(5)]

    assert answers == [b"ok"] * 5
    assert len(requests_seen) == 5


def test_a_connection_that_was_idle_for_long_is_not_trusted():
    """A function that was frozen does not hear that its connection died: a fresh one is opened."""
    connections: list[socket.socket] = []
    clock = Clock()

    def serve(connection: socket.socket) -> None:
        connections.append(connection)
        answering(OK)(connection)

    with server(serve) as url:
        http = Http(QUICK, now=clock)
        get(url, http)
        clock.seconds += IDLE_SECONDS + 1
        answer = get(url, http)

    assert answer.body == b"ok"
    assert len(connections) == 2


@pytest.mark.parametrize(
    ("serve", "error"),
    [
        pytest.param(lambda connection: connection.recv(1), NoAnswer, id="closed after the request was read"),
        pytest.param(answering(b"HTTP/1.1 2"), NoAnswer, id="slow within the status line"),
        pytest.param(answering(b""), NoAnswer, id="never answers"),
        pytest.param(answering(b"nonsense\r\n\r\n"), NoAnswer, id="not HTTP"),
    ],
)
def test_no_answer_to_a_request_that_was_sent_is_told_apart(
    serve: Callable[[socket.socket], None], error: type[AdobeError]
):
    """NoAnswer: the server may have taken the request."""
    with server(serve) as url, pytest.raises(error):
        get(url)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        pytest.param("http://127.0.0.1:{free}", Unreachable, id="connection refused"),
        pytest.param("http://no-such-host.invalid", Unreachable, id="no such host"),
        pytest.param("http://127.0.0.1:99999", SetupError, id="no such port"),
        pytest.param("nonsense://x", SetupError, id="no such scheme"),
    ],
)
def test_nothing_was_sent_where_there_was_no_connection(url: str, error: type[AdobeError]):
    """Unreachable or SetupError: nothing can have been taken."""
    with pytest.raises(error):
        get(url.format(free=choose_port("UNSET")))


def test_an_untrusted_certificate_is_a_matter_of_setup():
    """Nothing was sent to a server that could not prove who it is."""
    with tls_server() as url, pytest.raises(SetupError):
        get(url)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([b"HTTP/1.1 202 X\r\nContent-Length: 50\r\n\r\n{", b""], id="body stalls"),
        pytest.param([b"HTTP/1.1 202 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"], id="chunk stalls"),
        pytest.param([b"HTTP/1.1 202 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab"], id="chunk length is none"),
    ],
)
def test_a_status_counts_even_when_the_body_does_not_come(parts: list[bytes]):
    """The server has said what became of the request; what it wanted to add is lost."""
    with server(answering(*parts)) as url:
        answer = get(url)

    assert (answer.status, answer.body) == (202, b"")


def test_an_answer_that_is_too_long_is_not_read_to_its_end():
    """50 MB of answer cost at most one."""
    sent = 0

    def serve(connection: socket.socket) -> None:
        nonlocal sent
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n")
        with suppress(OSError):
            while sent < 50 * MAX_ANSWER_BYTES:
                sent += connection.send(b"x" * 65536)

    with server(serve) as url:
        answer = get(url)

    assert (answer.status, answer.body) == (200, b"")
    assert sent < 50 * MAX_ANSWER_BYTES


def test_an_answer_that_drips_is_given_up():
    """Every byte comes in time, but all of them would take for ever."""
    stop = threading.Event()

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        with suppress(OSError):
            while not stop.wait(0.05):
                connection.sendall(b"x")

    with server(serve) as url:
        answer = get(url, within=0.5)
        stop.set()

    assert (answer.status, answer.body) == (200, b"")


def test_a_redirect_is_not_followed():
    """It would carry our credentials to wherever it points."""
    followed = []
    with server(lambda connection: followed.append(read_request(connection))) as other:
        redirect = f"HTTP/1.1 302 X\r\nLocation: {other}/\r\nContent-Length: 0\r\n\r\n".encode()
        with server(answering(redirect)) as url:
            answer = get(url)

    assert answer.status == 302
    assert followed == []
