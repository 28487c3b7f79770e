"""Files that operators write: fwknopd's two, the client's rc file, fwknop's digest.cache.

Invariants: any text is settings, or an OperatorError whose complaints have a
place and can be printed; no key is quoted; what is saved is read back.

An input is the files' bytes; several files in one input stand behind each
other, with a form feed between them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Sequence

from fuzz.target import Target
from watchword.dialects.fwknop import rcfile
from watchword.dialects.fwknop.access_conf_table import KNOWN
from watchword.dialects.fwknop.dump import dump_config
from watchword.dialects.fwknop.fwknopd_conf_table import ALIASES, VARIABLES
from watchword.dialects.fwknop.rcfile_read import VARIABLES as RC_VARIABLES
from watchword.dialects.fwknop.rcfile_read import read as read_rc
from watchword.dialects.fwknop.rcfile_write import save
from watchword.dialects.fwknop.server_complaints import MOST
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.server_options import parse
from watchword.dialects.fwknop.translate import load
from watchword.edges.replay import digest_cache
from watchword.errors import Complaint, OperatorError

_BREAK = b"\f"
_OPTIONS = parse(["-c", "fwknopd.conf", "-a", "access.conf"])
_NAMES = ("fwknopd.conf", "access.conf", "more.conf")
_KEY = base64.b64encode(b"thirty-two bytes that are a key!").decode("ascii")
_MAC_KEY = base64.b64encode(b"another one, which is the HMAC's").decode("ascii")
_STANZA = f"SOURCE ANY\nKEY_BASE64 {_KEY}\nHMAC_KEY_BASE64 {_MAC_KEY}\nOPEN_PORTS tcp/22\n"
_IN_ITS_PLACE = re.compile(
    rf"^[ \t]*(HMAC_)?KEY(_BASE64)?:?[ \t]+({_KEY}|{re.escape(_MAC_KEY)})", re.MULTILINE
)


def _text(octets: bytes) -> str:
    """As files are opened (dialects.fwknop.lines)."""
    return octets.decode("utf-8", "surrogateescape")


def check_server(octets: bytes) -> str:
    texts = dict(zip(_NAMES, map(_text, octets.split(_BREAK, 2)), strict=False))
    try:
        loaded = load(Sources.of(texts), _OPTIONS)
    except OperatorError as error:
        assert any(each.fatal for each in error.complaints)
        _check_complaints(error.complaints)
        _check_secrets(texts.values(), error.complaints)
        return "refused"
    assert not any(each.fatal for each in loaded.complaints)
    _check_complaints(loaded.complaints)
    assert loaded.settings.sources
    _check_secrets(texts.values(), (loaded.complaints, loaded, dump_config(loaded)))
    for terms in loaded.policy.stanzas:
        assert 0 < terms.default_seconds <= terms.max_seconds
        assert loaded.policy.terms(terms.number) is terms
    return f"{min(len(loaded.policy.stanzas), 3)} stanzas"


def _check_complaints(told: Sequence[Complaint]) -> None:
    assert len(told) <= MOST + 1
    for each in told:
        assert each.place is not None
        assert all(line.isprintable() for line in str(each).splitlines())


def _check_secrets(texts: Iterable[str], said: object) -> None:
    """No key is shown that stands where keys stand; one that somebody took for a port may be."""
    rest = _IN_ITS_PLACE.sub("", "\n".join(texts))
    for key in (_KEY, _MAC_KEY):
        assert key in rest or key not in repr(said)


def check_rc(octets: bytes) -> str:
    text = _text(octets)
    assert "".join(line.text for line in rcfile.lines(text)) == text
    wanted = {"ACCESS": "tcp/1", "KEY_BASE64": _KEY}
    once = save(text, "x", wanted, anew=False)
    assert save(once, "x", wanted, anew=False) == once
    try:
        read_rc(text, "rc", "default", "x")
    except OperatorError as error:
        _check_secrets([text], error.complaints)
        return "refused"
    [section] = read_rc(once, "rc", "x")
    assert section is not None
    assert section.given.access == "tcp/1"
    assert section.given.key is not None
    assert section.given.key.text == _KEY
    return "read"


def check_digests(octets: bytes) -> str:
    entries, complaints = digest_cache.read(_text(octets), "digest.cache")
    assert len(complaints) <= digest_cache.MOST_COMPLAINTS + 1
    assert all(len(digest) == 32 for digest, _ in entries)
    again, broken = digest_cache.read("".join(digest_cache.write(entries)), "again")
    assert not broken
    assert [digest for digest, _ in again] == [digest for digest, _ in entries]
    return "entries" if entries else "nothing"


_VALUES = {
    "SOURCE": "10.0.0.0/8, 2001:db8::/32",
    "DESTINATION": "10.0.0.1",
    "OPEN_PORTS": "tcp/22, udp/53",
    "RESTRICT_PORTS": "tcp/25",
    "HMAC_DIGEST_TYPE": "sha512",
    "ENCRYPTION_MODE": "legacy",
    "ACCESS_EXPIRE": "12/31/2030",
    "ACCESS_EXPIRE_EPOCH": "1900000000",
    "FW_ACCESS_TIMEOUT": "60",
    "MAX_FW_TIMEOUT": "300",
    "REQUIRE_USERNAME": "alice, bob",
    "REQUIRE_SOURCE_ADDRESS": "Y",
    "%include": "more.conf",
}


def seed_server() -> Iterator[bytes]:
    yield b"ENABLE_UDP_SERVER Y;\nUDPSERV_PORT 62201;\n\f" + _STANZA.encode("ascii")
    for name, value in _VALUES.items():
        yield f"ENABLE_UDP_SERVER Y\n\f{_STANZA}{name} {value}\n\fSOURCE ANY\n".encode("ascii")
    for name in sorted(VARIABLES):
        for value in ("Y", "1", "$X", "inet filter input"):
            yield f"ENABLE_UDP_SERVER Y\n{name} {value};\n\f{_STANZA}".encode("ascii")


def seed_rc() -> Iterator[bytes]:
    yield b""
    yield f"[default]\nFW_TIMEOUT 30\n\n[x]\nACCESS tcp/22\nKEY_BASE64 {_KEY}\n[y]\n".encode()
    for name in sorted(RC_VARIABLES):
        for value in ("Y", "1", "192.0.2.7", "sha256", "udp"):
            yield f"# a comment\n[x]\n{name} {value}\n".encode("ascii")


def seed_digests() -> Iterator[bytes]:
    line = (
        "rv/pWjPnxeN39XLmd2hR84rPTouYm3lOBrhoaZ5Tnro 17 127.0.0.1 48833 127.0.0.1 62201 1795251474"
    )
    yield digest_cache.HEADER.encode("ascii")
    yield f"{digest_cache.HEADER}{line}\n{line}\r\n\n".encode("ascii")
    yield line.replace("127.0.0.1", "0.0.0.0").encode("ascii")  # noqa: S104  (nothing is bound)


SERVER = Target(
    "server-files",
    "any fwknopd.conf and access.conf are a configuration, or complaints with places",
    check_server,
    seed_server,
    words=tuple(
        each.encode("ascii")
        for each in ("\f", *sorted({*VARIABLES, *ALIASES, *KNOWN}), *_VALUES.values())
    ),
    longest=4096,
)
RC = Target(
    "rc-files",
    "any rc file is settings or complaints, and what is saved in it is read back",
    check_rc,
    seed_rc,
    words=tuple(f"{each} ".encode("ascii") for each in sorted(RC_VARIABLES)),
)
DIGESTS = Target(
    "digest-cache",
    "any digest.cache is entries and complaints, and entries are written as they are read",
    check_digests,
    seed_digests,
)
