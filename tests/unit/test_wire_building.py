"""Requests from typed values: each kind gives the packet that the real client gives for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from watchword import spa
from watchword.conformance.golden import Vector, all_of_kind, credential_of, message_of, payload_of

ME = IPv4Address("192.0.2.10")
SSH = spa.Service.parse("tcp/22")
INSIDE = IPv4Address("10.0.0.5")
SENDING: dict[str, Any] = {"user": "alice", "now": 1700000000.9, "random": bytes}
BUILD: dict[str, Callable[..., spa.Message]] = {
    "access": lambda **more: spa.access(ME, [SSH], **SENDING | more),
    "nat": lambda **more: spa.nat_access(ME, [SSH], INSIDE, 2222, **SENDING | more),
    "local": lambda **more: spa.local_nat_access(ME, [SSH], INSIDE, 2222, **SENDING | more),
    "command": lambda **more: spa.command(ME, "uname -a", **SENDING | more),
}


def digits(text: str) -> Callable[[int], bytes]:
    """A source of randomness from which this random value is drawn."""
    return lambda count: int(text).to_bytes(count, "big")


def built(wanted: spa.Message) -> spa.Message:
    """The message, made from the typed values that it stands for."""
    sending: dict[str, Any] = {
        "user": wanted.user,
        "now": float(wanted.sent_at),
        "random": digits(wanted.random),
        "digest": wanted.digest,
        "version": wanted.version,
    }
    if wanted.type is spa.MessageType.COMMAND:
        return spa.command(*spa.parse_command(wanted.text), **sending)
    allow, services = spa.parse_access(wanted.text)
    sending["seconds"] = wanted.seconds
    if wanted.nat is None:
        return spa.access(allow, services, **sending)
    host, port = spa.parse_nat(wanted.nat)
    local = wanted.type.for_seconds(0) is spa.MessageType.LOCAL_NAT_ACCESS
    build = spa.local_nat_access if local else spa.nat_access
    return build(allow, services, host, port, **sending)


def is_plain(vector: Vector) -> bool:
    """Whether typed values give this text: no server_auth, no leading zeros."""
    if vector.get("lenient") or not vector["source"].startswith(("libfko-", "fwknop-client-")):
        return False
    message = message_of(vector)
    numbers = message.text.replace("/", ",").replace(".", ",").split(",")
    padded = message.type != 0 and any(len(each) > 1 and each[0] == "0" for each in numbers)
    octal = any(len(each) > 1 and each[0] == "0" for each in numbers[:4])
    nat_port = (message.nat or "").rpartition(",")[2]
    return not (message.server_auth or padded or octal or nat_port.startswith("0"))


PLAIN = [vector for vector in all_of_kind("positive") if is_plain(vector)]


def test_most_vectors_are_plain() -> None:
    assert len(PLAIN) == 332
    kinds = {message_of(vector).type for vector in PLAIN}
    assert kinds == set(spa.MessageType)


@pytest.mark.requirement("4.8", partial=True)
@pytest.mark.parametrize("vector", PLAIN, ids=lambda vector: str(vector["id"]))
def test_typed_values_give_the_packet_of_the_c_programs(vector: Vector) -> None:
    credential = credential_of(vector["encryption"], vector["hmac"])
    salt = bytes.fromhex(vector["encryption"]["salt_hex"])
    assert spa.seal(built(message_of(vector)), credential, salt=salt) == payload_of(vector)


@pytest.mark.parametrize(
    ("kind", "type_", "timed"),
    [("access", 1, 3), ("nat", 2, 4), ("local", 5, 6)],
)
def test_seconds_choose_the_type(kind: str, type_: int, timed: int) -> None:
    assert BUILD[kind]().type == type_
    assert (BUILD[kind](seconds=60).type, BUILD[kind](seconds=60).seconds) == (timed, 60)


def test_each_kind_says_what_it_was_told() -> None:
    said = {name: (message.text, message.nat) for name, message in made().items()}
    assert said == {
        "access": ("192.0.2.10,tcp/22", None),
        "nat": ("192.0.2.10,tcp/22", "10.0.0.5,2222"),
        "local": ("192.0.2.10,tcp/22", "10.0.0.5,2222"),
        "command": ("192.0.2.10,uname -a", None),
    }
    for message in made().values():
        assert (message.user, message.sent_at, message.version) == ("alice", 1700000000, "3.0.0")


def made() -> dict[str, spa.Message]:
    return {name: build() for name, build in BUILD.items()}


def test_services_keep_their_order() -> None:
    dns = spa.Service.parse("udp/53")
    assert spa.access(ME, [dns, SSH, dns], **SENDING).text == "192.0.2.10,udp/53,tcp/22,udp/53"


@pytest.mark.requirement("9.3", partial=True)
@pytest.mark.parametrize("allow", [IPv6Address("2001:db8::7"), spa.ANY_SOURCE, ME])
def test_every_address_a_caller_can_have_is_read_back(allow: spa.Address) -> None:
    message = spa.access(allow, [SSH], **SENDING)
    credential = spa.Credential(spa.Secret(b"k" * 32))
    payload = spa.seal(message, credential, salt=b"saltsalt")
    opened = spa.unseal(payload, spa.Lock(credential)).message
    assert spa.parse_access(opened.text) == (allow, (SSH,))


def test_a_host_behind_the_server_may_be_ipv6_or_a_name() -> None:
    for host in (IPv6Address("2001:db8::5"), "db.internal"):
        message = spa.nat_access(ME, [SSH], host, 5432, **SENDING)
        assert spa.parse_nat(message.nat or "") == (str(host), 5432)


def test_a_random_value_is_drawn_once_for_16_bytes_and_has_16_digits() -> None:
    asked = []

    def draw(count: int) -> bytes:
        asked.append(count)
        return b"\xff" * count

    message = BUILD["access"](random=draw)
    assert asked == [16]
    assert message.random == str((2**128 - 1) % 10**16).zfill(16)
    assert BUILD["access"](random=digits("42")).random == "0000000000000042"


@pytest.mark.parametrize("count", [0, 15, 17])
def test_a_source_that_gives_too_few_or_many_bytes_is_a_bug_of_the_caller(count: int) -> None:
    with pytest.raises(ValueError, match="gave"):
        BUILD["access"](random=lambda _: b"\0" * count)


@pytest.mark.parametrize("kind", BUILD)
@pytest.mark.parametrize(
    ("change", "code", "detail"),
    [
        ({"user": ""}, 89, ""),
        ({"user": "a:b"}, 91, ""),
        ({"user": "u" * 49}, 94, "the user name is at most 48 bytes long"),
        ({"now": -1.0}, 88, ""),
        ({"now": 1e12}, 88, ""),
        ({"now": math.nan}, 88, ""),
        ({"now": math.inf}, 88, ""),
        ({"version": "3:0"}, 4, "the version is 1 to 8 characters without a colon"),
    ],
)
def test_what_is_wrong_in_any_kind_is_told_when_it_is_built(
    kind: str, change: dict[str, Any], code: int, detail: str
) -> None:
    with pytest.raises(spa.SpaError) as refused:
        BUILD[kind](**change)
    assert (refused.value.code, refused.value.detail) == (code, detail)
    assert refused.value.code.label.startswith("FKO_ERROR_")
    assert refused.value.reason is spa.Reason.MALFORMED


@pytest.mark.parametrize(
    ("build", "code"),
    [
        (lambda: spa.access(ME, [], **SENDING), 102),
        (lambda: spa.access(ME, [SSH] * 40, **SENDING), 94),
        (lambda: spa.access(IPv6Address("::1"), [SSH], **SENDING), 100),
        (lambda: spa.access(IPv6Address("::ffff:192.0.2.1"), [SSH], **SENDING), 100),
        (lambda: spa.access(IPv6Address("fe80::1%eth0"), [SSH], **SENDING), 100),
        (lambda: spa.access(ME, [SSH], **SENDING, seconds=-1), 5),
        (lambda: spa.access(ME, [SSH], **SENDING, seconds=65537), 94),
        (lambda: spa.nat_access(ME, [SSH], "", 22, **SENDING), 103),
        (lambda: spa.nat_access(ME, [SSH], "a b", 22, **SENDING), 103),
        (lambda: spa.nat_access(ME, [SSH], INSIDE, 0, **SENDING), 103),
        (lambda: spa.local_nat_access(ME, [SSH], INSIDE, 65536, **SENDING), 103),
        (lambda: spa.local_nat_access(ME, [], INSIDE, 22, **SENDING), 102),
        (lambda: spa.command(ME, "", **SENDING), 101),
        (lambda: spa.command(ME, "a\0b", **SENDING), 4),
        (lambda: spa.command(ME, "x" * 182, **SENDING), 94),
    ],
)
def test_what_is_wrong_in_one_kind_is_told_when_it_is_built(
    build: Callable[[], spa.Message], code: int
) -> None:
    with pytest.raises(spa.SpaError) as refused:
        build()
    assert refused.value.code == code
