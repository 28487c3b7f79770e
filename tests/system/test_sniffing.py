"""Packets taken off the wire: no port is open, and they open what they ask for all the same."""

from __future__ import annotations

import fcntl
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import PROGRAMS, Server, base64, stanza, until
from tests.sealing import sealed
from tests.values import KEY, MAC_KEY
from tests.vitals import Vitals, open_in
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import inside, send_datagram
from watchword.wire.carriers.headers import Ends, Ports, icmp_packet, tcp_packet, udp_packet

pytestmark = pytest.mark.system

SERVER, CALLER = ("10.9.1.1", "2001:db8:9::1"), ("10.9.1.2", "2001:db8:9::2")
OTHER_SERVER, OTHER_CALLER = "10.9.2.1", "10.9.2.2"
CLIENTS = ("/usr/bin/fwknop", str(PROGRAMS / "fwknop"))
NOWHERE = bytes.fromhex("020000000099")
_ports = count(4000)


class Scene:
    """A server with three interfaces to one caller; the third has no address."""

    def __init__(self, lab: Lab) -> None:
        self.server, self.caller = lab.host("server"), lab.host("caller")
        four, six = f"{SERVER[0]}/24", f"{SERVER[1]}/64"
        lab.link(
            (self.server, "ens37", (four, six)),
            (self.caller, "one", (f"{CALLER[0]}/24", f"{CALLER[1]}/64")),
        )
        lab.link(
            (self.server, "ens38", (f"{OTHER_SERVER}/24",)),
            (self.caller, "two", (f"{OTHER_CALLER}/24",)),
        )
        lab.link((self.server, "bare", ()), (self.caller, "three", ()))

    def frame(self, packet: bytes, interface: str = "one", tags: bytes = b"") -> None:
        """Put a frame on a link as it is, with these VLAN tags in front of the packet."""
        kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
        whole = b"\xff" * 6 + NOWHERE + tags + kind + packet
        raw = inside(self.caller, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
        with closing(raw):
            raw.sendto(whole, (interface, 0))


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Lab() as lab:
        yield Scene(lab)


def prepared(scene: Scene, folder: Path, **settings: str) -> Server:
    server = Server(scene.server, folder)
    del server.settings["ENABLE_UDP_SERVER"]
    server.settings |= {"PCAP_INTF": "ens37", "FIREWALL_BACKEND": "memory", **settings}
    server.settings |= {"GUARD_SERVICES": "ALL"}
    server.access = stanza(OPEN_PORTS="")
    return server


@pytest.fixture(scope="module")
def server(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Sniffs everything that can carry a packet, on two interfaces."""
    folder = tmp_path_factory.mktemp("server")
    server = prepared(
        scene,
        folder,
        PCAP_INTF="ens37,bare",
        PCAP_FILTER="icmp or icmp6 or port 62201",
        FIREWALL_BACKEND="nftables",
    )
    server.settings["GUARD_SERVICES"] = "tcp/4000,tcp/4001"
    yield server.start()
    server.stop()


def fresh() -> tuple[bytes, str]:
    """A packet, and the service it asks for, which nobody asked for before."""
    service = f"tcp/{next(_ports)}"
    return sealed(f"{CALLER[0]},{service}", sent_at=int(time.time())), service


def next_granted(server: Server, before: int) -> dict[str, Any]:
    told = server.wait_for_judgements(before + 1)[before]
    assert told["verdict"] == "granted", told
    return told


def ends(version: int) -> Ends:
    at = 0 if version == 4 else 1
    return Ends(ip_address(CALLER[at]), ip_address(SERVER[at]))


def carried(way: str, payload: bytes, version: int) -> bytes:
    to, ports = ends(version), Ports(40000, 62201)
    match way:
        case "udp":
            return udp_packet(payload, to, ports)
        case "tcp":
            return tcp_packet(payload, to, ports)
        case _:
            return icmp_packet(payload, to)


def fwknop(
    scene: Scene, server: Server, folder: Path, *options: str, program: str = "/usr/bin/fwknop"
) -> dict[str, Any]:
    before, service = len(server.judged), f"tcp/{next(_ports)}"
    scene.caller.run(
        program, "--rc-file", str(folder / "rc"), "--no-save-args",
        "-A", service, "-a", CALLER[0], "-D", SERVER[0],
        "--key-base64-rijndael", base64(KEY), "--key-base64-hmac", base64(MAC_KEY), *options,
    )  # fmt: skip
    told = next_granted(server, before)
    assert told["services"] == [service]
    return told


@pytest.mark.requirement("2.10", "8.3")
@pytest.mark.peer("fwknop")
def test_no_port_is_open_and_the_packaged_client_gets_in(
    scene: Scene, server: Server, tmp_path: Path
) -> None:
    sockets = server.host.run("ss", "-Hlntup").stdout
    assert sockets == ""
    told = fwknop(scene, server, tmp_path)
    assert (told["interface"], told["destination"]) == ("ens37", SERVER[0])
    assert f"{CALLER[0]} . tcp . {str(told['services'][0])[4:]} " in server.ruleset()


@pytest.mark.requirement("5.10", "6.9", partial=True)
@pytest.mark.peer("fwknop")
@pytest.mark.parametrize("program", CLIENTS, ids=["packaged", "ours"])
@pytest.mark.parametrize(
    "options",
    [
        ("-P", "udpraw"),
        ("-P", "tcpraw"),
        ("-P", "icmp"),
        ("-P", "icmp", "--icmp-type", "8", "--icmp-code", "0"),
        ("-P", "udpraw", "-Q", "9.9.9.9"),
    ],
    ids=" ".join,
)
def test_both_clients_raw_packets_get_in(
    scene: Scene, server: Server, tmp_path: Path, options: tuple[str, ...], program: str
) -> None:
    scene.server.sysctl("net.ipv4.conf.all.rp_filter", 0)
    told = fwknop(scene, server, tmp_path, *options, program=program)
    assert told["source"] == ("9.9.9.9" if "-Q" in options else CALLER[0])
    assert told["who"] == CALLER[0]


@pytest.mark.requirement("6.9")
@pytest.mark.parametrize("way", ["udp", "tcp", "icmp"])
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(
    "tags",
    [b"", b"\x81\x00\x00\x05", b"\x88\xa8\x00\x07\x81\x00\x00\x05"],
    ids=["plain", "VLAN", "QinQ"],
)
def test_each_carrier_is_seen_on_each_kind_of_link(
    scene: Scene, server: Server, way: str, version: int, tags: bytes
) -> None:
    before, (payload, service) = len(server.judged), fresh()
    scene.frame(carried(way, payload, version), tags=tags)
    assert next_granted(server, before)["services"] == [service]


@pytest.mark.requirement("6.5")
def test_an_interface_without_an_address_is_sniffed_like_any_other(
    scene: Scene, server: Server
) -> None:
    assert scene.server.run("ip", "-br", "-4", "addr", "show", "dev", "bare").stdout == ""
    before, (payload, _) = len(server.judged), fresh()
    scene.frame(carried("udp", payload, 4), "three")
    assert next_granted(server, before)["interface"] == "bare"


def test_fragments_and_what_the_filter_leaves_out_are_not_looked_at(
    scene: Scene, server: Server
) -> None:
    before = len(server.judged)
    whole = carried("udp", fresh()[0], 4)
    scene.frame(whole[:6] + b"\x20\x00" + whole[8:])
    scene.frame(whole[:6] + b"\x00\x05" + whole[8:])
    scene.frame(whole[:-1])
    scene.frame(udp_packet(fresh()[0], ends(4), Ports(5, 62202)))
    payload, service = fresh()
    scene.frame(carried("udp", payload, 4))
    assert next_granted(server, before)["services"] == [service]


@pytest.mark.parametrize("binding", [True, False])
def test_a_filter_by_link_layer_address_lets_that_one_in_and_no_other(
    scene: Scene, tmp_path: Path, binding: bool
) -> None:
    """Compiled by libpcap: through its binding, or by tcpdump where that is not installed."""
    server = prepared(scene, tmp_path, PCAP_FILTER="ether src 02:00:00:00:00:99 and udp port 62201")
    if binding:
        pytest.importorskip("cypcap")
    else:
        hide = "import sys; sys.modules['cypcap'] = None\n"
        run = "from watchword.programs.fwknopd import main; sys.exit(main(sys.argv[1:]))"
        server.command = [sys.executable, "-c", hide + run]
    server.start()
    send_datagram(scene.caller, fresh()[0], SERVER[0], 62201)
    for before, tags in enumerate((b"", b"\x81\x00\x00\x05")):
        payload, service = fresh()
        scene.frame(carried("udp", payload, 4), tags=tags)
        assert next_granted(server, before)["services"] == [service]
    server.stop()


def test_what_this_host_sends_is_not_looked_at(scene: Scene, server: Server) -> None:
    before = len(server.judged)
    send_datagram(scene.server, fresh()[0], CALLER[0], 62201)
    payload, service = fresh()
    send_datagram(scene.caller, payload, SERVER[0], 62201)
    assert next_granted(server, before)["services"] == [service]


def test_if_asked_to_it_looks_at_other_machines_packets_and_at_what_this_host_sends(
    scene: Scene, tmp_path: Path
) -> None:
    server = prepared(
        scene, tmp_path, ENABLE_PCAP_PROMISC="Y", ENABLE_PCAP_ANY_DIRECTION="Y"
    ).start()
    assert "promiscuity 1" in scene.server.run("ip", "-d", "link", "show", "ens37").stdout
    payload, service = fresh()
    send_datagram(scene.server, payload, CALLER[0], 62201)
    told = next_granted(server, 0)
    assert (told["services"], told["source"]) == ([service], SERVER[0])
    server.stop()
    assert "promiscuity 0" in scene.server.run("ip", "-d", "link", "show", "ens37").stdout


def test_a_reload_changes_the_filter_and_what_is_as_it_was_goes_on(
    scene: Scene, tmp_path: Path
) -> None:
    server = prepared(scene, tmp_path).start()
    sockets = len(_packet_sockets(server))
    server.settings["PCAP_FILTER"] = "udp port 7777"
    server.write()
    server.send(signal.SIGHUP)
    server.wait_for("PCAP filter is: 'udp port 7777'")
    send_datagram(scene.caller, fresh()[0], SERVER[0], 62201)
    payload, service = fresh()
    send_datagram(scene.caller, payload, SERVER[0], 7777)
    assert next_granted(server, 0)["services"] == [service]
    until(lambda: len(_packet_sockets(server)) == sockets)
    server.settings["PCAP_FILTER"] = "udp port port"
    server.write()
    server.send(signal.SIGHUP)
    server.wait_for("The configuration was not taken over")
    assert "Error compiling pcap filter" in server.log
    payload, service = fresh()
    send_datagram(scene.caller, payload, SERVER[0], 7777)
    assert next_granted(server, 1)["services"] == [service]
    server.stop()


def _packet_sockets(server: Server) -> list[str]:
    return server.host.run("ss", "-H0").stdout.splitlines()


@pytest.mark.requirement("7.1")
@pytest.mark.parametrize("both", [False, True])
def test_any_interface_opens_and_the_grant_notes_which(
    scene: Scene, tmp_path: Path, both: bool
) -> None:
    """Also if a UDP port takes the same packets: each counts once."""
    sources = {"PACKET_SOURCES": "udp,sniff"} if both else {}
    server = prepared(scene, tmp_path, PCAP_INTF="any", **sources)
    server.start()
    for before, (target, name) in enumerate([(SERVER[0], "ens37"), (OTHER_SERVER, "ens38")]):
        payload, service = fresh()
        send_datagram(scene.caller, payload, target, 62201)
        told = next_granted(server, before)
        assert told["services"] == [service]
        assert told.get("interface") == name or both
    assert len(server.judged) == 2
    server.stop()


def test_a_packet_that_passes_two_interfaces_counts_once(scene: Scene, tmp_path: Path) -> None:
    """A bridge and its port: the frame is seen on both, and is no replay."""
    ip, caller = scene.server.run, scene.caller
    ip("ip", "link", "add", "br0", "type", "bridge")
    ip("ip", "link", "add", "port", "type", "veth", "peer", "name", "far")
    ip("ip", "link", "set", "far", "netns", caller.namespace)
    ip("ip", "link", "set", "port", "master", "br0")
    ip("ip", "addr", "add", "10.9.5.1/24", "dev", "br0")
    caller.run("ip", "addr", "add", "10.9.5.2/24", "dev", "far")
    for host, name in ((scene.server, "port"), (scene.server, "br0"), (caller, "far")):
        host.run("ip", "link", "set", name, "up")
    server = prepared(scene, tmp_path, PCAP_INTF="any").start()
    for number in range(2):
        payload, service = fresh()
        send_datagram(caller, payload, "10.9.5.1", 62201)
        assert next_granted(server, number)["services"] == [service]
    assert "2  seen twice" in server.tool("status").stdout
    assert "Replay detected" not in server.log
    server.stop()
    ip("ip", "link", "delete", "port")
    ip("ip", "link", "delete", "br0")


def test_reloads_leave_no_socket_and_no_file_behind(scene: Scene, tmp_path: Path) -> None:
    capture = tmp_path / "c.pcap"
    server = prepared(scene, tmp_path, PACKET_SOURCES="sniff", PCAP_FILE=str(capture)).start()
    before = open_in(server.pids[-1])
    for number, ways in enumerate(["sniff,file", "tcp,udp", "file,udp,sniff", "sniff"], start=1):
        server.settings["PACKET_SOURCES"] = ways
        server.settings["PCAP_FILTER"] = f"udp port {62201 + number}"
        server.write()
        server.send(signal.SIGHUP)
        server.wait_for("Re-starting fwknopd", number)
        payload, service = fresh()
        wanted = set(ways.split(","))
        until(lambda wanted=wanted: set(_ways(server)) == wanted)  # type: ignore[misc]
        send_datagram(scene.caller, payload, SERVER[0], 62201 if "udp" in ways else 62201 + number)
        assert next_granted(server, number - 1)["services"] == [service]
    until(lambda: open_in(server.pids[-1]) == before)
    server.stop()


def _ways(server: Server) -> list[str]:
    [line] = [
        each
        for each in server.tool("status").stdout.splitlines()
        if each.startswith("packets come")
    ]
    return re.findall(r"(\w+)/", line.partition(": ")[2].replace(str(server.folder), ""))


@pytest.mark.requirement("8.20")
@pytest.mark.requirement("9.24", partial=True)
@pytest.mark.peer("fwknop")
@pytest.mark.parametrize("program", CLIENTS, ids=["packaged", "ours"])
def test_a_random_port_is_found_by_the_range_of_ports(
    scene: Scene, tmp_path: Path, program: str
) -> None:
    server = prepared(scene, tmp_path, PCAP_FILTER="udp dst portrange 10000-65535").start()
    for _ in range(3):
        fwknop(scene, server, tmp_path, "--rand-port", program=program)
    server.stop()


@pytest.mark.requirement("8.19")
def test_a_packet_longer_than_what_is_kept_of_it_is_refused(scene: Scene, tmp_path: Path) -> None:
    server = prepared(scene, tmp_path, MAX_SNIFF_BYTES="260").start()
    long = sealed("10.9.1.2," + ",".join(f"tcp/{port}" for port in range(9000, 9010)))
    assert len(long) > 260 - 28 > len(fresh()[0])
    send_datagram(scene.caller, long, SERVER[0], 62201)
    payload, service = fresh()
    send_datagram(scene.caller, payload, SERVER[0], 62201)
    assert next_granted(server, 0)["services"] == [service]
    assert "1  no whole packet" in server.tool("status").stdout
    server.stop()


@pytest.mark.requirement("5.15")
def test_an_interface_is_waited_for_and_may_go_down_away_and_be_renamed(
    scene: Scene, tmp_path: Path
) -> None:
    server = prepared(scene, tmp_path, PCAP_INTF="ens99").start()
    assert "There is no interface ens99" in server.log
    waits = "NOT YET THERE: interface ens99; packets from there are looked at once it is"
    assert waits in server.tool("status").stdout
    ip = scene.server.run

    def make(name: str) -> None:
        ip("ip", "link", "add", name, "type", "veth", "peer", "name", f"p{name}")
        ip("ip", "link", "set", f"p{name}", "netns", scene.caller.namespace)
        ip("ip", "link", "set", name, "up")
        scene.caller.run("ip", "link", "set", f"p{name}", "up")

    def opens(peer: str) -> None:
        until(lambda: scene.caller.has_carrier(peer))
        before, (payload, service) = len(server.judged), fresh()
        scene.frame(carried("udp", payload, 4), peer)
        assert next_granted(server, before)["services"] == [service]

    make("ens99")
    server.wait_for("The interface ens99 is there")
    opens("pens99")
    assert "NOT YET THERE" not in server.tool("status").stdout

    for pid in server.pids:  # it sniffs, and has no libpcap
        assert "pcap" not in Path(f"/proc/{pid}/maps").read_text("utf-8")

    for address in ("10.99.0.1/24", "10.99.0.2/24"):  # it gets one, and then another
        ip("ip", "address", "flush", "dev", "ens99")
        ip("ip", "address", "add", address, "dev", "ens99")
        opens("pens99")
    ip("ip", "address", "flush", "dev", "ens99")

    downs = server.log.count("The interface ens99 is down.")  # it may have been, as it was made
    ip("ip", "link", "set", "ens99", "down")
    server.wait_for("The interface ens99 is down.", downs + 1)
    ip("ip", "link", "set", "ens99", "up")
    server.wait_for("The interface ens99 is there", 2)
    opens("pens99")

    ip("ip", "link", "delete", "ens99")
    server.wait_for("There is no interface ens99", 2)
    make("ens99")
    server.wait_for("The interface ens99 is there", 3)
    opens("pens99")

    ip("ip", "link", "set", "ens99", "down")
    ip("ip", "link", "set", "ens99", "name", "old99")
    ip("ip", "link", "set", "old99", "up")
    server.wait_for("The interface that was called ens99 has another name now")
    opens("pens99")
    make("ens98")
    ip("ip", "link", "set", "ens98", "down")
    ip("ip", "link", "set", "ens98", "name", "ens99")
    ip("ip", "link", "set", "ens99", "up")
    server.wait_for("The interface ens99 is there", 4)
    opens("pens98")
    server.stop()
    for name in ("ens99", "old99"):
        ip("ip", "link", "delete", name)


def test_an_interface_that_flaps_loses_no_grant_and_no_packet_once_it_is_up(
    scene: Scene, tmp_path: Path
) -> None:
    ip = scene.server.run
    server = prepared(
        scene,
        tmp_path,
        PCAP_INTF="ens38",
        FIREWALL_BACKEND="nftables",
        NFT_TABLE="flapping",  # another daemon runs on this host
    )
    server.settings["GUARD_SERVICES"] = "tcp/9"
    server.start()
    payload, service = fresh()
    send_datagram(scene.caller, payload, OTHER_SERVER, 62201)
    assert next_granted(server, 0)["services"] == [service]
    descriptors = Vitals.of(*server.pids).descriptors
    flaps = "".join("link set ens38 down\nlink set ens38 up\n" for _ in range(50))
    ip("ip", "-batch", "-", input=flaps)
    for name in ("down", "up", "down", "up"):
        ip("ip", "link", "set", "ens38", name)
        server.wait_for("The interface ens38 is " + ("down" if name == "down" else "there"))
    payload, last = fresh()
    until(lambda: scene.caller.has_carrier("two"))
    scene.frame(carried("udp", payload, 4), "two")
    assert next_granted(server, 1)["services"] == [last]
    for each in (service, last):
        assert f"{CALLER[0]} . tcp . {each[4:]} " in server.ruleset()
    until(lambda: Vitals.of(*server.pids).descriptors == descriptors)
    assert 4 <= server.log.count("The interface ens38 is") <= 104, "never more than one a change"
    server.stop()
    scene.server.run("nft", "delete", "table", "inet", "flapping")


def test_if_asked_to_it_ends_at_once_with_its_interface(scene: Scene, tmp_path: Path) -> None:
    ip = scene.server.run
    ip("ip", "link", "add", "ens97", "type", "veth", "peer", "name", "p97")
    ip("ip", "link", "set", "ens97", "up")
    server = prepared(scene, tmp_path, PCAP_INTF="ens97", EXIT_AT_INTF_DOWN="Y").start()
    ip("ip", "link", "delete", "ens97")
    assert server.process is not None
    assert server.process.wait(60) == 1
    assert "the interface ens97 is gone" in server.log
    assert "Shutting Down fwknopd." in server.log


@pytest.mark.requirement("4.20")
@pytest.mark.peer("fwknopd")
def test_the_lines_that_test_suites_wait_for_are_the_packaged_server_s(
    scene: Scene, tmp_path: Path
) -> None:
    wanted = re.compile("^(?:Using Digest|Sniffing|PCAP filter|Starting fwknopd).*", re.MULTILINE)
    found = []
    for name, program in (("theirs", "/usr/sbin/fwknopd"), ("ours", str(PROGRAMS / "fwknopd"))):
        (tmp_path / name / "run").mkdir(parents=True)
        one = prepared(scene, tmp_path / name, PCAP_FILTER="icmp or port 62201")
        one.command = [program]
        one.launch("-v")
        one.wait_for("Starting fwknopd main event loop.")
        one.stop()
        found.append([re.sub(r"'/[^']+'", "FILE", line) for line in wanted.findall(one.log)])
    assert found[0] == found[1]
    assert found[1] == [
        "Starting fwknopd",
        "Using Digest Cache: FILE (entry count = 0)",
        "Sniffing interface: ens37",
        "PCAP filter is: 'icmp or port 62201'",
        "Starting fwknopd main event loop.",
    ]


@pytest.mark.requirement("6.2", "6.1", "2.14")
@pytest.mark.peer("nginx", "fwknop")
def test_beside_a_web_server_a_request_opens_a_port_and_is_answered_with_404(
    scene: Scene, tmp_path: Path
) -> None:
    """The seed's file with one value changed: sniff, and look into requests or not."""
    web = _nginx(scene.server, tmp_path)
    server = prepared(scene, tmp_path, PCAP_FILTER="tcp port 80", ENABLE_SPA_OVER_HTTP="N").start()
    quiet = ("-P", "http", "-p", "80")
    scene.caller.run(
        "/usr/bin/fwknop", "--rc-file", str(tmp_path / "rc"), "--no-save-args",
        "-A", "tcp/9", "-a", CALLER[0], "-D", SERVER[0],
        "--key-base64-rijndael", base64(KEY), "--key-base64-hmac", base64(MAC_KEY), *quiet,
    )  # fmt: skip
    access = tmp_path / "access.log"
    until(lambda: access.exists() and access.read_text().count(" 404 ") == 1)
    server.settings["ENABLE_SPA_OVER_HTTP"] = "Y"
    server.write()
    server.send(signal.SIGHUP)
    server.wait_for("Re-starting fwknopd")
    server.wait_for("Attached", 1)
    told = fwknop(scene, server, tmp_path, *quiet)
    assert told["services"] != ["tcp/9"]
    until(lambda: access.read_text().count(" 404 ") == 2)
    server.stop()
    web.terminate()
    web.wait(60)


def _nginx(host: Host, folder: Path) -> subprocess.Popen[bytes]:
    (folder / "www").mkdir()
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; user root; master_process off; pid {folder}/nginx.pid;\n"
        f"error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log {folder}/access.log; client_body_temp_path {folder}/body;\n"
        f"proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;\n"
        f"scgi_temp_path {folder}/s; server {{ listen 80; root {folder}/www; }} }}\n"
    )
    web = host.start("nginx", "-c", str(config), "-p", str(folder))
    until(lambda: ":80 " in host.run("ss", "-Hlnt").stdout)
    return web


@pytest.mark.parametrize("kind", ["none", "ppp"])
def test_a_link_without_header_is_sniffed(scene: Scene, tmp_path: Path, kind: str) -> None:
    """A tunnel, as VPNs have it, and what tells the kernel that it is PPP."""

    def make() -> Any:
        device = Path("/dev/net/tun").open("r+b", buffering=0)  # noqa: SIM115 - closed by the caller
        fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", b"tun9", 0x0001 | 0x1000))
        if kind == "ppp":
            fcntl.ioctl(device, 0x400454CD, 512)  # TUNSETLINK, ARPHRD_PPP
        return device

    with closing(inside(scene.server, make)) as tunnel:
        scene.server.run("ip", "link", "set", "tun9", "up")
        assert f"link/{kind}" in scene.server.run("ip", "link", "show", "tun9").stdout
        server = prepared(scene, tmp_path, PCAP_INTF="tun9,lo").start()
        for before, version in enumerate((4, 6)):
            payload, service = fresh()
            tunnel.write(carried("udp", payload, version))
            told = next_granted(server, before)
            assert (told["services"], told["interface"]) == ([service], "tun9")
        payload, service = fresh()
        send_datagram(scene.server, payload, "127.0.0.1", 62201)
        told = next_granted(server, 2)
        assert (told["services"], told["interface"]) == ([service], "lo")
        server.stop()
