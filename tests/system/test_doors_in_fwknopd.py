"""Doors and packets in one daemon: one ledger, one log, one list, and one opening for both."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Server, stanza, until
from tests.knockd_scene import CALLER, CALLER_6, HERE, HERE_6, Street, street
from tests.sealing import sealed
from tests.values import KEY, MAC_KEY
from watchword.edges.clock import SystemClock
from watchword.edges.replay.reading import read_grants
from watchword.errors import OperatorError
from watchword.lab.sockets import gets_through, listen, reaches, send_datagram
from watchword.model.crypto import Credential
from watchword.service import asking

pytestmark = pytest.mark.system
PORT = 10001
SECOND = "10.77.0.12"
DOORS = """[options]
Interface = eth0,d0

[ssh]
sequence = 7000,9000,8000
tcpflags = syn
open = tcp/{port}
cmd_timeout = 60

[shut]
sequence = 7100,7300,7200
tcpflags = syn
close = tcp/{port}

[run]
sequence = 7001:udp,9001:udp
start_command = /usr/bin/touch {folder}/open-%IP%
stop_command = /bin/rm {folder}/open-%IP%
cmd_timeout = 60

[fast]
sequence = 7500,7700,7600
tcpflags = syn
kernel = yes
open = tcp/{port}
cmd_timeout = 60

