"""How option values are read (client, sections 2 and 3)."""

from __future__ import annotations

import pytest

from watchword.dialects.fwknop import client_values as values
from watchword.model.crypto import CipherMode, Digest


@pytest.mark.requirement("9.29", partial=True)
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60", 60),
        ("60sec", 60),
        ("60min", 3600),
        ("2days", 172_800),
        ("2 DAYS", 172_800),
        ("1h", 3600),
        ("5x", 5),
        ("1x2m", 720),
        ("-1", 1),
        ("65536", 65_536),
        ("65536d", 65_536 * 86_400),
        ("00000001", 1),
    ],
)
def test_a_time_offset_is_digits_and_a_unit(text: str, seconds: int) -> None:
    assert values.time_offset(text) == seconds


@pytest.mark.requirement("9.29", partial=True)
@pytest.mark.parametrize("text", ["", "x", "h", "65537", "100000", "000000001", "m5", "٣"])
def test_anything_else_is_no_time_offset(text: str) -> None:
    with pytest.raises(ValueError, match="Invalid time offset: '"):
        values.time_offset(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("22", 22), ("22abc", 22), ("abc", 0), ("", 0), (" 7", 7), ("+7", 7), ("65535", 65535)],
)
def test_a_number_is_read_as_c_reads_it(text: str, number: int) -> None:
    assert values.port(text) == number


@pytest.mark.parametrize("text", ["65536", "-1", "9" * 30])
def test_a_number_outside_its_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"out of range \[\(0\)-\(65535\)\]"):
        values.port(text)


def test_a_timeout_has_its_own_range_and_sentence() -> None:
    assert values.seconds("131072") == 131_072
    with pytest.raises(ValueError, match=r"--fw-timeout must be within \[0-131072\]"):
        values.seconds("131073")


@pytest.mark.parametrize("digest", Digest)
def test_digests_have_names_in_any_case(digest: Digest) -> None:
    assert values.digest(digest.name.lower()) is values.digest(digest.name) is digest


@pytest.mark.parametrize("mode", CipherMode)
def test_modes_have_names_in_any_case(mode: CipherMode) -> None:
    assert values.mode(mode.name.lower()) is values.mode(mode.name.title()) is mode


@pytest.mark.requirement("9.1")
@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("gateway.example.org", "gateway.example.org", None),
        ("gateway.example.org:53", "gateway.example.org", 53),
        ("192.0.2.1", "192.0.2.1", None),
        ("192.0.2.1:65535", "192.0.2.1", 65535),
        ("2001:db8::1", "2001:db8::1", None),
        ("[2001:db8::1]", "2001:db8::1", None),
        ("[2001:db8::1]:53", "2001:db8::1", 53),
        ("fe80::1%eth0", "fe80::1%eth0", None),
    ],
)
def test_a_port_may_be_written_with_the_server(text: str, host: str, port: int | None) -> None:
    assert values.server(text) == values.Server(host, port)


@pytest.mark.requirement("9.1")
@pytest.mark.parametrize("text", ["h:", "h:0", "h:65536", "h:x", "[::1]:0"])
def test_a_wrong_port_with_the_server_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="the port"):
        values.server(text)


def test_what_is_shown_cannot_steer_a_terminal() -> None:
    assert values.printable("a\x1b[2J\nb\udcff") == "a\\x1b[2J\\nb\\udcff"
