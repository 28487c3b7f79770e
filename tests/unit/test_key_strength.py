"""Keys that can be guessed, that are none, and that two stanzas share: what each end says."""

from __future__ import annotations

import json
import re
import secrets
import socket
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from tests.fwknopd_files import HMAC_KEY, KEY, QUIET, STANZA, complaints, configure, fatal, remarks
from tests.unit import client_scene
from tests.unit.client_scene import KNOCK
from watchword.dialects.fwknop.key_strength import is_placeholder, weakness
from watchword.model.crypto import Secret
from watchword.programs.fwknop import main
from watchword.programs.watchword import main as watchword
from watchword.service.client.console import Console

home, server = client_scene.home, client_scene.server
PLACEHOLDERS = ["__CHANGEME__", "__changeme__", "X19DSEFOR0VNRV9f", "X19jaGFuZ2VtZV9f"]
OTHER_KEY = b64encode(sha256(b"another key").digest()).decode("ascii")
STRONG = ("--key-base64-rijndael", KEY, "--key-base64-hmac", HMAC_KEY)


def base64(key: bytes) -> str:
    return b64encode(key).decode("ascii")


@pytest.mark.parametrize(
    "key",
    [b"p", b"fifteen bytes !", b"password", b"Password", b"thisisatestkey", b"ChangeMe"],
)
def test_a_short_or_well_known_key_is_weak(key: bytes) -> None:
    assert weakness(Secret(key))


@pytest.mark.parametrize(
    "key",
    [
        b"\0" * 32,
        b"a" * 16,
        b"abababababababab",
        b"aabcabbacbaabccab",
        b"passwordpassword",
        b"passwordpasswordpassw",
        b"0123456789abcdef",
        b"1234567890123456",
        b"abcdefghijklmnopqrstuvwxyz",
        b"zyxwvutsrqponmlkjihgfedcba",
        b"8273615094827361",
    ],
)
def test_a_key_with_a_simple_pattern_is_weak(key: bytes) -> None:
    assert "simple pattern" in weakness(Secret(key))


@pytest.mark.parametrize(
    "key",
    [
        "HvUtIOramehLGKimD4ECXOzinaH4h3U8H1WXum7b54Q=",
        "DLeLf93a3yBT2vhEpM+dWlirGta5GU+jdyG5uXp4461HgOtbqMem4gX0Bp2PJGzYZlbbcavcOM00UPm+0GqkXA==",
    ],
)
def test_the_keys_printed_in_the_original_s_manual_are_everybodys(key: str) -> None:
    [said] = remarks("", f"SOURCE ANY\n{QUIET}KEY_BASE64 {KEY}\nHMAC_KEY_BASE64 {key}\n")
    assert "HMAC_KEY_BASE64 is one that everybody can read" in said


@pytest.mark.parametrize(
    "key",
    [
        b"a sentence of mine",
        b"Tr0ub4dor&3 and so",
        b"82736150949173628405",
        b"k3!x9Qp_zz81LmNo",
    ],
)
def test_a_key_without_a_known_weakness_is_left_in_peace(key: bytes) -> None:
    assert weakness(Secret(key)) == ""


def test_a_key_printed_in_our_own_manuals_is_one_that_everybody_can_read() -> None:
    root = Path(__file__).parents[2]
    pages = [*(root / "packaging" / "man").iterdir(), *root.glob("docs/*.md"), root / "README.md"]
    printed = [
        key
        for page in pages
        for key in re.findall(r"KEY_BASE64:? +([A-Za-z0-9+/]{20,}=*)", page.read_text("utf-8"))
    ]
    assert printed
    assert [key for key in printed if "everybody" not in weakness(Secret(b64decode(key)))] == []


@pytest.mark.parametrize("length", [16, 32, 64, 128])
def test_a_generated_key_is_not_weak(length: int) -> None:
    assert [weakness(Secret(secrets.token_bytes(length))) for _ in range(200)] == [""] * 200


# --- the server ------------------------------------------------------------


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
@pytest.mark.parametrize("name", ["KEY", "KEY_BASE64", "HMAC_KEY", "HMAC_KEY_BASE64"])
def test_the_server_refuses_the_placeholder_in_every_form(name: str, placeholder: str) -> None:
    [said] = fatal("", f"{STANZA}{name} {placeholder}\n")
    assert said.startswith(f"access.conf:6: [*] {name} value is not properly set in stanza source")
    assert "fwknop --key-gen" in said


def test_a_placeholder_is_nothing_else() -> None:
    assert not is_placeholder("__CHANGEME")
    assert not is_placeholder(KEY)


@pytest.mark.parametrize("name", ["KEY", "KEY_BASE64", "HMAC_KEY", "HMAC_KEY_BASE64"])
def test_the_server_refuses_a_key_with_nothing_in_it(name: str) -> None:
    assert fatal("", f"{STANZA}{name}\n")
    assert fatal("", f"{STANZA}{name} ;\n")


