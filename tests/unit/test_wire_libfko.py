"""What we seal is opened by the C library, field for field; what it opens, a lenient lock opens.

The library is asked through its documented functions, in this process.
"""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from tests.libfko import Libfko
from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.wire.spa import base64text, rijndael
from watchword.wire.spa.digests import digest_text
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.keyed import Mac
from watchword.wire.spa.leniency import LenientLock
from watchword.wire.spa.message import Message, MessageType
from watchword.wire.spa.opening import Lock, unseal
from watchword.wire.spa.perl19 import PERL_VERSION, seal_as_perl
from watchword.wire.spa.sealing import seal

pytestmark = pytest.mark.peer("fwknopd")


@pytest.fixture(scope="module")
def libfko() -> Libfko:
    return Libfko()


MESSAGE = Message(
    "1234567890123456", "alice", 1700000000, "3.0.0", MessageType.ACCESS, "192.0.2.10,tcp/22"
)
CREDENTIAL = Credential(Secret(b"a key of thirty-two bytes, truly"), mac_key=Secret(b"MAC key"))


@st.composite
def messages(draw: st.DrawFn) -> Message:
    kind = draw(st.sampled_from(MessageType))
    services = st.builds("{}/{}".format, st.sampled_from(["tcp", "udp"]), st.integers(1, 65535))
    wish = draw(st.lists(services, min_size=1, max_size=4).map(",".join))
    command = draw(st.text(min_size=1, max_size=20, alphabet=st.characters(codec="utf-8")))
    address = draw(st.ip_addresses(v=4))
    return Message(
        random=draw(st.from_regex(r"[0-9]{16}", fullmatch=True)),
        user=draw(st.text(" !#$%&'()-.0123456789@AZ^_`az{}~", min_size=1, max_size=20)),
        sent_at=draw(st.integers(0, 2**31 - 1)),
        version="3.0.0",
        type=kind,
        text=f"{address},{command if kind is MessageType.COMMAND else wish}",
        nat=f"{draw(st.ip_addresses(v=4))},{draw(st.integers(1, 65535))}" if kind.has_nat else None,
        server_auth=draw(st.none() | st.just("crypt,secret")),
        seconds=draw(st.integers(1, 65536)) if kind.has_timeout else 0,
        digest=draw(st.sampled_from(Digest)),
    )


credentials = st.builds(
    Credential,
    key=st.binary(min_size=1, max_size=32).map(Secret),
    mode=st.sampled_from([mode for mode in CipherMode if mode is not CipherMode.ASYMMETRIC]),
    mac_key=st.none() | st.binary(min_size=1, max_size=136).map(Secret),
    mac_digest=st.sampled_from(Digest),
)


@settings(max_examples=300, derandomize=True)
@given(messages(), credentials, st.binary(min_size=8, max_size=8))
def test_what_we_seal_the_library_opens(
    libfko: Libfko, message: Message, credential: Credential, salt: bytes
) -> None:
    try:
        payload = seal(message, credential, salt=salt)
    except SpaError:
        reject()
    assert libfko.decode(payload, credential) == message


@pytest.mark.requirement("9.3", partial=True)
def test_ipv6_is_an_extension_that_the_library_refuses(libfko: Libfko) -> None:
    message = replace(MESSAGE, text="2001:db8::7,tcp/22")
    payload = seal(message, CREDENTIAL, salt=b"saltsalt")
    assert libfko.decode(payload, CREDENTIAL) == Code.INVALID_DATA_DECODE_ACCESS_VALIDFAIL


def test_a_time_stamp_beyond_2038_is_one_that_the_library_refuses(libfko: Libfko) -> None:
    payload = seal(replace(MESSAGE, sent_at=2**31), CREDENTIAL, salt=b"saltsalt")
    assert libfko.decode(payload, CREDENTIAL) == Code.INVALID_DATA_DECODE_TIMESTAMP_DECODEFAIL


def b64(octets: bytes) -> bytes:
    return base64.b64encode(octets)


