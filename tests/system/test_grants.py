"""Grants as objects: seen, renewed, prolonged and ended, by the real daemon and kernel."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import struct
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import PROGRAMS, Server, stanza, until
from tests.sealing import sealed
from tests.values import credential
from watchword.edges.replay.reading import read_changes
from watchword.lab.hosts import Lab
from watchword.lab.sockets import (
    connect,
    gets_through,
    listen,
    open_socket,
    reaches,
    send_datagram,
)
from watchword.lab.trio import Station, Trio, trio
from watchword.model.crypto import Secret

pytestmark = pytest.mark.system
OTHER_KEY, OTHER_MAC = Secret(b"another key of another stanza..."), Secret(b"another HMAC key " * 3)
SECOND = credential(key=OTHER_KEY, mac_key=OTHER_MAC)
AT_ONCE = struct.pack("ii", 1, 0)
"""For SO_LINGER: nothing of a connection stays that cannot be ended with its peer."""


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        made = trio(lab)
        for client in (made.caller, made.stranger):  # IPv6 takes a second to find its way
            client.host.run("ping", "-c1", "-W30", "-i0.2", made.server.six)
        yield made


def prepared(scene: Trio, folder: Path) -> Server:
    found = Server(scene.server.host, folder)
    found.access = stanza(OPEN_PORTS="tcp/22,udp/53") + stanza(OTHER_KEY, OTHER_MAC)
    return found


@pytest.fixture(scope="module")
def lasting(scene: Trio, tmp_path_factory: pytest.TempPathFactory) -> Server:
    return prepared(scene, tmp_path_factory.mktemp("lasting"))


@pytest.fixture
def running(lasting: Server) -> Server:
    """One for several tests, with no grants and nothing said."""
    return lasting.on_new_page()


@pytest.fixture
def server(scene: Trio, lasting: Server, tmp_path: Path) -> Iterator[Server]:
    """One of a test alone."""
    if lasting.process is not None:
        lasting.stop()
    scene.server.host.run("nft", "flush", "ruleset")
    found = prepared(scene, tmp_path)
    yield found.start()
    if not found.ended:
        found.stop()


@pytest.fixture(params=[False, True], ids=["IPv4", "IPv6"])
def six(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def at(station: Station, six: bool = False) -> str:
    return station.six if six else station.four


def knock(
    scene: Trio, server: Server, text: str = "0.0.0.0,tcp/22", six: bool = False, **more: Any
) -> dict[str, Any]:
    """Send a packet of the caller's; what was judged of it."""
    before = len(server.judged)
    payload = sealed(text, sent_at=int(time.time()), **more)
    send_datagram(scene.caller.host, payload, at(scene.server, six), 62201)
    return server.wait_for_judgements(before + 1)[before]


def told(server: Server) -> list[dict[str, Any]]:
    answer = server.tool("grants", "--json")
    assert answer.returncode == 0, answer.stderr
    found: list[dict[str, Any]] = json.loads(answer.stdout)["grants"]
    return found


def elements(server: Server) -> int:
    return server.ruleset().count("ww:")


def test_they_are_listed_as_the_kernel_has_them_and_renewed_by_a_second_packet(
    scene: Trio, running: Server, six: bool
) -> None:
    assert running.tool("grants").stdout == "no grants in force\n"
    judged = knock(scene, running, six=six, seconds=60, user="carol")
    [grant] = told(running)
    assert (grant["who"], grant["source"]) == (at(scene.caller, six),) * 2
    assert (grant["services"], grant["stanza"], grant["user"]) == (["tcp/22"], 1, "carol")
    assert grant["grant"] == judged["grant"]
    assert 0 < grant["remaining"] <= 60
    assert grant["in_force"] is True

    second = knock(scene, running, six=six, seconds=200, user="carol")
    assert (second["verdict"], second["grant"]) == ("granted", judged["grant"])
    assert (second["by"], second["seconds"]) == ("renewal", 200)
    [renewed] = told(running)
    assert (renewed["grant"], renewed["since"]) == (grant["grant"], grant["since"])
    assert 120 < renewed["remaining"] <= 200
    assert elements(running) == 1
    [minutes] = re.findall(r"expires (?:(\d+)m)?\d+s", running.ruleset())
    assert minutes in ("2", "3")
    assert running.log.count("Added access rule") == 2  # as fwknopd says it, whatever was there
    listed = running.program("--fw-list").stdout
    assert listed.count(grant["grant"]) == 1
    assert "carol" in listed
    assert "ww:" in listed
    assert "1 grants in force" in running.program("-S", "-v").stdout
    in_words = running.tool("grants").stdout.splitlines()
    assert len(in_words) == 2
    assert in_words[1].startswith(grant["grant"])
    assert in_words[1].endswith("  yes")


