"""The cells of the interoperability matrix: everything that Rijndael packets can differ in.

In here: cells as an ideal client and server would meet them.
Not in here: in what two programs differ from that (whoever judges a pair of them), recorded
packets (recorded), GnuPG (openpgp_cells).

Each group varies one thing and leaves the rest as it usually is: CBC, SHA256 inside, an HMAC
of SHA256, keys of 32 bytes, one TCP port for a named IPv4 address.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, TypeAlias

from watchword.conformance.cells import KNOCK, Cell, Expect, LeadsTo

MODES: Final = ("CBC", "CTR", "CFB", "OFB", "ECB")
"""Those that need nothing but the same word on both sides; ``legacy`` is by itself."""
DIGESTS: Final = ("md5", "sha1", "sha256", "sha384", "sha512", "sha3_256", "sha3_512")
NO_MAC_RC: Final = ("HMAC_KEY_BASE64", "USE_HMAC")
NO_MAC: Final = ("HMAC_KEY_BASE64",)
NAMED: Final = ("-a", "{who}")
SECONDS: Final = ("-f", "5")


def matrix() -> tuple[Cell, ...]:
    """All cells, in the order of the table."""
    return (*_modes(), *_digests(), *_macs(), *_keys(), *_types(), *_six(), *_refusals())


def octets(seed: str, length: int) -> str:
    """Some key of that many bytes in base64, the same in every run."""
    return b64encode(hashlib.shake_256(seed.encode()).digest(length)).decode("ascii")


def _bytes(length: int) -> str:
    return f"{length} byte{'s' if length > 1 else ''}"


def _modes() -> Iterator[Cell]:
    for mode in MODES:
        client, stanza = (*KNOCK, "-M", mode), (f"ENCRYPTION_MODE {mode}",)
        yield Cell("mode", mode, client, stanza=stanza)
        yield Cell("mode", f"{mode}, no HMAC", client, NO_MAC_RC, (*stanza, *NO_MAC))
    for length in (10, 16, 32):
        key = f"KEY_BASE64 {octets(f'legacy {length}', length)}"
        yield Cell(
            "mode",
            f"legacy, key of {_bytes(length)}",
            (*KNOCK, "-M", "legacy"),
            (*NO_MAC_RC, key),
            ("ENCRYPTION_MODE legacy", *NO_MAC, key),
        )
    client = (*KNOCK, "-M", "legacy")
    yield Cell("mode", "legacy with an HMAC", client, expect=Expect.UNSENT, said="incompatible")


def _digests() -> Iterator[Cell]:
    for digest in DIGESTS:
        yield Cell("digest", digest, (*KNOCK, "-m", digest, "-B", "{packet}"), digest=digest)


def _macs() -> Iterator[Cell]:
    yield Cell("hmac", "none", rc=NO_MAC_RC, stanza=NO_MAC)
    for digest in DIGESTS:
        client = (*KNOCK, "--hmac-digest-type", digest)
        yield Cell("hmac", digest, client, stanza=(f"HMAC_DIGEST_TYPE {digest}",))


def _keys() -> Iterator[Cell]:
    for length in (1, 16, 32):
        key = (f"KEY_BASE64 {octets(f'key {length}', length)}",)
        yield Cell("key", f"encryption key of {_bytes(length)}", rc=key, stanza=key)
    text = ("KEY_BASE64", "HMAC_KEY_BASE64", "KEY a-passphrase", "HMAC_KEY another-passphrase")
    yield Cell("key", "keys as text", rc=text, stanza=text)
    for digest, length in (
        ("sha256", 1), ("sha256", 64), ("sha256", 65), ("sha256", 128), ("md5", 128),
        ("sha512", 128), ("sha3_256", 128), ("sha3_512", 73),
    ):  # fmt: skip
        mac = f"HMAC_KEY_BASE64 {octets(f'mac {digest} {length}', length)}"
        yield Cell(
            "key",
            f"HMAC key of {_bytes(length)}, {digest}",
            (*KNOCK, "--hmac-digest-type", digest),
            (mac,),
            (mac, f"HMAC_DIGEST_TYPE {digest}"),
        )


def _types() -> Iterator[Cell]:
    yield Cell("type", "access (1)")
    yield Cell("type", "access (1), -s", ("-A", "{services}", "-s"))
    yield Cell("type", "access (1), several ports", services=("tcp/{port}", "tcp/{port2}"))
    yield Cell("type", "access (1), UDP port", services=("udp/{port}",))
    yield Cell("type", "access (1), TCP and UDP", services=("tcp/{port}", "udp/{port}"))
    yield Cell("type", "access with timeout (3)", (*KNOCK, *SECONDS), ends=True)
    yield from _nat("NAT access", (2, 4), LeadsTo.INNER)
    yield from _nat("local NAT access", (5, 6), LeadsTo.INSIDE)
    yield command("type", "command (0)", "ENABLE_CMD_EXEC Y", expect=Expect.RUNS)


def _nat(what: str, types: tuple[int, int], leads_to: LeadsTo) -> Iterator[Cell]:
    """Another port outside than inside; without and with a timeout."""
    options: tuple[str, ...] = ("--nat-local",)
    setting, target = "ENABLE_IPT_LOCAL_NAT Y", "local:{inside}"
    if leads_to is LeadsTo.INNER:
        options, setting = ("-N", "{inner}:{inside}"), "ENABLE_IPT_FORWARDING Y"
        target = "{inner}:{inside}"
    cell = Cell(
        "type",
        f"{what} ({types[0]})",
        ("-A", "tcp/{inside}", *NAMED, "--nat-port", "{port}", *options),
        stanza=(f"NAT_TARGETS {target}",),
        settings=(setting,),
        leads_to=leads_to,
    )
    yield cell
    name = f"{what} with timeout ({types[1]})"
    yield replace(cell, name=name, client=(*cell.client, *SECONDS), ends=True)


def command(group: str, name: str, *stanza: str, expect: Expect) -> Cell:
    return Cell(group, name, ("-C", "touch {mark}", *NAMED), stanza=stanza, expect=expect)


def _six() -> Iterator[Cell]:
    yield Cell("IPv6", "access (1)", six=True)
    yield Cell("IPv6", "access (1), -s", ("-A", "{services}", "-s"), six=True)
    yield Cell("IPv6", "access with timeout (3)", (*KNOCK, *SECONDS), six=True, ends=True)


def _refusals() -> Iterator[Cell]:
    for name, client, rc, stanza in (*_UNSEALED, *_NOT_ALLOWED):
        yield Cell("refusal", name, client, rc, stanza, expect=Expect.SHUT)
    yield command("refusal", "a command where none are allowed", expect=Expect.SHUT)


_WRONG: Final = octets("nobody has this key", 32)
_HALF: Final = f"KEY_BASE64 {octets('half', 16)}"
_WHOLE: Final = f"KEY_BASE64 {octets('half', 32)}"
_OLD: Final = f"KEY_BASE64 {octets('old', 10)}"
"""Of 16 bytes, legacy and CBC make the same."""
_Refusal: TypeAlias = tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""Name, options, lines of the rc file, lines of the stanza."""

