"""Ghost services: what everybody finds on a port is not what a caller with a key finds there.

The case of the seed: from a network that lets nothing out but TCP to ports 80 and 110, a caller
reaches a service on port 6543 by port 110, while everybody else finds the mail server there.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server, base64, stanza, until
from tests.plugins.privileges import PACKAGED
from tests.system.nat_scene import Yard, said_by, speaking, yard
from tests.system.nft_scene import entered, nft
from tests.values import KEY, MAC_KEY
from watchword.lab.hosts import Lab
from watchword.lab.sockets import SILENCE, connect
from watchword.lab.trio import Station

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("ghost")]

DOCUMENT = Path(__file__).parents[2] / "docs/nat.md"
OFFICE = """
add table inet office
add chain inet office out { type filter hook forward priority 0; }
add rule inet office out ct state established accept
add rule inet office out iifname "caller" tcp dport { 80, 110 } accept
add rule inet office out iifname "caller" meta l4proto ipv6-icmp accept
add rule inet office out iifname "caller" drop
"""
ROUTER = """
add table inet router
add chain inet router forward { type filter hook forward priority 0; policy drop; }
add rule inet router forward ct state established,related accept
"""
ACCESS = stanza(
    OPEN_PORTS="tcp/110, tcp/8022",
    NAT_TARGETS="local:6543, 10.0.0.5:22, [fd00::5]:22",
    FW_ACCESS_TIMEOUT="60",
)
KEYS = (
    "--key-base64-rijndael", base64(KEY), "--key-base64-hmac", base64(MAC_KEY), "--use-hmac",
    "--no-rc-file",
)  # fmt: skip
CLIENTS = [
    pytest.param(False, "ours", id="our client"),
    pytest.param(True, "ours", id="our client over IPv6"),
    pytest.param(False, "packaged", id="the packaged client", marks=pytest.mark.peer("fwknop")),
]


@pytest.fixture(scope="module")
def network() -> Iterator[Yard]:
    with Lab() as lab:
        scene = yard(lab)
        with entered(scene.outside.internet):
            nft(script=OFFICE)
        with entered(scene.gateway.host):
            nft(script=ROUTER)
        with (
            speaking(scene.gateway.host, 110, b"mail"),
            speaking(scene.gateway.host, 80, b"web"),
            speaking(scene.inside.host, 22, b"inside"),
        ):
            yield scene


@pytest.fixture
def ghost(network: Yard) -> Iterator[Callable[[], None]]:
    """The service; called, it makes room for another one."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(speaking(network.gateway.host, 6543, b"ghost"))
        yield stack.close


@pytest.fixture
def server(network: Yard, tmp_path: Path) -> Iterator[Server]:
    server = Server(network.gateway.host, tmp_path)
    server.access = ACCESS
    server.settings |= {
        "ENABLE_UDP_SERVER": "N",
        "PCAP_INTF": "eth0",
        "PCAP_FILTER": "tcp port 80",
        "ENABLE_SPA_OVER_HTTP": "Y",
        "ENABLE_IPT_LOCAL_NAT": "Y",
        "ENABLE_IPT_FORWARDING": "Y",
        "NFT_FORWARD_FROM": "inet router forward",
        "GUARD_SERVICES": "tcp/6543",
    }
    yield server
    if not server.ended:
        server.stop()
    with entered(network.gateway.host):
        nft("delete", "table", "inet", "watchword")
        nft(script="flush chain inet router forward\n" + ROUTER)


def knock(scene: Yard, folder: Path, six: bool, client: str, *wish: str) -> str:
    """Ask by the only way out, a request to the web server. What the client prints."""
    caller, gateway = scene.caller, scene.gateway
    program = shutil.which("fwknop", path=PACKAGED) if client == "packaged" else ""
    argv = [program] if program else [sys.executable, "-m", "watchword.programs.fwknop"]
    return caller.host.run(
        *[str(each) for each in argv],
        "-D", gateway.six if six else gateway.four, "-a", caller.six if six else caller.four,
        "-P", "http", "-p", "80", *KEYS, *wish,
        env={**os.environ, "HOME": str(folder)},
    ).stdout  # fmt: skip


