"""The first files of a new server, and the stanza of its first client.

In here: what is written into each.
Not in here: asking for it, and writing (service.tool.setup).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Final

from watchword.model.services import Service
from watchword.record import record

UDP: Final = ""
"""In place of an interface: packets come to a UDP port."""


@record
class Wishes:
    """What somebody wants to have set up."""

    interface: str
    """Where packets are sniffed; empty: they come to a UDP port."""
    port: int
    services: tuple[Service, ...]
    """What callers may ask for; at least one."""
    everything: bool
    """True: everything new from outside is hidden, but what is granted."""
    seconds: int = 30
    name_required: bool = False
    """True: a packet has to name the address that is to be let in."""


def server_conf(wishes: Wishes) -> str:
    """``fwknopd.conf``."""
    lines = ["# Written by watchword setup; see fwknopd.conf(5).", ""]
    if wishes.interface:
        lines += [
            "# Packets are looked at as they pass; no port is open for them.",
            f"PCAP_INTF           {wishes.interface};",
            f"PCAP_FILTER         udp port {wishes.port};",
        ]
    else:
        lines += ["ENABLE_UDP_SERVER   Y;", f"UDPSERV_PORT        {wishes.port};"]
    hidden = "ALL" if wishes.everything else ",".join(map(str, wishes.services))
    lines += ["", "# Nobody reaches these without a grant.", f"GUARD_SERVICES      {hidden};", ""]
    return "\n".join(lines)


def access_conf(wishes: Wishes, keys: tuple[bytes, bytes]) -> str:
    """``access.conf`` with one stanza. ``keys``: for encryption, and for the HMAC."""
    rows = [
        ("SOURCE", "ANY"),
        ("OPEN_PORTS", ",".join(map(str, wishes.services))),
        ("FW_ACCESS_TIMEOUT", str(wishes.seconds)),
        *_keys(keys),
    ]
    if wishes.name_required:
        rows.append(("REQUIRE_SOURCE_ADDRESS", "Y"))
    return "# Written by watchword setup; see access.conf(5).\n\n" + _aligned(rows)


def client_stanza(name: str, server: str, wishes: Wishes, keys: tuple[bytes, bytes]) -> str:
    """What belongs into the client's ``~/.fwknoprc``."""
    rows: Sequence[tuple[str, str]] = [
        ("SPA_SERVER", server),
        ("SPA_SERVER_PORT", str(wishes.port)),
        ("ACCESS", ",".join(map(str, wishes.services))),
        ("ALLOW_IP", "resolve" if wishes.name_required else "source"),
        ("FW_TIMEOUT", str(wishes.seconds)),
        ("USE_HMAC", "Y"),
        *_keys(keys),
    ]
    return f"[{name}]\n{_aligned(rows)}"


def _keys(keys: tuple[bytes, bytes]) -> list[tuple[str, str]]:
    key, mac_key = (b64encode(each).decode("ascii") for each in keys)
    return [("KEY_BASE64", key), ("HMAC_KEY_BASE64", mac_key)]


def _aligned(rows: Sequence[tuple[str, str]]) -> str:
    return "".join(f"{name:<24}{value}\n" for name, value in rows)
