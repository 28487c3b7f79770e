"""Doors that the kernel follows: the same contract as the ordinary ones, on the real kernel."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.contract.doors import EVERY, OTHER, DoorContract, Sent, Steps, noise, opens
from tests.daemon import until
from tests.knockd_scene import CALLER, CALLER_6, HERE, HERE_6, Knockd, Street, street
from tests.unit.test_door_contract import OrdinaryDoors
from watchword.dialects.knockd import conf
from watchword.edges.capture import channel
from watchword.edges.capture.door_log import DoorLog, joined
from watchword.edges.firewall.nft import doors, guard, one_door
from watchword.lab.sockets import gets_through, inside, listen, reaches
from watchword.model.firewalls import FirewallSettings
from watchword.service import asking

pytestmark = pytest.mark.system
_UNLIMITED = "limit rate 1000000/second burst 100000 packets"


class KernelDoors:
    """Our table in a namespace, and what it logs."""

    def __init__(self, place: Street) -> None:
        self.place = place
        self._socket = inside(place.inside, lambda: joined(one_door.group(FirewallSettings())))
        self._log = DoorLog(self._socket)

    def told(self, doors: str, packets: Sequence[Sent]) -> Steps:
        """Again, where the pauses became too long, because others were at work."""
        pauses = sum(each.pause for each in packets)
        for _ in range(10):
            self._make(doors)
            self._heard()
            began = time.monotonic()
            steps = self._sent(packets)
            if not pauses or time.monotonic() - began < pauses + 0.2:
                break
        return steps + self._late()

    def _sent(self, packets: Sequence[Sent]) -> Steps:
        steps: Steps = []
        for sent in packets:
            time.sleep(sent.pause)
            self.place.knock(sent.port, source=sent.source, to=sent.to, flags=sent.flags)
            steps += self._heard()
        return steps

    def _late(self) -> Steps:
        """A busy kernel looks at some packets a moment later."""
        steps, quiet = self._heard(), 0
        while quiet < 4:
            time.sleep(0.01)
            found = self._heard()
            steps += found
            quiet = 0 if found else quiet + 1
        return steps

    def _make(self, text: str) -> None:
        found = conf.read(text, "f")
        settings = FirewallSettings(doors=found.doors, door_interfaces=("eth0",))
        script = f"flush ruleset\n{guard.script(settings)}"
        self.place.inside.run("nft", "-f", "-", input=script)

    def _heard(self) -> Steps:
        """The kernel logs as it looks at packets, which it does while they are sent."""
        steps: Steps = []
        while found := self._log._drain():
            steps += [(each.door, str(ip_address(each.source)), each.stage) for each in found]
        return steps

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def place() -> Iterator[Street]:
    with street() as found:
        yield found


@pytest.fixture(scope="module")
def unlimited() -> Iterator[None]:
    """More than two hundred lines a second are left out otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(one_door, "_LINES", _UNLIMITED)
        patch.setattr(one_door, "_OPENINGS", _UNLIMITED)
        patch.setattr(channel, "BATCH", 100_000)
        yield


@pytest.fixture(scope="module")
def kernel_doors(place: Street, unlimited: None) -> Iterator[KernelDoors]:
    found = KernelDoors(place)
    yield found
    found.close()


class TestKernelDoors(DoorContract):
    @pytest.fixture
    def follower(self, kernel_doors: KernelDoors) -> KernelDoors:
        return kernel_doors


@pytest.mark.parametrize("number", range(len(EVERY)))
def test_kernel_and_recogniser_agree_on_every_packet(
    kernel_doors: KernelDoors, number: int
) -> None:
    packets = list(noise(EVERY[number], seed=number, count=300))
    steps = OrdinaryDoors().told(EVERY[number], packets)
    told = kernel_doors.told(EVERY[number], packets)
    for _ in range(9):
        if told == steps:
            break
        # Of a machine that stood still for as long as a door waits, the kernel keeps no record.
        told = kernel_doors.told(EVERY[number], packets)
    assert told == steps
    assert len(steps) > 100


def test_a_flood_of_made_up_senders_takes_room_for_so_many_and_pushes_nobody_out(
    kernel_doors: KernelDoors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "SIZE", 100)
    place = kernel_doors.place
    flood = [f"198.18.{number >> 8}.{number & 255}" for number in range(1, 2001)]
    for seconds in (1, 20):
        began = time.monotonic()
        door = opens(f"sequence = 7000,8000,9000\ntcpflags = syn\nseq_timeout = {seconds}")
        begun = kernel_doors.told(door, [Sent(7000)])
        for source in flood:
            place.knock(7000, source=source)
        found_room = kernel_doors._late()
        live = sets_of(place, "watchword")["door1_live4"]
        place.knock(7000, source=OTHER)
        other = kernel_doors._late()
        place.knock(8000, 9000)
        went_on = kernel_doors._late()
        if time.monotonic() < began + seconds:  # else this machine was too slow for that
            break
    assert begun == [(1, CALLER, 1)]
    assert len(found_room) <= 100
    assert len(live) <= 100
    assert other == [], "no room, and nothing is opened for that"
    assert went_on == [(1, CALLER, 2), (1, CALLER, 3)]

    def begins() -> bool:
        place.knock(7000, 8000, 9000, source=OTHER)
        return (1, OTHER, 3) in kernel_doors._late()

    until(begins)  # once the made-up ones have ended


# --- with a daemon ---------------------------------------------------------------------

PORT = 10001
DOORS = f"""[ssh]
sequence = 7000,9000,8000
seq_timeout = 1
tcpflags = syn
kernel = yes
open = tcp/{PORT}
cmd_timeout = 60

[slow]
sequence = 7100,7300
tcpflags = syn
open = tcp/{PORT}
cmd_timeout = 60
"""


