"""Our client asks the packaged server to lead connections on: to an inner host, to itself.

A caller, a gateway with the packaged fwknopd and a firewall that drops, and a host behind
it. What is claimed is what the caller gets when it connects.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import until
from tests.plugins.privileges import PACKAGED
from watchword.lab.hosts import Lab

pytestmark = [pytest.mark.system, pytest.mark.peer("fwknopd")]

KEYS = ("--key-rijndael", "key-for-nat-requests", "--key-hmac", "hmac-key-for-nat-requests")
ACCESS = (
    "SOURCE ANY\nKEY key-for-nat-requests\nHMAC_KEY hmac-key-for-nat-requests\n"
    "FW_ACCESS_TIMEOUT 300\n"
)
CALLER, OUTSIDE, INSIDE, INNER = "198.51.100.2", "198.51.100.1", "10.0.0.1", "10.0.0.5"
BANNER = """
import socket, sys
with socket.create_server(("0.0.0.0", 22)) as server:
    while True:
        channel, _ = server.accept()
        with channel:
            channel.sendall(sys.argv[1].encode())
"""
CONNECT = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])) as channel:
        print(channel.recv(100).decode())
except OSError:
    print("nothing")
"""


class Gateway:
    """The packaged fwknopd between a caller and an inner host."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.folder = folder
        self.caller, self.host, inner = (lab.host(name) for name in ("caller", "gate", "inner"))
        lab.link((self.caller, "eth0", [f"{CALLER}/24"]), (self.host, "eth0", [f"{OUTSIDE}/24"]))
        lab.link((self.host, "eth1", [f"{INSIDE}/24"]), (inner, "eth0", [f"{INNER}/24"]))
        lab.route(inner, INSIDE)
        self.host.sysctl("net.ipv4.ip_forward", 1)
        for chain in ("INPUT", "FORWARD"):
            self.host.run("iptables", "-P", chain, "DROP")
            self.host.run(
                "iptables", "-A", chain, "-m", "conntrack",
                "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT",
            )  # fmt: skip
        self.host.run("iptables", "-A", "INPUT", "-p", "udp", "--dport", "62201", "-j", "ACCEPT")
        for host, name in ((self.host, "gateway"), (inner, "inner")):
            host.start(sys.executable, "-c", BANNER, name)
        self._start_server()
        until(lambda: all(":22 " in each.run("ss", "-Hltn").stdout for each in (inner, self.host)))

    def _start_server(self) -> None:
        settings = {
            "PCAP_INTF": "eth0",
            "ENABLE_UDP_SERVER": "Y",
            "ENABLE_IPT_FORWARDING": "Y",
            "ENABLE_IPT_LOCAL_NAT": "Y",
            "FWKNOP_RUN_DIR": str(self.folder),
            "FWKNOP_PID_FILE": str(self.folder / "fwknopd.pid"),
            "DIGEST_FILE": str(self.folder / "digest.cache"),
        }
        files = {
            "fwknopd.conf": "".join(f"{name} {value};\n" for name, value in settings.items()),
            "access.conf": ACCESS,
        }
        for name, text in files.items():
            (self.folder / name).write_text(text, "utf-8")
            (self.folder / name).chmod(0o600)
        program = shutil.which("fwknopd", path=PACKAGED)
        assert program
        self.log = (self.folder / "log").open("wb")
        self.host.start(
            program, "-f", "-c", str(self.folder / "fwknopd.conf"),
            "-a", str(self.folder / "access.conf"), stdout=self.log, stderr=self.log,
        )  # fmt: skip
        until(lambda: ":62201 " in self.host.run("ss", "-Hlun").stdout)

    def ask(self, *options: str, program: str = "fwknop") -> str:
        """Send a request; what the client prints."""
        return self.caller.run(
            sys.executable, "-m", f"watchword.programs.{program}", "--no-rc-file", "--no-home-dir",
            "-E", str(self.folder / "args"), "-a", CALLER, "-D", OUTSIDE, *KEYS, *options,
        ).stdout  # fmt: skip

    def answer(self, port: int, seconds: float = 0.3) -> str:
        """Who answers the caller at this port of the gateway."""
        argv = (sys.executable, "-c", CONNECT, OUTSIDE, str(port), str(seconds))
        return self.caller.run(*argv).stdout.strip()

    def answers(self, port: int, who: str) -> bool:
        return bool(until(lambda: self.answer(port, 1.0) == who))

    def forget(self) -> None:
        """End every grant."""
        for table, chain in (
            ("filter", "FWKNOP_INPUT"), ("filter", "FWKNOP_FORWARD"), ("nat", "FWKNOP_PREROUTING"),
        ):  # fmt: skip
            self.host.run("iptables", "-t", table, "-F", chain, check=False)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Lab() as lab:
        gateway = Gateway(lab, tmp_path_factory.mktemp("nat"))
        try:
            yield gateway
        finally:
            gateway.log.close()


@pytest.fixture(autouse=True)
def _no_grants(gateway: Gateway) -> None:
    gateway.forget()


@pytest.mark.requirement("9.6")
@pytest.mark.parametrize(
    ("options", "port"),
    [
        (["-A", "tcp/55001", "-N", f"{INNER}:22"], 55001),
        (["-A", "tcp/55002", "-N", f"{INNER},22"], 55002),
        (["-A", "tcp/22", "-N", INNER, "--nat-port", "55003"], 55003),
        (["-A", "tcp/22", "--NAT-access", f"{INNER}:55004"], 55004),
        (["-A", "tcp/22", "--NAT-access", f"{INNER},55005"], 55005),
        (["-A", "tcp/22", "--Forward-access", f"{INNER}:55006"], 55006),
    ],
)
def test_the_inner_host_is_reached_at_the_outer_port(
    options: list[str], port: int, gateway: Gateway
) -> None:
    assert gateway.answer(port) == "nothing"
    gateway.ask(*options)
    assert gateway.answers(port, "inner")
    assert gateway.answer(22) == "nothing"


@pytest.mark.requirement("9.6")
def test_fwknop1_reaches_the_inner_host_with_a_packet_of_2_6(gateway: Gateway) -> None:
    said = gateway.ask("-A", "tcp/22", "--NAT-access", f"{INNER}:55007", program="fwknop1")
    assert "Version:        3.0.0\n" in said
    assert gateway.answers(55007, "inner")


@pytest.mark.requirement("9.7", partial=True)
@pytest.mark.parametrize(
    ("options", "port"),
    [
        (["-A", "tcp/22", "--nat-local", "--nat-port", "55010"], 55010),
        (["-A", "tcp/22", "--NAT-local"], 55000),
    ],
)
def test_a_service_of_the_gateway_is_reached_at_another_port(
    options: list[str], port: int, gateway: Gateway
) -> None:
    assert gateway.answer(port) == "nothing"
    gateway.ask(*options)
    assert gateway.answers(port, "gateway")
    # "only there" is not for a client to say: the packaged server opens the inner port as well.


@pytest.mark.requirement("9.8")
@pytest.mark.parametrize(
    ("program", "options", "printed", "who"),
    [
        (
            "fwknop",
            ["--nat-rand-port", "-N", INNER],
            rf"\[\+\] Randomly assigned port '(\d+)' on: '{CALLER},tcp/\d+' "
            rf"will grant access to: '{INNER},22'\n",
            "inner",
        ),
        (
            "fwknop1",
            ["-q", "--NAT-rand-port", "--NAT-access", INNER],
            rf"\[\+\] Requesting NAT access to tcp/22 on {INNER} via port (\d+)\n",
            "inner",
        ),
        (
            "fwknop",
            ["--nat-rand-port", "--nat-local"],
            r"\[\+\] Randomly assigned port '(\d+)' on: .*\n",
            "gateway",
        ),
    ],
)
def test_the_random_port_that_is_printed_is_the_one_that_opens(
    program: str, options: list[str], printed: str, who: str, gateway: Gateway
) -> None:
    said = re.fullmatch(printed, gateway.ask("-A", "tcp/22", *options, program=program))
    assert said
    port = int(said[1])
    assert 10000 <= port <= 65534
    assert gateway.answers(port, who)
