"""The header by which a proxy tells a service who called: PROXY protocol, version 2.

In here: writing it. Source: haproxy's proxy-protocol.txt, section 2.2.
"""

from __future__ import annotations

from typing import Final

from watchword.model.addresses import Address

_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_VERSION_2_PROXY: Final = 0x21
_TCP: Final = {4: 0x11, 6: 0x21}


def header(caller: tuple[Address, int], called: tuple[Address, int]) -> bytes:
    """For a TCP connection; addresses of one IP version, with their ports."""
    addresses = caller[0].packed + called[0].packed
    ports = caller[1].to_bytes(2, "big") + called[1].to_bytes(2, "big")
    length = (len(addresses) + len(ports)).to_bytes(2, "big")
    kind = bytes((_VERSION_2_PROXY, _TCP[caller[0].version]))
    return _SIGNATURE + kind + length + addresses + ports
