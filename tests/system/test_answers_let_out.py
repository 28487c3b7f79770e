"""Where OUTPUT drops, callers get their answers whose stanza says so, and nobody else does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server, stanza
from tests.system.tables_scene import close_doors, knock, listed, listening, reaches
from watchword.lab.hosts import Lab
from watchword.lab.trio import Trio, trio

pytestmark = [pytest.mark.system, pytest.mark.peer("iptables")]

PASSWORD = "sixteen letters."
OLD = f"SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: {PASSWORD};\nFW_ACCESS_TIMEOUT: 60;\n"
NEW = f"SOURCE ANY\nOPEN_PORTS tcp/22\nKEY {PASSWORD}\nENCRYPTION_MODE legacy\n"
DROPPING = """
add table inet filter
add chain inet filter input { type filter hook input priority 0; policy drop; }
add rule inet filter input ct state established,related accept
add rule inet filter input udp dport 62201 accept
add rule inet filter input meta l4proto ipv6-icmp accept
add chain inet filter output { type filter hook output priority 0; policy drop; }
add rule inet filter output oif lo accept
add rule inet filter output meta l4proto ipv6-icmp accept
"""


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        scene = trio(lab)
        with listening(scene.server.host, 22):
            yield scene


@pytest.fixture
def server(scene: Trio, tmp_path: Path) -> Iterator[Server]:
    server = Server(scene.server.host, tmp_path)
    yield server
    if server.process is not None:
        server.stop()
    scene.server.host.run("nft", "flush", "ruleset")


def knock_by_password(scene: Trio, who: str) -> None:
    """As ``knock``, for the stanza without an HMAC."""
    to = scene.server.four if "." in who else scene.server.six
    scene.caller.host.run(
        str(PROGRAMS / "fwknop"), "--no-rc-file", "--no-save-args", "-D", to, "-A", "tcp/22",
        "-a", who, "--key-rijndael", PASSWORD, "-M", "legacy",
    )  # fmt: skip


def test_in_iptables_they_have_rules_of_fwknops_and_others_have_none(
    scene: Trio, server: Server
) -> None:
    """A stanza of 1.9 asks for it and another does not; the server's file says nothing."""
    exe, host = "iptables-nft", scene.server.host
    close_doors(host, exe)
    for rule in ("-P OUTPUT DROP", "-A OUTPUT -o lo -j ACCEPT"):
        host.run(exe, *rule.split())
    server.access = f"{OLD}ENABLE_OUTPUT_ACCESS;\n{stanza()}"
    server.settings["FIREWALL_BACKEND"] = "iptables"
    server.start()
    home, who = scene.server.four, scene.caller.four
    knock(scene, who)
    server.wait_for("Added access rule to FWKNOP_INPUT")
    assert not reaches(scene.caller, home), "nothing that answers comes back"
    assert "Added OUTPUT rule" not in server.log
    knock_by_password(scene, who)
    server.wait_for("Added OUTPUT rule to FWKNOP_OUTPUT")
    [out] = [each for each in listed(host, exe) if each.startswith("-A FWKNOP_OUTPUT")]
    assert out.startswith(f"-A FWKNOP_OUTPUT -d {who}/32 -p tcp -m tcp --sport 22 -m comment")
    assert reaches(scene.caller, home, seconds=30)
    assert server.stop() == 0
    server.program("--fw-flush")
    assert not any("FWKNOP" in each for each in listed(host, exe))


@pytest.mark.parametrize(("attach", "version"), [("jump", "six"), ("guard", "four")])
def test_in_nftables_one_stanza_can_be_taken_out_of_what_holds_for_all(
    scene: Trio, server: Server, attach: str, version: str
) -> None:
    host = scene.server.host
    host.run("nft", "-f", "-", input=DROPPING)
    if attach == "guard":
        host.run("nft", "add rule inet filter input accept")
    else:
        server.settings["NFT_JUMP_FROM"] = "inet filter input"
    server.settings |= {"FIREWALL_ATTACH": attach, "NFT_OUTPUT_FROM": "inet filter output"}
    server.settings["ENABLE_IPT_OUTPUT"] = "Y"
    server.access = f"{NEW}ENABLE_OUTPUT_ACCESS N\n{stanza()}"
    server.start()
    home, who = getattr(scene.server, version), getattr(scene.caller, version)
    knock_by_password(scene, who)
    server.wait_for("Added access rule")
    assert not reaches(scene.caller, home), "nothing that answers comes back"
    knock(scene, who)
    server.wait_for("Added OUTPUT rule")
    assert reaches(scene.caller, home, seconds=30)
    assert server.stop() == 0
    server.program("--fw-flush")
    assert "watchword_" not in server.ruleset()
