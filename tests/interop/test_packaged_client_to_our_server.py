"""The packaged fwknop client knocks at our server: every digest, HMAC type and key form."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.daemon import Server, stanza
from watchword.lab.hosts import Host, Lab
from watchword.lab.trio import Trio, trio
from watchword.model.crypto import Secret

pytestmark = [pytest.mark.system, pytest.mark.peer("fwknop")]

DIGESTS = ("md5", "sha1", "sha256", "sha384", "sha512", "sha3_256", "sha3_512")
ENCRYPTION_KEY = Secret(b"the encryption key of interop 32")
_ports = count(2000)


def mac_key(kind: str) -> Secret:
    """One key for each HMAC type, so that each type has a stanza of its own."""
    return Secret(f"hmac key for {kind}, long enough".encode("ascii"))


TEXT_KEYS = {"KEY_BASE64": "", "HMAC_KEY_BASE64": ""}
TEXT_KEY, TEXT_MAC_KEY = "a-passphrase-in-plain-text", "an-hmac-key-in-plain-text"
NO_HMAC_KEY = Secret(b"only encrypted, without any hmac")


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture(scope="module")
def server(scene: Trio, tmp_path_factory: pytest.TempPathFactory) -> Server:
    server = Server(scene.server.host, tmp_path_factory.mktemp("server"))
    server.settings |= {"GUARD_SERVICES": "ALL"}
    stanzas = [
        stanza(ENCRYPTION_KEY, mac_key(kind), OPEN_PORTS="", HMAC_DIGEST_TYPE=kind)
        for kind in DIGESTS
    ]
    stanzas.append(stanza(OPEN_PORTS="", **TEXT_KEYS, KEY=TEXT_KEY, HMAC_KEY=TEXT_MAC_KEY))
    stanzas.append(stanza(NO_HMAC_KEY, OPEN_PORTS="", HMAC_KEY_BASE64=""))
    server.access = "\n".join(stanzas)
    return server.start()


def knock(client: Host, server: Server, folder: Path, *options: str) -> str:
    """Ask for a port that nobody asked for before, and wait for it; return its element."""
    port = next(_ports)
    before = len(server.judged)
    client.run(
        "fwknop", "--rc-file", str(folder / "rc"), "--no-save-args",
        "-A", f"tcp/{port}", "-D", "203.0.113.1", "-a", "198.51.100.2", *options,
    )  # fmt: skip
    judged = server.wait_for_judgements(before + 1)[before]
    assert judged["verdict"] == "granted", judged
    assert judged["services"] == [f"tcp/{port}"]
    assert f"198.51.100.2 . tcp . {port} " in server.ruleset()
    return f"#{judged['stanza']} {judged['seconds']}"


def base64_keys(key: Secret, mac: Secret) -> tuple[str, ...]:
    encoded = [b64encode(each.reveal()).decode("ascii") for each in (key, mac)]
    return ("--key-base64-rijndael", encoded[0], "--key-base64-hmac", encoded[1])


@pytest.mark.parametrize("inner", DIGESTS)
@pytest.mark.parametrize("outer", DIGESTS)
def test_every_inner_digest_under_every_hmac_type_opens_what_it_asks_for(
    scene: Trio, server: Server, tmp_path: Path, inner: str, outer: str
) -> None:
    keys = base64_keys(ENCRYPTION_KEY, mac_key(outer))
    by = knock(scene.caller.host, server, tmp_path, *keys, "-m", inner, "--hmac-digest-type", outer)
    assert by == f"#{DIGESTS.index(outer) + 1} 30"


def test_passphrases_in_plain_text(scene: Trio, server: Server, tmp_path: Path) -> None:
    keys = ("--key-rijndael", TEXT_KEY, "--key-hmac", TEXT_MAC_KEY)
    assert knock(scene.caller.host, server, tmp_path, *keys) == "#8 30"


def test_no_hmac_at_all(scene: Trio, server: Server, tmp_path: Path) -> None:
    key = b64encode(NO_HMAC_KEY.reveal()).decode("ascii")
    by = knock(scene.caller.host, server, tmp_path, "--key-base64-rijndael", key)
    assert by == "#9 30"


def test_keys_from_the_stanza_of_an_rc_file(scene: Trio, server: Server, tmp_path: Path) -> None:
    rc = tmp_path / "rc"
    keys = base64_keys(ENCRYPTION_KEY, mac_key("sha256"))
    rc.touch(mode=0o600)
    rc.write_text(
        f"[default]\n[home]\nKEY_BASE64 {keys[1]}\nHMAC_KEY_BASE64 {keys[3]}\nUSE_HMAC Y\n", "ascii"
    )
    assert knock(scene.caller.host, server, tmp_path, "-n", "home") == "#3 30"


def test_the_time_that_the_client_asks_for(scene: Trio, server: Server, tmp_path: Path) -> None:
    keys = base64_keys(ENCRYPTION_KEY, mac_key("sha256"))
    assert knock(scene.caller.host, server, tmp_path, *keys, "-f", "77") == "#3 77"
    assert knock(scene.caller.host, server, tmp_path, *keys, "-f", "4000") == "#3 300"
