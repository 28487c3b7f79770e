"""Command messages of the packaged client and of ours, run by our server on a real machine."""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server, base64, stanza, until
from tests.values import KEY, MAC_KEY
from tests.vitals import open_in, running, zombies
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import open_socket
from watchword.lab.trio import Trio, trio
from watchword.model.crypto import Secret

pytestmark = [pytest.mark.system, pytest.mark.peer("fwknop")]

OURS, THEIRS = str(PROGRAMS / "fwknop"), "fwknop"
SHELL_KEY = Secret(b"whoever has this gets a shell")
ROOT_KEY = Secret(b"whoever has this may be root!!")
ACTION_KEY = Secret(b"whoever has this may make a note")
ACTION = """\
ACTION            note
ACTION_RUN        /bin/sh -c 'id -un > "$$0"/who && echo "$$1 $$2" > "$$0"/note' $FOLDER $FROM $N
ACTION_ARGUMENT   FOLDER word /tmp/ww[a-z0-9_]+
ACTION_ARGUMENT   FROM address
ACTION_ARGUMENT   N number 1 9
ACTION_USER       nobody
"""
TARGET = "192.0.2.66"
BURST = """
import sys, time
from base64 import b64decode
from ipaddress import ip_address
from secrets import token_bytes
from watchword import spa
key, mac = (spa.Secret(b64decode(each)) for each in sys.argv[1:])
credential = spa.Credential(key, mac_key=mac)
for _ in range(500):
    message = spa.command(
        ip_address("198.51.100.2"), "sleep 0.5", user="alice", now=time.time(), random=token_bytes
    )
    print(spa.seal(message, credential, salt=token_bytes(8)).decode("ascii"))
"""
ECHO_COUNTER = """
table ip seen {
    counter echoes { }
    chain input {
        type filter hook input priority 0
        icmp type echo-request counter name echoes
    }
}
"""


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        there = trio(lab)
        there.server.host.sysctl("net.ipv4.ping_group_range", "0 2147483647")
        there.stranger.host.run("nft", "-f", "-", input=ECHO_COUNTER)
        yield there