def finds(
    client: Station, scene: Yard, port: int, six: bool, seconds: float = 30.0
) -> bytes | None:
    """What a client finds on a port of the gateway; None: no answer."""
    return said_by(client, scene.gateway.six if six else scene.gateway.four, port, seconds)


@pytest.mark.requirement("4.27", "9.7")
@pytest.mark.parametrize(("six", "client"), CLIENTS[1:])
def test_a_service_is_reached_by_a_port_on_which_everybody_else_finds_another(
    network: Yard, server: Server, tmp_path: Path, six: bool, client: str
) -> None:
    server.start()
    for each in (network.caller, network.stranger):
        assert finds(each, network, 110, six) == b"mail"
        assert not finds(each, network, 6543, six, SILENCE)
    knock(network, tmp_path, six, client, "-A", "tcp/6543", "--nat-local", "--nat-port", "110")
    [judged] = server.wait_for_judgements(1)
    assert (judged["verdict"], judged.get("leads_to")) == ("granted", "here:6543")
    address = network.gateway.six if six else network.gateway.four
    ghost = connect(network.caller.host, address, 110, 30)
    assert ghost is not None
    ghost.settimeout(30)
    assert ghost.recv(10) == b"ghost"
    assert finds(network.stranger, network, 110, six) == b"mail"
    assert not finds(network.stranger, network, 6543, six, SILENCE)
    server.tool("revoke", "--all")
    assert finds(network.caller, network, 110, six) == b"mail"
    ghost.sendall(b"?")
    assert ghost.recv(10) == b"?", "what was led on by then goes on"
    ghost.close()
    assert "Added local NAT rule to FWKNOP_INPUT" in server.log
    assert "Added DNAT rule to FWKNOP_PREROUTING" in server.log


@pytest.mark.requirement("9.6")
@pytest.mark.parametrize(("six", "client"), CLIENTS)
def test_a_host_behind_is_reached_by_a_port_of_this_one(
    network: Yard, server: Server, tmp_path: Path, six: bool, client: str
) -> None:
    server.start()
    inner = network.inside.six if six else network.inside.four
    target = f"[{inner}]:22" if six else f"{inner}:22"
    asked = target if six or client == "packaged" else f"{inner},22"  # either sign will do
    with entered(network.outside.internet):  # the office lets this port out as well
        nft(script='insert rule inet office out iifname "caller" tcp dport 8022 accept')
    knock(network, tmp_path, six, client, "-A", "tcp/22", "-N", asked, "--nat-port", "8022")
    [judged] = server.wait_for_judgements(1)
    assert (judged["verdict"], judged.get("leads_to")) == ("granted", target)
    assert finds(network.caller, network, 8022, six) == b"inside"
    with pytest.raises(ConnectionRefusedError):
        finds(network.stranger, network, 8022, six)


@pytest.mark.requirement("2.17", "6.7")
def test_both_kinds_end_after_the_time_that_the_client_names_and_one_can_be_left_out(
    network: Yard, server: Server, tmp_path: Path
) -> None:
    server.settings = {
        name.replace("IPT", "FIREWD"): value for name, value in server.settings.items()
    }
    server.start()
    forward = ("-A", "tcp/22", "-N", "10.0.0.5:22", "--nat-port", "8022", "-f", "5")
    local = ("-A", "tcp/6543", "--nat-local", "--nat-port", "110", "-f", "5")
    for count, wish in enumerate((local, forward), start=1):
        knock(network, tmp_path, False, "ours", *wish)
        judged = server.wait_for_judgements(count)[-1]
        assert (judged["verdict"], judged["seconds"]) == ("granted", 5)
    with entered(network.gateway.host):
        ruleset, who = nft("list", "ruleset"), f"{network.caller.four} . tcp"
        assert f"{who} . 8022" in ruleset
        assert "output" not in ruleset
        until(lambda: who not in nft("list", "ruleset"))
    assert finds(network.stranger, network, 110, six=False) == b"mail"
    server.stop()
    server.settings["ENABLE_FIREWD_LOCAL_NAT"] = "N"
    server.start()
    knock(network, tmp_path, False, "ours", *local)
    assert server.wait_for_judgements(1)[0]["reason"] == "forwarding-not-enabled"
    knock(network, tmp_path, False, "ours", *forward)
    assert server.wait_for_judgements(2)[1]["verdict"] == "granted"


