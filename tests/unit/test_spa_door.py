"""The public library: its example runs, and it asks for nothing but cryptography."""

from __future__ import annotations

import doctest
import subprocess
import sys

import pytest

from watchword import spa

POSIX_ONLY = ("fcntl", "grp", "pwd", "resource", "syslog", "termios", "tty")

IMPORTED_WITHOUT_POSIX = f"""
import sys
import cryptography.hazmat.primitives.ciphers  # what it needs is its own affair
before = set(sys.modules)
for name in {POSIX_ONLY!r}:
    sys.modules[name] = None  # importing it is now an ImportError
from watchword import spa
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*sorted(new - set(sys.stdlib_module_names)))
assert not new & {{"asyncio", "socket", "subprocess", "sqlite3", "ssl"}}, new
credential = spa.Credential(spa.Secret(b"k" * 32), mac_key=spa.Secret(b"h" * 32))
message = spa.Message("1" * 16, "alice", 1, spa.VERSION, spa.MessageType.ACCESS, "1.2.3.4,tcp/22")
payload = spa.seal(message, credential, salt=b"saltsalt")
assert spa.unseal(payload, spa.Lock(credential)).message == message
"""


def test_the_example_runs() -> None:
    outcome = doctest.testmod(spa)
    assert (outcome.failed, outcome.attempted > 8) == (0, True)


def test_what_is_promised_is_there() -> None:
    assert [name for name in spa.__all__ if not hasattr(spa, name)] == []
    assert len(spa.__all__) == len(set(spa.__all__))


@pytest.mark.requirement("4.9", partial=True)
def test_it_works_where_there_is_no_posix_and_brings_in_nothing_else() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", IMPORTED_WITHOUT_POSIX], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.split() == ["watchword"]