@pytest.mark.parametrize("name", ["KEY_BASE64", "HMAC_KEY_BASE64"])
@pytest.mark.parametrize("text", ["A", "AAAAA", "=", "QUJD=QUJD", "QUJD!", "QUJDRA==="])
def test_the_server_refuses_base64_that_does_not_decode_and_names_the_line(
    name: str, text: str
) -> None:
    [said] = fatal("", f"{STANZA}{name} {text}\n")
    assert said.startswith("access.conf:6: [*] ")
    assert "copy the whole key again" in said


@pytest.mark.parametrize("key", ["passwordpassword", "0123456789abcdef", "1111111111111111"])
def test_the_server_names_the_line_of_a_weak_key_and_the_remedy(key: str) -> None:
    told = remarks("", f"{STANZA}KEY {key}\n")
    assert told == [
        "access.conf:6: KEY follows a simple pattern and can be guessed "
        "(make new keys with fwknop --key-gen)"
    ]


@pytest.mark.parametrize(
    ("keys", "shared"),
    [
        (f"KEY_BASE64 {KEY}\nHMAC_KEY_BASE64 {HMAC_KEY}\n", "encryption key and the HMAC key"),
        (f"KEY_BASE64 {KEY}\nHMAC_KEY_BASE64 {OTHER_KEY}\n", "encryption key"),
        (f"KEY_BASE64 {OTHER_KEY}\nHMAC_KEY_BASE64 {HMAC_KEY}\n", "HMAC key"),
    ],
)
def test_the_server_remarks_on_a_stanza_with_the_keys_of_another(keys: str, shared: str) -> None:
    [said] = remarks("", f"{STANZA}SOURCE 192.0.2.0/24\n{keys}{QUIET}")
    assert said.startswith(f"access.conf:6: access stanza #2 has the {shared} of stanza #1: ")
    assert "make keys for each with fwknop --key-gen" in said


def test_every_stanza_that_shares_is_remarked_on_once_for_each_owner() -> None:
    second = f"SOURCE ANY\nKEY another key, a longer one\nHMAC_KEY_BASE64 {OTHER_KEY}\n{QUIET}"
    third = f"SOURCE ANY\nKEY_BASE64 {KEY}\nHMAC_KEY_BASE64 {OTHER_KEY}\n{QUIET}"
    told = remarks("", STANZA + second + third)
    assert len(told) == 2
    assert "#3 has the encryption key of stanza #1" in told[0]
    assert "#3 has the HMAC key of stanza #2" in told[1]
    assert remarks("", STANZA + second) == []


LEGACY = "ENCRYPTION_MODE legacy\nHMAC_KEY_BASE64 "


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("KEY sixteen letters!and one end", "KEY sixteen letters!and another"),
        ("KEY_BASE64 c2l4dGVlbiBsZXR0ZXJzIQ==", "KEY sixteen letters!"),
        ("KEY short", "KEY short00000"),
    ],
)
def test_keys_that_legacy_mode_makes_equal_are_shared(first: str, second: str) -> None:
    access = (
        f"SOURCE ANY\n{first}\n{LEGACY}{HMAC_KEY}\n{QUIET}"
        f"SOURCE ANY\n{second}\n{LEGACY}{OTHER_KEY}\n{QUIET}"
    )
    assert any("#2 has the encryption key of stanza #1" in each for each in remarks("", access))


def test_keys_that_differ_beyond_sixteen_bytes_are_shared_in_legacy_mode_only() -> None:
    first, second = "KEY sixteen letters!and one end", "KEY sixteen letters!and another"
    access = (
        f"SOURCE ANY\n{first}\nHMAC_KEY_BASE64 {HMAC_KEY}\n{QUIET}"
        f"SOURCE ANY\n{second}\nHMAC_KEY_BASE64 {OTHER_KEY}\n{QUIET}"
    )
    assert remarks("", access) == []


def test_a_hundred_shared_stanzas_are_remarked_on_and_the_others_counted() -> None:
    told = configure("", STANZA * 200).complaints
    assert len(told) == 101
    assert told[-1].message == "and 99 more"


def test_check_shows_what_is_weak_with_lines_and_remedies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (
        ("fwknopd.conf", "ENABLE_UDP_SERVER Y\n"),
        ("access.conf", f"{STANZA}SOURCE ANY\nKEY_BASE64 {KEY}\n{QUIET}"),
    ):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(text, "utf-8")
    files = ["-c", f"{tmp_path}/fwknopd.conf", "-a", f"{tmp_path}/access.conf"]
    assert watchword(["check", *files]) == 0
    said = capsys.readouterr().err
    assert "access.conf:6: no HMAC key for access stanza source: 'ANY'" in said
    assert "access.conf:6: access stanza #2 has the encryption key of stanza #1" in said
    assert watchword(["check", "--json", *files]) == 0
    told = json.loads(capsys.readouterr().out)["complaints"]
    assert [(each["line"], each["fatal"]) for each in told] == [(6, False), (6, False)]
    assert all("key-gen" in each["remedy"] for each in told)


