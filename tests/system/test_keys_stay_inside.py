"""Whatever goes wrong, no key is in what our programs say, keep, or hand to others."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server, stanza
from tests.sealing import sealed
from tests.spellings import traces
from watchword.lab.hosts import Lab
from watchword.lab.sockets import send_datagram
from watchword.lab.trio import Trio, trio
from watchword.model.crypto import CipherMode, Credential, Secret
from watchword.model.openpgp import OpenPgpCredential
from watchword.wire.spa.message import MessageType
from watchword.wire.spa.openpgp import enclose

pytestmark = pytest.mark.system
KEY, MAC_KEY, OTHER, OTHER_MAC = (sha256(b"stays inside %d" % n).digest() for n in range(4))
PHRASE, MAC_PHRASE = b"Vq7zK2mWx9Lr4TnYb8Gd", b"hR3jw6PcZ0sUe5AfXo1kQtN9"
LONG = b"J8vTq2LxYw5ZrNc7MbKd3HfGs9PeQa4UiXo"
SECRETS = (KEY, MAC_KEY, OTHER, OTHER_MAC, PHRASE, MAC_PHRASE, LONG)

FOR_GPG = b"\x85\x01\x00" + bytes(256) + b"\xd2\x80" + bytes(128)
"""From outside a message encrypted to a public key: nobody but gpg can say that it is none."""


def base64(key: bytes) -> str:
    return b64encode(key).decode("ascii")


def text(key: bytes) -> str:
    return key.decode("ascii")


ACCESS = (
    stanza(Secret(KEY), Secret(MAC_KEY), FW_ACCESS_TIMEOUT="2")
    + stanza(Secret(OTHER), Secret(OTHER_MAC), SOURCE="198.51.100.0/24", REQUIRE_USERNAME="bob")
    + f"SOURCE ANY\nOPEN_PORTS tcp/25\nKEY {text(PHRASE)}\nENCRYPTION_MODE legacy\n"
    + f"SOURCE ANY\nOPEN_PORTS tcp/80\nKEY {text(PHRASE)}\nHMAC_KEY {text(MAC_PHRASE)}\n"
)
BROKEN_SERVER_LINES = [
    f"KEY_BASE64 {base64(KEY)}!",
    f"KEY_BASE64 {base64(KEY)[:-3]}",
    f"KEYBASE64 {base64(KEY)}",
    f"KEY_BASE63 {base64(KEY)}",
    f"HMAC_KEY_BASE64{base64(MAC_KEY)}",
    base64(KEY),
    text(PHRASE),
    f"{text(PHRASE)} {text(MAC_PHRASE)}",
    f"KEY {text(LONG)}",
    f"KEY {text(PHRASE)}\nHMAC_KEY {text(PHRASE)}",
    f"KEY {text(PHRASE)}\x01",
    f"HMAC_KEY_BASE64 {text(MAC_PHRASE)}\x7f",
    "%include_keys {folder}/keys\n",
    f"OPEN_PORTS tcp/22\nKEY {text(PHRASE)}\nENCRYPTION_MODE Asymmetric",
    f"GPG_DECRYPT_PW {text(PHRASE)}",
]


class Heap:
    """Everything that was said or kept, with where it came from."""

    def __init__(self) -> None:
        self._pieces: list[tuple[str, bytes]] = []

    def add(self, origin: str, content: bytes | str) -> None:
        octets = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        self._pieces.append((origin, octets))

    def ran(self, done: subprocess.CompletedProcess[str]) -> None:
        self.add(f"output of {done.args}", done.stdout + done.stderr)

    def files(self, folder: Path) -> None:
        for path in folder.rglob("*"):
            if path.is_file():
                self.add(str(path), path.read_bytes())

    def process(self, pid: int) -> None:
        for name in ("cmdline", "environ", "comm"):
            self.add(f"/proc/{pid}/{name}", Path(f"/proc/{pid}/{name}").read_bytes())

    def search(self) -> list[str]:
        return [
            f"{origin}: {found[0]!r}"
            for origin, content in self._pieces
            for key in SECRETS
            if (found := traces(key, content))
        ]

    def __contains__(self, words: bytes) -> bool:
        return any(words in content for _, content in self._pieces)


@pytest.fixture
def heap() -> Heap:
    return Heap()


@pytest.fixture
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture
def server(scene: Trio, tmp_path: Path) -> Server:
    """A server that finds, in place of nft, a program that notes how it is called."""
    real, noting = tmp_path / "nft", tmp_path / "noting"
    found = shutil.which("nft")
    assert found is not None
    shutil.copy(found, real)
    children = tmp_path / "children"
    noting.write_text(
        f"#!/bin/sh\n{{ echo called: \"$0\" \"$@\"; cat /proc/$$/environ; }} >>{children}\n"
        f"tee -a {children} | {real} \"$@\"\n", "utf-8",
    )  # fmt: skip
    noting.chmod(0o700)
    server = Server(scene.server.host, tmp_path)
    hide = f'mount --bind {noting} {Path(found).resolve()} && exec "$0" "$@"'
    server.command = ["sh", "-c", hide, *server.command]
    gpg = noting_gpg(tmp_path)
    server.access = ACCESS + (
        f"SOURCE ANY\nOPEN_PORTS tcp/443\nGPG_HOME_DIR {tmp_path}\nGPG_EXE {gpg}\n"
        f"GPG_DECRYPT_PW {text(PHRASE)}\nGPG_REMOTE_ID 0123456789ABCDEF\nHMAC_KEY {text(LONG)}\n"
    )
    return server


def noting_gpg(folder: Path) -> Path:
    """A gpg that notes how it is called, and that it was given something, and fails."""
    gpg = folder / "gpg"
    gpg.write_text(
        "#!/bin/sh\n"
        f'{{ echo called: "$0" "$@"; cat /proc/$$/environ; }} >>{folder}/children\n'
        f"cat >{folder}/gpg-was-told\n"
        'echo "[GNUPG:] DECRYPTION_FAILED" >&2\nexit 2\n', "utf-8",
    )  # fmt: skip
    gpg.chmod(0o700)
    return gpg


def packets() -> list[bytes]:
    """One for each thing that can be the matter with a packet, and a good one first."""
    now = int(time.time())
    first, other = (
        Credential(Secret(key), mac_key=Secret(mac))
        for key, mac in ((KEY, MAC_KEY), (OTHER, OTHER_MAC))
    )
    mixed = Credential(Secret(OTHER), mac_key=Secret(MAC_KEY))
    legacy = Credential(Secret(PHRASE[:16]), CipherMode.LEGACY)
    good = sealed("0.0.0.0,tcp/22", first, sent_at=now)
    return [
        good,
        good,
        sealed("0.0.0.0,tcp/99", first, sent_at=now),
        sealed("0.0.0.0,tcp/22", first, sent_at=now - 9999),
        sealed("0.0.0.0,tcp/22", first, sent_at=now + 9999),
        sealed("0.0.0.0,tcp/22", other, sent_at=now),
        sealed("0.0.0.0,tcp/22", mixed, sent_at=now),
        sealed("0.0.0.0,tcp/25", legacy, sent_at=now),
        sealed("0.0.0.0,a command", first, sent_at=now, type=MessageType.COMMAND),
        sealed(
            "0.0.0.0,tcp/22", first, sent_at=now, type=MessageType.NAT_ACCESS, nat="10.0.0.1,22"
        ),
        enclose(FOR_GPG, OpenPgpCredential(mac_key=Secret(LONG))),
        good[:60] + good[61:62] + good[60:61] + good[62:],
        good[:-1] + b"!",
        b"8" * 200,
    ]


def ask(server: Server, *questions: bytes) -> bytes:
    """What the control socket answers."""
    answers = b""
    for question in questions:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(60)
            sock.connect(str(server.folder / "run" / "control.sock"))
            sock.sendall(question)
            answers += sock.recv(100_000)
    return answers


def question_everything(server: Server, heap: Heap, kept: Path) -> None:
    for options in (
        ["-S", "-v", "-v"], ["--dump-config", "-v"], ["--fw-list"], ["--fw-list-all"],
        ["--exit-parse-config", "-v"], ["--exit-parse-digest-cache"],
    ):  # fmt: skip
        heap.ran(server.program(*options))
    for command, options in (
        ("check", []), ("check", ["--json"]), ("status", []), ("status", ["--json"]),
        ("explain", ["--file", str(kept)]), ("explain", ["--json", "--file", str(kept)]),
        ("explain", ["no packet"]),
    ):  # fmt: skip
        heap.ran(server.tool(command, *options))


def test_the_server_keeps_its_keys_whatever_it_is_sent_and_asked(
    scene: Trio, server: Server, heap: Heap, tmp_path: Path
) -> None:
    kept = tmp_path / "packets"
    sent = packets()
    kept.write_bytes(b"\n".join(sent) + b"\n")
    server.start("-v", "-v")
    for payload in sent:
        send_datagram(scene.caller.host, payload, scene.server.four, 62201)
    server.wait_for_judgements(len(sent) - 1)  # the filter in the kernel takes one of them
    for pid in server.pids:
        heap.process(pid)
    heap.add("control socket", ask(server, b'{"version":1,"ask":"status"}\n', b"nonsense\n"))
    question_everything(server, heap, kept)
    for line in BROKEN_SERVER_LINES:
        (tmp_path / "keys").write_text(f"KEY_BASE64 {base64(KEY)}?\n{text(PHRASE)}\n", "utf-8")
        broken = server.access + line.replace("{folder}", str(tmp_path)) + "\n"
        (tmp_path / "access.conf").write_text(broken, "utf-8")
        seen = server.log.count("\n")
        server.send(signal.SIGHUP)
        until_more(server, seen)
        heap.ran(server.program("--exit-parse-config", "-v", "-v"))
        heap.ran(server.tool("check", "--json"))
    server.stop()
    heap.add("log", server.log)
    for folder in ("state", "run"):
        heap.files(tmp_path / folder)
    heap.add("ruleset", server.ruleset())
    heap.add("called programs", (tmp_path / "children").read_bytes())

    assert b"granted" in heap
    assert b"hmac-mismatch" in heap
    assert b"not shown" in heap
    assert b"called: " in heap
    assert b"--passphrase-fd" in heap
    assert PHRASE in (tmp_path / "gpg-was-told").read_bytes()
    assert heap.search() == []


def until_more(server: Server, lines: int) -> None:
    limit = time.monotonic() + 60
    while server.log.count("\n") <= lines:
        assert time.monotonic() < limit, server.log
        time.sleep(0.01)


RC_FILES = [
    f"[default]\nKEY_BASE64 {base64(KEY)}\nHMAC_KEY_BASE64 {base64(MAC_KEY)}\n",
    f"[default]\nKEY {text(PHRASE)}\nHMAC_KEY {text(MAC_PHRASE)}\n",
    f"[default]\nKEY {text(PHRASE)}\nHMAC_KEY {text(PHRASE)}\n",
    f"[default]\nKEY {text(LONG)}\n",
    f"[default]\nKEY_BASE64 {base64(KEY)}!\n",
    f"[default]\nKEY_BASE64 {base64(KEY)}=x\nHMAC_KEY_BASE64 ?{base64(MAC_KEY)}\n",
    f"[default]\nKEYBASE64 {base64(KEY)}\n",
    f"[default]\nKEY_BASE64{base64(KEY)}\n",
    f"[default]\n{base64(KEY)}\n",
    f"[default]\n{text(PHRASE)}\n",
    f"[default]\n{text(PHRASE)} {text(MAC_PHRASE)}\n",
    f"[default]\nKEY={text(PHRASE)}\n",
    "[default]\nKEY_FILE {home}/keys\nHMAC_KEY_FILE {home}/other\n",
    f"[default]\nUSE_GPG Y\nGPG_SIGNING_PW {text(PHRASE)}\n",
    f"[default]\nENCRYPTION_MODE legacy\nKEY {text(PHRASE)}\n",
    "[default]\nUSE_GPG Y\nGPG_EXE {home}/gpg\nGPG_HOMEDIR {home}\nGPG_RECIPIENT a\n"
    f"GPG_SIGNER b\nGPG_SIGNING_PW {text(PHRASE)}\nHMAC_KEY {text(MAC_PHRASE)}\n",
]
KNOCK = ["-A", "tcp/22", "-a", "192.0.2.7", "-D", "127.0.0.1"]
ARGUMENTS = [
    [*KNOCK, "-T"],
    [*KNOCK, "-B", "{home}/packet"],
    [*KNOCK, "-B", "{home}/no/such/folder"],
    [*KNOCK[:-1], "no.such.host.invalid"],
    ["-A", "nonsense", *KNOCK[2:]],
    [*KNOCK, "-M", "legacy"],
    [*KNOCK, "-m", "md5", "--hmac-digest-type", "sha3_512"],
    [*KNOCK, "-n", "nobody"],
    ["--stanza-list"],
    ["--show-last"],
    ["-l"],
    [*KNOCK, "--save-rc-stanza", "-n", "default"],
]
SPOKEN = [  # keys on the command line, where others can see them, and nowhere else
    ["--key-rijndael", text(PHRASE), "--key-hmac", text(MAC_PHRASE)],
    ["--key-base64-rijndael", base64(KEY), "--key-base64-hmac", base64(MAC_KEY)],
    ["--key-base64-rijndael", base64(KEY) + "!", "--key-base64-hmac", base64(MAC_KEY)],
    ["--key-rijndael", text(LONG)],
    [f"--key-rijndael={text(PHRASE)}", f"--key-hmac={text(PHRASE)}"],
    ["--key-rijndel", text(PHRASE)],
]


def client(
    heap: Heap, home: Path, arguments: list[str], typed: bytes = b"", *, whole: bool = True
) -> None:
    argv = [each.replace("{home}", str(home)) for each in arguments]
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "LOGNAME": "tester"}
    done = subprocess.run(
        ["unshare", "--net", str(PROGRAMS / "fwknop"), "-v", "-v", "-v", *argv],
        input=typed, env=environment, capture_output=True, timeout=120, check=False,
        start_new_session=True,
    )  # fmt: skip
    heap.add(f"output of {argv if whole else 'a run with keys among its options'}", done.stdout)
    heap.add(f"errors of {argv if whole else 'a run with keys among its options'}", done.stderr)
    for name in (".fwknop.run", "packet", "children"):
        if (home / name).exists():
            heap.add(name, (home / name).read_bytes())


def make_home(home: Path, rc: str) -> None:
    noting_gpg(home)
    for name, content in (
        (".fwknoprc", rc.replace("{home}", str(home))),
        ("keys", f"127.0.0.1: {text(PHRASE)}\n"),
        ("other", f"{text(MAC_PHRASE)}\n"),
    ):
        (home / name).touch(mode=0o600)
        (home / name).write_text(content, "utf-8")


@pytest.mark.parametrize("number", range(len(RC_FILES)))
def test_the_client_keeps_the_keys_of_its_files(number: int, heap: Heap, tmp_path: Path) -> None:
    for arguments in ARGUMENTS:
        make_home(tmp_path, RC_FILES[number])
        client(heap, tmp_path, arguments, b"n\nn\nn\n")
    assert b"The following stanzas are configured" in heap
    assert (b"called: " in heap) == ("GPG_EXE" in RC_FILES[number])
    assert heap.search() == []


def test_the_client_keeps_the_keys_that_it_is_told(heap: Heap, tmp_path: Path) -> None:
    for keys in SPOKEN:
        make_home(tmp_path, "[default]\n")
        client(heap, tmp_path, [*KNOCK, *keys], whole=False)
        client(heap, tmp_path, ["--show-last"])
    for typed in (PHRASE + b"\n" + MAC_PHRASE + b"\n", PHRASE + b"\n" + PHRASE + b"\n", LONG):
        make_home(tmp_path, "[default]\n")
        client(heap, tmp_path, [*KNOCK, "--stdin", "--use-hmac"], typed)
    assert b"SPA Field Values" in heap
    assert heap.search() == []


@pytest.mark.parametrize("key", SECRETS)
def test_a_key_would_be_found(key: bytes, heap: Heap) -> None:
    shown = base64(b"?" + key)
    for content in (key[:13], repr(key).encode(), key.hex(), shown, f"KEY {base64(key)[:15]}..."):
        heap.add("here", content)
        assert heap.search(), content
        heap.__init__()  # type: ignore[misc]
