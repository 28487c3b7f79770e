"""The lab itself: hosts that reach each other, and nothing left behind."""

from __future__ import annotations

import subprocess

import pytest

from watchword.lab.hosts import Lab, can_make_namespaces
from watchword.lab.trio import trio

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(bool(can_make_namespaces()), reason=can_make_namespaces()),
]


def test_caller_and_stranger_reach_the_server_over_both_families() -> None:
    with Lab() as lab:
        scene = trio(lab)
        for client in (scene.caller, scene.stranger):
            for address in (scene.server.four, scene.server.six):
                client.host.run("ping", "-c1", "-W2", address)


def test_nothing_is_left_when_the_lab_closes() -> None:
    with Lab() as lab:
        host = lab.host("alone")
        sleeper = host.start("sleep", "60")
        assert host.namespace in subprocess.check_output(["ip", "netns", "list"], text=True)
    assert host.namespace not in subprocess.check_output(["ip", "netns", "list"], text=True)
    assert sleeper.returncode is not None
