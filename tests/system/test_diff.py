"""watchword diff: what a packet would change, in a copy of the ruleset."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server, stanza
from tests.sealing import sealed
from watchword.lab.hosts import Host, Lab
from watchword.wire.spa.message import MessageType

pytestmark = pytest.mark.system
CALLER = "198.51.100.2"
OPERATORS = """
add table inet filter
add chain inet filter input { type filter hook input priority 0; policy drop; }
add rule inet filter input ct state established,related counter accept
add set inet filter friends { type ipv4_addr; flags timeout; }
add element inet filter friends { 192.0.2.1 timeout 1h }
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Lab() as lab:
        yield lab.host("alone")


@pytest.fixture
def server(host: Host, tmp_path: Path) -> Iterator[Server]:
    server = Server(host, tmp_path)
    yield server
    if server.process is not None:
        server.stop()
    host.run("nft", "flush", "ruleset")


def packet(text: str = f"{CALLER},tcp/22", **more: object) -> str:
    return sealed(text, sent_at=int(time.time()), **more).decode("ascii")  # type: ignore[arg-type]


def diff(server: Server, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    server.write()
    argv = (str(PROGRAMS / "watchword"), "diff", *server.files, "-s", CALLER, *options, text)
    return server.host.run(*argv, check=False)


def changes(done: subprocess.CompletedProcess[str]) -> tuple[list[str], list[str]]:
    """Lines that are new, and lines that are gone."""
    lines = done.stdout.splitlines()
    new = [each[1:].strip() for each in lines if each.startswith("+") and each != "+++ after"]
    gone = [each[1:].strip() for each in lines if each.startswith("-") and each != "--- before"]
    return new, gone


def test_beside_a_running_daemon_only_the_grant_differs(host: Host, server: Server) -> None:
    server.start()
    host.run("nft", "-f", "-", input=OPERATORS)
    before = host.run("nft", "list", "ruleset").stdout
    done = diff(server, packet())
    assert done.returncode == 0, done.stderr
    new, gone = changes(done)
    assert gone == []
    assert any(f"{CALLER} . tcp . 22" in each for each in new), done.stdout
    assert len(new) <= 2, "an element, and the comment of the one behind it"
    after = host.run("nft", "list", "ruleset").stdout
    assert CALLER not in after
    assert after.count("\n") == before.count("\n")
    assert diff(server, packet()).returncode == 0, "asking uses nothing up"


def test_where_a_packet_leads_is_in_the_difference(host: Host, server: Server) -> None:
    server.settings |= {"ENABLE_IPT_LOCAL_NAT": "Y", "GUARD_SERVICES": "tcp/6543"}
    server.access = stanza(OPEN_PORTS="tcp/110", NAT_TARGETS="local:6543")
    server.start()
    asked = packet(f"{CALLER},tcp/110", type=MessageType.LOCAL_NAT_ACCESS, nat="server,6543")
    new, gone = changes(diff(server, asked))
    assert gone == []
    assert any(f"{CALLER} . tcp . 110" in each and ": 6543" in each for each in new)


def test_without_a_daemon_what_it_makes_at_its_start_differs_as_well(
    host: Host, server: Server
) -> None:
    done = diff(server, packet())
    new, _ = changes(done)
    assert any("hidden until granted" in each for each in new), done.stderr
    assert host.run("nft", "list", "ruleset").stdout == ""


def test_a_packet_that_is_refused_changes_nothing(host: Host, server: Server) -> None:
    done = diff(server, packet(f"{CALLER},tcp/23"))
    assert done.returncode == 1
    assert "nothing would change in the firewall" in done.stdout


@pytest.mark.peer("ipset", "iptables")
def test_members_of_sets_are_shown(host: Host, server: Server) -> None:
    server.settings["FIREWALL_BACKEND"] = "ipset"
    done = diff(server, packet())
    assert done.returncode == 0, done.stderr
    new, _ = changes(done)
    assert any(each.startswith(f"add watchword4 {CALLER},tcp:22") for each in new), done.stdout
    assert host.run("ipset", "list", "-n").stdout == ""


@pytest.mark.peer("iptables")
@pytest.mark.parametrize("exe", ["iptables", "iptables-legacy"])
def test_rules_of_iptables_are_shown_as_iptables_has_them(
    host: Host, server: Server, exe: str
) -> None:
    server.settings |= {"FIREWALL_BACKEND": "iptables", "FIREWALL_EXE": f"/usr/sbin/{exe}"}
    port_80 = "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT"
    host.run(exe, *port_80.split())
    if exe == "iptables-legacy":  # and the other make beside it
        host.run("nft", "add table ip theirs; add chain ip theirs plain")
    done = diff(server, packet())
    assert done.returncode == 0, done.stderr
    assert f" {port_80}" in done.stdout.splitlines(), "the copy is one of all that is there"
    new, gone = changes(done)
    assert gone == []
    assert any(each.startswith(f"-A FWKNOP_INPUT -s {CALLER}/32 -p tcp") for each in new)
    assert "FWKNOP" not in host.run(f"{exe}-save").stdout


ALLOWED = (
    "add set inet filter allowed4 { type ipv4_addr . inet_proto . inet_service; flags timeout; }"
)


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        (
            {"FIREWALL_ATTACH": "jump", "NFT_JUMP_FROM": "inet filter input"},
            ["jump watchword", f"{CALLER} . tcp . 22"],
        ),
        ({"FIREWALL_ATTACH": "mark"}, ["meta mark set", f"{CALLER} . tcp . 22"]),
        (
            {"FIREWALL_ATTACH": "sets", "NFT_SET4": "inet filter allowed4"},
            [f"{CALLER} . tcp . 22"],
        ),
    ],
)
def test_in_an_operators_own_table_it_is_shown_as_well_and_nothing_is_changed(
    host: Host, server: Server, settings: dict[str, str], shown: list[str]
) -> None:
    host.run("nft", "-f", "-", input=OPERATORS + ALLOWED)
    before = host.run("nft", "-s", "list", "ruleset").stdout
    server.settings |= settings
    done = diff(server, packet())
    assert done.returncode == 0, done.stderr
    new, _ = changes(done)
    for each in shown:
        assert any(each in line for line in new), done.stdout
    assert host.run("nft", "-s", "list", "ruleset").stdout == before
