"""A datagram that arrives at an interface of this host, though nobody outside has sent it.

In here: a pair of interfaces for a moment, and the kernel's own redirection from one of them to
where the datagram is to arrive. Not in here: what is in it, who waits for it (service).

The other end of the pair lies in a namespace that belongs to a process of ours, so the pair goes
with us, whatever ends us. Nothing is changed on the interface itself and nothing leaves the host:
the datagram is from and to 127.0.0.1, which the kernel drops behind whatever listens on the wire.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from contextlib import closing, suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from watchword.edges import stranger
from watchword.errors import HostError
from watchword.ports import ProgramRunner
from watchword.wire.carriers.headers import Ends, Ports, udp_packet

_HERE: Final = IPv4Address("127.0.0.1")
_IPV4: Final = 0x0800
_UDP: Final = 17
_ETHERNET: Final = 1  # ARPHRD_ETHER
_OUTGOING: Final = 4  # PACKET_OUTGOING
_OURS: Final = bytes.fromhex("025757444f43")  # a local address, for the sender
_PATIENCE: Final = 1.0  # seconds
_LONGEST: Final = 2048
_HOME: Final = Path("/sys/class/net")
_OTHERWISE: Final = "knock from another host, and look at watchword status"


def arrive(
    interface: str, payload: bytes, *, from_port: int, to_port: int, programs: ProgramRunner
) -> bool:
    """Have a UDP datagram arrive over IPv4; whether it was seen on the interface.

    Raises HostError: there is no way to have one arrive there, and why.
    """
    address = _address(interface)
    datagram = udp_packet(payload, Ends(_HERE, _HERE), Ports(from_port, to_port))
    with stranger.beside() as other, closing(_ear(interface)) as ear:
        pair = f"wa{os.getpid()}"
        try:
            _lay(pair, interface, other.pid, from_port, programs)
            with closing(socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) as mouth:
                mouth.bind((pair, _IPV4))
                mouth.send(address + _OURS + struct.pack("!H", _IPV4) + datagram)
            return _heard(ear, datagram)
        except OSError as error:
            said = f"nothing can be made to arrive at {interface}: {error.strerror}"
            raise HostError(said, hint=_OTHERWISE) from error
        finally:
            with suppress(HostError):  # it would go with the other end, a moment later
                programs.run(["ip", "link", "delete", pair])


def _address(interface: str) -> bytes:
    """Of Ethernet. A bridge keeps what is addressed to one of its ports to this host."""
    home = _HOME / interface
    try:
        kind, text = (home / "type").read_text("ascii"), (home / "address").read_text("ascii")
    except OSError as error:
        raise HostError(f"there is no interface {interface}") from error
    if int(kind) != _ETHERNET:
        said = f"nothing can be made to arrive at {interface}, which is no Ethernet"
        raise HostError(said, hint=_OTHERWISE)
    return bytes.fromhex(text.strip().replace(":", ""))


def _ear(interface: str) -> socket.socket:
    try:
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_IPV4))
    except OSError as error:
        raise HostError(f"no packet socket: {error.strerror}", hint="run it as root") from error
    ear.settimeout(_PATIENCE)
    ear.bind((interface, _IPV4))
    return ear


def _lay(pair: str, interface: str, pid: int, port: int, programs: ProgramRunner) -> None:
    """The way: what we send out by ``pair`` from that port comes in at the interface."""
    for argv in (
        ["ip", "link", "add", pair, "type", "veth", "peer", "name", "way", "netns", str(pid)],
        ["nsenter", "-t", str(pid), "-n", "ip", "link", "set", "way", "up"],
        ["ip", "link", "set", "dev", pair, "addrgenmode", "none", "up"],
        ["tc", "qdisc", "add", "dev", pair, "clsact"],
        [
            "tc", "filter", "add", "dev", pair, "egress", "protocol", "ip", "u32",
            "match", "ip", "protocol", str(_UDP), "0xff", "match", "ip", "sport", str(port),
            "0xffff", "action", "mirred", "ingress", "redirect", "dev", interface,
        ],
    ):  # fmt: skip
        done = programs.run(argv)
        if done.status:
            said = " ".join(done.stderr.decode("utf-8", "replace").split())
            raise HostError(
                f"nothing can be made to arrive at {interface}: {said}", hint=_OTHERWISE
            )


def _heard(ear: socket.socket, datagram: bytes) -> bool:
    limit = time.monotonic() + _PATIENCE
    while time.monotonic() < limit:
        try:
            octets, (_, _, way, _, _) = ear.recvfrom(_LONGEST)
        except TimeoutError:
            return False
        if octets == datagram and way != _OUTGOING:
            return True
    return False