def test_one_is_revoked_and_its_connection_goes_on_or_is_cut_as_was_asked(
    scene: Trio, running: Server, six: bool
) -> None:
    target = at(scene.server, six)
    door = listen(scene.server.host, target, 22)
    grants = []
    for cut in (False, True):
        grant = knock(scene, running, six=six)["grant"]
        grants.append(grant)
        talk = connect(scene.caller.host, target, 22, seconds=30)
        assert talk is not None
        near, _ = door.accept()
        answer = running.tool("revoke", grant, *(["--cut"] if cut else []))
        assert answer.returncode == 0, answer.stderr
        assert f"revoked: {grant}" in answer.stdout
        assert ("connections cut: 1" in answer.stdout) is cut
        assert not reaches(scene.caller.host, target, 22)
        near.settimeout(0.7 if cut else 30)
        talk.sendall(b"still here")
        if cut:
            near.sendall(b"what the service says makes nothing established again")
            talk.sendall(b"and again")
            with pytest.raises(TimeoutError):
                near.recv(100)
        else:
            assert near.recv(100) == b"still here"
        for each in (talk, near):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            each.close()
        assert told(running) == []
    door.close()
    # Who comes back with a new packet is welcome: what was cut is one connection, not a caller.
    knock(scene, running, six=six)
    with listen(scene.server.host, target, 22):
        assert gets_through(scene.caller.host, target, 22)
    read = read_changes(running.folder / "state")
    changes = [each for each in read if each.target in grants]
    assert [(each.action, each.uid) for each in changes] == [("revoke", os.geteuid())] * 2
    assert changes[0].result == f"1 grant revoked ({changes[0].target}), 1 connection cut"
    assert f"User id {os.geteuid()}" in running.log


def test_fwknopds_own_option_of_1_9_ends_what_an_address_has(
    scene: Trio, running: Server, six: bool
) -> None:
    target, who = at(scene.server, six), at(scene.caller, six)
    with listen(scene.server.host, target, 22):
        knock(scene, running, six=six)
        assert reaches(scene.caller.host, target, 22, seconds=30.0)
        answer = running.program("--fw-del-ip", who)
        assert (answer.returncode, answer.stdout) == (0, f"Ended 1 grants of {who}.\n")
        assert not reaches(scene.caller.host, target, 22)
        again = running.program("--fw-del-ip", who)
        assert (again.returncode, again.stdout) == (1, f"Ended 0 grants of {who}.\n")
        assert "invalid" not in again.stderr


def test_a_datagram_service_forgets_a_caller_who_is_cut(
    scene: Trio, running: Server, six: bool
) -> None:
    target = at(scene.server, six)
    service = open_socket(scene.server.host, target, socket.SOCK_DGRAM)
    caller = open_socket(scene.caller.host, target, socket.SOCK_DGRAM)
    with service, caller:
        service.bind((target, 53))
        grant = knock(scene, running, "0.0.0.0,udp/53", six=six)["grant"]
        service.settimeout(30)
        for word in (b"one", b"two"):
            caller.sendto(word, (target, 53))
            heard, where = service.recvfrom(100)
            assert heard == word
            service.sendto(b"yes", where)
        answer = running.tool("revoke", grant, "--cut", "--json")
        assert json.loads(answer.stdout)["cut"] == 1
        service.settimeout(0.7)
        caller.sendto(b"three", (target, 53))
        with pytest.raises(TimeoutError):
            service.recv(100)


