"""A home and a server for tests of the whole client."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchword.model.crypto import Credential, Secret
from watchword.wire.spa.message import Message
from watchword.wire.spa.opening import Lock, unseal

KEYS = ("--key-rijndael", "client-key-1", "--key-hmac", "client-hmac-1")
KNOCK = ("-A", "tcp/22", "-a", "192.0.2.10")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SPOOF_USER", raising=False)
    monkeypatch.setenv("LOGNAME", "tester")
    (tmp_path / ".fwknoprc").write_text("[default]\n", "utf-8")
    (tmp_path / ".fwknoprc").chmod(0o600)
    return tmp_path


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))
        channel.settimeout(60)
        yield channel


def opened(payload: bytes, key: bytes = b"client-key-1", mac: bytes = b"client-hmac-1") -> Message:
    return unseal(payload, Lock(Credential(Secret(key), mac_key=Secret(mac)))).message


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
