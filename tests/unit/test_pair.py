"""Messages between the two processes: whole, bounded, and nobody who must not wait waits."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from threading import Thread

import pytest

from watchword.edges.pair import LONGEST, Channel, GoneError, Pieces
from watchword.errors import PeerError


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_message_that_comes_byte_by_byte_is_put_together_and_never_waited_for(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    pieces = Pieces(Channel(ours, patience=600).sock)
    assert pieces.take() is None
    assert not pieces.begun
    whole = struct.pack("!I", 5) + b"hello"
    for at in range(len(whole) - 1):
        theirs.sendall(whole[at : at + 1])
        assert pieces.take() is None
        assert pieces.begun
    theirs.sendall(whole[-1:] + struct.pack("!I", 0) + struct.pack("!I", 1))
    assert pieces.take() == b"hello"
    assert not pieces.begun
    assert pieces.take() == b""
    assert pieces.take() is None
    assert pieces.begun
    theirs.close()
    with pytest.raises(GoneError):
        pieces.take()


def test_a_long_message_comes_whole_and_one_that_is_too_long_is_not_read(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    long = bytes(range(256)) * 20_000
    pieces = Pieces(ours)

    def send() -> None:
        Channel(theirs).send(long)
        theirs.sendall(struct.pack("!I", LONGEST + 1))

    thread = Thread(target=send)
    thread.start()
    while (found := pieces.take()) is None:
        pass
    thread.join(60)
    assert found == long
    with pytest.raises(PeerError, match="a message of"):
        pieces.take()


def test_open_files_that_nobody_asked_for_are_not_kept(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    pieces = Pieces(ours)
    reading, writing = os.pipe()
    Channel(theirs).send(b"with a file", [writing])
    os.close(writing)
    assert pieces.take() == b"with a file"
    assert os.read(reading, 1) == b""  # nobody has its other end any more
    os.close(reading)
