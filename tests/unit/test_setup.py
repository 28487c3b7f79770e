"""watchword setup: the first files of a server, asked for or given."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS
from watchword.dialects.fwknop import server_options, translate
from watchword.dialects.fwknop.translate import Configuration
from watchword.model.services import Service
from watchword.model.settings import Sniffer, UdpPort
from watchword.service.daemon import own_files
from watchword.service.tool import command, setup


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Desk:
    def __init__(self, folder: Path) -> None:
        self.config, self.access = folder / "fwknopd.conf", folder / "access.conf"
        self.client = folder / "client.rc"

    def setup(self, *options: str) -> int:
        files = ("-c", str(self.config), "-a", str(self.access), "--client-file", str(self.client))
        return command.run(["setup", *files, *options])

    @property
    def loaded(self) -> Configuration:
        argv = ["-c", str(self.config), "-a", str(self.access)]
        return translate.load(own_files.sources(), server_options.parse(argv))

    @property
    def written(self) -> bool:
        return any(each.exists() for each in (self.config, self.access, self.client))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "_interfaces", lambda: ["lo", "eth0", "wlan0"])
    monkeypatch.setattr(socket, "getfqdn", lambda: "this-host")


@pytest.mark.requirement("4.36", partial=True)
def test_the_interfaces_of_this_host_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(["setup", "--list-interfaces"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == [name for _, name in socket.if_nameindex()]
    assert any("127.0.0.1" in line for line in said if line.startswith("lo"))


@pytest.mark.requirement("4.36")
@pytest.mark.usefixtures("types")
@pytest.mark.parametrize(
    ("answers", "sources", "opened"),
    [
        ("\n\n\n", "eth0", "tcp/22"),
        ("3\ntcp/22,udp/53\nserver.example\n", "wlan0", "tcp/22,udp/53"),
        ("wlan0\n\n\n", "wlan0", "tcp/22"),
        ("udp\n\n\n", "", "tcp/22"),
        ("", "eth0", "tcp/22"),
    ],
)
def test_it_asks_for_the_interface_and_the_ports_and_proposes_both(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answers: str,
    sources: str,
    opened: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answers))
    assert desk.setup() == 0
    said = capsys.readouterr().out
    assert "  2. eth0" in said
    assert "Where do packets come in? [eth0]" in said
    [source] = desk.loaded.settings.sources
    if sources:
        assert isinstance(source, Sniffer)
        assert source.interfaces == (sources,)
    else:
        assert source == UdpPort(62201)
    [terms] = desk.loaded.policy.stanzas
    services = frozenset(Service.parse(each) for each in opened.split(","))
    assert terms.open_services == services
    assert set(desk.loaded.settings.firewall.guarded) == services


@pytest.mark.requirement("4.36", partial=True)
@pytest.mark.usefixtures("types")
def test_each_question_has_an_option_and_nothing_is_asked_then(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("never\nread\n"))
    options = (
        "-y", "-i", "udp", "-p", "40000", "--open", "tcp/22,tcp/443", "--hide-all",
        "--server", "door.example", "--name", "door", "--require-address",
    )  # fmt: skip
    assert desk.setup(*options) == 0
    assert "?" not in capsys.readouterr().out
    assert sys.stdin.read() == "never\nread\n"
    loaded = desk.loaded
    assert loaded.settings.sources == (UdpPort(40000),)
    assert loaded.settings.firewall.guard_all
    assert loaded.policy.stanzas[0].source_required
    rc = desk.client.read_text()
    assert rc.startswith("[door]\n")
    assert "SPA_SERVER              door.example\n" in rc
    assert "SPA_SERVER_PORT         40000\n" in rc


@pytest.mark.usefixtures("types")
def test_client_and_server_have_the_same_fresh_keys_in_files_that_nobody_else_reads(
    desk: Desk, tmp_path: Path
) -> None:
    other = Desk(tmp_path / "other")
    (tmp_path / "other").mkdir()
    assert desk.setup("-y", "--server", "a.example") == 0
    assert other.setup("-y", "--server", "a.example") == 0

    def keys(path: Path) -> list[str]:
        return [line.split()[1] for line in path.read_text().splitlines() if "KEY_BASE64" in line]

    assert keys(desk.access) == keys(desk.client)
    assert len(set(keys(desk.access) + keys(other.access))) == 4
    for path in (desk.config, desk.access, desk.client):
        assert path.stat().st_mode & 0o777 == 0o600
    assert [each for each in desk.loaded.complaints if each.fatal] == []


@pytest.mark.usefixtures("types")
@pytest.mark.parametrize("there", ["config", "access", "client"])
def test_nothing_is_written_over(
    desk: Desk, capsys: pytest.CaptureFixture[str], there: str
) -> None:
    path: Path = getattr(desk, there)
    path.write_text("mine\n")
    assert desk.setup("-y", "--server", "a.example") == 2
    assert "is there already, and nothing is written over" in capsys.readouterr().err
    assert path.read_text() == "mine\n"
    assert sum(each.exists() for each in (desk.config, desk.access, desk.client)) == 1


@pytest.mark.usefixtures("types")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-i", "eth7"), "there are: lo, eth0, wlan0; or udp"),
        (("--open", "ssh"), "ssh"),
        (("--open", ","), "port"),
        (("-p", "0"), "a port from 1 to 65535"),
        (("--server", "a\n[b]"), "no name for a host"),
        (("--name", "a]"), "no name for a host or a stanza"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    desk: Desk, capsys: pytest.CaptureFixture[str], options: tuple[str, str], said: str
) -> None:
    assert desk.setup("-y", *(() if "--server" in options else ("--server", "a")), *options) == 2
    assert said in capsys.readouterr().err
    assert not desk.written


@pytest.mark.usefixtures("types")
def test_a_host_without_a_name_is_not_made_up(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clients would knock at themselves."""
    monkeypatch.setattr(socket, "getfqdn", lambda: "localhost.localdomain")
    assert desk.setup("-y") == 2
    assert "--server HOST" in capsys.readouterr().err
    assert not desk.written
    monkeypatch.setattr(socket, "getfqdn", lambda: "door.example")
    assert desk.setup("-y") == 0


@pytest.mark.usefixtures("types")
def test_what_the_client_sends_by_its_stanza_is_granted_by_the_files_of_the_server(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.setup("-y", "-i", "udp", "--server", "192.0.2.1", "--name", "door") == 0
    packet = tmp_path / "packet"
    sent = subprocess.run(
        [PROGRAMS / "fwknop", "--rc-file", desk.client, "-n", "door", "-T", "-B", packet],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert sent.returncode == 0, sent.stderr
    capsys.readouterr()
    files = ("-c", str(desk.config), "-a", str(desk.access))
    asked = ("-s", "198.51.100.2", "--file", str(packet))
    assert command.run(["explain", *files, *asked]) == 0
    assert "GRANTED: tcp/22 for 198.51.100.2, 30 seconds" in capsys.readouterr().out
