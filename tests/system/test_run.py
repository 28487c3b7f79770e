"""watchword run: a command in our place, once the port has opened."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, until
from tests.system.connect_scene import ConnectScene, answering, connect_scene, section
from watchword.lab.sockets import reaches

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConnectScene]:
    with connect_scene(tmp_path_factory.mktemp("run")) as made:
        four = made.net.server.four
        made.write_rc(
            section("home", four),
            section("web", four, ACCESS="udp/53,tcp/31"),
            section("names", four, ACCESS="udp/53"),
        )
        made.server.stop()
        made.server.access = made.server.access.replace("tcp/21", "udp/53,tcp/21")
        made.server.start()
        yield made


@pytest.mark.requirement("4.2", partial=True)
def test_the_command_finds_the_port_open_and_its_exit_status_is_ours(scene: ConnectScene) -> None:
    answering(scene.listen(31), b"welcome")
    look = f"exec 3<>/dev/tcp/{scene.net.server.four}/31; cat <&3; exit 7"
    done = scene.watchword("run", "web", "--", "bash", "-c", look)
    assert (done.stdout, done.stderr, done.returncode) == ("welcome", "", 7)


def test_where_no_tcp_port_is_asked_for_it_only_knocks(scene: ConnectScene) -> None:
    before = scene.so_far()
    done = scene.watchword("run", "names", "--", "echo", "--", "-n")
    assert (done.stdout, done.returncode) == ("-- -n\n", 0)
    until(lambda: len(scene.server.judged) > before)
    assert "udp/53" in str(scene.server.judged[before])


def test_without_a_command_nothing_is_sent(scene: ConnectScene) -> None:
    before = scene.so_far()
    done = scene.watchword("run", "names")
    assert (done.stdout, done.returncode) == ("", 125)
    assert "there is no command to run" in done.stderr
    assert scene.so_far() == before


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("no-such-program", 127, "there is no program 'no-such-program'"),
        ("/etc", 126, "cannot be run: Permission denied"),
    ],
)
def test_a_command_that_cannot_be_run_is_told_from_one_that_failed(
    scene: ConnectScene, command: str, status: int, said: str
) -> None:
    done = scene.watchword("run", "home", "-p", "32", "--no-wait", "--", command)
    assert (done.stdout, done.returncode) == ("", status)
    assert said in done.stderr


@pytest.mark.parametrize(
    "argv",
    [
        ("hoem", "-p", "33"),
        ("web", "-p", "33"),
        ("home", "-p", "33", "--timeout", "1.5"),  # nobody listens there
        ("home",),  # asks for nothing
    ],
)
def test_where_the_knock_fails_nothing_is_run(scene: ConnectScene, argv: tuple[str, ...]) -> None:
    done = scene.watchword("run", *argv, "--", "echo", "ran")
    assert (done.stdout, done.returncode) == ("", 125)
    assert done.stderr.startswith("watchword: error: ")


def test_the_command_has_our_process_number_signals_and_limits(scene: ConnectScene) -> None:
    host = scene.net.caller.host
    limited = ("prlimit", "--core=4096:8192", "--")
    look = "echo $$; grep -h 'SigIgn\\|core' /proc/self/status /proc/self/limits"
    plain = host.run(*limited, "sh", "-c", look).stdout.splitlines()[1:]
    scene.listen(34)
    client = host.start(
        *limited, str(PROGRAMS / "watchword"), "run", "home", "-p", "34", "--",
        "sh", "-c", look + "; exec sleep 300", stdout=subprocess.PIPE, env=scene.environment,
    )  # fmt: skip
    assert client.stdout is not None
    lines = [client.stdout.readline().decode().rstrip("\n") for _ in range(1 + len(plain))]
    assert lines == [str(client.pid), *plain]
    assert "4096" in lines[-1]
    client.send_signal(signal.SIGUSR1)
    assert client.wait(60) == -signal.SIGUSR1


def processes(scene: ConnectScene) -> list[str]:
    """Command lines of our tool's processes on the caller's machine."""
    host = scene.net.caller.host
    found = subprocess.run(
        ["ip", "netns", "pids", host.namespace], check=True, capture_output=True, text=True
    ).stdout.split()
    lines = []
    for pid in found:
        try:
            lines.append(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return [line for line in lines if str(PROGRAMS / "watchword") in line]


def test_asked_to_it_renews_the_grant_for_as_long_as_the_command_runs(
    scene: ConnectScene,
) -> None:
    scene.listen(35)
    client = scene.start(
        "run", "home", "-p", "35", "--renew-every", "0.2", "-o=-f 1", "--", "cat",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    until(lambda: scene.granted(35) >= 8)  # more than one grant lasts
    assert reaches(scene.net.caller.host, scene.net.server.four, 35, seconds=30.0)
    assert processes(scene) != []
    assert client.communicate(b"meanwhile", timeout=60)[0] == b"meanwhile"
    assert client.returncode == 0
    until(lambda: processes(scene) == [])
