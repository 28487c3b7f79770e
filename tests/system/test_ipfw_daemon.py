"""fwknopd whose firewall is the emulator of ipfw: real packets, its death, its heir."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ipfw_emulator
from tests.daemon import Server, until
from tests.system.tables_scene import knock, listed, settled
from tests.vitals import command_line
from watchword.lab.hosts import Lab
from watchword.lab.trio import Trio, trio

pytestmark = pytest.mark.system
MODULE = b"watchword.edges.firewall.dated.heir_process"
PATIENCE = 60.0  # seconds; not a claim, for a machine that is busy


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture
def exe(tmp_path: Path) -> Path:
    path = tmp_path / "ipfw"
    words = [sys.executable, ipfw_emulator.__file__, str(tmp_path / "rules.json")]
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', "utf-8")
    path.chmod(0o700)
    return path


@pytest.fixture
def server(scene: Trio, tmp_path: Path, exe: Path) -> Iterator[Server]:
    server = settled(
        Server(scene.server.host, tmp_path), FIREWALL_EXE=str(exe), IPFW_EXPIRE_PURGE_INTERVAL="1"
    )
    yield server
    if server.process is not None:
        server.stop()
    for pid in heirs(scene):
        os.kill(pid, signal.SIGTERM)


def heirs(scene: Trio) -> list[int]:
    host = scene.server.host
    found = host.run("ip", "netns", "pids", host.namespace).stdout.split()
    return [int(pid) for pid in found if MODULE in command_line(pid)]


def rules(exe: Path, number: int = 1) -> list[str]:
    """Of one of its sets."""
    words = [str(exe), "-S", "set", str(number), "list"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.requirement("8.1", partial=True)
@pytest.mark.requirement("4.12", partial=True)
@pytest.mark.requirement("5.5")
def test_a_packet_is_a_rule_of_ipfw_which_ends_on_time_though_the_server_was_killed(
    scene: Trio, server: Server, exe: Path
) -> None:
    server.settings["IPFW_EXPIRE_PURGE_INTERVAL"] = "600"
    server.start()
    assert "set 1 of ipfw" in server.log
    knock(scene, scene.caller.four, "tcp/22,udp/53", "-f", "1")
    until(lambda: len(rules(exe, 2)) == 2, PATIENCE)
    over = [each.removeprefix("# DISABLED ") for each in rules(exe, 2)]
    knock(scene, scene.caller.four, "tcp/22,udp/53", "-f", "12")
    knock(scene, scene.caller.six)
    server.wait_for_judgements(3)
    all_ = rules(exe)
    shown = server.program("--fw-list").stdout
    assert scene.caller.four in shown
    end = int(shown.partition("Renewed Rules:\n10000 _exp_")[2].split()[0])
    assert [each["verdict"] for each in server.judged] == ["granted"] * 3
    four = [each for each in all_ if scene.caller.four in each]
    assert [each.split(" // ")[0] for each in four] == [
        f"10000 set 1 allow tcp from {scene.caller.four} to me dst-port 22 setup keep-state "
        ":default",
        f"10000 set 1 allow udp from {scene.caller.four} to me dst-port 53 keep-state :default",
    ]
    assert four == [each.replace(" set 2 ", " set 1 ") for each in over], "moved back as they were"
    assert any(f"from {scene.caller.six} to me6 dst-port 22" in each for each in all_)
    server.kill()
    assert any(scene.caller.six in each for each in rules(exe))
    until(lambda: not any(scene.caller.four in each for each in rules(exe)), PATIENCE)
    assert time.time() >= end - 1, "not when it says"
    [heir] = heirs(scene)
    os.kill(heir, signal.SIGTERM)
    until(lambda: not heirs(scene), PATIENCE)
    assert rules(exe) == []


@pytest.mark.requirement("8.1")
@pytest.mark.requirement("4.12")
@pytest.mark.peer("iptables")
def test_the_tool_that_is_named_chooses_between_iptables_and_ipfw(
    scene: Trio, server: Server, exe: Path
) -> None:
    server.settings["FLUSH_IPT_AT_EXIT"] = "Y"
    for tool in ("/usr/sbin/iptables-nft", str(exe)):
        server.settings["FIREWALL_EXE"] = tool
        server.start()
        knock(scene, scene.caller.four)
        server.wait_for_judgements(1)
        iptables = " ".join(listed(scene.server.host, "iptables-nft"))
        assert (scene.caller.four in iptables) is (tool != str(exe))
        assert any(scene.caller.four in each for each in rules(exe)) is (tool == str(exe))
        server.stop()


def test_it_ends_grants_itself_and_deletes_its_set_when_it_is_told_to(
    scene: Trio, server: Server, exe: Path
) -> None:
    server.settings["FLUSH_IPFW_AT_EXIT"] = "Y"
    server.start()
    knock(scene, scene.caller.four, "tcp/22", "-f", "1")
    knock(scene, scene.caller.six)
    server.wait_for_judgements(2)
    until(lambda: not any(scene.caller.four in each for each in rules(exe)), PATIENCE)
    until(lambda: not any(scene.caller.four in each for each in rules(exe, 2)), PATIENCE)
    assert any(scene.caller.six in each for each in rules(exe))
    assert "grants are rules in set 1 of ipfw" in server.tool("doctor", "--server").stdout
    assert "other hands" not in server.log
    server.stop()
    assert rules(exe) == []
    until(lambda: not heirs(scene), PATIENCE)
