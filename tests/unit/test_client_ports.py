"""Which stanza is meant, and which port its packet opens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.dialects.fwknop import client_ports, rcfile_find
from watchword.dialects.fwknop.client_settings import Allow, AllowKind, Given
from watchword.errors import OperatorError
from watchword.model.crypto import Digest
from watchword.wire.spa.message import Message, MessageType

RC = """\
[default]
SPA_SERVER default.example
[home]
SPA_SERVER Gate.example:2000
ACCESS tcp/22
[web]
SPA_SERVER gate.example.
ACCESS tcp/80,tcp/443
[any]
SPA_SERVER gate.example
[Any2]
[six]
SPA_SERVER [2001:db8::1]:62201
[broken]
SPA_SERVER host:99999
"""


@pytest.mark.parametrize(
    ("host", "port", "names"),
    [
        ("home", None, ["home"]),
        ("HOME", 443, ["home"]),
        ("gate.example", 22, ["home"]),
        ("GATE.example.", 443, ["web"]),
        ("gate.example", 25, ["any"]),
        ("gate.example", None, ["home", "web", "any"]),
        ("any2", 22, ["Any2"]),
        ("2001:db8::1", 22, ["six"]),
        ("default.example", 22, []),
        ("default", 22, []),
        ("host", 22, []),
        ("", 22, []),
    ],
)
def test_a_stanza_is_found_by_name_or_by_server_and_port(
    host: str, port: int | None, names: list[str]
) -> None:
    assert list(rcfile_find.stanzas_for(RC, host, port)) == names


@given(st.text(max_size=300), st.text(max_size=20))
def test_any_text_has_stanzas_or_none(text: str, host: str) -> None:
    found = rcfile_find.stanzas_for(text, host, 22)
    assert set(found) <= set(rcfile_find.names(text))


def test_a_port_is_asked_for_where_the_stanza_names_none() -> None:
    assert client_ports.asking_for(Given(), 22, "it").access == "tcp/22"
    several = Given(access="udp/53,tcp/22")
    assert client_ports.asking_for(several, 22, "it") is several


@pytest.mark.parametrize("access", ["tcp/2", "udp/22", "tcp/222", "tcp/443"])
def test_a_stanza_for_other_ports_is_refused(access: str) -> None:
    with pytest.raises(OperatorError, match=access):
        client_ports.asking_for(Given(access=access), 22, "it")


@pytest.mark.parametrize(
    ("access", "port"),
    [
        ("tcp/22", 22),
        ("udp/53,tcp/80,tcp/22", 80),
        ("udp/53", None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_the_first_tcp_port_is_what_is_waited_for(access: str, port: int | None) -> None:
    assert client_ports.first_tcp(Given(access=access)) == port


def test_a_translated_port_is_gone_to_where_it_opens_outside() -> None:
    plain = message("192.0.2.1,tcp/22", None)
    translated = message("192.0.2.1,tcp/40123", "10.0.0.5,22")
    assert client_ports.outer_port(plain, 22) == 22
    assert client_ports.outer_port(translated, 22) == 40123


def message(text: str, nat: str | None) -> Message:
    return Message(
        random="1" * 16, user="alice", sent_at=0, version="3.0.0", type=MessageType.ACCESS,
        text=text, seconds=0, digest=Digest.SHA256, nat=nat,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("allow", "family"),
    [
        (Allow(AllowKind.ADDRESS, "192.0.2.1"), 4),
        (Allow(AllowKind.ADDRESS, "2001:db8::1"), 6),
        (Allow(AllowKind.SOURCE), None),
        (Allow(AllowKind.RESOLVE), None),
        (None, None),
    ],
)
def test_only_a_named_address_decides_the_family(allow: Allow | None, family: int | None) -> None:
    assert client_ports.family(Given(allow=allow)) == family
