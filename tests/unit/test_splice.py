"""Joining a connection to descriptors that somebody else has made non-blocking."""

from __future__ import annotations

import contextlib
import os
import socket
import threading

import pytest

from watchword.edges import splice
from watchword.errors import HostError

MANY = os.urandom(1 << 20)  # bytes; a pipe holds a sixteenth of it


def read_all(descriptor: int) -> bytes:
    heard = b""
    while piece := os.read(descriptor, 1 << 16):
        heard += piece
    return heard


def test_non_blocking_input_and_output_are_waited_for() -> None:
    """Other programs may have made the terminal so that we share with them."""
    ours, theirs = socket.socketpair()
    typed, typing = os.pipe()
    shown, showing = os.pipe()
    os.set_blocking(typed, False)
    os.set_blocking(showing, False)
    joined = threading.Thread(target=splice.splice, args=(ours, typed, showing))
    joined.start()
    server = threading.Thread(target=theirs.sendall, args=(MANY,))
    server.start()
    assert read_some(theirs, typing) == b"a question"
    os.close(typing)
    assert theirs.recv(1) == b"", "the end of the input is passed on, and nothing before it"
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append(read_all(shown)))
    reader.start()
    server.join(60)
    theirs.close()
    joined.join(60)
    os.close(showing)  # which leads nowhere by now
    reader.join(60)
    assert heard == [MANY]
    for each in (typed, shown):
        os.close(each)


def read_some(connection: socket.socket, typing: int) -> bytes:
    """What arrives of something that is typed in two parts, the second when the first is there."""
    connection.settimeout(60)
    os.write(typing, b"a ")
    heard = connection.recv(100)
    os.write(typing, b"question")
    while len(heard) < len(b"a question"):
        piece = connection.recv(100)
        if not piece:
            break
        heard += piece
    return heard


def test_a_disk_that_is_full_is_an_error_and_a_reader_who_has_gone_is_none() -> None:
    for full in (True, False):
        ours, theirs = socket.socketpair()
        typed, typing = os.pipe()
        shown, showing = os.pipe()
        os.close(shown)
        sink = os.open("/dev/full", os.O_WRONLY) if full else showing
        with theirs:
            theirs.sendall(b"a letter")
            expected = pytest.raises(HostError, match="cannot be written: No space left on device")
            with expected if full else contextlib.nullcontext():
                splice.splice(ours, typed, sink)
        for each in {typed, typing, showing, sink}:
            os.close(each)
        ours.close()