def test_they_are_revoked_by_address_by_stanza_and_all_together(
    scene: Trio, running: Server
) -> None:
    def everything() -> None:
        for text in ("192.0.2.7,tcp/22", "192.0.2.8,tcp/22", "2001:db8:9::1,tcp/22"):
            assert knock(scene, running, text)["verdict"] == "granted"
        knock(scene, running, "192.0.2.9,tcp/22", sealed_with=SECOND)

    everything()
    assert running.tool("revoke", "2001:DB8:9::0001").returncode == 0
    assert {each["who"] for each in told(running)} == {"192.0.2.7", "192.0.2.8", "192.0.2.9"}
    assert running.tool("revoke", "--stanza", "2").returncode == 0
    assert {each["who"] for each in told(running)} == {"192.0.2.7", "192.0.2.8"}
    assert elements(running) == 2
    assert running.tool("revoke", "--all").returncode == 0
    assert told(running) == []
    assert elements(running) == 0
    nobody = running.tool("revoke", "192.0.2.7")
    assert (nobody.returncode, nobody.stdout) == (1, "no grant in force is meant by that\n")
    assert running.tool("revoke").returncode == 2
    assert running.tool("revoke", "192.0.2.7", "--all").returncode == 2
    assert running.tool("revoke", "host.example").returncode == 2


def test_watching_counts_down_and_leaves_the_terminal_as_it_was(
    scene: Trio, running: Server
) -> None:
    knock(scene, running, seconds=60)
    near, far = pty.openpty()
    before = termios.tcgetattr(far)
    watching = scene.server.host.start(
        *(str(PROGRAMS / "watchword"), "grants", "--watch", *running.files),
        stdin=far,
        stdout=far,
        stderr=far,
        env={**os.environ, "TERM": "xterm"},
    )
    said = b""

    def remaining() -> set[str]:
        nonlocal said
        if select.select([near], [], [], 0.1)[0]:
            said += os.read(near, 65536)
        return set(re.findall(r"  (\d\d) s  ", said.decode("utf-8", "replace")))

    until(lambda: len(remaining()) >= 2)
    assert b"grants in force: 1" in said
    assert said.startswith(b"\x1b[?1049h\x1b[?25l")
    assert not termios.tcgetattr(far)[3] & termios.ECHO
    watching.send_signal(signal.SIGINT)
    assert watching.wait(60) == 130
    while select.select([near], [], [], 0)[0]:
        said += os.read(near, 65536)
    assert said.endswith(b"\x1b[?25h\x1b[?1049l")
    assert termios.tcgetattr(far) == before
    os.close(near)
    os.close(far)

    piped = running.tool("grants", "--watch")
    assert piped.returncode == 2
    assert "for people at a terminal" in piped.stderr


def test_one_is_prolonged_within_policy_and_beyond_it_only_when_that_is_said(
    scene: Trio, server: Server
) -> None:
    grant = knock(scene, server, seconds=60)["grant"]
    answer = server.tool("extend", grant, "100")
    assert answer.returncode == 0, answer.stderr
    [longer] = told(server)
    assert 100 < longer["remaining"] <= 160
    assert elements(server) == 1
    assert re.search(r"expires [12]m", server.ruleset())

    refused = server.tool("extend", grant, "200")
    assert refused.returncode == 2
    assert "for more than 300 seconds (MAX_FW_TIMEOUT)" in refused.stderr
    assert "--beyond-policy" in refused.stderr
    assert server.tool("extend", grant, "200", "--beyond-policy").returncode == 0
    [longest] = told(server)
    assert 300 < longest["remaining"] <= 360
    assert server.tool("extend", "0123456789", "1").returncode == 2
    assert server.tool("extend", grant, "0").returncode == 2

    server.kill()
    server.start()
    [kept] = told(server)
    assert kept["grant"] == grant
    assert 250 < kept["remaining"] < 360
    assert [each.action for each in read_changes(server.folder / "state")] == ["extend"] * 2


