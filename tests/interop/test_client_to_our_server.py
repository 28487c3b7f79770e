"""Our own client knocks at our own server: the commands of the documents, end to end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server
from watchword.lab.hosts import Lab
from watchword.lab.sockets import gets_through, listen, reaches
from watchword.lab.trio import Trio, trio

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        scene = trio(lab)
        services = [
            listen(scene.server.host, address, port)
            for address in (scene.server.four, scene.server.six)
            for port in (22, 80)
        ]
        yield scene
        for each in services:
            each.close()


class Caller:
    """Somebody with an rc file of his own."""

    def __init__(self, scene: Trio, folder: Path) -> None:
        self.scene = scene
        self.rc = folder / "rc"
        self.said = ""

    def fwknop(self, *options: str) -> str:
        answer = self.scene.caller.host.run(
            str(PROGRAMS / "fwknop"), "--rc-file", str(self.rc), "--no-save-args", *options
        )
        self.said = answer.stderr
        return answer.stdout

    def keys(self) -> dict[str, str]:
        lines = (line.split() for line in self.rc.read_text("utf-8").splitlines())
        return {line[0]: line[1] for line in lines if len(line) == 2 and "KEY_BASE64" in line[0]}


@pytest.fixture(scope="module")
def caller(scene: Trio, tmp_path_factory: pytest.TempPathFactory) -> Caller:
    return Caller(scene, tmp_path_factory.mktemp("caller"))


@pytest.fixture(scope="module")
def running(scene: Trio, caller: Caller, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A server that has the caller's new keys."""
    made = ("-A", "tcp/22", "-s", "--key-gen", "--use-hmac", "--save-rc-stanza")
    caller.fwknop(*made, "-D", scene.server.four, "-n", "home")
    server = Server(scene.server.host, tmp_path_factory.mktemp("server"))
    keys = "".join(f"{name} {value}\n" for name, value in caller.keys().items())
    server.access = f"SOURCE ANY\nOPEN_PORTS tcp/22,tcp/80\n{keys}"
    return server.start()


@pytest.fixture
def server(running: Server) -> Server:
    running.turn_page()
    return running


@pytest.mark.requirement("1.4", "9.5", "10.2")
def test_keys_made_and_saved_in_one_go_open_the_port_that_was_saved_with_them(
    scene: Trio, caller: Caller, server: Server
) -> None:
    assert not reaches(scene.caller.host, scene.server.four, 22)
    assert caller.fwknop("-n", "home") == ""
    assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
    assert gets_through(scene.caller.host, scene.server.four, 22)
    assert not reaches(scene.stranger.host, scene.server.four, 22)


@pytest.mark.requirement("9.1", "9.2", "9.3", "10.1", "5.17")
@pytest.mark.parametrize("six", [False, True], ids=["IPv4", "IPv6"])
def test_several_ports_for_a_named_address_of_either_family(
    scene: Trio, caller: Caller, server: Server, six: bool
) -> None:
    who = scene.caller.six if six else scene.caller.four
    where = scene.server.six if six else scene.server.four
    caller.fwknop("-n", "home", "-A", "tcp/22,tcp/80", "-a", who, "-D", where, "-f", "60")
    granted = server.wait_for_judgements(1)[0]
    assert (granted["verdict"], granted["who"], granted["seconds"]) == ("granted", who, 60)
    assert granted["services"] == ["tcp/22", "tcp/80"]
    for port in (22, 80):
        assert gets_through(scene.caller.host, where, port)
        assert not reaches(scene.stranger.host, where, port)
    assert ("Watchword servers only" in caller.said) == six


@pytest.mark.requirement("9.1", "8.16")
def test_the_server_may_be_named_with_its_port(scene: Trio, caller: Caller, server: Server) -> None:
    caller.fwknop("-n", "home", "-D", f"[{scene.server.six}]:62201")
    assert server.wait_for_judgements(1)[0]["source"] == scene.caller.six
    caller.fwknop("-n", "home")
    assert server.wait_for_judgements(2)[1]["source"] == scene.caller.four


@pytest.mark.requirement("2.13")
@pytest.mark.parametrize(
    ("offset", "verdict"),
    [
        (("--time-offset-minus", "90sec"), "granted"),
        (("--time-offset-plus", "90sec"), "granted"),
        (("--time-offset-minus", "150sec"), "refused"),
        (("--time-offset-plus", "150sec"), "refused"),
    ],
)
def test_a_clock_that_is_off_is_accepted_up_to_the_limit_both_ways(
    caller: Caller, server: Server, offset: tuple[str, str], verdict: str
) -> None:
    caller.fwknop("-n", "home", *offset)
    judged = server.wait_for_judgements(1)[0]
    assert judged["verdict"] == verdict
    assert verdict == "granted" or judged["stage"] == "age"


@pytest.mark.requirement("8.4")
def test_a_saved_packet_counts_once_and_explain_says_so(
    scene: Trio, caller: Caller, server: Server, tmp_path: Path
) -> None:
    copy = tmp_path / "packet"
    caller.fwknop("-n", "home", "-B", str(copy))
    server.wait_for_judgements(1)
    told = server.tool("explain", "--file", str(copy), "--source", scene.stranger.four)
    assert told.returncode == 1
    assert "REFUSED (replay): it was seen before" in told.stdout
