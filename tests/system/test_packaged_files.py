"""The configuration files of the packaged server, as its package installs them.

Nobody but root may read them, so they are copied: what is changed is what their own comments ask
for, and nothing else but where state is kept.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server, base64
from tests.values import KEY, MAC_KEY
from watchword.lab.hosts import Lab
from watchword.lab.sockets import listen, reaches
from watchword.lab.trio import Trio, trio

pytestmark = [pytest.mark.system, pytest.mark.peer("fwknopd", "fwknop")]
INSTALLED = Path("/etc/fwknop")
NAMES = ("fwknopd.conf", "access.conf")
IPTABLES = "FIREWALL_EXE                /sbin/iptables;"


class Installed(Server):
    """A daemon on the two files; ``more`` is written below them."""

    more = ""
    keys = False
    iptables = False
    """True: the line of the file that names it counts."""

    def write(self) -> None:
        for name in NAMES:
            text = (INSTALLED / name).read_text("utf-8")
            if self.keys:
                for variable, key in (("KEY_BASE64", KEY), ("HMAC_KEY_BASE64", MAC_KEY)):
                    pattern = rf"^({variable}\s+)__CHANGEME__"
                    text = re.sub(pattern, rf"\g<1>{base64(key)}", text, flags=re.MULTILINE)
            if self.iptables:
                text = text.replace("#FIREWALL_EXE                /sbin/iptables;", IPTABLES)
            if name == "fwknopd.conf":
                text += f"FWKNOP_RUN_DIR {self.folder}/run;\n{self.more}"
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_text(text, "utf-8")


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture
def server(scene: Trio, tmp_path: Path) -> Iterator[Installed]:
    server = Installed(scene.server.host, tmp_path)
    yield server
    if server.process is not None and not server.ended:
        server.stop()


def knock(scene: Trio, server: Server) -> None:
    """The packaged client asks for a port of its own choice."""
    scene.caller.host.run(
        "/usr/bin/fwknop", "--no-rc-file", "-D", scene.server.four, "-A", "tcp/8443", "-s",
        "--key-base64-rijndael", base64(KEY), "--key-base64-hmac", base64(MAC_KEY),
        "--use-hmac", env={**os.environ, "HOME": str(server.folder)},
    )  # fmt: skip


def checked(server: Installed) -> str:
    """What ``watchword check`` says of the files, which are in order."""
    told = server.host.run(str(PROGRAMS / "watchword"), "check", *server.files)
    return told.stdout + told.stderr


def test_as_installed_both_servers_want_keys_first_and_say_so_alike(server: Installed) -> None:
    server.write()
    theirs = server.host.run("/usr/sbin/fwknopd", "-f", *server.files, check=False)
    ours = server.host.run(*server.command, "-f", *server.files, check=False)
    assert theirs.returncode == ours.returncode == 1
    said = [line for line in theirs.stderr.splitlines() if "not properly set" in line]
    assert len(said) == 1
    assert said[0] in ours.stderr


def test_with_guard_services_any_port_opens_for_half_a_minute_to_a_packet_that_is_sniffed(
    scene: Trio, server: Installed
) -> None:
    """Its stanza lets callers choose any port: what is hidden from all others is said below."""
    server.keys = True
    server.more = f"STATE_DIR {server.folder}/state;\nGUARD_SERVICES tcp/22, tcp/8443;\n"
    server.start()
    assert "as with fwknopd" not in server.log
    for line in (
        "Sniffing interface: eth0",
        "PCAP filter is: 'udp port 62201'",
        "Warning: REQUIRE_SOURCE_ADDRESS not enabled for access stanza source: 'ANY'",
    ):
        assert line in server.log
    with listen(server.host, scene.server.four, 8443):
        assert not reaches(scene.caller.host, scene.server.four, 8443)
        knock(scene, server)
        told = server.wait_for_judgements(1)[0]
        assert (told["verdict"], told["who"]) == ("granted", scene.caller.four), told
        assert told["seconds"] == 30
        assert reaches(scene.caller.host, scene.server.four, 8443, seconds=30.0)
        assert not reaches(scene.stranger.host, scene.server.four, 8443)
    shape = (
        rf"Added access rule to FWKNOP_INPUT for {scene.caller.four} -> 0\.0\.0\.0/0 tcp/8443, "
        r"expires at (\d+)"
    )
    [ends] = re.findall(shape, server.log)
    assert -60 < int(ends) - time.time() <= 31


@pytest.mark.parametrize("named", [False, True])
def test_with_nothing_but_keys_grants_are_rules_of_iptables_also_where_the_file_names_it(
    scene: Trio, server: Installed, named: bool
) -> None:
    host = server.host
    server.keys, server.iptables = True, named
    server.more = f"STATE_DIR {server.folder}/state;\n"
    host.run(
        "iptables", "-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT"
    )
    host.run("iptables", "-P", "INPUT", "DROP")
    with listen(host, scene.server.four, 8443):
        server.start()
        said = (
            "no variable chooses a firewall, and no stanza says which ports its callers may ask for"
        )
        assert (said in server.log) is not named
        assert (said in checked(server)) is not named
        assert "Added jump rule from chain: INPUT to chain: FWKNOP_INPUT" in server.log
        assert "iptables 'comment' match is available" in server.log
        assert not reaches(scene.caller.host, scene.server.four, 8443)
        knock(scene, server)
        assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
        assert reaches(scene.caller.host, scene.server.four, 8443, seconds=30.0)
        rules = host.run("iptables", "-S", "FWKNOP_INPUT").stdout
        assert f"-s {scene.caller.four}/32 -p tcp -m tcp --dport 8443 -m comment" in rules
        assert "_exp_" in rules
        listed = server.program("--fw-list").stdout
        assert "\nListing rules in fwknopd iptables chains...\n\n" in listed
        assert "Chain FWKNOP_INPUT (1 references)" in listed
        assert "tcp dpt:8443 /* _exp_" in listed
        everything = server.program("--fw-list-all").stdout
        assert "\nListing all iptables rules in applicable tables...\n\n" in everything
        assert "Chain INPUT (policy DROP" in everything
        process = server.process
        assert process is not None
        process.send_signal(signal.SIGHUP)
        server.wait_for("Starting fwknopd main event loop.", 2)
        assert f"-s {scene.caller.four}/32" in host.run("iptables", "-S", "FWKNOP_INPUT").stdout
    server.stop()
    host.run("iptables", "-P", "INPUT", "ACCEPT")
    host.run("iptables", "-F", "INPUT")