def respelled(fields: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Base64 of these values as the careless write it, and sometimes as nobody does."""
    ends = st.sampled_from([b"", b"", b"", b"=", b"=x", b"A", b"AA", b"*", b"B"])
    padded = fields.map(b64)
    return st.builds(
        lambda text, end: text + end, padded | padded.map(lambda t: t.rstrip(b"=")), ends
    )


odd_numbers = st.sampled_from(
    [
        b"", b"0", b"00", b"1", b"01", b"+1", b"-1", b"-0", b" 1", b"1x", b"x", b"7", b"3 ", b"2.5",
        b"0x10", b"--1", b"+-1", b"65536", b"65537", b"2147483647", b"2147483648", b"4294967295",
        b"4294967296", b"4294967301", b"999999999999", b"9223372036854775807",
        b"9223372036854775808", b"18446744073709551616", b"-4294967291", b"0" * 40, b"1700000000",
    ]
) | st.integers(0, 2**33).map(lambda number: str(number).encode())  # fmt: skip
odd_users = st.sampled_from(
    [b"alice", b"a\0b", b"\0", b"", b"a b", b"a,b", b"\xc3\xa9", b"u" * 48, b"u" * 49, b"a\n"]
)
odd_wishes = st.sampled_from(
    [
        b"192.0.2.10,tcp/22", b"0.0.0.0,udp/53,tcp/00022", b"010.0.0.1,tcp/1", b"08.0.0.1,tcp/1",
        b"192.0.2.10,tcp/22\0,udp/53", b"192.0.2.10", b"192.0.2.10,", b"192.0.2.10,tcp/22,",
        b"192.0.2.10,TCP/22", b"192.0.2.10,tcp/0", b"192.0.2.10,tcp/65536",
        b"192.0.2.10,tcp/000022",
        b"192.0.2.10,icmp/8", b"192.0.2.10,none/0", b"192.0.2.10,tcp/22x", b"2001:db8::7,tcp/22",
        b"192.0.2.10,id", b"192.0.2.10,a,b:c \xff", b"192.0.2.10,\0", b"192.0.2,tcp/22", b"",
        b"192.0.2.010,tcp/22", b"0000.0.0.1,tcp/2", b"192.0.2.10 ,tcp/22", b"192.0.2.256,tcp/22",
    ]
)  # fmt: skip
odd_nats = st.sampled_from(
    [
        b"10.0.0.5,22", b",22", b"h,0", b"h,65536", b"h,22,", b"h", b"h,000022", b"a_b,22",
        b"-h,22", b"h\x01,22", b"h\xc3\xa9,22", b"a b,22", b"a/b,22", b"2001:db8::5,22", b"h,22\0x",
        b"h" * 70 + b",1", b"h" * 71 + b",1", b"a\\b,1", b'a"b,1', b"a?b,1", b"\0,22", b"",
        b"h, 22", b"a'b,22",
    ]
)  # fmt: skip
odd_auths = st.sampled_from([b"crypt,secret", b"", b"a\0b", b"\0", b"a" * 64, b"a" * 190])


ODD = [
    st.sampled_from([b"12345678901234567", b"123456789012345", b"123456789012345x"]),
    respelled(odd_users),
    odd_numbers,
    st.sampled_from([b"!! v", b"", b"12345678", b"123456789"]),
    odd_numbers,
    respelled(odd_wishes),
    respelled(odd_nats) | st.none(),
    respelled(odd_auths) | odd_numbers,
    odd_numbers | st.none(),
]
"""What may stand in the place of each of the nine fields."""


@st.composite
def odd_encodeds(draw: st.DrawFn) -> bytes:
    """Texts that follow the rules but in one place or two, where C and a strict reader differ."""
    odd = draw(st.sets(st.integers(0, 8), max_size=2))
    good: list[bytes | None] = [
        b"1234567890123456",
        b"YWxpY2U",
        b"1700000000",
        b"3.0.0",
        None,
        None,
        None,
        None,
        None,
    ]
    kind = draw(st.sampled_from(MessageType))
    good[4] = str(int(kind)).encode()
    good[5] = b64(b"192.0.2.10,id" if kind is MessageType.COMMAND else b"192.0.2.10,tcp/22")
    good[6] = b64(b"10.0.0.5,22") if kind.has_nat else None
    good[7] = draw(st.sampled_from([None, b"Y3J5cHQs"]))
    good[8] = b"60" if kind.has_timeout else None
    parts = [draw(ODD[place]) if place in odd else good[place] for place in range(9)]
    return b":".join(part for part in parts if part is not None)


@st.composite
def odd_packets(draw: st.DrawFn) -> tuple[bytes, Credential]:
    """Packets whose keys, digest and MAC are right, and nothing else need be."""
    encoded = draw(odd_encodeds())
    kind = draw(st.sampled_from([Digest.MD5, Digest.SHA1, Digest.SHA256, Digest.SHA3_256]))
    plaintext = encoded + b":" + digest_text(kind, encoded)
    plaintext += draw(st.sampled_from([b""] * 9 + [b"\0", b" ", b"\x01" * 16]))
    credential = draw(st.sampled_from([CREDENTIAL, replace(CREDENTIAL, mac_key=None)]))
    container = rijndael.encrypt(plaintext, credential.key, credential.mode, b"saltsalt")
    body = base64text.encode(container)[10:]
    body = draw(st.sampled_from([b"", b"", b"", b"U2FsdGVkX1"])) + body
    body += draw(st.sampled_from([b""] * 5 + [b"=", b"==", b"=AAAA", b"A", b"!"]))
    mac = b""
    if credential.mac_key:
        mac = base64text.encode(
            Mac(credential.mac_key, credential.mac_digest).of(body.removeprefix(b"U2FsdGVkX1"))
        )
    return body + mac, credential


def opened_leniently(payload: bytes, credential: Credential) -> Message | Code:
    try:
        return unseal(payload, LenientLock(credential)).message
    except SpaError as error:
        return error.code


def packed(encoded: bytes) -> bytes:
    """A packet without HMAC around a text."""
    plaintext = encoded + b":" + digest_text(Digest.SHA256, encoded)
    container = rijndael.encrypt(plaintext, CREDENTIAL.key, CREDENTIAL.mode, b"saltsalt")
    return base64text.encode(container)[10:]


ENCODED = b"1234567890123456:YWxpY2U:1700000000:3.0.0:%s:MTkyLjAuMi4xMCx0Y3AvMjI"


@pytest.mark.parametrize(
    "rest",
    [
        b"", b":", b"::60", b":60:", b":YQ:60", b":YQBi:60", b":A:60", b":*:60", b":060", b"::",
        b":" + b"1" * 60, b":+60", b":YQ::60",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [b"1", b"3"])
def test_what_follows_the_message_is_read_as_the_library_reads_it(
    libfko: Libfko, kind: bytes, rest: bytes
) -> None:
    credential = replace(CREDENTIAL, mac_key=None)
    payload = packed(ENCODED % kind + rest)
    assert opened_leniently(payload, credential) == libfko.decode(payload, credential)


@pytest.mark.requirement("4.8")
@settings(max_examples=600, derandomize=True)
@given(odd_packets())
def test_a_lenient_lock_says_of_every_packet_what_the_library_says(
    libfko: Libfko, odd: tuple[bytes, Credential]
) -> None:
    payload, credential = odd
    assert opened_leniently(payload, credential) == libfko.decode(payload, credential)


@pytest.mark.requirement("4.8")
@settings(max_examples=600, derandomize=True)
@given(odd_packets())
def test_what_a_strict_lock_opens_the_library_reads_alike_unless_we_read_further(
    libfko: Libfko, odd: tuple[bytes, Credential]
) -> None:
    payload, credential = odd
    try:
        message = unseal(payload, Lock(credential)).message
    except SpaError:
        return
    theirs = libfko.decode(payload, credential)
    if message.sent_at >= 2**31:
        assert theirs != message
    elif message.text.startswith("2001:db8::7"):
        assert theirs == Code.INVALID_DATA_DECODE_ACCESS_VALIDFAIL
    else:
        assert theirs == message


@pytest.mark.requirement("4.7", partial=True)
@pytest.mark.parametrize("key", [b"8 bytes!", b"a key of 16 byte", b"a key of over sixteen bytes"])
def test_what_we_seal_as_perl_does_the_library_opens(libfko: Libfko, key: bytes) -> None:
    message = replace(
        MESSAGE, version=PERL_VERSION, type=MessageType.TIMEOUT_NAT_ACCESS, nat="10.0.0.5,2222"
    )
    payload = seal_as_perl(message, Secret(key), salt=b"saltsalt")
    mode = CipherMode.LEGACY if len(key) < 16 else CipherMode.CBC
    assert libfko.decode(payload, Credential(Secret(key), mode)) == message
