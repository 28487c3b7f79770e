"""Every way a key can come in takes every kind of key, and no other way is looked at."""

from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit import client_scene
from tests.unit.client_scene import KNOCK, opened
from watchword.programs.fwknop import main

home = client_scene.home
HOST = "192.0.2.99"
KINDS = {
    "a passphrase": b"open sesame, I said",
    "one byte": b"x",
    "blanks inside and behind": b" a key with blanks  ",
    "what begins a comment": b"#1; 2",
    "bytes of no text": bytes(range(0xE0, 0x100)),
    "UTF-8": "Schlüssel für Tür".encode(),
    "32 bytes": b"k" * 16 + b"l" * 16,
}
"""None has a line feed: where keys stand on lines, it ends them."""
MACS = {
    **KINDS,
    "a block of SHA-256": b"m" * 60 + b"abcd",
    "more than a block": b"m" * 100 + b"abcd",
    "the most": b"m" * 124 + b"abcd",
}


def by_option(key: bytes, mac_key: bytes, _home: Path) -> list[str]:
    return ["--key-rijndael", os.fsdecode(key), "--key-hmac", os.fsdecode(mac_key)]


def by_base64(key: bytes, mac_key: bytes, _home: Path) -> list[str]:
    return [
        "--key-base64-rijndael", b64encode(key).decode(),
        "--key-base64-hmac", b64encode(mac_key).decode(),
    ]  # fmt: skip


def by_rc_file(key: bytes, mac_key: bytes, home: Path) -> list[str]:
    (home / ".fwknoprc").write_text(
        f"[default]\nKEY_BASE64 {b64encode(key).decode()}\n"
        f"HMAC_KEY_BASE64: {b64encode(mac_key).decode()}\r\n",
        "utf-8",
    )
    return []


def by_key_files(key: bytes, mac_key: bytes, home: Path) -> list[str]:
    """In a key file, blanks before a key are no part of it."""
    for name, content, end in (("k", key, b"\r\n"), ("m", mac_key, b"")):
        (home / name).write_bytes(HOST.encode() + b":\t= " + content + end)
        (home / name).chmod(0o600)
    return ["-G", str(home / "k"), "--get-hmac-key", str(home / "m")]


def by_descriptor(key: bytes, mac_key: bytes, home: Path) -> list[str]:
    (home / "lines").write_bytes(key + b"\n" + mac_key + b"\r\n")
    number = os.open(home / "lines", os.O_RDONLY)
    return ["--use-hmac", "--fd", str(number)]


WAYS = [by_option, by_base64, by_rc_file, by_key_files, by_descriptor]


def sent(options: list[str], home: Path) -> bytes:
    """The packet that would be sent."""
    packet = home / "packet"
    packet.unlink(missing_ok=True)
    assert main([*KNOCK, "-D", HOST, "-T", "-B", str(packet), *options]) == 0
    return packet.read_bytes().removesuffix(b"\n")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_a_key_of_any_kind_comes_in_by_any_way(
    way: Callable[[bytes, bytes, Path], list[str]], kind: str, home: Path
) -> None:
    key, mac_key = KINDS[kind], KINDS[kind] + b"2" if len(KINDS[kind]) < 32 else b"mac key"
    stripped = key.lstrip(b" ") if way is by_key_files else key
    mac_stripped = mac_key.lstrip(b" ") if way is by_key_files else mac_key
    assert opened(sent(way(key, mac_key, home), home), stripped, mac_stripped).user == "tester"


@pytest.mark.parametrize("kind", MACS)
@pytest.mark.parametrize("way", WAYS)
def test_an_hmac_key_may_be_longer_than_the_digests_block(
    way: Callable[[bytes, bytes, Path], list[str]], kind: str, home: Path
) -> None:
    mac_key = MACS[kind].strip() + b"."
    mac_key = mac_key[-128:]
    packet = sent(way(b"the encryption key", mac_key, home), home)
    assert opened(packet, b"the encryption key", mac_key).user == "tester"


@pytest.mark.parametrize("way", WAYS)
def test_a_key_that_is_empty_or_too_long_is_refused_whichever_way_it_comes(
    way: Callable[[bytes, bytes, Path], list[str]], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for key, mac_key in ((b"", b"fine"), (b"k" * 33, b"fine"), (b"fine", b"")):
        assert main([*KNOCK, "-D", HOST, "-T", *way(key, mac_key, home)]) == 1
        assert capsys.readouterr().out == ""


def test_no_key_is_taken_from_the_environment(home: Path) -> None:
    names = (
        "KEY", "KEY_BASE64", "HMAC_KEY", "HMAC_KEY_BASE64", "FWKNOP_KEY", "GPG_SIGNING_PW",
        "PASSPHRASE", "KEY_FILE",
    )  # fmt: skip
    environment = {**os.environ, **dict.fromkeys(names, "c2VjcmV0IG9mIHRoZSBlbnZpcm9ubWVudA==")}
    done = subprocess.run(
        [sys.executable, "-m", "watchword.programs.fwknop", *KNOCK, "-D", HOST, "-T"],
        env=environment, capture_output=True, text=True, check=False, start_new_session=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("[*] getpasswd() key error.\n")
    assert done.stdout == ""


@pytest.mark.parametrize("octets", [b"T\xfcr zum Garten", "Tür zum Garten".encode()])
def test_a_key_is_what_was_typed_in_a_locale_that_is_not_utf_8_too(
    home: Path, monkeypatch: pytest.MonkeyPatch, octets: bytes
) -> None:
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "iso8859-1")
    typed = octets.decode("iso8859-1")
    keys = ["--key-rijndael", typed, "--key-hmac", f"{typed}!"]
    saved = ["-D", HOST, "-n", "garden", "--save-rc-stanza", "-T"]
    for argv in ([*KNOCK, *keys, *saved], ["-n", "garden", "-T"]):
        assert main([*argv, "-B", str(home / "packet")]) == 0
        packet = (home / "packet").read_bytes().rstrip()
        assert opened(packet, octets, octets + b"!").text == "192.0.2.10,tcp/22"
