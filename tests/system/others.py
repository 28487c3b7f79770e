"""Others who write firewall rules: the real ufw, and what Docker's daemon writes.

ufw runs on a copy of its files below a directory, in the network namespace of a host. There is
no Docker here: its rules are those that Docker writes for one bridge and one published port,
IPv4 and IPv6.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from watchword.lab.hosts import Host, Lab
from watchword.lab.trio import Station, Trio, trio

PUBLISHED, INSIDE = 8022, 22
"""The port of the host, and the one of the container that it leads to."""

_NAT = """*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d {loopback} -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s {net} ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport {published} -j DNAT --to-destination {there}:{inside}
COMMIT
"""
_FILTER = """*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER -d {box} ! -i docker0 -o docker0 -p tcp -m tcp --dport {inside} -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
"""


class Ufw:
    """ufw of one host, with files of its own."""

    def __init__(self, host: Host, folder: Path) -> None:
        self._host = host
        self._root = folder
        folder.chmod(0o755)
        for each in ("etc/ufw", "lib/ufw", "usr/share/ufw"):
            shutil.copytree(Path("/", each), folder / each)
        (folder / "etc/default").mkdir()
        shutil.copy("/etc/default/ufw", folder / "etc/default/ufw")
        (folder / "run").mkdir()

    def __call__(self, *words: str) -> str:
        where = (f"--rootdir={self._root}", f"--datadir={self._root}")
        sure = ["--force"] if words[0] == "enable" else []
        return self._host.run("ufw", *where, *sure, *words).stdout


@dataclass(frozen=True, slots=True)
class Harbour:
    """A host with a container that it has published a port of, and who is outside."""

    outside: Trio
    container: Station

    @property
    def host(self) -> Station:
        return self.outside.server

    def ends(self) -> list[tuple[str, str]]:
        """The caller's address and the host's, in either family."""
        caller, host = self.outside.caller, self.host
        return [(caller.four, host.four), (caller.six, host.six)]


def harbour(lab: Lab) -> Harbour:
    """Nothing is published yet."""
    outside = trio(lab)
    host, box = outside.server.host, lab.host("box")
    bridge = ("172.17.0.1/16", "fd00:d0c::1/64")
    lab.link((box, "eth0", ("172.17.0.2/16", "fd00:d0c::2/64")), (host, "docker0", bridge))
    lab.route(box, "172.17.0.1", "fd00:d0c::1")
    host.sysctl("net.ipv4.ip_forward", 1)
    host.sysctl("net.ipv6.conf.all.forwarding", 1)
    for each in (outside.caller, outside.stranger):  # IPv6 takes a second to find its way
        each.host.run("ping", "-c1", "-W30", "-i0.2", outside.server.six)
    host.run("ping", "-c1", "-W30", "-i0.2", "fd00:d0c::2")
    return Harbour(outside, Station(box, "172.17.0.2", "fd00:d0c::2"))


def publish(scene: Harbour) -> None:
    """As ``docker run -p 8022:22`` does, where there is nothing of Docker's yet."""
    four = {"loopback": "127.0.0.0/8", "net": "172.17.0.0/16", "there": "172.17.0.2",
            "box": "172.17.0.2/32"}  # fmt: skip
    six = {"loopback": "::1", "net": "fd00:d0c::/64", "there": "[fd00:d0c::2]",
           "box": "fd00:d0c::2/128"}  # fmt: skip
    for program, words in (("iptables-restore", four), ("ip6tables-restore", six)):
        text = (_NAT + _FILTER).format(published=PUBLISHED, inside=INSIDE, **words)
        scene.host.host.run(program, "--noflush", input=text)