_UNSEALED: Final[tuple[_Refusal, ...]] = (
    ("another encryption key", KNOCK, (f"KEY_BASE64 {_WRONG}",), ()),
    ("only the first 16 bytes of the key", KNOCK, (_HALF,), (_WHOLE,)),
    ("another HMAC key", KNOCK, (f"HMAC_KEY_BASE64 {_WRONG}",), ()),
    ("another HMAC type", (*KNOCK, "--hmac-digest-type", "sha512"), (), ()),
    ("no HMAC where there has to be one", KNOCK, NO_MAC_RC, ()),
    ("an HMAC where there is none", KNOCK, (), NO_MAC),
    ("another mode", (*KNOCK, "-M", "CTR"), (), ()),
    ("legacy for CBC", (*KNOCK, "-M", "legacy"), (*NO_MAC_RC, _OLD), (*NO_MAC, _OLD)),
)
"""What the server's keys do not open."""

_NOT_ALLOWED: Final[tuple[_Refusal, ...]] = (
    ("a port that is not listed", KNOCK, (), ("OPEN_PORTS tcp/{port2}",)),
    ("a port that is restricted", KNOCK, (), ("RESTRICT_PORTS {services}",)),
    ("another user", (*KNOCK, "-U", "alice"), (), ("REQUIRE_USERNAME bob",)),
    ("from elsewhere than SOURCE", KNOCK, (), ("SOURCE 192.0.2.0/24",)),
    ("-s where an address is required", ("-A", "{services}", "-s"), (),
     ("REQUIRE_SOURCE_ADDRESS Y",)),
    ("ten minutes old", (*KNOCK, "--time-offset-minus", "10min"), (), ()),
    ("ten minutes ahead", (*KNOCK, "--time-offset-plus", "10min"), (), ()),
    ("an expired stanza", KNOCK, (), ("ACCESS_EXPIRE 01/01/2020",)),
)  # fmt: skip
"""What opens, and asks for something that it may not have."""
