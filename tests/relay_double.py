"""A SOCKS relay for tests: 4, 4a and 5, with and without a login.

Runs in a thread, or as a program inside a host of a lab:

    python tests/relay_double.py ADDRESS PORT [NAME=ADDRESS ...]

Names are looked up in its own table and nowhere else, so that whoever sends it a
name has not looked it up before. It prints a line for each connection.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator

LIMIT = 30.0  # seconds for anything


class Relay:
    """Listens until it is closed."""

    def __init__(self, address: str, port: int, names: dict[str, str], login: bytes = b"") -> None:
        """``login`` is ``user:password``; empty: everybody may."""
        self.names = names
        self.asked: list[tuple[str, int]] = []
        """Where callers wanted to go, in their words."""
        self._login = login
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        both = address == "::"
        self.listener = socket.create_server((address, port), family=family, dualstack_ipv6=both)
        self.port: int = self.listener.getsockname()[1]

    def serve(self) -> None:
        while True:
            try:
                caller, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_one, args=(caller,), daemon=True).start()

    def _serve_one(self, caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError, EOFError):
            caller.settimeout(LIMIT)
            version = _read(caller, 1)
            answer, host, port = self._five(caller) if version == b"\5" else self._four(caller)
            self.asked.append((host, port))
            print("asked for", host, port, flush=True)
            with socket.create_connection((self.names.get(host, host), port), LIMIT) as server:
                caller.sendall(answer)
                _splice(caller, server)

    def _four(self, caller: socket.socket) -> tuple[bytes, str, int]:
        head = _read(caller, 7)
        _until_zero(caller)
        host = socket.inet_ntoa(head[3:])
        if head[3:6] == b"\0\0\0":
            host = _until_zero(caller).decode("ascii")
        return b"\0\x5a" + head[1:], host, int.from_bytes(head[1:3])

    def _five(self, caller: socket.socket) -> tuple[bytes, str, int]:
        methods = _read(caller, _read(caller, 1)[0])
        if self._login:
            if 2 not in methods:
                caller.sendall(b"\5\xff")
                raise EOFError
            caller.sendall(b"\5\2")
            _read(caller, 1)
            user = _read(caller, _read(caller, 1)[0])
            password = _read(caller, _read(caller, 1)[0])
            if user + b":" + password != self._login:
                caller.sendall(b"\1\1")
                raise EOFError
            caller.sendall(b"\1\0")
        else:
            caller.sendall(b"\5\0")
        kind = _read(caller, 4)[3]
        if kind == 3:
            host = _read(caller, _read(caller, 1)[0]).decode("ascii")
        elif kind == 1:
            host = socket.inet_ntop(socket.AF_INET, _read(caller, 4))
        else:
            host = socket.inet_ntop(socket.AF_INET6, _read(caller, 16))
        port = int.from_bytes(_read(caller, 2))
        return b"\5\0\0\1" + bytes(6), host, port


@contextlib.contextmanager
def relaying(names: dict[str, str], login: bytes = b"") -> Iterator[Relay]:
    """A relay on the loopback, in a thread."""
    relay = Relay("127.0.0.1", 0, names, login)
    threading.Thread(target=relay.serve, daemon=True).start()
    try:
        yield relay
    finally:
        relay.listener.close()


def _read(channel: socket.socket, count: int) -> bytes:
    heard = b""
    while len(heard) < count:
        piece = channel.recv(count - len(heard))
        if not piece:
            raise EOFError
        heard += piece
    return heard


def _until_zero(channel: socket.socket) -> bytes:
    heard = b""
    while not heard.endswith(b"\0") and len(heard) < 300:
        heard += _read(channel, 1)
    return heard[:-1]


def _splice(one: socket.socket, other: socket.socket) -> None:
    back = threading.Thread(target=_pump, args=(other, one), daemon=True)
    back.start()
    _pump(one, other)
    back.join(LIMIT)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(4096):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    table = dict(word.split("=", 1) for word in sys.argv[3:])
    program = Relay(sys.argv[1], int(sys.argv[2]), table)
    print("listening", flush=True)
    program.serve()