@pytest.fixture(scope="module")
def listening(place: Street) -> Iterator[None]:
    with ExitStack() as listeners:
        for address in (HERE, HERE_6):
            listeners.enter_context(listen(place.inside, address, PORT))
        yield


@pytest.fixture
def knockd(place: Street, listening: None, tmp_path: Path) -> Iterator[Knockd]:
    place.inside.run("nft", "flush", "ruleset")
    found = Knockd(place, tmp_path)
    yield found
    if found.process is not None:
        found.stop(signal.SIGKILL)
    place.inside.run("nft", "flush", "ruleset")


def sets_of(place: Street, table: str) -> dict[str, list[str]]:
    """Who is in the sets of the table, by the beginning of their names."""
    told = json.loads(place.inside.run("nft", "-j", "list", "table", "inet", table).stdout)
    found: dict[str, list[str]] = {}
    for each in told["nftables"]:
        if "set" in each:
            members = [str(one) for one in each["set"].get("elem", [])]
            found[each["set"]["name"].rpartition("_")[0] or each["set"]["name"]] = members
    return found


@pytest.mark.parametrize(("caller", "here"), [(CALLER, HERE), (CALLER_6, HERE_6)], ids=["4", "6"])
def test_a_door_of_the_kernels_has_the_same_lines_and_becomes_the_same_grant(
    place: Street, knockd: Knockd, caller: str, here: str
) -> None:
    knockd.start(DOORS)
    assert not reaches(place.outside, here, PORT)
    place.knock(7000, 9000, 8000, source=caller, to=here)
    knockd.wait_for(f"{caller}: ssh: opened tcp/{PORT} for 60 seconds")
    said = ["Stage 1", "Stage 2", "Stage 3", "OPEN SESAME"]
    until(lambda: f"{caller}: ssh: OPEN SESAME" in knockd.log)  # how it came may be told later
    lines = [each for each in knockd.log.splitlines() if each.startswith(caller)]
    assert [x for x in lines if "opened" not in x][:4] == [f"{caller}: ssh: {x}" for x in said]
    assert gets_through(place.outside, here, PORT)
    [grant] = asking.ask(knockd.folder / "run" / "control.sock", "grants")["grants"]
    assert (grant["door"], grant["who"], grant["in_force"]) == ("ssh", caller, True)
    assert 0 < grant["remaining"] <= 61
    sets = sets_of(place, "watchword_knockd")
    assert sets[f"door1_open{'4' if here == HERE else '6'}"] == []  # it is an opening like others
    asking.change(knockd.folder / "run" / "control.sock", "revoke", all=True)
    assert not reaches(place.outside, here, PORT)


def test_a_sequence_that_takes_too_long_is_told_and_ordinary_doors_stand_beside(
    place: Street, knockd: Knockd
) -> None:
    knockd.start(DOORS)
    place.knock(7000, 9000)
    knockd.wait_for(f"{CALLER}: ssh: sequence timeout (stage 2)")
    place.knock(8000)
    place.knock(7100, 7300)
    knockd.wait_for(f"{CALLER}: slow: opened tcp/{PORT} for 60 seconds")
    assert "ssh: OPEN SESAME" not in knockd.log


def test_the_kernel_opens_and_closes_while_the_daemon_is_dead_and_rests_when_it_was_stopped(
    place: Street, knockd: Knockd
) -> None:
    knockd.start(DOORS)
    knockd.stop(signal.SIGKILL)
    place.knock(7000, 9000, 8000)
    assert gets_through(place.outside, HERE, PORT)
    knockd.start(DOORS)
    knockd.wait_for(f"{CALLER}: ssh: opened tcp/{PORT}")
    [grant] = asking.ask(knockd.folder / "run" / "control.sock", "grants")["grants"]
    assert grant["remaining"] <= 60
    assert gets_through(place.outside, HERE, PORT)
    asking.change(knockd.folder / "run" / "control.sock", "revoke", all=True)
    assert knockd.stop() == 15
    place.knock(7000, 9000, 8000)
    assert not reaches(place.outside, HERE, PORT)


def test_what_others_flush_is_followed_again(place: Street, knockd: Knockd) -> None:
    knockd.start(DOORS)
    place.knock(7000, 9000, 8000)
    knockd.wait_for("ssh: opened")
    place.inside.run("nft", "flush", "ruleset")
    knockd.wait_for("other hands had changed the firewall")
    place.knock(7000, 9000, 8000, source=OTHER)
    knockd.wait_for(f"{OTHER}: ssh: opened")
    assert gets_through(place.outside, HERE, PORT)


def test_a_reload_has_the_kernel_follow_other_doors(place: Street, knockd: Knockd) -> None:
    knockd.start(DOORS)
    place.knock(7000, 9000, 8000)
    knockd.wait_for("ssh: opened")
    knockd.write(DOORS.replace("7000,9000,8000", "7001,9001,8001"))
    knockd.send(signal.SIGHUP)
    knockd.wait_for("re-opening log file")
    assert gets_through(place.outside, HERE, PORT)  # the grant is still there
    place.knock(7000, 9000, 8000)
    place.knock(7001, 9001, 8001)
    knockd.wait_for("ssh: opened", 2)
    assert knockd.log.count("ssh: Stage 1") == 2
    knockd.write(DOORS.replace("kernel = yes\n", ""))
    knockd.send(signal.SIGHUP)
    knockd.wait_for("re-opening log file", 2)
    assert (
        "door1" not in place.inside.run("nft", "list", "table", "inet", "watchword_knockd").stdout
    )
    place.knock(7000, 9000, 8000)
    knockd.wait_for("ssh: opened", 3)
