"""The two files of fwknop 1.9 as they are, recorded packets of its client, and fwknop1."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server, until
from watchword.conformance.golden import load
from watchword.lab.hosts import Lab
from watchword.lab.sockets import listen, reaches, send_datagram
from watchword.lab.trio import Trio, trio

pytestmark = pytest.mark.system
KEY = "a new key of 1.9;  with blanks"
SERVER_FILE = """\
# fwknop.conf
EMAIL_ADDRESSES             root@localhost;
HOSTNAME                    gate.example;
FIREWALL_TYPE               iptables;
AUTH_MODE                   PCAP;
PCAP_INTF                   eth0;
ENABLE_PCAP_PROMISC         Y;
PCAP_FILTER                 udp port 62201;
ENABLE_SPA_PACKET_AGING     N;
MAX_SPA_PACKET_AGE          120;
MAX_SNIFF_BYTES             1500;
BLACKLIST                   192.0.2.66;
IPT_INPUT_ACCESS            ACCEPT, src, filter, INPUT, 1, FWKNOP_INPUT, 1;
IPT_EXEC_STYLE              waitpid;
ALERTING_METHODS            noemail;
FWKNOP_DIR                  {folder};
FWKNOP_RUN_DIR              $FWKNOP_DIR/run;
FWKNOP_PID_FILE             $FWKNOP_RUN_DIR/fwknopd.pid;
KNOPTM_PID_FILE             $FWKNOP_RUN_DIR/knoptm.pid;
ACCESS_CONF                 $FWKNOP_DIR/access.conf;
iptablesCmd                 /sbin/iptables;
gpgCmd                      /usr/bin/gpg;
"""
ACCESS = f"""\
# access.conf
SOURCE: ANY, !203.0.113.0/24;
OPEN_PORTS:\ttcp/22, tcp/80;
KEY: fwknoptest;
FW_ACCESS_TIMEOUT: 60;

