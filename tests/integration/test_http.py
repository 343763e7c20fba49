"""The one seam to the network, against servers that misbehave."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme

from local.process import choose_port
from relay.adapters.connections import IDLE_SECONDS
from relay.adapters.http import MAX_ANSWER_BYTES, UNREAD, USER_AGENT, Http, Timeouts
from relay.core.deadline import Deadline
from relay.errors import AdobeError, NoAnswer, OutOfTime, SetupError, Unreachable
from tests.support import NOW, Clock

QUICK = Timeouts(connect=1, read=0.2)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """An address at which every connection is handed to `serve`."""
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def handle(connection: socket.socket) -> None:
            with connection, suppress(ConnectionError):  # the client may leave whenever it likes
                serve(connection)

        def accept() -> None:
            while True:
                try:
                    accepted.append(listener.accept()[0])
                except OSError:
                    return
                start(handle, accepted[-1])

        def start(target: Callable[..., None], *arguments: Any) -> None:
            threads.append(threading.Thread(target=target, args=arguments, daemon=True))
            threads[-1].start()

        threads: list[threading.Thread] = []
        start(accept)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        for connection in accepted:
            with suppress(OSError):  # it may have been closed already
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
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


@contextmanager
def trusted(serve: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """As `server`, with TLS and a certificate that is trusted meanwhile."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)

    def serve_securely(connection: socket.socket) -> None:
        with suppress(OSError), tls.wrap_socket(connection, server_side=True) as secured:
            serve(secured)

    with authority.cert_pem.tempfile() as bundle:
        monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", bundle)
        with server(serve_securely) as url:
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


def soon() -> Deadline:
    return Deadline.after(10, time.time)


def get(url: str, http: Http | None = None, deadline: Deadline | None = None):
    return (http or Http(QUICK)).request("GET", url, deadline=deadline or soon(), headers={})


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


@pytest.mark.parametrize(("left", "begins"), [(QUICK.total + 0.01, True), (QUICK.total - 0.01, False), (-1.0, False)])
def test_a_call_begins_only_if_the_longest_answer_fits_in(left: float, begins: bool):
    """One that is cut short could have been taken; of one that did not begin that is certain."""
    connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        connections.append(connection)
        answering(OK)(connection)

    with server(serve) as url:
        try:
            status = get(url, deadline=Deadline(NOW + left, Clock())).status
        except OutOfTime:
            status = None

    assert (status, len(connections)) == ((200, 1) if begins else (None, 0))


def test_a_call_that_has_begun_has_its_whole_time():
    """Also when the deadline passes meanwhile: its timeouts are never shortened."""
    clock = Clock()

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        clock.seconds += 60
        connection.sendall(OK)

    with server(serve) as url:
        answer = get(url, deadline=Deadline(NOW + 2, clock))

    assert answer.status == 200


def test_a_pooled_connection_that_the_server_has_closed_is_noticed():
    """Nothing was sent on it, so the request goes over a fresh one and the caller sees no error."""
    requests_seen = []
    closed = threading.Semaphore(0)

    def serve(connection: socket.socket) -> None:
        requests_seen.append(read_request(connection))
        connection.sendall(OK)  # which promises keep-alive
        connection.shutdown(socket.SHUT_RDWR)
        closed.release()

    with server(serve) as url:
        http = Http(QUICK)
        answers = []
        for _ in range(5):
            answers.append(get(url, http).body)
            closed.acquire(timeout=5)

    assert answers == [b"ok"] * 5
    assert len(requests_seen) == 5


def test_a_connection_that_was_idle_for_long_is_not_trusted(monkeypatch: pytest.MonkeyPatch):
    """A function that was frozen does not hear that its connection died. Each has an age of its own."""
    connections: list[socket.socket] = []
    clock, both, at_once = Clock(), threading.Barrier(2), threading.Event()
    monkeypatch.setattr("relay.adapters.connections.time", clock)

    def serve(connection: socket.socket) -> None:
        connections.append(connection)
        while read_request(connection):
            if at_once.is_set():
                both.wait(5)
            connection.sendall(OK)

    with server(serve) as url, ThreadPoolExecutor(2) as pool:
        http = Http(QUICK._replace(read=5))

        def get_two_at_once() -> None:
            at_once.set()
            assert [answer.body for answer in pool.map(lambda _: get(url, http), range(2))] == [b"ok"] * 2
            at_once.clear()

        get_two_at_once()
        clock.seconds += IDLE_SECONDS - 1
        get(url, http)  # over one of the two
        clock.seconds += 2
        get_two_at_once()

    assert len(connections) == 3


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


