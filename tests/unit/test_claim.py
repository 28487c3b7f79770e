"""One server at a time keeps grants in one place."""

from __future__ import annotations

import os
import subprocess
import sys

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
