"""docs/carriers.md: its command lines are understood and mean what the page says."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from watchword.dialects.fwknop import client_routes
from watchword.dialects.fwknop.client_options import parse
from watchword.dialects.fwknop.client_settings import Given, combine
from watchword.dialects.fwknop.client_verify import verify
from watchword.model.relays import RelayKind
from watchword.model.routes import Route

PAGE = Path(__file__).parents[2] / "docs" / "carriers.md"
STANZA = Given(server="home.example", access="tcp/22")
RANDOM = 23456


def commands() -> list[str]:
    lines = (line.strip() for line in PAGE.read_text("utf-8").splitlines() if line[:4] == "    ")
    return [line.removeprefix("sudo ") for line in lines if "fwknop " in line[:12]]


def routes(command: str) -> tuple[Route, ...]:
    line = parse(["-s", *shlex.split(command)[1:]])
    settings = combine(STANZA, Given(), line.given)
    verify(line, settings)
    return client_routes.routes(line, settings, {}, lambda: RANDOM)


@pytest.mark.parametrize("command", commands())
def test_every_command_line_is_understood(command: str) -> None:
    assert routes(command)


def test_they_go_where_the_page_says() -> None:
    found = {command.removeprefix("fwknop -n home "): routes(command) for command in commands()}
    assert [(each.carrier, each.port) for each in found["--via udp,tcp:443,https"]] == [
        ("udp", 62201), ("tcp", 443), ("https", 443),
    ]  # fmt: skip
    [proxied] = found["-H http://alice:pass%40word@proxy.example:3128"]
    assert proxied.relay is not None
    assert proxied.relay.login is not None
    assert proxied.relay.login.password.reveal() == b"pass@word"
    [tor] = found["-a 192.0.2.10 --socks 127.0.0.1:9050"]
    assert tor.relay is not None
    assert (tor.carrier, tor.relay.kind, tor.relay.port) == ("tcp", RelayKind.SOCKS5, 9050)
    [forged] = found["-P udpraw -Q 192.0.2.200 -a 198.51.100.2"]
    assert (forged.source, forged.source_port) == ("192.0.2.200", RANDOM)


def test_the_tor_session_is_the_one_that_is_run_between_machines() -> None:
    """By tests/interop/test_carriers_to_packaged_server."""
    run = (PAGE.parents[1] / "tests/interop/test_carriers_to_packaged_server.py").read_text("utf-8")
    text = PAGE.read_text("utf-8")
    session = text[text.index("    fwknop -n spa.tor -A") :].partition("## ")[0]
    printed = [line.strip() for line in session.splitlines() if line[:4] == "    "]
    first, socat, last = printed
    assert first.removeprefix("fwknop ") in run
    assert all(f'"{word}"' in run for word in ("SOCKS4A:127.0.0.1:2.2.2.2:62201,socksport=9050",))
    assert socat.startswith("socat TCP-LISTEN:62201 SOCKS4A:127.0.0.1:2.2.2.2:62201,socksport=9050")
    assert last == "fwknop -n spa.tor"