@pytest.mark.parametrize("value", ["a\nX-Injected: b", "a\r\nb", " a"])
def test_a_header_that_would_be_another_one_is_never_sent(value: str):
    """Nothing was sent, so nothing is in doubt."""
    with pytest.raises(SetupError, match="header"):
        Http(QUICK).request("GET", "http://127.0.0.1:1", deadline=soon(), headers={"User-Agent": value})


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, USER_AGENT.encode(), id="the relay's own"),
        pytest.param({"User-Agent": "Visitor/1"}, b"Visitor/1", id="a visitor's"),
        pytest.param({"User-Agent": "Ünicode/漢"}, "Ünicode/漢".encode(), id="in another alphabet"),
        pytest.param({"User-Agent": "@@@SKIP_HEADER@@@"}, b"@@@SKIP_HEADER@@@", id="what urllib3 takes for an order"),
    ],
)
def test_every_request_says_who_sends_it(headers: dict[str, str], expected: bytes):
    """The visitor, if there is one; else the relay, with its version."""
    received: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        received.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with server(serve) as url:
        Http(QUICK).request("GET", url, deadline=soon(), headers=headers)

    assert b"User-Agent: " + expected + b"\r\n" in received[0]


@pytest.mark.parametrize("has_tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(("seconds", "is_used"), [(QUICK.connect, True), (QUICK.connect + 0.01, False)])
def test_a_connection_that_took_too_long_is_not_used(
    monkeypatch: pytest.MonkeyPatch, has_tls: bool, seconds: float, is_used: bool
):
    """Dead addresses, each with a timeout of its own, would eat the time of the answer. Nothing is sent."""
    clock, received, look_up = Clock(0), [], socket.getaddrinfo

    def look_up_slowly(*arguments: Any, **named: Any) -> Any:
        clock.seconds += seconds
        return look_up(*arguments, **named)

    def serve(connection: socket.socket) -> None:
        while request := read_request(connection):
            received.append(request)
            connection.sendall(OK)

    monkeypatch.setattr("relay.adapters.connections.monotonic", clock)
    monkeypatch.setattr(socket, "getaddrinfo", look_up_slowly)
    with trusted(serve, monkeypatch) if has_tls else server(serve) as url:
        if is_used:
            assert get(url).body == b"ok"
        else:
            with pytest.raises(Unreachable, match="connection timed out"):
                get(url)

    assert len(received) == is_used


def test_every_connection_has_the_time_to_connect_anew(monkeypatch: pytest.MonkeyPatch):
    """Also the one that takes the place of a connection that was closed, after an answer had its own timeout."""
    clock, look_up = Clock(0), socket.getaddrinfo

    def look_up_slowly(*arguments: Any, **named: Any) -> Any:
        clock.seconds += 0.3  # longer than an answer may take, and not than a connection may
        return look_up(*arguments, **named)

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")

    monkeypatch.setattr("relay.adapters.connections.monotonic", clock)
    monkeypatch.setattr(socket, "getaddrinfo", look_up_slowly)
    with server(serve) as url:
        http = Http(QUICK)
        answers = [get(url, http).body for _ in range(3)]

    assert answers == [b"ok"] * 3


def test_a_tls_handshake_that_hangs_sends_nothing():
    """No request goes out before it has ended, so nothing is in doubt."""
    received: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        while chunk := connection.recv(65536):
            received.append(chunk)

    with server(serve) as url, pytest.raises(Unreachable, match="connection timed out"):
        get(url.replace("http://", "https://"), Http(Timeouts(connect=0.2, read=5)))

    assert not any(b"HTTP/1.1" in chunk for chunk in received)


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

    assert (answer.status, answer.body) == (202, UNREAD)


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

    assert (answer.status, answer.body) == (200, UNREAD)
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
        answer = get(url, Http(Timeouts(connect=0.3, read=0.2)))
        stop.set()

    assert (answer.status, answer.body) == (200, UNREAD)


@pytest.mark.parametrize(
    "location",
    [
        pytest.param(b"{other}/", id="elsewhere"),
        pytest.param(b"http://[", id="no address"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param("http://a\u2100b/".encode(), id="odd unicode"),
    ],
)
def test_a_redirect_is_neither_followed_nor_read(location: bytes):
    """It would carry our credentials to wherever it points; its body may be a bomb."""
    followed = []
    with server(lambda connection: followed.append(read_request(connection))) as other:
        location = location.replace(b"{other}", other.encode())
        redirect = b"HTTP/1.1 302 X\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
        with server(answering(redirect)) as url:
            answer = get(url)

    assert answer.status == 302
    assert followed == []


def test_an_interim_answer_is_no_answer():
    """The final one comes later, and must not be taken for that of the next request on the same connection."""
    late = threading.Event()

    def serve(connection: socket.socket) -> None:
        if read_request(connection):
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            late.wait(5)
            with suppress(OSError):
                connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            if read_request(connection):
                connection.sendall(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n")

    with server(serve) as url:
        http = Http(QUICK)
        with pytest.raises(NoAnswer):
            get(url, http)
        late.set()
        with suppress(NoAnswer, Unreachable):
            assert get(url, http).status == 503


def test_a_cookie_of_one_answer_does_not_go_out_with_the_next_request():
    """One client's identity is not another's."""
    seen = []

    def serve(connection: socket.socket) -> None:
        while request := read_request(connection):
            seen.append(request)
            connection.sendall(b"HTTP/1.1 202 X\r\nSet-Cookie: kndctr_identity=ada\r\nContent-Length: 0\r\n\r\n")

    with server(serve) as url:
        http = Http(QUICK)
        get(url, http)
        get(url, http)

    assert len(seen) == 2
    assert not any(b"ada" in request for request in seen)


def test_what_all_tls_connections_share_is_made_once(monkeypatch: pytest.MonkeyPatch):
    """To read the authorities takes longer than a handshake; to change ALPN beside one is python/cpython#141012."""
    calls: list[str] = []

    def counted(name: str) -> Callable[..., None]:
        method = getattr(ssl.SSLContext, name)

        def call(self: ssl.SSLContext, *arguments: Any) -> None:
            calls.append(name)
            method(self, *arguments)

        return call

    for name in ("load_verify_locations", "set_alpn_protocols"):
        monkeypatch.setattr(ssl.SSLContext, name, counted(name))
    with trusted(answering(OK), monkeypatch) as url:
        answers = [get(url).body for _ in range(3)]

    assert answers == [b"ok"] * 3
    assert sorted(calls) == ["load_verify_locations", "set_alpn_protocols"]


def test_a_lost_tls_connection_is_a_lost_connection(monkeypatch: pytest.MonkeyPatch):
    """Only a certificate that is not trusted is a matter of set-up; after that anything may have been taken."""

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        socket.socket.sendall(connection, b"\x17\x03\x03\x00\x05rubbish")

    with trusted(serve, monkeypatch) as url, pytest.raises(NoAnswer):
        get(url)


def test_two_lengths_of_one_answer_leave_it_in_doubt():
    """The server has answered something, so it may have taken the request."""
    lengths = b"HTTP/1.1 202 X\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok"
    with server(answering(lengths)) as url, pytest.raises(NoAnswer):
        get(url)


def test_an_expired_certificate_is_a_matter_of_setup(monkeypatch: pytest.MonkeyPatch):
    """Although its authority is trusted; the reason says where to look."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    expired = datetime.now(UTC) - timedelta(days=1)
    authority.issue_cert("127.0.0.1", not_after=expired).configure_cert(tls)

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), tls.wrap_socket(connection, server_side=True) as secured:
            read_request(secured)

    with authority.cert_pem.tempfile() as bundle:
        monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", bundle)
        with server(serve) as url, pytest.raises(SetupError, match="certificate"):
            get(url.replace("http://", "https://"))


def test_more_than_the_length_of_an_answer_is_not_taken_for_the_next_one():
    """A Content-Length that is too short leaves bytes behind; they are no answer to anything."""
    lie = b"HTTP/1.1 202 X\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"
    with server(answering(lie)) as url:
        http = Http(QUICK)
        answers = [get(url, http) for _ in range(3)]

    assert [(answer.status, answer.body) for answer in answers] == [(202, b"ok")] * 3


def test_an_answer_that_quotes_our_token_is_not_passed_on():
    """Its status counts; what it says could reach a client."""
    with server(answering(b"HTTP/1.1 400 X\r\nContent-Length: 18\r\n\r\nyour secret-token!")) as url:
        answer = Http(QUICK).request("GET", url, deadline=soon(), headers={"Authorization": "Bearer secret-token"})

    assert (answer.status, answer.body) == (400, UNREAD)


@pytest.mark.parametrize("quoted", [b"\\u0073ecret-token", b"secret-tok\\u0065n"])
def test_nor_is_one_that_writes_it_in_another_way(quoted: bytes):
    """JSON can write each letter as a number."""
    body = b'{"info": "your ' + quoted + b'"}'
    answer_of = b"HTTP/1.1 400 X\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with server(answering(answer_of)) as url:
        answer = Http(QUICK).request("GET", url, deadline=soon(), headers={"Authorization": "Bearer secret-token"})

    assert answer.body == UNREAD


def dripping(parts: Iterator[bytes]) -> Callable[[socket.socket], None]:
    """Answer with a part every twentieth of a second."""

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        with suppress(OSError):
            for part in parts:
                connection.sendall(part)
                threading.Event().wait(0.05)

    return serve


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((b"H" for _ in range(600)), id="status line"),
        pytest.param((b"HTTP/1.1 202 X\r\n" if n == 0 else b"A: b\r\n" for n in range(90)), id="headers"),
        pytest.param((b"HTTP/1.1 100 Continue\r\n\r\n" for _ in range(600)), id="100 Continue"),
    ],
)
def test_headers_that_drip_are_given_up(parts: Iterator[bytes]):
    """In the time for the whole answer: the function has to go on."""
    started = time.monotonic()
    with server(dripping(parts)) as url, pytest.raises(NoAnswer):
        get(url)

    assert time.monotonic() - started < 10 * QUICK.read