@pytest.mark.requirement("9.8")
@pytest.mark.parametrize(("six", "client"), CLIENTS[2:])
def test_a_random_port_that_the_client_prints_leads_there(
    network: Yard, server: Server, tmp_path: Path, six: bool, client: str
) -> None:
    server.access = stanza(OPEN_PORTS="", NAT_TARGETS="local:6543")
    server.start()
    told = knock(network, tmp_path, six, client, "-A", "tcp/6543", "--nat-local", "--nat-rand-port")
    found = re.search(r"Randomly assigned port '(\d+)' on: ", told)
    assert found is not None, told
    port = int(found[1])
    assert 10000 <= port <= 65535
    assert server.wait_for_judgements(1)[0]["services"] == [f"tcp/{port}"]
    with entered(network.outside.internet):
        nft(script=f'insert rule inet office out iifname "caller" tcp dport {port} accept')
    assert finds(network.caller, network, port, six) == b"ghost"


def test_who_has_a_key_is_led_nowhere_else_than_the_stanza_says(
    network: Yard, server: Server, tmp_path: Path
) -> None:
    server.start()
    wishes = {
        ("-N", "10.0.0.6:22"): "nat-target-not-allowed",
        ("-N", "10.0.0.5:23"): "nat-target-not-allowed",
        ("-N", "127.0.0.1:22"): "nat-target-not-allowed",
        ("--nat-local",): "nat-target-not-allowed",
        ("-N", "localhost:22"): "nat-target-not-allowed",
    }
    for count, (wish, reason) in enumerate(wishes.items(), start=1):
        knock(network, tmp_path, False, "ours", "-A", "tcp/22", "--nat-port", "110", *wish)
        judged = server.wait_for_judgements(count)[-1]
        assert (judged["verdict"], judged.get("reason")) == ("refused", reason)
    assert finds(network.caller, network, 110, six=False) == b"mail"


@pytest.fixture
def instances(network: Yard) -> Iterator[tuple[str, str]]:
    """The gateway knows two hosts behind it by the names that a cloud gives its instances."""
    names = ("i-0aaaaaaaaaaaaaaaa.compute.example", "i-0bbbbbbbbbbbbbbbb.compute.example")
    folder = Path("/etc/netns", network.gateway.host.namespace)
    folder.mkdir(parents=True)
    hosts = zip((network.inside, network.neighbour), names, strict=True)
    (folder / "hosts").write_text("".join(f"{each.four} {name}\n" for each, name in hosts))
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")  # where nobody is
    with speaking(network.neighbour.host, 22, b"neighbour"):
        yield names
    shutil.rmtree(folder)


@pytest.mark.requirement("4.35")
@pytest.mark.parametrize(("six", "client"), CLIENTS[::2])
def test_one_receiver_leads_to_the_instance_that_the_packet_names(
    network: Yard,
    server: Server,
    tmp_path: Path,
    instances: tuple[str, str],
    six: bool,
    client: str,
) -> None:
    server.access = stanza(OPEN_PORTS="tcp/110", NAT_TARGETS="10.0.0.5:22, 10.0.0.6:22")
    server.start()
    wish = ("-A", "tcp/22", "--nat-port", "110")
    for count, (name, answer) in enumerate(zip(instances, (b"inside", b"neighbour"), strict=True)):
        knock(network, tmp_path, six, client, *wish, "-N", f"{name}:22")
        assert server.wait_for_judgements(count + 1)[-1]["verdict"] == "granted"
        assert finds(network.caller, network, 110, six) == answer
        server.tool("revoke", "--all")
        assert finds(network.caller, network, 110, six) == b"mail"
    knock(network, tmp_path, six, client, *wish, "-N", "i-0c.compute.example:22")
    assert server.wait_for_judgements(3)[-1]["verdict"] == "refused"