def test_no_remark_about_a_key_quotes_it() -> None:
    access = f"SOURCE ANY\n{QUIET}KEY qqqqqqqqqqqqqqqqqq\nHMAC_KEY wwwwwwwwwwwwwwww\n" * 2
    said = " ".join(str(each) for each in complaints("", access))
    assert "simple pattern" in said
    assert "#2" in said
    assert "qq" not in said
    assert "ww" not in said


# --- the client ------------------------------------------------------------


def knock(server: socket.socket, *argv: str) -> int:
    return main([*KNOCK, *argv, "-D", f"127.0.0.1:{server.getsockname()[1]}"])


GOOD_OTHER = {"KEY": ("--key-base64-hmac", HMAC_KEY), "HMAC_KEY": ("--key-base64-rijndael", KEY)}
OPTION = {"KEY": "rijndael", "HMAC_KEY": "hmac"}


def assert_refused_as_placeholder(
    server: socket.socket, capsys: pytest.CaptureFixture[str], *argv: str
) -> None:
    assert knock(server, *argv) == 1
    said = capsys.readouterr().err
    assert "is the placeholder of a sample file: no packet was sent." in said
    assert "fwknop --key-gen" in said
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(2000)


@pytest.mark.parametrize(
    "ending",
    [
        " __CHANGEME__",
        " __changeme__",
        f"_BASE64 {base64(b'__CHANGEME__')}",
        f"_BASE64 {base64(b'__changeme__')}",
        "_FILE {home}/keys",
    ],
)
@pytest.mark.parametrize("name", ["KEY", "HMAC_KEY"])
def test_the_client_refuses_the_placeholder_in_its_rc_file(
    name: str, ending: str, home: Path, server: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "keys").touch(mode=0o600)
    (home / "keys").write_text("127.0.0.1: __CHANGEME__\n", "utf-8")
    line = name + ending.replace("{home}", str(home))
    (home / ".fwknoprc").write_text(f"[default]\n{line}\n", "utf-8")
    assert_refused_as_placeholder(server, capsys, *GOOD_OTHER[name])


@pytest.mark.parametrize("name", ["KEY", "HMAC_KEY"])
@pytest.mark.usefixtures("home")
def test_the_client_refuses_the_placeholder_as_an_option(
    name: str, server: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    for option, text in (
        (f"--key-{OPTION[name]}", "__CHANGEME__"),
        (f"--key-base64-{OPTION[name]}", base64(b"__CHANGEME__")),
    ):
        assert_refused_as_placeholder(server, capsys, *GOOD_OTHER[name], option, text)


@pytest.mark.parametrize("text", ["QUJD=QUJD", "QQ==QQ=="])
def test_the_client_refuses_a_key_of_which_base64_would_lose_a_part(
    text: str, home: Path, server: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    assert knock(server, "--key-base64-rijndael", text) == 1
    assert "doesn't look like base64-encoded data" in capsys.readouterr().err
    (home / ".fwknoprc").write_text(f"[default]\n\nKEY_BASE64 {text}\n", "utf-8")
    assert knock(server) == 1
    assert "line 3: var=KEY_BASE64, val=(not shown)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (("--key-base64-rijndael", KEY), ["no HMAC key is used"]),
        (("--key-rijndael", "short", *STRONG[2:]), ["the encryption key is shorter than 16 bytes"]),
        ((*STRONG[:2], "--key-hmac", "k" * 32), ["the HMAC key follows a simple pattern"]),
        (STRONG, []),
    ],
)
def test_a_verbose_client_says_what_is_weak_and_sends(
    keys: tuple[str, ...], said: list[str], home: Path, server: socket.socket,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert knock(server, *keys, "-v") == 0
    assert server.recv(2000)
    lines = capsys.readouterr().err.splitlines()
    warnings = [each for each in lines if "WARNING" in each]
    assert len(warnings) == len(said)
    for line, words in zip(warnings, said, strict=True):
        assert line.startswith(f"[-] WARNING: {words}")
    assert sum("hint: make new keys with fwknop --key-gen" in each for each in lines) == len(said)


def test_a_quiet_client_says_it_where_somebody_may_read_it(
    home: Path, server: socket.socket, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    keys = ("--key-rijndael", "short", *STRONG[2:])
    assert knock(server, *keys) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(Console, "attended", True)
    assert knock(server, *keys) == 0
    assert "shorter than 16 bytes" in capsys.readouterr().err


def test_legacy_mode_has_another_remedy_for_the_missing_hmac(
    home: Path, server: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    assert knock(server, "--key-rijndael", "a sentence of mine", "-M", "legacy", "-v") == 0
    assert "use mode CBC and an HMAC key" in capsys.readouterr().err
