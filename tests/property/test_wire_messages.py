"""Every message that may be written is read back as it was, up to the limits of every field."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.wire.spa.composing import compose
from watchword.wire.spa.envelope import flaw
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.fields import read
from watchword.wire.spa.message import Message, MessageType
from watchword.wire.spa.opening import Lock, unseal
from watchword.wire.spa.sealing import seal

MAX_USER, MAX_MESSAGE, MAX_AUTH = 48, 192, 63  # bytes (wire format, chapter 2)
MAX_SECONDS = 65536
USER_LETTERS = [chr(octet) for octet in range(0x20, 0x7F) if chr(octet) not in '"/\\[]:;|=,+*?<>']
CALLERS = (
    st.ip_addresses(v=4).map(str)
    | st.sampled_from(["010.0.0.1", "0377.1.1.1", "0.0.0.0", "255.255.255.255", "1.2.3.4"])
    | st.ip_addresses(v=6, network="2001:db8::/32").map(str)
    | st.sampled_from(["fe80::1", "fd00::", "64:ff9b::c000:20a"])
)
PORTS = st.integers(1, 65535).map(str) | st.integers(1, 99).map("{:05d}".format)
SERVICES = st.builds("{}/{}".format, st.sampled_from(["tcp", "udp"]), PORTS)
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,10}[A-Za-z0-9])?"
HOSTS = (
    st.ip_addresses().map(str)
    | st.from_regex(rf"{LABEL}(\.{LABEL}){{0,4}}\.?", fullmatch=True)
    | st.just("h" * 63)
    | st.just("a." * 34 + "aa")
)
ENCODABLE = st.characters(exclude_characters="\0", exclude_categories=["Cs"])


def fitting(text: str, limit: int) -> str:
    """As many characters of a text as fit into that many bytes."""
    return text.encode("utf-8")[:limit].decode("utf-8", "ignore")


@st.composite
def access_texts(draw: st.DrawFn) -> str:
    items = [draw(CALLERS), *draw(st.lists(SERVICES, min_size=1, max_size=30))]
    while len(",".join(items)) > MAX_MESSAGE:
        items.pop()
    return ",".join(items)


@st.composite
def command_texts(draw: st.DrawFn) -> str:
    start = draw(CALLERS) + ","
    command = draw(st.text(ENCODABLE, min_size=1, max_size=MAX_MESSAGE) | st.just("x" * 192))
    return start + (fitting(command, MAX_MESSAGE - len(start)) or "x")


@st.composite
def messages(draw: st.DrawFn) -> Message:
    kind = draw(st.sampled_from(MessageType))
    auth = draw(st.none() | st.text(ENCODABLE, min_size=1, max_size=MAX_AUTH))
    return Message(
        random=draw(st.from_regex(r"[0-9]{16}", fullmatch=True)),
        user=draw(st.text(USER_LETTERS, min_size=1, max_size=MAX_USER)),
        sent_at=draw(st.integers(0, 10**12 - 1)),
        version=draw(st.from_regex(r"[ -9;-~]{1,8}", fullmatch=True)),
        type=kind,
        text=draw(command_texts() if kind is MessageType.COMMAND else access_texts()),
        nat=f"{draw(HOSTS)},{draw(PORTS)}" if kind.has_nat else None,
        server_auth=auth and (fitting(auth, MAX_AUTH) or "x"),
        seconds=draw(st.integers(1, MAX_SECONDS)) if kind.has_timeout else 0,
        digest=draw(st.sampled_from(Digest)),
    )


SHORT = Message("1234567890123456", "a", 0, "3", MessageType.ACCESS, "1.2.3.4,tcp/1")
LONGEST = Message(
    "9999999999999999", "u" * MAX_USER, 10**12 - 1, "12345678",
    MessageType.TIMEOUT_LOCAL_NAT_ACCESS, "255.255.255.255" + ",tcp/65535" * 17 + ",udp/10",
    "h" * 63 + ",65535", "é" * 31, MAX_SECONDS, Digest.SHA3_512,
)  # fmt: skip
COMMAND = replace(SHORT, type=MessageType.COMMAND, text="1.2.3.4," + "€" * 61 + "x")


@settings(max_examples=600)
@given(messages())
@example(SHORT)
@example(LONGEST)
@example(COMMAND)
def test_what_is_written_is_read_back_whatever_its_length(message: Message) -> None:
    assert read(compose(message)) == message


def test_the_longest_fields_are_as_long_as_they_may_be() -> None:
    assert len(LONGEST.text) == MAX_MESSAGE
    assert len(COMMAND.text.encode()) == MAX_MESSAGE
    for change in ({"user": "u" * 49}, {"text": LONGEST.text + "1"}, {"server_auth": "a" * 64}):
        with pytest.raises(SpaError) as refused:
            compose(replace(LONGEST, **change))  # type: ignore[arg-type]
        assert refused.value.code is Code.DATA_TOO_LARGE


@given(messages(), st.sampled_from(Digest), st.booleans())
@example(LONGEST, Digest.MD5, True)
def test_what_does_not_fit_into_a_packet_is_not_sealed_and_the_rest_is_opened(
    message: Message, mac: Digest, with_mac: bool
) -> None:
    mac_key = Secret(b"MAC key") if with_mac else None
    credential = Credential(Secret(b"key"), CipherMode.CBC, mac_key, mac)
    try:
        payload = seal(message, credential, salt=b"saltsalt")
    except SpaError as error:
        assert error.code is Code.INVALID_DATA_ENCRYPT_RESULT_MSGLEN_VALIDFAIL  # noqa: PT017
        assert len(compose(message)) > 207 or len(compose(message)) < 80
        return
    assert flaw(payload) is None
    opened = unseal(payload, Lock(credential))
    assert opened.message == message
    assert opened.plaintext == compose(message)
    assert len(payload) < 400 or message.type is MessageType.COMMAND
