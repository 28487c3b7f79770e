"""The program nft is missing, hangs, fails always or once: what is open, lost, and said.

It is replaced for the daemon alone, which lives in a mount namespace of its own.
Each time the daemon's table is flushed by other hands, so that the program is needed.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server, until
from tests.sealing import sealed
from tests.system.impatient import LIMIT
from tests.values import credential
from tests.vitals import assert_balanced, openings, running, status
from watchword.lab.hosts import Lab
from watchword.lab.sockets import gets_through, listen, reaches, send_datagram
from watchword.lab.trio import Trio, trio
from watchword.model.crypto import Secret

pytestmark = pytest.mark.system
NFT = Path("/usr/sbin/nft")
NOBODYS = credential(mac_key=Secret(b"what no stanza has to do with 32"))
HANGS = f"sleep 1234.{os.getpid()}"
"""Nobody else runs that."""
IMPATIENT = [sys.executable, str(Path(__file__).with_name("impatient.py"))]


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        there = trio(lab)
        with closing(listen(there.server.host, there.server.four, 22)):
            yield there


@pytest.fixture
def server(scene: Trio, tmp_path: Path) -> Iterator[Server]:
    server = Server(scene.server.host, tmp_path)
    server.command = IMPATIENT
    yield server
    if not server.ended:
        server.stop()
    scene.server.host.run("nft", "flush", "ruleset")


@contextmanager
def instead(server: Server, mount: tuple[str, ...], over: Path) -> Iterator[None]:
    """Put something over the program, or over its directory, for the daemon alone."""
    enter = ("nsenter", "-t", str(server.pid), "-m", "--")
    server.host.run(*enter, "mount", *mount, str(over))
    try:
        yield
    finally:
        if not server.ended:
            server.host.run(*enter, "umount", "-l", str(over))


def program(server: Server, text: str) -> tuple[str, ...]:
    """A program with that shell script, as a thing to be mounted."""
    path = server.folder / "nft"
    path.write_text(f"#!/bin/sh\n{text}\n", "ascii")
    path.chmod(0o755)
    return ("--bind", str(path))


def ask(scene: Trio, wanted: str = "0.0.0.0,tcp/22", seconds: int = 60) -> None:
    payload = sealed(wanted, sent_at=int(time.time()), seconds=seconds)
    send_datagram(scene.caller.host, payload, scene.server.four, 62201)


def refuse_one(scene: Trio, server: Server) -> None:
    """A packet that no stanza sealed is refused at once: nothing is held up."""
    before = len(server.judged)
    send_datagram(scene.stranger.host, sealed(sealed_with=NOBODYS), scene.server.four, 62201)
    assert server.wait_for_judgements(before + 1)[before]["verdict"] == "refused"


def back(scene: Trio, server: Server) -> bool:
    return (scene.caller.four, "tcp/22") in openings(server.host)


def missing(server: Server) -> tuple[tuple[str, ...], Path]:
    return ("-t", "tmpfs", "none"), NFT.parent


def failing(server: Server) -> tuple[tuple[str, ...], Path]:
    return program(server, "echo 'Error: Could not process rule' >&2; exit 1"), NFT


def hanging(server: Server) -> tuple[tuple[str, ...], Path]:
    return program(server, f"exec {HANGS}"), NFT


@pytest.mark.parametrize(
    ("broken", "said"),
    [(missing, "nft: cannot be started"), (failing, "nft refused: Could not process rule")],
)
def test_a_program_that_is_not_there_or_fails_is_told_and_loses_no_grant(
    scene: Trio,
    server: Server,
    broken: Callable[[Server], tuple[tuple[str, ...], Path]],
    said: str,
) -> None:
    server.start()
    ask(scene)
    assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
    with instead(server, *broken(server)):
        server.host.run("nft", "flush", "ruleset")
        server.wait_for(said)
        ask(scene, "192.0.2.77,tcp/22")
        told = server.wait_for_judgements(2)[1]
        assert (told["verdict"], told["reason"]) == ("refused", "firewall-refused")
    until(lambda: back(scene, server))
    assert_balanced(server)
    assert gets_through(scene.caller.host, scene.server.four, 22)
    assert not reaches(scene.stranger.host, scene.server.four, 22, 0.2)


def test_while_it_hangs_packets_are_judged_and_questions_answered(
    scene: Trio, server: Server
) -> None:
    server.command = [str(PROGRAMS / "fwknopd")]
    server.start()
    begun, go = server.folder / "begun", server.folder / "go"
    stuck = program(server, f": > {begun}; while [ ! -e {go} ]; do sleep 0.02; done; exit 1")
    with instead(server, stuck, NFT):
        server.host.run("nft", "flush", "ruleset")
        until(begun.exists)
        refuse_one(scene, server)
        assert sum(status(server)["packets"].values()) == 1
        ask(scene)
        assert "firewall: " not in server.log, "it still hangs"
        assert len(server.judged) == 1
        go.touch()
        told = server.wait_for_judgements(2)[1]
        assert (told["verdict"], told["reason"]) == ("refused", "firewall-refused")
    until(lambda: "hidden until granted" in server.ruleset())
    assert not reaches(scene.caller.host, scene.server.four, 22, 0.2)


def test_one_that_hangs_is_ended_and_what_was_open_is_open_again_until_its_time(
    scene: Trio, server: Server
) -> None:
    server.start()
    began = time.monotonic()
    ask(scene, seconds=4)
    assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
    with instead(server, *hanging(server)):
        server.host.run("nft", "flush", "ruleset")
        server.wait_for(f"nft: took longer than {LIMIT:g} s and was ended")
    until(lambda: back(scene, server) or time.monotonic() > began + 4)
    time.sleep(max(0.0, began + 4.2 - time.monotonic()))
    until(lambda: not back(scene, server))
    assert not reaches(scene.caller.host, scene.server.four, 22, 0.2)
    server.wait_for("Removed rule")
    until(lambda: not running(HANGS))
    assert_balanced(server)


def test_a_program_that_fails_once_is_told_once_and_asked_again(
    scene: Trio, server: Server
) -> None:
    server.start()
    ask(scene)
    assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
    real, failed = server.folder / "real", server.folder / "failed"
    shutil.copy(NFT, real)
    once = program(server, f'[ -e {failed} ] && exec {real} "$@"; : > {failed}; exit 1')
    with instead(server, once, NFT):
        server.host.run("nft", "flush", "ruleset")
        until(lambda: back(scene, server))
    assert server.log.count("firewall: nft refused: status 1") == 1
    server.wait_for("the firewall works again")
    assert_balanced(server)
    assert gets_through(scene.caller.host, scene.server.four, 22)


def test_a_stop_while_it_hangs_is_over_once_its_time_is(scene: Trio, server: Server) -> None:
    server.start()
    with instead(server, *hanging(server)):
        server.host.run("nft", "flush", "ruleset")
        until(lambda: running(HANGS))
        assert server.stop() == 0
    until(lambda: not running(HANGS))
    assert "Traceback" not in server.log


@pytest.mark.parametrize("broken", [missing, hanging])
def test_without_it_nothing_starts_and_what_an_earlier_run_opened_ends_all_the_same(
    scene: Trio, server: Server, broken: Callable[[Server], tuple[tuple[str, ...], Path]]
) -> None:
    server.start()
    ask(scene, seconds=3)
    server.wait_for_judgements(1)
    server.kill()
    mount, over = broken(server)
    script = f'mount {" ".join(mount)} {over}; exec "$0" "$@"'
    server.command = ["sh", "-c", script, *IMPATIENT]
    server.launch()
    until(lambda: server.ended)
    assert server.process is not None
    assert server.process.returncode == 1
    assert "nft" in server.log
    assert "Traceback" not in server.log
    assert not reaches(scene.stranger.host, scene.server.four, 22, 0.2)
    until(lambda: not reaches(scene.caller.host, scene.server.four, 22, 0.2), 20)  # and not 30
    server.command = [str(PROGRAMS / "fwknopd")]
    server.start()
