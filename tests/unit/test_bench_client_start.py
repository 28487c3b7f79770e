"""The client's row times until the packet is there, and takes no failure for an answer."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from bench.rows import client_start
from bench.waiting import NotMeasuredError

SENDS = """
import re, os, socket
rc = open(os.environ["HOME"] + "/.fwknoprc").read()
port = int(re.search(r"SPA_SERVER_PORT (\\d+)", rc)[1])
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"packet", ("127.0.0.1", port))
"""


def test_the_clock_stops_when_the_packet_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program ends only once the clock was read for the second time."""
    read: list[int] = []

    def clock() -> float:
        read.append(len(read))
        if len(read) == 2:
            (tmp_path / "go").touch()
        return float(len(read))

    lingers = f"{SENDS}\nimport time\n" + (
        f"for _ in range(3000): os.path.exists({str(tmp_path / 'go')!r}) or time.sleep(0.01)"
    )
    with client_start.receiver() as channel:
        given = client_start.environment(tmp_path, channel.getsockname()[1])
        monkeypatch.setattr(time, "perf_counter", clock)
        assert client_start.started([sys.executable, "-c", lingers], given, channel) == 1


def test_what_was_not_sent_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with client_start.receiver() as channel:
        given = client_start.environment(tmp_path, channel.getsockname()[1])
        with pytest.raises(NotMeasuredError):
            client_start.started(
                [sys.executable, "-c", f"{SENDS}\nraise SystemExit(1)"], given, channel
            )
        channel.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client_start.started([sys.executable, "-c", "pass"], given, channel)


def test_the_programs_are_started_without_a_developers_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    given = client_start.environment(tmp_path, 62201)
    assert "PYTHONDONTWRITEBYTECODE" not in given
    assert given["HOME"] == str(tmp_path)