@pytest.fixture(scope="module")
def server(scene: Trio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(scene.server.host, tmp_path_factory.mktemp("server"))
    server.settings |= {"CMD_EXEC_TIMEOUT": "4", "MAX_COMMANDS": "8"}
    common = {"OPEN_PORTS": "", "DISABLE_FW_ACCESS": "Y", "ENABLE_CMD_EXEC": "Y"}
    pings = r"ping -c 1 [0-9.]+|id(\s+-[uG]+)?|sleep [\d.]+|/nonexistent/program"
    user = {"CMD_EXEC_USER": "nobody", "CMD_EXEC_GROUP": "nogroup"}
    server.access = "".join(
        (
            stanza(**common, **user, CMD_REGEX=pings, REQUIRE_SOURCE_ADDRESS="Y"),
            stanza(SHELL_KEY, **common, **user, CMD_SHELL="Y"),
            stanza(ROOT_KEY, **common),
            stanza(ACTION_KEY, OPEN_PORTS="tcp/22", ACTIONS="note"),
        )
    )
    actions = server.folder / "actions.conf"
    actions.write_text(ACTION)
    server.settings["ACTIONS_FILE"] = str(actions)
    yield server.start()
    assert server.stop() == 0


def send(client: Host, program: str, command: str, *who: str, key: Secret = KEY) -> None:
    client.run(
        program, "--no-rc-file", "--no-save-args", "-D", "203.0.113.1", "--server-cmd", command,
        *(who or ("-a", "198.51.100.2")), "--use-hmac",
        "--key-base64-rijndael", base64(key), "--key-base64-hmac", base64(MAC_KEY),
    )  # fmt: skip


def outcome(
    scene: Trio, server: Server, program: str, command: str, *who: str, **more: Secret
) -> dict[str, object]:
    before = len(server.judged)
    send(scene.caller.host, program, command, *who, **more)
    return server.wait_for_judgements(before + 1)[before]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that any user can write into, with a name short enough for a packet."""
    with tempfile.TemporaryDirectory(prefix="ww") as name:
        Path(name).chmod(0o777)
        yield Path(name)


def echoes(scene: Trio) -> int:
    listed = scene.stranger.host.run("nft", "list", "counters").stdout
    return int(listed.partition("packets ")[2].split()[0])


@pytest.mark.requirement("9.44", "10.6")
@pytest.mark.parametrize("program", [THEIRS, OURS])
def test_a_ping_that_is_asked_for_is_sent_once_by_the_stanzas_user(
    scene: Trio, server: Server, program: str
) -> None:
    before = echoes(scene)
    found = outcome(scene, server, program, f"ping -c 1 {TARGET}")
    assert (found["verdict"], found["status"], found["stanza"]) == ("ran", 0, 1)
    assert echoes(scene) == before + 1
    assert (
        f"Running command 'ping -c 1 {TARGET}' setuid/setgid user/group to nobody/nogroup "
        "(UID=65534,GID=65534)\n" in server.log
    )
    refused = outcome(scene, server, program, f"ping -c 1 {TARGET}; reboot")
    assert (refused["verdict"], refused["reason"]) == ("refused", "command-not-allowed")
    assert echoes(scene) == before + 1


@pytest.mark.parametrize("program", [THEIRS, OURS])
def test_an_action_runs_by_its_name_for_any_client_and_with_fitting_arguments_only(
    scene: Trio, server: Server, place: Path, program: str
) -> None:
    def ask(text: str) -> dict[str, object]:
        return outcome(scene, server, program, text, key=ACTION_KEY)

    for wrong in (f"note {place} 2001:db8::7 10", f"note {place}/x 2001:db8::7 9", f"note {place}"):
        found = ask(wrong)
        assert (found["verdict"], found["reason"]) == ("refused", "action-arguments-unfit")
    assert ask(f"/usr/bin/touch {place}/x")["reason"] == "action-not-listed"
    assert list(place.iterdir()) == []
    found = ask(f"note {place} 2001:db8:0::7 09")
    assert (found["verdict"], found["status"]) == ("ran", 0)
    assert (place / "who").read_text() == "nobody\n"
    assert (place / "note").read_text() == "2001:db8::7 9\n"


def test_a_command_has_the_stanzas_user_and_group_and_nothing_else(
    scene: Trio, server: Server, place: Path
) -> None:
    mark = place / "who"
    text = f"(id -u; id -g; id -G; env; ls /proc/self/fd) > {mark}"
    assert outcome(scene, server, OURS, text, key=SHELL_KEY)["status"] == 0
    lines = mark.read_text().splitlines()
    assert lines[:3] == ["65534"] * 3
    variables = {line.partition("=")[0] for line in lines if "=" in line}
    assert variables <= {"PATH", "LC_ALL", "PWD", "OLDPWD"}
    assert [line for line in lines[3:] if line.isdigit()] == ["0", "1", "2", "3"]


@pytest.mark.requirement("10.13")
@pytest.mark.parametrize("program", [THEIRS, OURS])
def test_what_an_ampersand_and_a_sleep_mean_is_for_the_stanza_to_say(
    scene: Trio, server: Server, place: Path, program: str
) -> None:
    """The command of the 1.9 manual page, shortened."""
    command = f'echo "The commands sent" > {place}/a & sleep 0.1; echo "The End" > {place}/b'
    found = outcome(scene, server, program, command, key=SHELL_KEY)
    assert (found["verdict"], found["status"]) == ("ran", 0)
    until(lambda: (place / "a").read_text() == "The commands sent\n")  # nobody waits for that
    assert (place / "b").read_text() == "The End\n"
    (place / "a").unlink()
    (place / "b").unlink()
    found = outcome(scene, server, program, command, key=ROOT_KEY)
    assert (found["verdict"], found["status"]) == ("ran", 0)  # echo prints all of it
    assert list(place.iterdir()) == []


def test_an_address_that_is_not_named_is_refused_where_it_has_to_be(
    scene: Trio, server: Server
) -> None:
    found = outcome(scene, server, THEIRS, "id", "-s")
    assert found["reason"] == "source-address-required"
    assert "Got 0.0.0.0 when valid source IP was required." in server.log


def test_a_program_that_is_not_there_and_one_that_fails_say_so(scene: Trio, server: Server) -> None:
    missing = outcome(scene, server, THEIRS, "/nonexistent/program")
    assert (missing["verdict"], missing["reason"]) == ("refused", "command-not-started")
    assert "pid_status: 255\n" in server.log
    failing = outcome(scene, server, THEIRS, "false", key=ROOT_KEY)
    assert (failing["verdict"], failing["status"]) == ("ran", 1)
    assert "CMD_EXEC: command returned 0, pid_status: 1\n" in server.log


def test_a_command_that_takes_too_long_is_ended_with_its_children(
    scene: Trio, server: Server
) -> None:
    nap = f"6{time.time_ns() % 10_000_000}"
    found = outcome(scene, server, OURS, f"sh -c 'sleep {nap} & sleep {nap}'", key=ROOT_KEY)
    assert found["verdict"] == "ran"
    assert "longer than 4 s" in str(found["trouble"])
    until(lambda: not running(f"sleep {nap}"))


def test_five_hundred_commands_at_once_break_nothing(scene: Trio, server: Server) -> None:
    """Some run, the rest is refused, packets go on being judged."""
    before = len(server.judged)
    told = scene.caller.host.run(
        str(PROGRAMS / "python"), "-c", BURST, base64(ROOT_KEY), base64(MAC_KEY)
    )
    payloads = told.stdout.encode("ascii").split()
    assert len(payloads) == 500
    with closing(open_socket(scene.caller.host, "203.0.113.1", socket.SOCK_DGRAM)) as sender:
        for start in range(0, 500, 100):  # the server has places for so many of one source
            for payload in payloads[start : start + 100]:
                sender.sendto(payload, ("203.0.113.1", 62201))
            server.wait_for_judgements(before + start + 100 - 8)  # so many may be running
    found = server.wait_for_judgements(before + 500)[before:]
    verdicts = {str(each["verdict"]) + str(each.get("reason", "")) for each in found}
    assert verdicts == {"ran", "refusedtoo-many-commands"}
    assert {each.get("detail", "8") for each in found} == {"8"}  # MAX_COMMANDS
    ran = [each for each in found if each["verdict"] == "ran"]
    assert len(ran) >= 8
    assert {each["status"] for each in ran} == {0}
    assert outcome(scene, server, OURS, "true", key=ROOT_KEY)["verdict"] == "ran"
    until(lambda: not zombies(server.pid))
    for pid in server.pids:
        until(lambda pid=pid: open_in(pid) < 40)  # type: ignore[misc]
