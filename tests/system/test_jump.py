"""The daemon in an operator's own default-drop ruleset: one jump, and nothing else touched."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Server, until
from tests.sealing import sealed
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import gets_through, listen, reaches, send_datagram
from watchword.lab.trio import Trio, trio

pytestmark = pytest.mark.system

RULESET = """
table inet filter {
    chain input {
        type filter hook input priority 0; policy drop;
        ct state established,related accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        udp dport 62201 accept
        tcp dport 80 accept comment "a web server"
    }
}
"""


@pytest.fixture
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        scene = trio(lab)
        listeners = [
            listen(scene.server.host, address, 22)
            for address in (scene.server.four, scene.server.six)
        ]
        yield scene
        for each in listeners:
            each.close()


@pytest.fixture
def server(scene: Trio, tmp_path: Path) -> Server:
    server = Server(scene.server.host, tmp_path)
    server.settings |= {"FIREWALL_ATTACH": "jump", "NFT_JUMP_FROM": "inet filter input"}
    return server


def load(host: Host, ruleset: str) -> str:
    host.run("nft", "-f", "-", input=ruleset)
    return host.run("nft", "list", "ruleset").stdout


def knock(scene: Trio, text: str, address: str) -> None:
    payload = sealed(text, sent_at=int(time.time()))
    send_datagram(scene.caller.host, payload, address, 62201)


@pytest.mark.parametrize("six", [False, True], ids=["IPv4", "IPv6"])
def test_a_grant_opens_the_operator_s_chain_for_the_caller_only(
    scene: Trio, server: Server, six: bool
) -> None:
    before = load(scene.server.host, RULESET)
    server.start()
    target = scene.server.six if six else scene.server.four
    assert not reaches(scene.caller.host, target, 22)
    knock(scene, "0.0.0.0,tcp/22", target)
    assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
    assert gets_through(scene.caller.host, target, 22)
    assert not reaches(scene.stranger.host, target, 22)
    server.stop()
    assert server.program("--fw-flush").returncode == 0
    assert server.ruleset() == before


def test_a_chain_that_is_not_there_is_told_with_the_variable_to_mend(
    scene: Trio, server: Server
) -> None:
    server.write()
    started = server.program("-f")
    assert started.returncode == 1
    assert "NFT_JUMP_FROM" in started.stderr
    assert server.ruleset() == ""


def test_the_operator_s_reload_of_the_ruleset_is_healed(scene: Trio, server: Server) -> None:
    load(scene.server.host, RULESET)
    server.start()
    knock(scene, "0.0.0.0,tcp/22", scene.server.four)
    server.wait_for_judgements(1)
    load(scene.server.host, "flush ruleset\n" + RULESET)
    until(lambda: "jump watchword" in server.ruleset() and scene.caller.four in server.ruleset())
    assert gets_through(scene.caller.host, scene.server.four, 22)
    assert not reaches(scene.stranger.host, scene.server.four, 22)


@pytest.mark.peer("iptables")
def test_a_chain_of_iptables_will_do_and_the_missing_family_is_refused_by_name(
    scene: Trio, server: Server
) -> None:
    host = scene.server.host
    for rule in (
        "-P INPUT DROP",
        "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
        "-A INPUT -p udp --dport 62201 -j ACCEPT",
    ):
        host.run("iptables", *rule.split())
    server.settings["NFT_JUMP_FROM"] = "ip filter INPUT"
    server.start()
    knock(scene, "2001:db8::7,tcp/22", scene.server.four)
    refused = server.wait_for_judgements(1)[0]
    assert refused["reason"] == "address-family-not-supported"
    assert not reaches(scene.caller.host, scene.server.four, 22)
    knock(scene, "0.0.0.0,tcp/22", scene.server.four)
    assert server.wait_for_judgements(2)[1]["verdict"] == "granted"
    assert gets_through(scene.caller.host, scene.server.four, 22)
    assert not reaches(scene.stranger.host, scene.server.four, 22)


def test_a_reload_can_move_from_guard_to_jump_with_what_is_open(
    scene: Trio, server: Server
) -> None:
    load(scene.server.host, RULESET)
    jumping = server.settings
    server.settings = {
        name: value
        for name, value in jumping.items()
        if name not in ("FIREWALL_ATTACH", "NFT_JUMP_FROM")
    }
    server.start()
    knock(scene, "0.0.0.0,tcp/22", scene.server.four)
    server.wait_for_judgements(1)
    assert not reaches(scene.caller.host, scene.server.four, 22)  # the operator's chain drops
    server.settings = jumping
    server.write()
    server.send(signal.SIGHUP)
    server.wait_for("jump from inet filter input")
    assert gets_through(scene.caller.host, scene.server.four, 22)
    assert "table inet watchword" not in server.ruleset()