[once]
one_time_sequences = {folder}/sheet
tcpflags = syn
open = tcp/{port}
cmd_timeout = 2
"""
D0 = "ip link add d0 type veth peer name d1; ip link set d0 up"
OLD = f"""SOURCE: ANY;
SHARED_SEQUENCE: tcp/5001, udp/5002, tcp/5003;
OPEN_PORTS: tcp/{PORT};
FW_ACCESS_TIMEOUT: 120;
"""
"""Knocks of fwknop 1.9."""


class Both:
    """A server with doors, and who asks it about itself."""

    def __init__(self, place: Street, folder: Path) -> None:
        self.place, self.folder = place, folder
        self.server = Server(place.inside, folder)
        self.conf = folder / "knockd.conf"
        self.server.settings["KNOCKD_CONF"] = str(self.conf)
        self.server.access = stanza(OPEN_PORTS=f"tcp/{PORT}", FW_ACCESS_TIMEOUT="300") + OLD
        self.server.settings |= {"KNOCK_SOURCE": "sniff", "PCAP_INTF": "eth0"}
        sheet = folder / "sheet"
        sheet.touch(mode=0o600)
        sheet.write_text(" 6000,6001\n 6002,6003\n", "ascii")
        self.write(DOORS.format(port=PORT, folder=folder))

    def write(self, doors: str) -> None:
        self.conf.touch(mode=0o600)
        self.conf.write_text(doors, "ascii")

    def packet(self) -> None:
        key = Credential(KEY, mac_key=MAC_KEY)
        payload = sealed(f"0.0.0.0,tcp/{PORT}", sealed_with=key, sent_at=int(time.time()))
        send_datagram(self.place.outside, payload, HERE, 62201)

    @contextmanager
    def telling(self, text: str) -> Iterator[None]:
        """What is done here has the log say something once more."""
        count = self.server.log.count(text)
        yield
        self.server.wait_for(text, count + 1)

    def ask(self, what: str, **fields: object) -> dict[str, Any]:
        """Of the daemon, at its control socket."""
        put = asking.change if what in ("revoke", "extend") else asking.ask
        return put(self.folder / "run" / "control.sock", what, **fields)

    @property
    def grants(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("grants")["grants"]
        return found

    @property
    def ends(self) -> list[int]:
        """Seconds that remain of each element of the set that holds whom the guard lets in."""
        command = ("nft", "-j", "list", "set", "inet", "watchword", "open4")
        told = json.loads(self.place.inside.run(*command).stdout)["nftables"]
        return [each["elem"]["expires"] for each in told[1]["set"].get("elem", [])]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with street() as place, ExitStack() as listeners:
        for address in (HERE, HERE_6):
            listeners.enter_context(listen(place.inside, address, PORT))
        place.inside.run("sh", "-ec", D0)
        found = Both(place, tmp_path_factory.mktemp("both"))
        found.server.start()
        try:
            yield found
        finally:
            found.server.stop()


@pytest.fixture(autouse=True)
def nobody_is_in(both: Both) -> None:
    both.ask("revoke", all=True)


def test_who_knocks_and_sends_a_packet_has_one_opening_to_the_later_end(both: Both) -> None:
    place, server = both.place, both.server
    assert f"hidden until granted: tcp/{PORT}" in server.log
    assert not reaches(place.outside, HERE, PORT)
    place.knock(7000, 9000, 8000)
    server.wait_for(f"{CALLER}: ssh: opened tcp/{PORT} for 60 seconds")
    assert gets_through(place.outside, HERE, PORT)
    both.packet()
    until(lambda: any(each.get("stanza") == 1 for each in server.judged))
    door, packet = sorted(both.grants, key=lambda each: each["remaining"])
    assert (door["door"], door["stanza"], door["user"]) == ("ssh", None, "ssh")
    assert (packet["door"], packet["stanza"]) == (None, 1)
    [end] = both.ends
    assert end > 200  # the packet's
    both.ask("revoke", grant=packet["grant"])
    [end] = both.ends
    assert end <= 60
    assert gets_through(place.outside, HERE, PORT)
    both.ask("revoke", grant=door["grant"])
    assert both.ends == []


def test_packets_doors_and_old_knocks_have_one_ledger_one_list_and_one_opening(both: Both) -> None:
    place = both.place
    with both.telling("ssh: opened"):
        place.knock(7000, 9000, 8000)
    with both.telling("port knock access sequence matched"):
        place.knock(5001)
        place.knock(5002, flags=None)
        place.knock(5003)
    with both.telling('"verdict":"granted","stanzas_tried":1'):
        both.packet()
    until(lambda: len(both.grants) == 3)
    found = sorted(both.grants, key=lambda each: each["remaining"])
    assert [(each["door"], each["stanza"]) for each in found] == [
        ("ssh", None), (None, 2), (None, 1),
    ]  # fmt: skip
    for each, most in zip(reversed(found), (300, 120, 60), strict=True):
        [end] = both.ends
        assert end <= most
        both.ask("revoke", grant=each["grant"])
    assert both.ends == []
    assert not reaches(place.outside, HERE, PORT)


def test_the_log_has_the_lines_of_knockd_and_a_structured_one(both: Both) -> None:
    before = len(both.server.judged)
    both.place.knock(7000, 9000, 8000, source=CALLER_6, to=HERE_6)
    log = both.server.wait_for(f"{CALLER_6}: ssh: opened tcp/{PORT} for 60 seconds")
    lines = [each for each in log.splitlines() if each.startswith(CALLER_6)]
    said = ["Stage 1", "Stage 2", "Stage 3", "OPEN SESAME"]
    assert lines[:4] == [f"{CALLER_6}: ssh: {each}" for each in said]
    [told] = both.server.judged[before:]
    assert told["carrier"] == "knock"
    assert (told["verdict"], told["door"], told["who"]) == ("granted", "ssh", CALLER_6)
    assert told["services"] == [f"tcp/{PORT}"]
    [grant] = both.grants
    assert told["grant"] == grant["grant"]
    told = both.ask("status")["doors"]
    assert (told["doors"], told["listening_on"]) == (5, ["eth0", "d0"])
    events = both.ask("log")["events"]
    assert any(each["event"] == "services-opened" and each["door"] == "ssh" for each in events)


def test_a_door_closes_what_doors_opened_and_leaves_packets_alone(both: Both) -> None:
    with both.telling("ssh: opened"):
        both.place.knock(7000, 9000, 8000)
    with both.telling('"verdict":"granted","stanzas_tried":1'):
        both.packet()
    with both.telling("Removed rule"):
        both.place.knock(7100, 7300, 7200)
    [left] = both.grants
    assert left["stanza"] == 1


def test_the_part_with_rights_runs_a_doors_commands_and_closes_when_asked_to(both: Both) -> None:
    opened = both.folder / f"open-{CALLER}"
    both.place.knock(7001, 9001, flags=None)
    until(opened.exists)
    [grant] = both.grants
    assert (grant["by"], grant["door"]) == ("commands", "run")
    both.ask("revoke", grant=grant["grant"])
    until(lambda: not opened.exists())
    both.server.wait_for(f"{CALLER}: run: command timeout")
    assert f"run: running command: /bin/rm {opened}" in both.server.log


def test_a_one_time_sequence_is_marked_before_its_door_opens(both: Both) -> None:
    both.place.knock(6000, 6001)
    both.server.wait_for(f"{CALLER}: once: opened")
    assert (both.folder / "sheet").read_text("ascii") == "#6000,6001\n 6002,6003\n"
    both.place.knock(6000, 6001)
    both.place.knock(6002, 6003)
    both.server.wait_for(f"{CALLER}: once: opened", 2)
    both.server.wait_for("no more sequences left in the one time sequences file for door once")


def test_the_kernel_opens_a_door_and_the_grant_is_one_of_the_list(both: Both) -> None:
    with both.telling("fast: opened"):
        both.place.knock(7500, 7700, 7600)
    said = [f"{CALLER}: fast: {each}" for each in ("Stage 1", "Stage 2", "Stage 3", "OPEN SESAME")]
    until(lambda: said[-1] in both.server.log)  # how it came to be open may be told later
    lines = [each for each in both.server.log.splitlines() if f"{CALLER}: fast" in each]
    assert [each for each in lines if "opened" not in each][:4] == said
    assert both.server.judged[-1]["door"] == "fast"
    both.packet()
    until(lambda: both.server.judged[-1].get("stanza") == 1)
    door, packet = sorted(both.grants, key=lambda each: each["remaining"])
    assert (door["door"], door["in_force"], packet["stanza"]) == ("fast", True, 1)
    [end] = both.ends  # one opening for both
    assert end > 200
    both.ask("revoke", grant=packet["grant"])
    assert gets_through(both.place.outside, HERE, PORT)
    both.ask("revoke", grant=door["grant"])
    assert not reaches(both.place.outside, HERE, PORT)


def test_a_broken_file_changes_nothing_and_a_good_one_everything(both: Both) -> None:
    place, server = both.place, both.server
    whole = both.conf.read_text("ascii")
    both.write(whole.replace("7000,9000,8000", "7000,9000,99999"))
    server.send(signal.SIGHUP)
    server.wait_for("port 99999 is invalid")
    with both.telling("ssh: opened"):
        place.knock(7000, 9000, 8000)
    both.write(whole.replace("7000,9000,8000", "7005,9005,8005"))
    with both.telling("starting up, listening on eth0,d0"):
        server.send(signal.SIGHUP)
    assert len(both.grants) == 1
    both.ask("revoke", all=True)
    stages = server.log.count("ssh: Stage")
    with both.telling("ssh: opened"):
        place.knock(7000, 9000, 8000)
        place.knock(7005, 9005, 8005)
    assert server.log.count("ssh: Stage") == stages + 3
    both.write(whole)
    with both.telling("starting up, listening on eth0,d0"):
        server.send(signal.SIGHUP)


def test_the_gate_cannot_open_more_than_a_door_says(both: Both) -> None:
    """Whatever it is told: the end may be moved to what the door allows, and by root beyond."""
    with both.telling("ssh: opened"):
        both.place.knock(7000, 9000, 8000)
    [grant] = both.grants
    longer: dict[str, object] = {"grant": grant["grant"], "seconds": 300}
    with pytest.raises(OperatorError, match="door ssh lets nobody in for more than 60 seconds"):
        both.ask("extend", **longer)
    both.ask("extend", **longer, beyond_policy=True)
    assert both.grants[0]["remaining"] > 300


def test_an_interface_that_is_gone_is_waited_for_and_packets_go_on(both: Both) -> None:
    place = both.place
    with both.telling("The interface disappeared"):
        place.inside.run("ip", "link", "delete", "d0")
    with both.telling('"verdict":"granted","stanzas_tried":1'):
        both.packet()
    with both.telling("starting up, listening on eth0,d0"):
        place.inside.run("sh", "-ec", D0)
    with both.telling("ssh: opened"):
        place.knock(7000, 9000, 8000)


def test_what_doors_opened_outlives_the_daemon(both: Both) -> None:
    with both.telling("ssh: opened"):
        both.place.knock(7000, 9000, 8000)
    opened = both.folder / f"open-{SECOND}"
    both.place.knock(7001, 9001, flags=None, source=SECOND)
    until(opened.exists)
    state = both.folder / "state"
    until(lambda: len(read_grants(state, SystemClock().now())) == 2)  # they are written behind
    os.kill(both.server.pid, signal.SIGKILL)
    until(lambda: both.server.ended)
    both.server.start()
    [grant] = [each for each in both.grants if each["who"] == CALLER]
    assert grant["door"] == "ssh"
    assert opened.exists()
    both.ask("revoke", all=True)
    until(lambda: not opened.exists())
