"""Our reading beside that of the C library, in one process.

Invariants: a lenient lock opens what the library opens, with the same fields,
and refuses what it refuses, with the same number; without exception. What a
strict lock accepts, the library accepts, and reads the same from it; what the
library refuses, a strict lock refuses with its number. The exceptions are
named here and nowhere else:

- *liberties*: what the library reads and we refuse (wire format, chapter 16):
  numbers that are more than digits, base64 that is not canonical, a NUL in a
  field, hosts that are none, an empty server_auth, a second spelling of the
  packet itself. Behind one of them the library may find another fault than we.
- *extensions*: what we read and the library refuses or cuts: IPv6 addresses
  to let in, and time stamps from 2038 on.

Inputs are those of ``packets`` and ``plaintexts``.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from functools import cache

from fuzz import keys
from fuzz.target import Target
from fuzz.targets import packets, plaintexts
from tests.libfko import NAME, Libfko
from watchword.model.crypto import CipherMode, Credential
from watchword.wire.spa import rijndael
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.grammar import parse_nat
from watchword.wire.spa.leniency import LenientLock
from watchword.wire.spa.mac import PREFIX
from watchword.wire.spa.message import Message
from watchword.wire.spa.opening import Lock, unseal

_END_OF_32_BITS = 2**31
_NUMBER = re.compile(rb"0|[1-9][0-9]*")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*(=.*)?", re.DOTALL)
_HOST_OF_THE_LIBRARY = re.compile(rb"[^ /?\"'\\,]{0,70},[0-9]{1,5}", re.DOTALL)

library = cache(Libfko)


def lacks() -> str:
    try:
        library()
    except OSError:
        return f"{NAME} (package libfko3)"
    return ""


def check_plaintext(octets: bytes) -> str:
    plaintext = plaintexts.text_of(octets)
    credential = plaintexts.CREDENTIAL
    return compared(keys.packet(plaintext, credential), credential)


def check_packet(octets: bytes) -> str:
    credential, payload = keys.named(octets)
    if credential.mode is CipherMode.ASYMMETRIC:
        return "not Rijndael"
    return compared(payload.partition(b"\0")[0], credential)


def compared(payload: bytes, credential: Credential) -> str:
    """The three readings of one packet, held against each other; a word for what they were."""
    lock = Lock(credential)
    theirs = library().decode(payload, credential)
    lenient = _read(payload, LenientLock(credential))
    assert lenient == theirs, f"lenient: {lenient!r}, libfko: {theirs!r}"
    ours = _read(payload, lock)
    if isinstance(ours, Message):
        _check_accepted(ours, theirs)
        return "accepted" if isinstance(theirs, Message) else "accepted by us"
    if ours == theirs:
        return f"refused {ours.value}"
    plaintext = _plaintext(payload, lock, credential)
    free = _is_respelled(payload, lock, credential) or takes_liberties(plaintext)
    assert free or _is_extended(plaintext), f"strict: {ours!r}, libfko: {theirs!r}"
    return "accepted by the library" if isinstance(theirs, Message) else "refused differently"


def _read(payload: bytes, lock: Lock) -> Message | Code:
    try:
        return unseal(payload, lock).message
    except SpaError as error:
        return error.code


def _check_accepted(ours: Message, theirs: Message | Code) -> None:
    if ours.sent_at >= _END_OF_32_BITS:
        return
    if ":" in ours.text.partition(",")[0]:
        assert theirs in {
            Code.INVALID_DATA_DECODE_ACCESS_VALIDFAIL,
            Code.INVALID_DATA_DECODE_MESSAGE_VALIDFAIL,
        }
        return
    assert ours == theirs


def _plaintext(payload: bytes, lock: Lock, credential: Credential) -> bytes:
    """What the library decrypts, whether we take the packet or not; empty if nothing."""
    body = payload[: len(payload) - lock.mac_chars].partition(b"=")[0]
    text = body if body.startswith(PREFIX) else PREFIX + body
    try:
        container = _lenient(text)
        return rijndael.decrypt(container, credential.key, credential.mode)[0]
    except (ValueError, SpaError):
        return b""


def _lenient(text: bytes) -> bytes:
    """Base64 as the library reads it. Raises ValueError for other characters."""
    body = text.partition(b"=")[0]
    body = body[: len(body) - (len(body) % 4 == 1)]
    return b64decode(body + b"=" * (-len(body) % 4), validate=True)


def _is_respelled(payload: bytes, lock: Lock, credential: Credential) -> bool:
    """Whether the packet is another spelling of its plaintext than the one that is sent."""
    if payload.startswith(PREFIX):
        return True
    plaintext = _plaintext(payload, lock, credential)
    if not plaintext:
        return False
    body = payload[: len(payload) - lock.mac_chars]
    salt = _lenient(PREFIX + body)[8:16]
    sent = keys.packet(plaintext, credential, salt)
    return sent[: len(sent) - lock.mac_chars] != body


def takes_liberties(plaintext: bytes) -> bool:
    """Whether the text holds something that the library reads and we never do."""
    fields = plaintext.split(b":")[:-1]
    if len(fields) < 6:
        return False
    numbers = [fields[2], fields[4], *([fields[-1]] if fields[-1].isdigit() else [])]
    return (
        any(not _NUMBER.fullmatch(each) for each in numbers)
        or int(numbers[-1]) >= _END_OF_32_BITS  # of which the library keeps 32 bits
        or any(_is_loose(each) for each in (fields[1], *fields[5:]))
        or any(_is_no_host(each) for each in fields[6:])
        or b"" in fields[6:]
    )


def _is_loose(field: bytes) -> bool:
    """Base64 that has another spelling, or a NUL inside."""
    if not _BASE64.fullmatch(field):
        return False
    content = _lenient(field)
    padded = b64encode(content)
    return b"\0" in content or field not in (padded, padded.rstrip(b"="))


def _is_no_host(field: bytes) -> bool:
    try:
        content = _lenient(field)
        parse_nat(content.decode("utf-8", "surrogateescape"))
    except ValueError:
        return bool(_BASE64.fullmatch(field) and _HOST_OF_THE_LIBRARY.fullmatch(_lenient(field)))
    return False


def _is_extended(plaintext: bytes) -> bool:
    """Whether the text holds something that we read and the library does not."""
    fields = plaintext.split(b":")
    if len(fields) < 7:
        return False
    beyond = fields[2].isdigit() and int(fields[2]) >= _END_OF_32_BITS
    try:
        return beyond or b":" in _lenient(fields[5]).partition(b",")[0]
    except ValueError:
        return beyond


PACKETS = Target(
    "libfko-packets",
    "what the C library opens a lenient lock opens alike, and a strict one as far as it goes",
    check_packet,
    keys.golden_packets,
    packets.mutate,
    words=packets.TARGET.words,
    longest=packets.TARGET.longest,
    lacks=lacks,
)
PLAINTEXTS = Target(
    "libfko-plaintexts",
    "behind valid keys a lenient lock reads what the C library reads, and a strict one a part",
    check_plaintext,
    plaintexts.seeds,
    plaintexts.mutate,
    words=plaintexts.TARGET.words,
    longest=plaintexts.TARGET.longest,
    lacks=lacks,
)
