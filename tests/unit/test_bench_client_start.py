"""The client's row times until the packet is there, and takes no failure for an answer."""

from __future__ import annotations

import sys
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


def test_the_clock_stops_when_the_packet_arrives(tmp_path: Path) -> None:
    with client_start.receiver() as channel:
        given = client_start.environment(tmp_path, channel.getsockname()[1])
        took = client_start.started([sys.executable, "-c", SENDS], given, channel)
        assert took > 0
        lingering = f"{SENDS}\nimport time; time.sleep(0.3)"
        assert client_start.started([sys.executable, "-c", lingering], given, channel) < took + 0.3


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
