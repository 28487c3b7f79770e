"""Doors that the kernel follows: the same contract as the ordinary ones, on the real kernel."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

import pytest

from tests.contract.doors import EVERY, DoorContract, Sent, Steps, noise
from tests.knockd_scene import Street, street
from tests.unit.test_door_contract import OrdinaryDoors
from watchword.dialects.knockd import conf
from watchword.edges.capture import door_log
from watchword.edges.capture.door_log import DoorLog, joined
from watchword.edges.firewall.nft import doors as kernel
from watchword.edges.firewall.nft import guard
from watchword.lab.sockets import inside
from watchword.model.firewalls import FirewallSettings

pytestmark = pytest.mark.system
_UNLIMITED = "limit rate 1000000/second burst 100000 packets"


class KernelDoors:
    """Our table in a namespace, and what it logs."""

    def __init__(self, place: Street) -> None:
        self.place = place
        self._socket = inside(place.inside, lambda: joined(kernel.group(FirewallSettings())))
        self._log = DoorLog(self._socket)

    def told(self, doors: str, packets: Sequence[Sent]) -> Steps:
        self._make(doors)
        self._heard()
        for sent in packets:
            time.sleep(sent.pause)
            self.place.knock(sent.port, source=sent.source, to=sent.to, flags=sent.flags)
        return self._heard()

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
        patch.setattr(kernel, "_LINES", _UNLIMITED)
        patch.setattr(kernel, "_OPENINGS", _UNLIMITED)
        patch.setattr(door_log, "BATCH", 100_000)
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
    assert kernel_doors.told(EVERY[number], packets) == steps
    assert len(steps) > 100
