"""A program's main, called where it would have been started: much cheaper, and the same answer.

In here: a call in the network namespace of a host, and what it printed. The process is the
tests' own, so what a program does to its process is not in it: that is for tests that start one.
It is called in the thread of the test: /proc/net is what the first thread of a process sees.
Not in here: which calls will do (tests.daemon).
"""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout

from watchword.lab.entering import visited
from watchword.lab.hosts import Host

Main = Callable[[Sequence[str]], int]


def called(host: Host, name: str, main: Main, words: list[str]) -> subprocess.CompletedProcess[str]:
    """What ``main`` made of these words. Anything but an exit is a bug, and is raised."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))

    def status() -> int:
        with redirect_stdout(out), redirect_stderr(err):
            try:
                return main(words)
            except SystemExit as end:
                return end.code if isinstance(end.code, int) else int(end.code is not None)

    with visited(host.namespace):
        ended = status()
    said, complained = (each.buffer for each in (out, err))
    assert isinstance(said, io.BytesIO)
    assert isinstance(complained, io.BytesIO)
    return subprocess.CompletedProcess(
        [name, *words],
        ended,
        said.getvalue().decode("utf-8"),
        complained.getvalue().decode("utf-8"),
    )
