"""Placeholders for addresses, names and commands: in the dump, and in the bundle for helpers."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from tests.daemon import stanza
from tests.fwknopd_files import configure
from tests.fwknopd_files import stanza as lines_of
from tests.unit.test_tool import Desk
from watchword.dialects.fwknop.anonymous import Anonymous
from watchword.dialects.fwknop.dump import dump_config
from watchword.dialects.fwknop.fwknopd_conf_table import VARIABLES
from watchword.service.daemon import server
from watchword.service.tool import support_bundle

ACCESS = lines_of(
    "REQUIRE_USERNAME carol, dave\nCMD_EXEC_USER nobody\nENABLE_CMD_EXEC Y\n"
    "CMD_REGEX /opt/acme/wake .*\nDESTINATION 203.0.113.7\n"
).replace("SOURCE ANY", "SOURCE 198.51.100.0/24, 2001:db8:5::/48")
CONFIG = (
    "HOSTNAME door-of-acme\nEMAIL_ADDRESSES alice@acme.example\nGUARD_SERVICES tcp/22\n"
    "WEBHOOK_URL https://hooks.acme.example/token\n"
)
SECRET = ("198.51.100", "2001:db8:5", "203.0.113.7", "carol", "dave", "acme", "alice")


@pytest.mark.requirement("7.11", partial=True)
def test_a_dump_has_placeholders_and_keeps_what_is_the_same_the_same() -> None:
    configuration = configure(CONFIG, ACCESS)
    names = Anonymous()
    names.learn_from(configuration)
    said = names.text(dump_config(configuration))
    for word in SECRET:
        assert word not in said, word
    assert "SOURCE (1):  ipv4-" in said
    assert "/24, ipv6-1/48" in said
    assert "user-1, user-2" in said or "user-2, user-3" in said
    assert "OPEN_PORTS:  tcp/22" in said
    assert "<see the access.conf file>" in said


def test_the_same_word_has_the_same_placeholder_and_others_have_others() -> None:
    names = Anonymous()
    names.learn("user", "carol")
    text = "carol 192.0.2.7 192.0.2.8 192.0.2.7 2001:DB8::1 2001:db8:0::1 carols 52:54:00:12:34:56"
    assert names.text(text) == "user-1 ipv4-1 ipv4-2 ipv4-1 ipv6-1 ipv6-1 carols mac-1"
    assert names.text("192.0.2.8") == "ipv4-2"


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1 and ::1 and 0.0.0.0",
        "version 2.6.10 at 12:34:56, 1.2.3 and 1.2.3.4.5",
        "[198.51] (stanza #1): tcp/22",
        "2026-09-21T14:13:20.000Z std::vector deadbeef",
    ],
)
def test_what_is_no_address_stays(text: str) -> None:
    assert Anonymous().text(text) == text


@pytest.mark.requirement("7.11")
@pytest.mark.parametrize("options", [("-D",), ("-D", "--anonymize")])
def test_fwknopd_dumps_with_and_without_names_and_never_a_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    config, access = tmp_path / "fwknopd.conf", tmp_path / "access.conf"
    for path, text in ((config, f"ENABLE_UDP_SERVER Y\n{CONFIG}"), (access, ACCESS)):
        path.touch(mode=0o600)
        path.write_text(text)
    assert server.run([*options, "-c", str(config), "-a", str(access)]) == 0
    said = capsys.readouterr().out
    assert ("carol" in said) is ("--anonymize" not in options)
    assert "jnj2fAYu4eR" not in said
    assert "token" not in said
    for name, variable in VARIABLES.items():
        assert (f" {name} " in said) or not variable.listed
    assert said.count("<see the access.conf file>") == 4  # both names of both keys


@pytest.mark.requirement("7.12")
def test_the_bundle_has_everything_and_neither_keys_nor_names(tmp_path: Path) -> None:
    desk = Desk(tmp_path, _Quiet())  # type: ignore[arg-type]  # it is only read
    desk.settings += CONFIG + f"FWKNOP_RUN_DIR {tmp_path}/run\n"
    desk.access = ACCESS
    out = tmp_path / "bundle.tar.gz"
    status, _, _ = desk.ask("support-bundle", "-o", str(out))
    assert status == 0
    assert out.stat().st_mode & 0o777 == 0o600
    found = members(out)
    assert set(found) == {
        "complaints.txt", "findings.json", "log.txt", "settings.txt", "status.json", "versions.txt",
    }  # fmt: skip
    together = "".join(found.values())
    for word in (*SECRET, "jnj2fAYu4eR", "OBoveH9PuOUcA2", "token"):
        assert word not in together, word
    assert "OPEN_PORTS" in found["settings.txt"]
    assert "cannot be had: no daemon answers" in found["status.json"]
    assert found["versions.txt"].startswith("watchword ")
    assert "kernel" in found["versions.txt"]
    assert os.uname().nodename not in found["versions.txt"]
    assert '"findings"' in found["findings.json"]


def test_a_broken_configuration_is_no_reason_to_have_no_bundle(tmp_path: Path) -> None:
    desk = Desk(tmp_path, _Quiet())  # type: ignore[arg-type]  # it is only read
    desk.settings += f"FWKNOP_RUN_DIR {tmp_path}/run\n"
    desk.access = stanza(OPEN_PORTS="ssh")
    out = tmp_path / "bundle.tar.gz"
    assert desk.ask("support-bundle", "-o", str(out))[0] == 0
    assert "ssh" in members(out)["complaints.txt"]


def test_what_the_daemon_tells_has_placeholders_and_no_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [
        {"at": 1.0, "event": "judged", "lines": ["(stanza #1) mallory from 192.0.2.9"],
         "user": "mallory", "reason": "wrong-user", "detail": "trudy"},
        {"at": 2.0, "event": "judged", "lines": ["Username trudy"]},
        {"at": 3.0, "event": "command-started", "lines": ["command='swordfish'"]},
    ]  # fmt: skip
    monkeypatch.setattr(
        "watchword.service.tool.recent_told.events", lambda path, what, follow: [events]
    )
    monkeypatch.setattr("watchword.service.asking.ask", lambda path, what: {"peer": "192.0.2.9"})
    desk = Desk(tmp_path, _Quiet())  # type: ignore[arg-type]  # it is only read
    out = tmp_path / "bundle.tar.gz"
    assert desk.ask("support-bundle", "-o", str(out))[0] == 0
    found = members(out)
    assert found["log.txt"].splitlines() == [
        "1.000 judged: (stanza #1) user-1 from ipv4-1",
        "2.000 judged: Username user-2",
        "3.000 command-started: (left out: a command)",
    ]
    assert "ipv4-1" in found["status.json"]
    assert desk.ask("support-bundle", "--with-names", "-o", str(out))[0] == 0
    assert "mallory from 192.0.2.9" in members(out)["log.txt"]
    assert "swordfish" not in members(out)["log.txt"]
    assert set(support_bundle._COMMANDS) == {
        "command-started", "cycle-opening", "cycle-closing", "cycle-not-closed",
    }  # fmt: skip


class _Quiet:
    """Of what was printed, nothing is kept."""

    class _Said:
        out = err = ""

    def readouterr(self) -> _Said:
        return self._Said()


def members(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        return {
            Path(each.name).name: reading.read().decode()
            for each in archive.getmembers()
            if (reading := archive.extractfile(each)) is not None
        }
