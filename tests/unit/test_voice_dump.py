"""What the server shows of a packet with -v, and what it says of itself when it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.test_reporters import listener
from tests.unit.test_voice import IP, NASTY, grant
from tests.values import NOW, packet, request
from watchword import __version__
from watchword.dialects.fwknop.voice import Voice
from watchword.edges.report.lines import SyslogSink
from watchword.model.commands import Ran
from watchword.model.daemon_events import Starting
from watchword.model.outcomes import Judged
from watchword.model.requests import CommandWish, ForwardWish, Request
from watchword.model.services import Service
from watchword.model.settings import LogSettings
from watchword.service.daemon import logbook

SSH = (Service.parse("tcp/22"),)
COMMAND = replace(request(), wish=CommandWish("swordfish"))


def told(asked: Request, verbosity: int) -> Sequence[str]:
    ran = Ran(0, 0.1) if isinstance(asked.wish, CommandWish) else None
    got = grant() if ran is None else None
    event = Judged(asked.packet, NOW.wall, (), asked, got, ran=ran)
    return [text for _, text in Voice(verbosity=verbosity)(event, verbosity > 0)]


@pytest.mark.requirement("4.21")
def test_with_v_the_fields_are_told_as_fwknopd_tells_them_without_what_is_secret() -> None:
    said = told(replace(request(seconds=30), packet=packet(b"8" * 200)), 1)
    start = said.index(f"[{IP}] (stanza #1) SPA Decode (res=0):")
    assert said[start + 1 :] == [
        "SPA Field Values:",
        "=================",
        "   Random Value: (not shown)",
        "       Username: alice",
        "      Timestamp: 1790000000",
        "    FKO Version: 3.0.0",
        "   Message Type: 3 (Client timeout access msg)",
        " Message String: 198.51.100.2,tcp/22",
        "     Nat Access: <NULL>",
        "    Server Auth: <NULL>",
        " Client Timeout: 30",
        "    Digest Type: 3 (SHA256)",
        "   Encoded Data: (not shown)",
    ]
    assert not any("SPA Decode" in line for line in told(request(), 0))


@pytest.mark.requirement("4.21", partial=True)
@pytest.mark.parametrize(("verbosity", "shown"), [(1, False), (2, False), (3, True)])
def test_the_packet_and_the_text_of_a_command_are_told_only_to_who_asks_for_all(
    verbosity: int, shown: bool
) -> None:
    said = told(replace(COMMAND, packet=packet(b"8" * 200)), verbosity)
    dumped = [line for line in said if line.startswith(" Message String:")]
    assert dumped == [
        " Message String: 198.51.100.2,"
        + ("swordfish" if shown else "(not shown; VERBOSE 3 shows it)")
    ]
    assert (f"SPA Packet: '{'8' * 200}'" in said) is shown


@pytest.mark.parametrize(
    ("wish", "seconds", "kind", "nat"),
    [
        (ForwardWish(SSH, "192.0.2.80", 80, local=False), 0, "2 (NAT access msg)", "192.0.2.80,80"),
        (ForwardWish(SSH, "h", 80, local=False), 9, "4 (Client timeout NAT access msg)", "h,80"),
        (ForwardWish(SSH, "h", 80, local=True), 0, "5 (Local NAT access msg)", "h,80"),
        (
            ForwardWish(SSH, "h", 80, local=True),
            9,
            "6 (Client timeout local NAT access msg)",
            "h,80",
        ),
        (CommandWish("id"), 9, "0 (Command msg)", "<NULL>"),
    ],
)
def test_the_kind_of_message_is_told(
    wish: ForwardWish | CommandWish, seconds: int, kind: str, nat: str
) -> None:
    said = told(replace(request(seconds=seconds), wish=wish), 1)
    assert f"   Message Type: {kind}" in said
    assert f"     Nat Access: {nat}" in said


def test_no_line_of_a_dump_breaks_whatever_a_user_is_called() -> None:
    said = told(replace(request(), user=NASTY), 1)
    assert all("\n" not in line and "\x1b" not in line for line in said)


@pytest.mark.requirement("7.18")
def test_the_version_is_in_the_system_s_log_when_the_server_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "log")
    monkeypatch.setattr(logbook, "SyslogSink", lambda name, to: SyslogSink(name, to, path))
    with listener(tmp_path / "log") as heard:
        log = logbook.Logbook(LogSettings(), foreground=False, syslog=False)
        log.report(Starting(__version__))
        log.close()
        lines = [heard.recv(5000).decode() for _ in range(2)]
    assert any(line.endswith(f"fwknopd of Watchword, version {__version__}") for line in lines)
    assert all("fwknopd[" in line for line in lines)
