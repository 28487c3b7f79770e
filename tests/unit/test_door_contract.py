"""The ordinary door does what every follower of knocks does."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from tests.contract.doors import DoorContract, Sent, Steps
from tests.knockd_scene import HERE, HERE_6
from watchword.dialects.knockd import conf
from watchword.model.doors import TCP, UDP, Knock, Progress, Step
from watchword.recognise.doors import DoorRecogniser


class OrdinaryDoors:
    """The recogniser, played to."""

    def told(self, doors: str, packets: Sequence[Sent]) -> Steps:
        local = [ip_address(each).packed for each in (HERE, HERE_6)]
        recogniser = DoorRecogniser(conf.read(doors, "f").doors, local)
        steps: Steps = []
        now = 100.0
        for sent in packets:
            now += sent.pause
            protocol, flags = (UDP, 0) if sent.flags is None else (TCP, sent.flags)
            source, to = ip_address(sent.source).packed, ip_address(sent.to).packed
            told = recogniser.observe(Knock(source, to, protocol, sent.port, flags), now)
            steps += (_step(each) for each in told if each.step is not Step.TIMED_OUT)
        return steps


def _step(progress: Progress) -> tuple[int, str, int]:
    stage = progress.stage if progress.step is Step.ADVANCED else 0
    return progress.door.number, str(progress.source), stage


class TestOrdinaryDoors(DoorContract):
    @pytest.fixture
    def follower(self) -> OrdinaryDoors:
        return OrdinaryDoors()
