"""watchword close, and the packaged client, against a running server and its kernel."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.daemon import base64, until
from tests.system.connect_scene import ConnectScene, answering, connect_scene, section
from tests.values import KEY, MAC_KEY
from watchword.lab.sockets import connect, reaches

pytestmark = pytest.mark.system
PORT = 31


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConnectScene]:
    with connect_scene(tmp_path_factory.mktemp("close")) as made:
        four, six = made.net.server.four, made.net.server.six
        made.write_rc(
            section("home", four, ACCESS=f"tcp/{PORT}"),
            section("six", six, ACCESS=f"tcp/{PORT}"),
            section("other", four, ACCESS=f"tcp/{PORT}", SPOOF_USER="somebody"),
        )
        made.server.stop()
        made.server.access += "ENABLE_OWNER_CLOSE Y\nFW_ACCESS_TIMEOUT 300\n"
        made.server.start()
        for address in (four, six):
            answering(made.listen(PORT, address), b"welcome")
        yield made


def knock(scene: ConnectScene, name: str) -> None:
    done = scene.watchword("run", name, "--", "true")
    assert done.returncode == 0, done.stderr


def verdicts(scene: ConnectScene, since: int) -> list[str]:
    return [each["verdict"] for each in scene.server.judged[since:]]


@pytest.mark.parametrize("name", ["home", "six"])
def test_the_port_is_shut_once_its_owner_has_closed_it_and_connections_go_on(
    scene: ConnectScene, name: str
) -> None:
    address = scene.net.server.four if name == "home" else scene.net.server.six
    since = len(scene.server.judged)
    knock(scene, name)
    live = connect(scene.net.caller.host, address, PORT)
    assert live is not None
    with live:
        done = scene.watchword("close", name)
        assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
        until(lambda: "closed" in verdicts(scene, since))
        assert not reaches(scene.net.caller.host, address, PORT)
        live.settimeout(30)
        assert live.recv(100) == b"welcome"
        live.shutdown(socket.SHUT_WR)
    assert "closed by its owner" in scene.server.log


def test_another_user_behind_the_same_address_closes_nothing(scene: ConnectScene) -> None:
    since = len(scene.server.judged)
    knock(scene, "home")
    assert scene.watchword("close", "other", f"tcp/{PORT}").returncode == 0
    until(lambda: "refused" in verdicts(scene, since))
    assert scene.server.judged[-1]["reason"] == "nothing-to-close"
    assert reaches(scene.net.caller.host, scene.net.server.four, PORT, seconds=30.0)


@pytest.mark.peer("fwknop")
def test_the_packaged_client_closes_what_it_has_opened(scene: ConnectScene) -> None:
    keys = ("--key-base64-rijndael", base64(KEY), "--key-base64-hmac", base64(MAC_KEY))

    def fwknop(*what: str) -> None:
        scene.net.caller.host.run(
            "fwknop", "--no-rc-file", "--no-save-args", "-D", scene.net.server.four, "-s", *what,
            "--use-hmac", *keys, "--spoof-user", "packaged",
        )  # fmt: skip

    since = len(scene.server.judged)
    fwknop("-A", f"tcp/{PORT}")
    fwknop("--server-cmd", f"close tcp/{PORT}")
    until(lambda: "closed" in verdicts(scene, since))


def test_what_is_no_service_is_not_sent(scene: ConnectScene) -> None:
    since = len(scene.server.judged)
    done = scene.watchword("close", "home", "ssh")
    assert done.returncode == 2
    assert "name services as tcp/22" in done.stderr
    assert verdicts(scene, since) == []
