"""A daemon whose files were broken: it does not start, or it goes on as it was."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.daemon import Server, stanza, until
from tests.sealing import sealed
from tests.vitals import Vitals, assert_balanced, assert_unmoved, openings
from watchword.lab.hosts import Lab
from watchword.lab.sockets import send_datagram
from watchword.lab.trio import Trio, trio

pytestmark = pytest.mark.system
REFUSED = "The configuration was not taken over"


@pytest.fixture
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture
def server(scene: Trio, tmp_path: Path) -> Server:
    return Server(scene.server.host, tmp_path)


def ask(scene: Trio, text: str = "0.0.0.0,tcp/22") -> None:
    payload = sealed(text, sent_at=int(time.time()), seconds=60)
    send_datagram(scene.caller.host, payload, scene.server.four, 62201)


def written(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.touch(mode=0o600)
        path.write_bytes(content)

    return write


BREAKAGES: dict[str, Callable[[Path], None]] = {
    "binary": written(bytes(range(256)) * 64),
    "empty": written(b""),
    "ten megabytes": written(b"# nothing\n" * (1 << 20)),
    "misspelt": written(stanza().replace("OPEN_PORTS", "OPEN_PRTS").encode("ascii")),
    "out of range": written(stanza(FW_ACCESS_TIMEOUT="8388609").encode("ascii")),
    "a directory": Path.mkdir,
    "a FIFO": os.mkfifo,
    "a dangling link": lambda path: path.symlink_to("/nowhere/at/all"),
    "missing": lambda path: None,
}


def remove(path: Path) -> None:
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def test_at_start_each_breakage_is_told_and_ends_with_status_one(
    scene: Trio, server: Server
) -> None:
    server.write()
    path = server.folder / "access.conf"
    for what, spoil in BREAKAGES.items():
        remove(path)
        spoil(path)
        ended = server.program("-f")
        assert ended.returncode == 1, what
        assert str(path) in ended.stderr, what
        assert "fwknopd: hint: " in ended.stderr, what
        assert "Traceback" not in ended.stderr + ended.stdout, what
    assert server.ruleset() == ""


def test_at_a_reload_each_breakage_is_told_and_everything_goes_on_as_it_was(
    scene: Trio, server: Server
) -> None:
    server.start()
    ask(scene)
    server.wait_for_judgements(1)
    access, kept = server.folder / "access.conf", server.folder / "kept"
    shutil.copy2(access, kept)
    before = Vitals.of(*server.pids)
    rules = server.ruleset().count("\n")
    for number, (what, spoil) in enumerate(BREAKAGES.items(), 1):
        remove(access)
        spoil(access)
        already = len(server.log)
        server.send(signal.SIGHUP)
        until(lambda count=number: server.log.count(REFUSED) >= count, 60)  # type: ignore[misc]
        until(lambda start=already: "access.conf" in server.log[start:])  # type: ignore[misc]
        ask(scene, f"10.0.0.{number},tcp/22")
        judged = server.wait_for_judgements(number + 1)[number]
        assert judged["verdict"] == "granted", what
    assert_balanced(server)
    assert (scene.caller.four, "tcp/22") in openings(scene.server.host)
    assert server.ruleset().count("\n") >= rules
    assert_unmoved(server, before, 40 << 20)  # ten megabytes of text were looked at
    remove(access)
    shutil.copy2(kept, access)
    server.send(signal.SIGHUP)
    server.wait_for("Re-starting fwknopd")
    assert_balanced(server)


def test_at_a_reload_an_fwknopd_conf_out_of_range_changes_nothing(
    scene: Trio, server: Server
) -> None:
    server.start()
    for number, (name, value) in enumerate(
        (("UDPSERV_PORT", "65536"), ("MAX_SPA_PACKET_AGE", "0"), ("FIREWALL_ATTACH", "glue")), 1
    ):
        server.settings[name] = value
        server.write()
        server.send(signal.SIGHUP)
        until(lambda count=number: server.log.count(REFUSED) >= count, 60)  # type: ignore[misc]
        assert f"fwknopd.conf:{len(server.settings)}: " in server.log
        del server.settings[name]
    ask(scene)
    assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
    assert "Traceback" not in server.log


def test_files_that_others_may_read_are_a_warning_at_start_and_at_a_reload(
    scene: Trio, server: Server
) -> None:
    server.start()
    (server.folder / "access.conf").chmod(0o644)
    server.send(signal.SIGHUP)
    server.wait_for("Re-starting fwknopd")
    server.wait_for("permissions should only be user read/write")
    server.stop()
    server.start()
    server.wait_for("permissions should only be user read/write")
    ask(scene)
    assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
