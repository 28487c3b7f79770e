"""One server at a time keeps grants in one place."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from watchword.edges.firewall.tables import claim as module
from watchword.edges.firewall.tables.claim import Claim
from watchword.errors import HostError

PLACE = f"the chain OF_TEST_{os.getpid()}"
HINT = "give this one another"
OTHER = f"""
from watchword.edges.firewall.tables.claim import Claim
Claim({PLACE!r}, "")
print("has it", flush=True)
input()
"""


def test_what_another_process_has_is_refused_with_its_pid_and_what_to_do() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"has it\n"
        with pytest.raises(HostError, match=rf"another fwknopd \(pid {other.pid}\)") as caught:
            Claim(PLACE, HINT)
        assert HINT in caught.value.hint
        other.kill()
    Claim(PLACE, HINT).close()


def test_a_program_that_was_just_started_keeps_nobody_from_claiming_it_again() -> None:
    first = Claim(PLACE, HINT)
    [channel] = [held for (_, place), (held, _) in module._held.items() if place == PLACE]
    with subprocess.Popen(["/bin/sleep", "0.3"], pass_fds=[channel.fileno()]):
        first.close()
        Claim(PLACE, HINT).close()


@contextmanager
def taken_by_who_does_not_listen() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(f"\0watchword: {PLACE}")
        yield other


def test_who_has_only_begun_to_take_it_has_it_all_the_same() -> None:
    with taken_by_who_does_not_listen() as other:
        listens = threading.Timer(1.0, other.listen)
        listens.start()
        assert "keeps its grants in" in in_another_process()
        listens.join()


def test_who_has_just_given_it_back_leaves_it_to_the_next() -> None:
    with taken_by_who_does_not_listen() as other:
        gone = threading.Timer(0.2, other.close)
        gone.start()
        first = Claim(PLACE, HINT)
        gone.join()
    assert "keeps its grants in" in in_another_process()
    first.close()
    assert in_another_process() == ""


def test_who_never_listens_keeps_nobody_from_serving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BEGINNING", 0.1)
    with taken_by_who_does_not_listen():
        Claim(PLACE, HINT).close()


def in_another_process() -> str:
    """What it says that wants the place, too."""
    program = OTHER.replace("input()", "")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    return done.stderr
