"""What we seal is opened by the C library, field for field.

The library is asked through its documented functions, in this process.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from tests.libfko import Libfko
from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.message import Message, MessageType
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