def test_a_killed_daemon_leaves_nobody_led_on_for_longer(
    network: Yard, server: Server, tmp_path: Path
) -> None:
    server.start()
    wish = ("-A", "tcp/6543", "--nat-local", "--nat-port", "110", "-f", "4")
    knock(network, tmp_path, False, "ours", *wish)
    server.wait_for_judgements(1)
    assert server.process is not None
    assert finds(network.caller, network, 110, six=False) == b"ghost"
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait(60)
    until(lambda: finds(network.caller, network, 110, six=False) == b"mail")
    assert not finds(network.caller, network, 6543, six=False, seconds=SILENCE), (
        "and it stays hidden"
    )


@pytest.mark.requirement("4.28")
@pytest.mark.peer("fwknop", "nc")
def test_a_file_comes_through_port_110_from_a_netcat_on_6543(
    network: Yard, server: Server, tmp_path: Path, ghost: Callable[[], None]
) -> None:
    """Word for word the case of the seed, with the packaged client."""
    ghost()
    server.start()
    (tmp_path / "secret.txt").write_bytes(b"what nobody else shall see\n")
    with (tmp_path / "secret.txt").open("rb") as file:
        listener = network.gateway.host.start("nc", "-l", "-N", "-p", "6543", stdin=file)
    until(lambda: ":6543 " in network.gateway.host.run("ss", "-Hltn").stdout)
    wish = ("-A", "tcp/6543", "--nat-local", "--nat-port", "110")
    knock(network, tmp_path, False, "packaged", *wish)
    server.wait_for_judgements(1)
    fetched = network.caller.host.run("nc", "-N", "-w", "30", network.gateway.four, "110")
    assert fetched.stdout == "what nobody else shall see\n"
    assert listener.wait(60) == 0
    assert finds(network.stranger, network, 110, six=False) == b"mail"


def test_an_operator_sees_where_grants_lead_and_cuts_them_off(
    network: Yard, server: Server, tmp_path: Path
) -> None:
    server.start()
    knock(network, tmp_path, False, "ours", "-A", "tcp/6543", "--nat-local", "--nat-port", "110")
    server.wait_for_judgements(1)
    ghost = connect(network.caller.host, network.gateway.four, 110, 30)
    assert ghost is not None
    ghost.settimeout(30)
    assert ghost.recv(10) == b"ghost"
    tool = [str(PROGRAMS / "watchword")]
    here = ("-c", str(server.folder / "fwknopd.conf"))
    listed = server.host.run(*tool, "grants", *here).stdout
    assert "tcp/110 to here:6543" in listed
    cut = server.host.run(*tool, "revoke", *here, "--all", "--cut").stdout
    assert "connections cut: 1" in cut
    assert finds(network.caller, network, 110, six=False) == b"mail"
    ghost.settimeout(0.3)
    ghost.sendall(b"?")
    with pytest.raises(TimeoutError):
        ghost.recv(10)
    ghost.close()


def test_the_document_about_it_is_true(network: Yard, server: Server, tmp_path: Path) -> None:
    said = DOCUMENT.read_text("utf-8")
    settings, access, command = (
        re.findall(r"^    (.+)$", _block(said, name), re.MULTILINE)
        for name in ("fwknopd.conf", "access.conf", "client")
    )
    del server.settings["NFT_FORWARD_FROM"], server.settings["ENABLE_IPT_FORWARDING"]
    server.settings |= dict(line.rstrip(";").split(maxsplit=1) for line in settings)
    server.access = stanza(OPEN_PORTS="") + "\n".join(access) + "\n"
    server.start()
    _, *wish = command[0].split()
    asked = [each for each in wish if each not in ("-a", "resolve", "-D", "server.example")]
    knock(network, tmp_path, False, "ours", *asked)
    assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
    assert finds(network.caller, network, 110, six=False) == b"ghost"
    assert finds(network.stranger, network, 110, six=False) == b"mail"
    assert not finds(network.stranger, network, 6543, six=False, seconds=SILENCE)


def _block(document: str, name: str) -> str:
    return (
        document.partition(f"<!-- ghost: {name} -->")[2].partition("\n\n")[2].partition("\n\n")[0]
    )