def test_a_blocked_key_opens_nothing_over_reload_and_restart_until_it_is_unblocked(
    scene: Trio, server: Server
) -> None:
    door = listen(scene.server.host, scene.server.four, 22)
    knock(scene, server)
    talk = connect(scene.caller.host, scene.server.four, 22, seconds=30)
    assert talk is not None
    near, _ = door.accept()
    answer = server.tool("block", "1", "--cut", "--json")
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    [key] = told["keys"]
    assert (told["count"], told["cut"]) == (1, 1)
    near.settimeout(0.5)
    talk.sendall(b"anybody there")
    with pytest.raises(TimeoutError):
        near.recv(100)
    for each in (talk, near, door):
        each.close()

    def refused() -> None:
        judged = knock(scene, server)
        assert (judged["verdict"], judged["reason"]) == ("refused", "key-blocked")
        assert elements(server) == 0

    refused()
    assert "The key is blocked (watchword unblock)" in server.log
    server.access = stanza(OTHER_KEY, OTHER_MAC) + stanza(OPEN_PORTS="tcp/22,udp/53")
    server.write()
    assert server.program("-R").returncode == 0
    server.wait_for("Re-starting fwknopd")
    refused()
    assert knock(scene, server, sealed_with=SECOND)["verdict"] == "granted"
    assert server.tool("revoke", "--all").returncode == 0
    assert server.stop() == 0
    server.start()
    refused()
    assert f"BLOCKED: key {key}, of stanza #1 (" in server.tool("status").stdout
    checked = server.tool("check").stdout
    assert checked.index("BLOCKED: nothing sealed") > checked.index("stanza #2 (")
    packet = sealed(sent_at=int(time.time())).decode()
    explained = server.tool("explain", packet, "--source", scene.caller.four)
    assert "a key that somebody has blocked" in explained.stdout
    listed = server.tool("block", "--list").stdout.splitlines()
    assert listed[1].startswith(f"#2  {key}  ")
    assert "BLOCKED since" in listed[1]
    assert "BLOCKED" not in listed[0]

    assert server.tool("unblock", key).returncode == 0
    assert server.tool("unblock", key).returncode == 2
    assert knock(scene, server)["verdict"] == "granted"
    actions = [each.action.value for each in read_changes(server.folder / "state")]
    assert actions == ["unblock", "revoke", "block"]


def test_what_was_refused_and_what_happened_can_be_asked_of_the_daemon(
    scene: Trio, server: Server
) -> None:
    knock(scene, server, "0.0.0.0,tcp/80")
    knock(scene, server)
    send_datagram(scene.stranger.host, b"8" * 200, scene.server.four, 62201)
    server.wait_for_judgements(3)
    lines = server.tool("explain", "--live").stdout.splitlines()
    assert len(lines) == 6
    assert f"{scene.caller.four} port " in lines[0]
    assert lines[0].endswith("refused (ports: port-not-offered, stanza #1)")
    assert "remedy: ask for ports that are listed" in lines[2]
    assert "hmac: hmac-mismatch" in lines[3]
    only = server.tool("explain", "--live", "-s", scene.stranger.four, "--json").stdout
    [told] = map(json.loads, only.splitlines())
    assert (told["source"], told["stanzas"]) == (scene.stranger.four, [1, 2])

    server.tool("revoke", "--all")
    log = server.tool("log").stdout.splitlines()
    assert any(each.endswith("  Starting fwknopd") for each in log)
    assert "asked: revoke all: 1 grant revoked" in log[-1]
    assert server.tool("log", "--last", "1").stdout.splitlines() == log[-1:]
    events = [json.loads(each) for each in server.tool("log", "--json").stdout.splitlines()]
    assert [each["verdict"] for each in events if each["event"] == "judged"] == [
        "refused", "granted", "refused",
    ]  # fmt: skip
    changes = server.tool("log", "--changes").stdout
    assert f"user id {os.geteuid()}: revoke all: 1 grant revoked" in changes
    server.stop()
    assert server.tool("explain", "--live").returncode == 1
    assert server.tool("log", "--changes").stdout == changes


def test_without_a_daemon_the_list_of_fwknopd_says_what_the_kernel_goes_on_with(
    scene: Trio, server: Server
) -> None:
    grant = knock(scene, server, seconds=60)["grant"]
    server.kill()
    listed = server.program("--fw-list").stdout
    [line] = [each for each in listed.splitlines() if each.startswith(grant)]
    assert line.endswith("  yes")
    assert server.tool("grants").returncode == 1
    server.host.run("nft", "flush", "ruleset")
    [line] = [each for each in server.program("--fw-list").stdout.splitlines() if grant in each]
    assert line.endswith("  NO: tcp/22")
