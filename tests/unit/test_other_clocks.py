"""The time is taken from a web server's answer, whatever else it answers."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from watchword.edges import other_clocks
from watchword.errors import OperatorError, PeerError
from watchword.wire import web_date


@contextlib.contextmanager
def answering(*pieces: bytes, pause: float = 0.0) -> Iterator[int]:
    """A server on loopback that answers anything with these pieces; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1000)
                    for piece in pieces:
                        connection.sendall(piece)
                        time.sleep(pause)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]


def date(seconds: float) -> bytes:
    when = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(seconds))
    return f"HTTP/1.1 405 No\r\nServer: x\r\nDate: {when}\r\n\r\n".encode("ascii")


def test_the_date_of_an_answer_is_compared_with_our_own_time() -> None:
    with answering(date(time.time() + 3600)) as port:
        ahead = other_clocks.by_web(other_clocks.web_server(f"http://127.0.0.1:{port}/"), 60)
    assert ahead is not None
    assert abs(ahead - 3600) < 60


@pytest.mark.parametrize("host", ["bücher.example", f"{'a' * 63}.example"])
def test_any_name_of_a_server_can_be_asked_for_its_date(host: str) -> None:
    with answering(date(time.time())) as port:
        assert other_clocks.by_web_of("127.0.0.1", port, host, 60) is not None


@pytest.mark.parametrize(
    "pieces",
    [
        (b"",),
        (b"HTTP/1.1 200 OK\r\n\r\n",),
        (b"SSH-2.0-OpenSSH\r\n",),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9000 + b"\r\n" + date(0),),
    ],
    ids=["nothing", "no date", "another protocol", "too long before it"],
)
def test_an_answer_without_a_date_tells_nothing(pieces: tuple[bytes, ...]) -> None:
    with answering(*pieces) as port:
        assert other_clocks.by_web_of("127.0.0.1", port, "x", 2) is None


def test_a_server_that_never_comes_to_an_end_is_not_waited_for() -> None:
    began = time.monotonic()
    with answering(*[b"X"] * 1000, pause=0.05) as port:
        assert other_clocks.by_web_of("127.0.0.1", port, "x", 0.3) is None
    assert time.monotonic() - began < 45  # and not the 50 seconds that it goes on


def test_nobody_there_tells_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert other_clocks.by_web_of("127.0.0.1", port, "x", 1) is None
    assert other_clocks.by_sntp("127.0.0.1", 0.2, port) is None


@pytest.mark.parametrize("url", ["ftp://x/", "http://", "http://[::1", "http://x:y/"])
def test_what_is_no_web_server_is_told_so(url: str) -> None:
    with pytest.raises(OperatorError):
        other_clocks.web_server(url)


@pytest.mark.parametrize(
    ("head", "seconds"),
    [
        (b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n", 784111777),
        (b"HTTP/1.1 200 OK\ndate:Sun, 06 Nov 1994 08:49:37 GMT", 784111777),
        (b"HTTP/1.1 200 OK\r\n\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n", None),
        (b"HTTP/1.1 200 OK\r\nX-Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nDate: Sun, 31 Feb 1994 08:49:37 GMT\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Foo 1994 08:49:37 GMT\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nDate: Sunday, 06-Nov-94 08:49:37 GMT\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 0000 08:49:37 GMT\r\n\r\n", None),
    ],
)
def test_a_date_is_read_in_the_one_form_that_is_sent_today(
    head: bytes, seconds: int | None
) -> None:
    if seconds is not None:
        assert web_date.date(head) == seconds
        return
    with pytest.raises(PeerError):
        web_date.date(head)
