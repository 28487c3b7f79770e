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
    lines = {int(pid): Path(f"/proc/{pid}/cmdline") for pid in found}
    return [pid for pid, line in lines.items() if line.exists() and MODULE in line.read_bytes()]


def rules(exe: Path, number: int = 1) -> list[str]:
    """Of one of its sets."""
    words = [str(exe), "-S", "set", str(number), "list"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.requirement("8.1", partial=True)
@pytest.mark.requirement("4.12", partial=True)
def test_a_packet_is_a_rule_of_ipfw_which_ends_on_time_though_the_server_was_killed(
    scene: Trio, server: Server, exe: Path
) -> None:
    server.start()
    assert "set 1 of ipfw" in server.log
    knock(scene, scene.caller.four, "tcp/22,udp/53", "-f", "8")
    knock(scene, scene.caller.six)
    server.wait_for_judgements(2)
    assert [each["verdict"] for each in server.judged] == ["granted"] * 2
    four = [each for each in rules(exe) if scene.caller.four in each]
    assert [each.split(" // ")[0] for each in four] == [
        f"10000 set 1 allow tcp from {scene.caller.four} to me dst-port 22 setup keep-state "
        ":default",
        f"10000 set 1 allow udp from {scene.caller.four} to me dst-port 53 keep-state :default",
    ]
    assert any(f"from {scene.caller.six} to me6 dst-port 22" in each for each in rules(exe))
    assert scene.caller.four in server.program("--fw-list").stdout
    server.kill()
    assert any(scene.caller.six in each for each in rules(exe))
    until(lambda: not any(scene.caller.four in each for each in rules(exe)), PATIENCE)
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


@pytest.mark.requirement("5.5")
def test_who_comes_again_gets_his_rule_back_which_ends_on_time_though_the_server_was_killed(
    scene: Trio, server: Server, exe: Path
) -> None:
    server.settings["IPFW_EXPIRE_PURGE_INTERVAL"] = "600"
    server.start()
    knock(scene, scene.caller.four, "tcp/22", "-f", "1")
    until(lambda: bool(rules(exe, 2)), PATIENCE)
    [was] = [each.removeprefix("# DISABLED ").split() for each in rules(exe, 2)]
    knock(scene, scene.caller.four, "tcp/22", "-f", "8")
    server.wait_for_judgements(2)
    [again] = [each.split() for each in rules(exe)]
    assert (was[0], was[3:]) == (again[0], again[3:])
    renewed = server.program("--fw-list").stdout.partition("Renewed Rules:\n")[2].splitlines()[0]
    number, _, end = renewed.partition(" _exp_")
    assert number == was[0]
    server.kill()
    [heir] = heirs(scene)
    until(lambda: not rules(exe), PATIENCE)
    assert time.time() >= int(end) - 1, "not when it says"
    until(lambda: not Path(f"/proc/{heir}").exists(), PATIENCE)


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