SOURCE: 198.51.100.0/24;
OPEN_PORTS:  tcp/80;
KEY: {KEY};
REQUIRE_USERNAME: alice, mbr;
PERMIT_CLIENT_TIMEOUT;
ENABLE_CMD_EXEC: N;
"""


READY = "Starting fwknopd main event loop."


class PerlServer(Server):
    """fwknopd of ours on files of 1.9; only where state is kept is said beside them."""

    override = ""
    """More lines of the override file."""

    @property
    def files(self) -> list[str]:
        names = ("fwknop.conf", "override.conf")
        config, override = (str(self.folder / name) for name in names)
        return ["-c", config, "-O", override]

    def write(self) -> None:
        texts = {
            "fwknop.conf": SERVER_FILE.format(folder=self.folder),
            "access.conf": ACCESS,
            "override.conf": f"STATE_DIR {self.folder}/state;\n{self.override}",
        }
        for name, text in texts.items():
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_text(text, "utf-8")


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture
def server(scene: Trio, tmp_path: Path) -> Iterator[Server]:
    server = PerlServer(scene.server.host, tmp_path)
    yield server
    if server.process is not None:
        server.stop()


@pytest.mark.requirement("4.37", "8.18")
def test_files_and_packets_of_1_9_open_what_they_opened(
    scene: Trio, server: Server, tmp_path: Path
) -> None:
    home = scene.server.four
    recorded = {each["id"]: each["packet"].encode("ascii") for each in load("perl19")}
    services = [listen(scene.server.host, home, port) for port in (22, 80)]
    for rule in ("-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT", "-P INPUT DROP"):
        scene.server.host.run("iptables", *rule.split())
    server.start()
    assert "Added jump rule from chain: INPUT to chain: FWKNOP_INPUT" in server.log
    assert not reaches(scene.caller.host, home, 22)

    def sent(packet: bytes, count: int, by: str = "caller") -> dict[str, object]:
        sender = scene.caller if by == "caller" else scene.stranger
        send_datagram(sender.host, packet, home, 62201)
        return server.wait_for_judgements(count)[count - 1]

    told = sent(recorded["perl-access-any"], 1)
    assert (told["verdict"], told["who"], told["user"]) == ("granted", scene.caller.four, "mbr")
    assert reaches(scene.caller.host, home, 22, seconds=30.0)
    assert not reaches(scene.stranger.host, home, 22)
    assert sent(recorded["perl-access"], 2, "stranger")["reason"] == "blacklisted"
    assert sent(recorded["perl-timeout"], 3)["reason"] == "time-not-permitted"
    assert sent(recorded["perl-access-any"], 4)["reason"] == "replayed"

    key_file = tmp_path / "key"
    key_file.touch(mode=0o600)
    key_file.write_text(f"{home}: {KEY}\n")
    knock = [str(PROGRAMS / "fwknop1"), "-A", "tcp/80", "-s", "-D", home, "--fw-timeout", "9"]
    for number, (user, verdict) in enumerate((("eve", "refused"), ("alice", "granted")), 5):
        assert not reaches(scene.caller.host, home, 80)
        scene.caller.host.run(
            *knock, "--get-key", str(key_file), "--Spoof-user", user, "--Home-dir", str(tmp_path)
        )
        told = server.wait_for_judgements(number)[number - 1]
        assert told["verdict"] == verdict, told
    assert told["stanza"] == 2
    assert reaches(scene.caller.host, home, 80, seconds=30.0)
    for each in services:
        each.close()


@pytest.mark.requirement("7.9", "7.11", partial=True)
def test_check_says_what_the_files_of_1_9_amount_to_and_the_dump_shows_no_key(
    server: Server,
) -> None:
    server.write()
    checked = server.host.run(str(PROGRAMS / "watchword"), "check", *server.files[:2], check=False)
    assert checked.returncode == 0, checked.stderr
    said = checked.stdout + checked.stderr
    assert "is read as one of fwknop 1.9" in said
    assert "nothing is done for 192.0.2.66/32 (BLACKLIST)" in said
    assert "packets from anywhere except 203.0.113.0/24" in said
    dumped = server.program("--Dump-config").stdout
    assert "fwknoptest" not in dumped
    assert KEY not in dumped
    assert "OPEN_PORTS:  tcp/22, tcp/80" in dumped


@pytest.mark.requirement("5.8", "6.6", "8.24")
def test_knopwatchd_starts_the_daemon_again_whichever_part_is_killed_and_mails_it(
    scene: Trio, server: Server
) -> None:
    """Within five seconds. The override file says where state is, so it has reached the daemon."""
    box, sendmail = server.folder / "box", server.folder / "sendmail"
    sendmail.write_text(f"#!/bin/sh\ncat >>{box}\n", "ascii")
    sendmail.chmod(0o700)
    assert isinstance(server, PerlServer)
    server.override = (
        f"ALERTING_METHODS ALL;\nsendmailCmd {sendmail};\nKNOPWATCHD_CHECK_INTERVAL 1;\n"
    )
    server.command = [sys.executable, "-m", "watchword.programs.knopwatchd"]
    server.start()
    pid_file = server.folder / "run" / "fwknopd.pid"
    first = int(pid_file.read_text())
    assert first != server.pid

    def killed(part: int) -> None:
        count = server.log.count(READY) + 1
        os.kill(part, signal.SIGKILL)
        until(lambda: server.log.count(READY) == count)

    killed(first)
    second = int(pid_file.read_text())
    assert second != first
    restarting = f"restarting fwknopd on {socket.gethostname()}"
    assert f"{restarting} (signal 9)" in server.log
    gate = Path(f"/proc/{second}/task/{second}/children").read_text("ascii").split()[0]
    killed(int(gate))
    third = int(pid_file.read_text())
    assert third != second
    until(lambda: box.exists() and box.read_text("utf-8").count("Restarting fwknopd") == 2)
    assert (server.folder / "state").is_dir()
    assert server.stop() == 0
    until(lambda: not Path(f"/proc/{third}").exists())
