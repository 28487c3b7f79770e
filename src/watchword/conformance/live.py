"""A program under judgement with one of ours as its counterpart, live.

In here: the few exchanges that recorded packets cannot show, since those have the
time stamps of their recording: what is fresh opens, what is old does not.
Not in here: how an exchange is judged (exchange), the interoperability matrix.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final

from watchword.conformance.cells import KNOCK, Cell, Expect
from watchword.conformance.exchange import exchange
from watchword.conformance.findings import Finding, Verdict
from watchword.lab.hosts import can_make_namespaces

OUR_CLIENT: Final = (sys.executable, "-m", "watchword.programs.fwknop")
OUR_SERVER: Final = (sys.executable, "-m", "watchword.programs.fwknopd")
CELLS: Final = (
    Cell("live", "one service"),
    Cell("live", "two services", services=("tcp/{port}", "udp/{port2}")),
    Cell("live", "for as long as is asked", client=(*KNOCK, "-f", "3"), ends=True),
    Cell("live", "keys of a stanza, HMAC SHA512", rc=("HMAC_DIGEST_TYPE SHA512",),
         stanza=("HMAC_DIGEST_TYPE SHA512",)),
    Cell("live", "a time stamp of 100 seconds ago", client=(*KNOCK, "--time-offset-minus", "100s")),
    Cell("live", "a time stamp 100 seconds ahead", client=(*KNOCK, "--time-offset-plus", "100s")),
    Cell("live", "a time stamp of an hour ago", client=(*KNOCK, "--time-offset-minus", "1h"),
         expect=Expect.SHUT),
)  # fmt: skip


def obstacle() -> str:
    """Why this machine cannot try programs live; empty if it can."""
    return can_make_namespaces()


def judge_client(program: Sequence[str]) -> Iterator[Finding]:
    """The program knocks at our server."""
    return _judge(program, OUR_SERVER)


def judge_server(program: Sequence[str]) -> Iterator[Finding]:
    """Our client knocks at the program."""
    return _judge(OUR_CLIENT, program)


def _judge(client: Sequence[str], server: Sequence[str]) -> Iterator[Finding]:
    """One finding for each cell, or one that says why this machine cannot try them."""
    if why := obstacle():
        yield Finding("live", "all", Verdict.SKIP, why)
        return
    yield from exchange(client, server, CELLS)
