"""Helpers of the tests that put grants into iptables in front of real packets."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.daemon import PROGRAMS, Server, base64, stanza
from tests.values import KEY, MAC_KEY
from watchword.lab.hosts import Host
from watchword.lab.sockets import SILENCE, connect
from watchword.lab.trio import Station, Trio

MAKES = ("iptables-nft", "iptables-legacy")
LISTENER = """
import socket, sys
with socket.socket(socket.AF_INET6) as server:
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("::", int(sys.argv[1])))
    server.listen(1024)
    print("listens", flush=True)
    while True:
        server.accept()
"""


def six(exe: str) -> str:
    return exe.replace("iptables", "ip6tables")


CLOSED = """\
*filter
:INPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -p udp --dport 62201 -j ACCEPT
{more}COMMIT
"""
OPEN = "".join(
    f"*{table}\n" + "".join(f":{chain} ACCEPT [0:0]\n" for chain in chains.split()) + "COMMIT\n"
    for table, chains in {
        "filter": "INPUT FORWARD OUTPUT",
        "nat": "PREROUTING INPUT OUTPUT POSTROUTING",
        "mangle": "PREROUTING INPUT FORWARD OUTPUT POSTROUTING",
    }.items()
)


def close_doors(host: Host, exe: str) -> None:
    """An operator's rules that drop what nobody accepts, in both families."""
    for each, more in ((exe, ""), (six(exe), "-A INPUT -p ipv6-icmp -j ACCEPT\n")):
        host.run(f"{each}-restore", "--noflush", input=CLOSED.format(more=more))


def open_doors(host: Host, exe: str) -> None:
    """Nothing is in the tables any more, no chain of anybody's either."""
    for each in (exe, six(exe)):
        host.run(f"{each}-restore", input=OPEN)


def at_once(host: Host, exe: str, *lines: str) -> None:
    """Change the filter table in one go, so that nobody puts anything right in between."""
    host.run(f"{exe}-restore", "--noflush", input="\n".join(("*filter", *lines, "COMMIT", "")))


def listed(host: Host, exe: str, *what: str) -> list[str]:
    """What ``iptables -S`` says."""
    return host.run(exe, *what, "-S").stdout.splitlines()


@contextlib.contextmanager
def listening(host: Host, port: int) -> Iterator[None]:
    """Something that takes connections there, on both families."""
    process = host.start("python3", "-c", LISTENER, str(port), stdout=-1)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def knock(scene: Trio, who: str, ports: str = "tcp/22", *options: str) -> None:
    """One packet from the caller, for itself, to our server or the packaged one."""
    to = scene.server.four if "." in who else scene.server.six
    scene.caller.host.run(
        str(PROGRAMS / "fwknop"), "--no-rc-file", "--no-save-args", "-D", to, "-A", ports,
        "-a", who, "--use-hmac", "--key-base64-rijndael", base64(KEY),
        "--key-base64-hmac", base64(MAC_KEY), *options,
    )  # fmt: skip


def reaches(client: Station, address: str, port: int = 22, seconds: float = SILENCE) -> bool:
    """Whether a connection can be made; what is dropped answers nothing."""
    made = connect(client.host, address, port, seconds)
    if made is not None:
        made.close()
    return made is not None


def settled(server: Server, **variables: str) -> Server:
    """A server with these variables and a stanza that lets a caller ask for some ports."""
    server.settings |= variables
    server.access = stanza(OPEN_PORTS="tcp/22,tcp/80,udp/53", FW_ACCESS_TIMEOUT="300")
    return server
