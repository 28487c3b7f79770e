"""An instance in a cloud: what its security group lets through is what fwknopd granted."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server, until
from tests.sealing import sealed
from tests.system import cloud_edge
from tests.system.tables_scene import knock, listening
from tests.system.test_ipfw_daemon import heirs
from tests.unit.aws_scene import CREDENTIALS
from watchword.lab.hosts import Lab
from watchword.lab.sockets import gets_through, reaches
from watchword.lab.trio import Trio, trio

pytestmark = pytest.mark.system
PATIENCE = 60.0  # seconds; not a claim, for a machine that is busy
AT = ("203.0.113.254", "5000")


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture(scope="module")
def group(scene: Trio) -> str:
    """The security group that the instance has; the filter in front of it obeys it."""
    edge = scene.internet.start(
        sys.executable, cloud_edge.__file__, *AT, "hidden", env={**os.environ, **CREDENTIALS},
        stdout=-1,
    )  # fmt: skip
    assert edge.stdout is not None
    return edge.stdout.readline().decode().strip()


@pytest.fixture
def instance(
    scene: Trio, group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    for name, text in CREDENTIALS.items():
        monkeypatch.setenv(name, text)
    server = Server(scene.server.host, tmp_path)
    server.settings |= {
        "FIREWALL_BACKEND": "aws",
        "AWS_SECURITY_GROUP": group,
        "AWS_REGION": cloud_edge.REGION,
        "AWS_ENDPOINT": f"http://{AT[0]}:{AT[1]}",
        "AWS_RULE_NAME": "door",
    }
    with listening(scene.server.host, 22):
        yield server
    if server.process is not None:
        server.stop()
    for pid in heirs(scene):
        os.kill(pid, signal.SIGTERM)


@pytest.mark.requirement("4.33")
@pytest.mark.requirement("4.34", partial=True)
def test_who_knocks_passes_the_group_until_his_time_is_over_though_the_server_was_killed(
    scene: Trio, group: str, instance: Server
) -> None:
    instance.start()
    assert f"the security group {group}" in instance.log
    for caller, server in (
        (scene.caller.four, scene.server.four),
        (scene.caller.six, scene.server.six),
    ):
        assert not reaches(scene.caller.host, server, 22)
        knock(scene, caller, "tcp/22", "-f", "8")
        until(lambda server=server: reaches(scene.caller.host, server, 22))  # type: ignore[misc]
        assert not reaches(scene.stranger.host, server, 22)
    assert [each["verdict"] for each in instance.judged] == ["granted"] * 2
    instance.kill()
    for server in (scene.server.four, scene.server.six):
        until(lambda server=server: not reaches(scene.caller.host, server, 22), PATIENCE)  # type: ignore[misc]
    until(lambda: not heirs(scene), PATIENCE)


def test_what_an_earlier_run_left_is_gone_when_the_next_is_ready(
    scene: Trio, instance: Server
) -> None:
    instance.settings["FLUSH_IPT_AT_INIT"] = "Y"
    instance.start()
    knock(scene, scene.caller.four, "tcp/22", "-f", "600")
    until(lambda: reaches(scene.caller.host, scene.server.four, 22))
    assert (
        f"tcp/22 from {scene.caller.four} watchword door _exp_"
        in instance.program("--fw-list").stdout
    )
    [heir] = heirs(scene)
    instance.kill()
    os.kill(heir, signal.SIGKILL)
    assert gets_through(scene.caller.host, scene.server.four, 22)
    instance.start()
    until(lambda: not reaches(scene.caller.host, scene.server.four, 22))
    instance.stop()


def test_a_server_whose_group_is_not_there_does_not_start_and_says_why(instance: Server) -> None:
    instance.settings["AWS_SECURITY_GROUP"] = "sg-00000000000000000"
    instance.launch()
    until(lambda: instance.ended)
    assert "InvalidGroup.NotFound" in instance.log
    assert "AWS_SECURITY_GROUP" in instance.log


def test_a_packet_is_shown_as_the_rule_that_it_would_be(scene: Trio, instance: Server) -> None:
    instance.write()
    text = sealed("198.51.100.9,tcp/22", sent_at=int(time.time())).decode("ascii")
    told = instance.host.run(
        str(PROGRAMS / "watchword"), "diff", *instance.files, "-s", "198.51.100.9", text
    ).stdout
    new = [each for each in told.splitlines() if each.startswith("+tcp/22")]
    assert [each.rpartition("_exp_")[0] for each in new] == [
        "+tcp/22 from 198.51.100.9 watchword door "
    ]
    assert "198.51.100.9" not in instance.program("--fw-list").stdout
