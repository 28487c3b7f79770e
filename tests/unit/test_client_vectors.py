"""What the real client made of a command line, ours makes too: byte for byte."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from watchword.conformance.golden import credential_of, load, message_of, payload_of
from watchword.dialects.fwknop import client_keys, client_request
from watchword.dialects.fwknop.client_dump import fields
from watchword.dialects.fwknop.client_options import parse
from watchword.dialects.fwknop.client_settings import Given, KeyWord, combine
from watchword.dialects.fwknop.client_verify import verify
from watchword.model.crypto import CipherMode, Credential, Digest
from watchword.service.client.seal import SymmetricSeal
from watchword.wire.spa.composing import compose
from watchword.wire.spa.message import Message, MessageType
from watchword.wire.spa.sealing import seal

VECTORS = load("client")


def settings_of(vector: dict[str, Any]) -> tuple[Given, str | None]:
    line = parse(vector["argv"][1:])
    settings = combine(Given(), Given(), line.given)
    verify(line, settings)
    return settings, line.command


def message_wanted(vector: dict[str, Any]) -> Message:
    """The message of this command line, at the vector's time and with its random values."""
    settings, command = settings_of(vector)
    expected = message_of(vector)
    port = expected.text.rpartition("/")[2]
    draw = client_request.Draw(expected.random, int(port) if port.isdecimal() else 0)
    environment = {"LOGNAME": "tester", **vector.get("environment", {})}
    offset = settings.time_offset or 0
    return client_request.wanted(
        settings,
        command,
        client_request.Person(environment, ""),
        expected.sent_at - offset,
        draw,
    ).message


def credential_wanted(settings: Given) -> Credential:
    def octets(word: KeyWord | None) -> bytes:
        assert word is not None
        return client_keys.octets(word)

    mode = settings.mode or CipherMode.CBC
    key = client_keys.check_key(octets(settings.key), mode)
    mac_key = None
    if settings.use_hmac:
        mac_key = client_keys.check_mac_key(octets(settings.mac_key), key)
    return client_keys.credential(key, mode, mac_key, settings.mac_digest or Digest.SHA256)


@pytest.mark.requirement("4.22")
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_a_command_line_gives_the_packet_that_fwknop_gives(vector: dict[str, Any]) -> None:
    message = message_wanted(vector)
    if message.type is MessageType.COMMAND:  # its timeout is shown, and not sent
        message = replace(message, seconds=0)
    assert message == message_of(vector)
    assert compose(message) == vector["plaintext"].encode()

    credential = credential_wanted(settings_of(vector)[0])
    assert credential == credential_of(vector["encryption"], vector["hmac"])
    salt = bytes.fromhex(vector["encryption"]["salt_hex"])
    assert seal(message, credential, salt=salt) == payload_of(vector)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_the_dump_shows_every_field_of_the_packet(vector: dict[str, Any]) -> None:
    message = message_of(vector)
    credential = credential_of(vector["encryption"], vector["hmac"])

    sealing = SymmetricSeal(credential).sealing()

    shown = fields(message, compose(message), payload_of(vector), sealing, decoded=False)

    rows = dict(line.strip().split(": ", 1) for line in shown.splitlines()[2:])
    assert rows["Encoded Data"] == vector["encoded"]
    assert rows["SPA Data Digest"] == vector["digest"]["value"]
    assert rows["HMAC"] == (vector["hmac"]["value"] if vector["hmac"] else "<NULL>")
    assert rows["Final SPA Data"] == vector["packet"]
    assert rows["Message String"] == vector["fields"]["message"]
