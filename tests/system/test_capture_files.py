"""Capture files that other programs write while the daemon reads them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Server, until
from tests.pcap_files import udp_capture
from tests.sealing import sealed
from watchword.lab.hosts import Lab
from watchword.lab.sockets import send_datagram
from watchword.lab.trio import Trio, trio

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture
def server(scene: Trio, tmp_path: Path) -> Server:
    server = Server(scene.server.host, tmp_path)
    del server.settings["ENABLE_UDP_SERVER"]
    server.settings |= {
        "PCAP_FILE": str(tmp_path / "c.pcap"),
        "ENABLE_SPA_PACKET_AGING": "Y",
        "FIREWALL_BACKEND": "memory",
    }
    return server


def knock(scene: Trio) -> None:
    payload = sealed("0.0.0.0,tcp/22", sent_at=int(time.time()))
    send_datagram(scene.caller.host, payload, scene.server.four, 62201)


def granted(server: Server, count: int) -> None:
    told = server.wait_for_judgements(count)
    assert [each["verdict"] for each in told] == ["granted"] * count


@pytest.mark.requirement("8.9")
@pytest.mark.requirement("6.12")
@pytest.mark.peer("tcpdump")
def test_what_tcpdump_writes_is_followed_through_rotation(
    scene: Trio, server: Server, tmp_path: Path
) -> None:
    server.settings["ENABLE_COOKED_INTF"] = "Y"  # as it always is: each frame says what it is
    server.start()
    assert f"Reading pcap file: {tmp_path}/c.pcap" in server.log
    links = (("eth0", ()), ("any", ()), ("any", ("-y", "LINUX_SLL")))  # Ethernet, cooked v2 and v1
    for round_, (link, more) in enumerate(links, start=1):
        sniffer = scene.server.host.start(
            "tcpdump", "-U", "-i", link, *more, "-w", str(tmp_path / "c.pcap"),
            "udp", "port", "62201",
        )  # fmt: skip
        until(lambda: (tmp_path / "c.pcap").exists() and (tmp_path / "c.pcap").stat().st_size)
        knock(scene)
        granted(server, 2 * round_ - 1)
        knock(scene)
        granted(server, 2 * round_)
        sniffer.terminate()
        sniffer.wait(60)
        (tmp_path / "c.pcap").rename(tmp_path / f"c.pcap.{round_}")
    assert server.judged[0]["source"] == scene.caller.four
    server.stop()


@pytest.mark.requirement("8.8")
@pytest.mark.peer("ulogd", "iptables")
def test_what_ulogd_writes_is_followed_through_rotation_and_truncation(
    scene: Trio, server: Server, tmp_path: Path
) -> None:
    """The perl line's own set-up: NFLOG, ulogd's capture file, AUTH_MODE ULOG_PCAP."""
    capture = tmp_path / "c.pcap"
    del server.settings["PCAP_FILE"], server.settings["ENABLE_SPA_PACKET_AGING"]
    server.settings |= {"AUTH_MODE": "ULOG_PCAP", "PCAP_PKT_FILE": str(capture)}
    host = scene.server.host
    host.run("iptables", "-A", "INPUT", "-p", "udp", "--dport", "62201",
             "-j", "NFLOG", "--nflog-group", "2")  # fmt: skip
    (plugins,) = {path.parent for path in Path("/usr/lib").glob("*/ulogd/ulogd_output_PCAP.so")}
    names = ("inppkt_NFLOG", "raw2packet_BASE", "output_PCAP")
    (tmp_path / "ulogd.conf").write_text(
        f'[global]\nlogfile="{tmp_path}/ulogd.log"\n'
        + "".join(f'plugin="{plugins}/ulogd_{name}.so"\n' for name in names)
        + "stack=log:NFLOG,base:BASE,pcap:PCAP\n[log]\ngroup=2\n"
        f'[pcap]\nfile="{capture}"\nsync=1\n'
    )
    ulogd = host.start("ulogd", "-c", str(tmp_path / "ulogd.conf"))
    server.start()
    until(lambda: capture.exists() and capture.stat().st_size)
    knock(scene)
    granted(server, 1)
    capture.rename(tmp_path / "c.pcap.1")
    ulogd.send_signal(1)  # it opens the file by its name again
    until(capture.exists)
    knock(scene)
    granted(server, 2)
    os.truncate(capture, 0)  # ulogd does not notice, and goes on behind a hole
    knock(scene)
    granted(server, 3)
    ulogd.terminate()
    ulogd.wait(60)
    server.stop()


def test_a_limit_of_packets_ends_it_in_the_original_s_words(server: Server, tmp_path: Path) -> None:
    stamp = time.time()
    files = [
        udp_capture(stamp, "198.51.100.2", sealed("0.0.0.0,tcp/22", sent_at=int(stamp)))
        for _ in range(3)
    ]
    (tmp_path / "c.pcap").write_bytes(files[0] + files[1][24:] + files[2][24:])
    server.launch("-C", "2", "--pcap-file", str(tmp_path / "c.pcap"))
    assert server.process is not None
    assert server.process.wait(60) == 0
    assert [each["verdict"] for each in server.judged] == ["granted"] * 2
    told = [line for line in server.log.splitlines() if not line.startswith(("{", "("))]
    assert told[-5:-1] == [
        "* Incoming packet count limit of 2 reached",
        "Gracefully leaving the fwknopd event loop.",
        "Packet count limit (2) reached. Exiting...",
        "Shutting Down fwknopd.",
    ]


def test_an_idle_daemon_uses_less_than_a_five_hundredth_of_a_core(
    server: Server, tmp_path: Path
) -> None:
    """However packets come; counted in the time that its threads were on a processor."""
    server.settings |= {"PACKET_SOURCES": "udp,tcp,sniff,file", "FIREWALL_BACKEND": "nftables"}
    server.settings["GUARD_SERVICES"] = "tcp/22"
    server.start()

    def used() -> int:
        """Nanoseconds."""
        tasks = [each for pid in server.pids for each in Path(f"/proc/{pid}/task").iterdir()]
        return sum(int((each / "schedstat").read_text("ascii").split()[0]) for each in tasks)

    until(lambda: "main event loop" in server.log)
    found: list[int] = []
    while not found or (min(found) > 2.0e9 / 500 and len(found) < 10):  # what the start left to do
        before = used()
        time.sleep(2.0)
        found.append(used() - before)
    assert min(found) < 2.0e9 / 500
    server.stop()
