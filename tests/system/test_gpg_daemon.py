"""A running server whose gpg hangs, dies, or is made to work by strangers."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Server, stanza, until
from tests.gpg_homes import client_home, fingerprint, patient_gpg, server_home
from tests.sealing import message, sealed
from tests.values import MAC_KEY
from watchword.lab.hosts import Lab
from watchword.lab.sockets import gets_through, listen, reaches, send_datagram
from watchword.lab.trio import Trio, trio
from watchword.model.crypto import Secret
from watchword.model.openpgp import Keyring, OpenPgpCredential
from watchword.wire.spa.composing import compose
from watchword.wire.spa.openpgp import enclose

pytestmark = [pytest.mark.system, pytest.mark.peer("gpg")]

OTHER = Secret(b"the key of another stanza")


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    folder = tmp_path_factory.mktemp("gpg")
    with client_home(folder / "clients") as clients, server_home(folder / "servers") as servers:
        yield clients, servers


@pytest.fixture
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


class Post:
    """A server with stanzas for OpenPGP, and somebody who writes to it."""

    def __init__(self, scene: Trio, folder: Path, homes: tuple[Path, Path]) -> None:
        self.scene = scene
        self.clients, self.servers = homes
        self.server = Server(scene.server.host, folder)
        self.server.settings["GUARD_SERVICES"] = "ALL"

    def stanza(self, mac_key: Secret | None = MAC_KEY, **variables: str) -> str:
        given = {
            "KEY_BASE64": "", "OPEN_PORTS": "", "GPG_ALLOW_NO_PW": "Y",
            "GPG_HOME_DIR": str(self.servers),
            "GPG_FINGERPRINT_ID": fingerprint("cli-rsa2048"), **variables,
        }  # fmt: skip
        if mac_key is None:
            return stanza(**given, HMAC_KEY_BASE64="")
        return stanza(Secret(b"unused"), mac_key, **given)

    def program(self, name: str, body: str) -> str:
        """A gpg of the test's own, that notes its process numbers in ``name.pids``."""
        path = self.server.folder / name
        path.write_text(f"#!/bin/sh\necho $$ >>{path}.pids\n{body}\n", "ascii")
        path.chmod(0o700)
        return str(path)

    def calls(self, name: str) -> list[int]:
        path = self.server.folder / f"{name}.pids"
        return [int(line) for line in path.read_text("ascii").split()] if path.exists() else []

    def packet(self, port: int, mac_key: Secret | None = MAC_KEY, *, signed: bool = True) -> bytes:
        text = f"{self.scene.caller.four},tcp/{port}"
        content = patient_gpg().encrypt(
            Keyring(str(self.clients)),
            compose(message(text, sent_at=int(time.time()))),
            [fingerprint("srv-rsa2048")],
            [fingerprint("cli-rsa2048")] if signed else [],
        )
        return enclose(content, OpenPgpCredential(mac_key=mac_key))

    def send(self, payload: bytes) -> None:
        send_datagram(self.scene.caller.host, payload, self.scene.server.four, 62201)

    def opens(self, port: int) -> bool:
        with listen(self.scene.server.host, self.scene.server.four, port):
            return gets_through(self.scene.caller.host, self.scene.server.four, port)

    def verdicts(self) -> list[str]:
        return [str(each.get("reason", each["verdict"])) for each in self.server.judged]


@pytest.fixture
def post(scene: Trio, tmp_path: Path, homes: tuple[Path, Path]) -> Post:
    return Post(scene, tmp_path, homes)


def runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_a_gpg_that_hangs_holds_up_nobody_else_and_ends_with_the_daemon(post: Post) -> None:
    slow = post.program("slow", "exec sleep 600")
    post.server.access = "\n".join([post.stanza(OTHER, GPG_EXE=slow), post.stanza(), stanza()])
    post.server.start()
    packets = [post.packet(4000, OTHER) for _ in range(4)]
    quick = post.packet(4001)
    for each in packets:
        post.send(each)
    until(lambda: len(post.calls("slow")) == 2)
    post.send(quick)
    assert post.server.wait_for_judgements(1)[0]["verdict"] == "granted"
    assert post.opens(4001)
    post.send(sealed(f"{post.scene.caller.four},tcp/22", sent_at=int(time.time())))
    assert post.server.wait_for_judgements(2)[1]["verdict"] == "granted"
    assert len(post.calls("slow")) == 2
    assert all(map(runs, post.calls("slow")))

    began = time.monotonic()
    assert post.server.stop() == 0
    assert time.monotonic() - began < 8  # the hanging ones had ten seconds, and some left
    assert not any(map(runs, post.calls("slow")))


def test_a_gpg_that_dies_costs_one_packet_and_not_the_daemon(post: Post) -> None:
    dead = post.program("dead", "kill -9 $$")
    post.server.access = "\n".join([post.stanza(OTHER, GPG_EXE=dead), post.stanza()])
    post.server.start()
    post.send(post.packet(4000, OTHER))
    post.send(post.packet(4001))
    post.server.wait_for_judgements(2)
    assert sorted(post.verdicts()) == ["gpg-failed", "granted"]
    assert not post.server.ended


def test_without_the_right_hmac_no_gpg_is_run(post: Post) -> None:
    gpg = post.program("gpg", 'exec /usr/bin/gpg "$@"')
    post.server.access = post.stanza(GPG_EXE=gpg)
    post.server.start()
    post.send(post.packet(4000, OTHER))
    post.send(post.packet(4000, None))
    post.server.wait_for_judgements(2)
    assert post.verdicts() == ["hmac-mismatch"] * 2
    assert post.calls("gpg") == []
    post.send(post.packet(4001))
    assert post.server.wait_for_judgements(3)[2]["verdict"] == "granted"
    assert len(post.calls("gpg")) == 1


def test_strangers_who_make_gpg_work_do_not_shut_out_a_caller_who_is_known(post: Post) -> None:
    """A stanza without an HMAC key, and unsigned packets from everywhere, each different."""
    gpg = post.program("gpg", 'sleep 0.2; exec /usr/bin/gpg "$@"')
    post.server.access = post.stanza(None, GPG_EXE=gpg)
    post.server.start()
    post.send(post.packet(4000, None))
    assert post.server.wait_for_judgements(1)[0]["verdict"] == "granted"
    junk, mine = post.packet(4666, None, signed=False), post.packet(4001, None)
    for number in range(40):
        octets = bytearray(junk)
        octets[100 + number] = ord("A") if octets[100 + number] != ord("A") else ord("B")
        stranger = post.scene.stranger.host
        send_datagram(stranger, bytes(octets), post.scene.server.four, 62201)
    post.send(mine)
    until(lambda: "granted" in post.verdicts()[1:])
    assert post.verdicts().index("granted", 1) < 15
    assert post.opens(4001)
    assert not reaches(post.scene.stranger.host, post.scene.server.four, 4666)


def test_a_packet_that_waits_for_gpg_survives_a_reload(post: Post) -> None:
    gpg = post.program("gpg", 'sleep 0.7; exec /usr/bin/gpg "$@"')
    post.server.access = post.stanza(GPG_EXE=gpg)
    post.server.start()
    post.send(post.packet(4001))
    until(lambda: post.calls("gpg"))
    post.server.send(signal.SIGHUP)
    assert post.server.wait_for_judgements(1)[0]["verdict"] == "granted"
    assert post.opens(4001)
    assert post.verdicts() == ["granted"]


def test_a_packet_counts_once_whether_or_not_the_daemon_was_restarted(post: Post) -> None:
    post.server.access = post.stanza()
    post.server.start()
    payload = post.packet(4001)
    post.send(payload)
    post.server.wait_for_judgements(1)
    post.send(payload)
    post.server.wait_for_judgements(2)
    assert post.verdicts() == ["granted", "replayed"]
    post.server.stop(signal.SIGKILL)
    post.server.start()
    post.send(payload)
    post.server.wait_for_judgements(1)
    assert post.verdicts() == ["replayed"]
