"""Runs fwknopd with a gate that was taken over: it writes to the hand whatever it likes.

``python tests/system/corrupted.py WORDS ARGUMENTS...``: WORDS is JSON, a list of what is written,
one after the other, each ``["calls" or "work", text]``; the text goes behind the head of an
order, or, after ``raw:``, stands for all of the message, in hexadecimal; after ``slowly:`` it is
written a byte at a time, one in a second, without an answer to be waited for. What the hand says is
printed as JSON, a line for each. Then it waits for the end of its input.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from typing import Any

from watchword.edges.pair import Channel, HungUpError
from watchword.programs.fwknopd import main
from watchword.service.apart import parting
from watchword.service.apart.answers import heard, opened

WORDS = json.loads(sys.argv.pop(1))


def slowly(sock: socket.socket, octets: bytes) -> None:
    for each in octets:
        sock.sendall(bytes([each]))
        time.sleep(1)


def gate(_apart: Any, sockets: tuple[socket.socket, ...], *_: Any) -> int:
    calls, work = (Channel(each) for each in sockets)
    for which, text in WORDS:
        channel = calls if which == "calls" else work
        try:
            if text.startswith("slowly:"):
                slowly(channel.sock, bytes.fromhex(text.removeprefix("slowly:")))
            elif text.startswith("raw:"):
                channel.sock.sendall(bytes.fromhex(text.removeprefix("raw:")))
            else:
                channel.send(struct.pack("!cQ", b"o", 1) + text.encode("utf-8"))
            octets, _files = channel.receive()
            said = f"{opened(heard(octets))}"
        except HungUpError as error:
            said = f"the end: {error}"
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        print(json.dumps(said), flush=True)
    os.read(0, 1)
    return 0


if __name__ == "__main__":
    setattr(parting, "_gate", gate)  # noqa: B010 - it is not of the same type
    sys.exit(main())
