"""A gate that was taken over gets from the hand what policy gives, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Server, stanza, until
from tests.values import KEY, MAC_KEY
from watchword.lab.hosts import Lab
from watchword.lab.trio import Trio, trio
from watchword.model.crypto import Secret

pytestmark = pytest.mark.system
CORRUPTED = str(Path(__file__).with_name("corrupted.py"))
CALLER = "198.51.100.2"


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture
def server(scene: Trio, tmp_path: Path) -> Server:
    found = Server(scene.server.host, tmp_path)
    commands = stanza(
        Secret(bytes(range(32))),
        Secret(bytes(range(32, 64))),
        ENABLE_CMD_EXEC="Y",
        CMD_REGEX="id|true",
        OPEN_PORTS="tcp/2222",
    )
    cycles = stanza(
        Secret(bytes(range(64, 96))),
        Secret(bytes(range(96, 128))),
        CMD_CYCLE_OPEN=f"/usr/bin/touch {tmp_path}/open-$SRC-$PORT",
        CMD_CYCLE_TIMER="60",
        CMD_CYCLE_CLOSE=f"/bin/rm {tmp_path}/open-$SRC-$PORT",
    )
    found.access = (
        stanza(KEY, MAC_KEY, SOURCE="198.51.100.0/24", MAX_FW_TIMEOUT="60") + commands + cycles
    )
    found.settings |= {"BLACKLIST": "198.51.100.66", "GUARD_SERVICES": "tcp/22"}
    doors = tmp_path / "knockd.conf"
    doors.touch(mode=0o600)
    doors.write_text(
        "[front]\nsequence = 7000\nopen = tcp/22\ncmd_timeout = 20\n"
        f"[run]\nsequence = 7001\nstart_command = /usr/bin/touch {tmp_path}/door-%IP%\n",
        "ascii",
    )
    found.settings["KNOCKD_CONF"] = str(doors)
    return found


def order(**fields: object) -> str:
    return json.dumps(fields)


def packed(address: str) -> str:
    return ip_address(address).packed.hex()


def opening(
    who: str = CALLER,
    port: int = 22,
    seconds: float = 30,
    *,
    number: int = 1,
    source: str = CALLER,
    proto: str = "tcp",
    lead: object = None,
    door: str = "",
) -> str:
    until = time.clock_gettime(time.CLOCK_BOOTTIME) + seconds
    hole = [packed(who), proto, port, None, lead, None, 0, False]
    row = [*hole, until, number, packed(source), door, "ab12"]
    return order(do="apply", add=[row], remove=[], coming=False)


PREPARE = order(do="firewall", what="prepare", coming=False)
PROBE = order(do="firewall", what="probe", coming=False)


class Taken:
    """The hand, and a gate that says these words to it."""

    def __init__(self, server: Server, *words: tuple[str, str]) -> None:
        server.write()
        self.server = server
        self._log = (server.folder / "log").open("wb")
        self.hand: subprocess.Popen[bytes] = server.host.start(
            sys.executable, CORRUPTED, json.dumps(words), "-f", *server.files,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
        )  # fmt: skip
        assert self.hand.stdout is not None
        self.said = [json.loads(self.hand.stdout.readline() or '"nothing"') for _ in words]

    @property
    def log(self) -> str:
        return (self.server.folder / "log").read_text("utf-8")

    def end(self) -> int:
        assert self.hand.stdin is not None
        self.hand.stdin.close()
        status = self.hand.wait(60)
        self._log.close()
        return status


def test_what_the_policy_gives_it_gets(server: Server) -> None:
    taken = Taken(server, ("calls", PROBE), ("calls", PREPARE), ("calls", opening("198.51.100.77")))
    assert taken.said[2] == "None", taken.said
    assert "198.51.100.77" in server.ruleset()
    assert taken.end() == 0


FORBIDDEN: dict[str, Any] = {
    "another port": (lambda: opening(port=23), "does not offer tcp/23"),
    "another protocol": (lambda: opening(proto="udp"), "does not offer udp/22"),
    "a longer time": (lambda: opening(seconds=3600), "more than the 60 of its stanza"),
    "for ever": (lambda: opening(seconds=1e11), "more than the 60 of its stanza"),
    "a source that the stanza does not take": (
        lambda: opening(source="203.0.113.77"),
        "takes no packet from 203.0.113.77",
    ),
    "somebody blacklisted": (lambda: opening(who="198.51.100.66"), "is blacklisted"),
    "everybody": (lambda: opening(who="0.0.0.0"), "is not one host"),
    "another host behind this one": (
        lambda: opening(lead=[packed("10.0.0.5"), 22, False, None]),
        "leads nobody to 10.0.0.5:22",
    ),
    "another port of this host": (
        lambda: opening(lead=[None, 23, False, None]),
        "leads nobody to here:23",
    ),
    "everything": (
        lambda: opening(proto="", port=0, lead=[None, 0, True, None]),
        "leads nobody to everything through",
    ),
    "a stanza that does not exist": (lambda: opening(number=9), "there is no stanza #9"),
    "a stanza that runs commands": (lambda: opening(number=2), "does not offer tcp/22"),
    "a stanza that opens by commands": (lambda: opening(number=3), "opens by commands"),
    "a door that does not exist": (lambda: opening(door="ssh"), "no such door opens that"),
    "another port of a door": (lambda: opening(port=23, door="front"), "no such door opens that"),
    "a door for a longer time": (
        lambda: opening(door="front", seconds=61),
        "more than the 20 of its door",
    ),
    "a door for somebody else": (
        lambda: opening(door="front", source="203.0.113.77", seconds=19),
        "knocked for",
    ),
}


def test_what_the_policy_does_not_give_is_refused_and_told_and_nothing_is_open(
    server: Server,
) -> None:
    wanted = [("calls", ask()) for ask, _ in FORBIDDEN.values()]
    taken = Taken(server, ("calls", PROBE), ("calls", PREPARE), *wanted)
    log = taken.log
    for (name, (_, why)), said in zip(FORBIDDEN.items(), taken.said[2:], strict=True):
        assert "UnwarrantedError" in said, name
        assert why in said, name
        assert (
            f"gate: it asked for what may not be: {said.removeprefix('UnwarrantedError: ')}" in log
        )
    found = server.ruleset()
    assert CALLER not in found
    assert "198.51.100.66" not in found
    assert taken.end() == 0


def test_doors_run_and_mark_what_they_say_and_nothing_else(server: Server) -> None:
    def run(door: int, who: str = CALLER) -> tuple[str, str]:
        return "work", order(do="door", door=door, who=packed(who), policy=0)

    use = order(do="use", door=1, sequence=[["tcp", 7000]], policy=0)
    taken = Taken(
        server, ("calls", opening(door="front", seconds=20)), run(2), run(1), run(9),
        run(2, "198.51.100.66"), run(2, "224.0.0.1"), ("calls", use),
    )  # fmt: skip
    assert "Completed(status=0" in taken.said[1]
    assert (server.folder / f"door-{CALLER}").exists()
    whys = ("runs no commands", "runs no commands", "is blacklisted", "is not one host", "one-time")
    for why, said in zip(whys, taken.said[2:], strict=True):
        assert "ForbiddenError" in said
        assert why in said
    assert len(list(server.folder.glob("door-*"))) == 1
    assert taken.end() == 0


def test_one_opening_too_many_opens_none_of_a_batch(server: Server) -> None:
    until_when = time.clock_gettime(time.CLOCK_BOOTTIME) + 30
    hole = [packed(CALLER), "tcp", 22, None, None, None, 0, False]
    rows = [[*hole, until_when, 1, packed(CALLER), "", "ab"] for _ in range(3)]
    rows[2][2] = 25
    batch = order(do="apply", add=rows, remove=[], coming=False)
    taken = Taken(server, ("calls", PROBE), ("calls", PREPARE), ("calls", batch))
    assert "does not offer tcp/25" in taken.said[2]
    assert CALLER not in server.ruleset()
    assert taken.end() == 0


def test_the_guard_is_not_taken_down_for_it(server: Server) -> None:
    taken = Taken(
        server,
        ("calls", PREPARE),
        ("calls", order(do="firewall", what="teardown", coming=False)),
        ("calls", order(do="firewall", what="teardown", coming=True)),
        ("work", order(do="reread")),
        ("calls", order(do="taken")),
    )
    assert "what hides the services is not taken down" in taken.said[1]
    assert "no other settings are on their way" in taken.said[2]
    assert "nobody asked for the files to be read anew" in taken.said[3]
    assert "nothing was read" in taken.said[4]
    assert "hidden until granted" in server.ruleset()
    assert taken.end() == 0


def command(text: str, number: int = 2) -> str:
    return order(do="command", stanza=number, command=text, policy=0)


def open_by_command(folder: Path, *, seconds: int = 30, port: int = 22, number: int = 3) -> str:
    return order(
        do="open", stanza=number, who=packed(CALLER), source=packed(CALLER), destination=None,
        proto="tcp",
        port=port, ends=int(time.time()) + seconds, seconds=seconds, policy=0,
        grant="cd34",
    )  # fmt: skip


def test_commands_that_no_stanza_allows_are_not_run(server: Server) -> None:
    folder = server.folder
    spoiled = folder / "spoiled"
    taken = Taken(
        server,
        ("work", command(f"touch {spoiled}")),
        ("work", command(f"touch {spoiled}", number=1)),
        ("work", command("id", number=7)),
        ("work", open_by_command(folder, number=1)),
        ("work", open_by_command(folder, port=23)),
        ("work", open_by_command(folder, seconds=86_400)),
        ("work", order(do="close", argv=["/usr/bin/touch", str(spoiled)])),
        ("work", order(do="decrypt", keyring="00" * 32, message="")),
        ("work", order(do="mail", subject="buy this")),
    )
    expected = [
        "NotAllowedError",
        "stanza #1 runs no commands",
        "there is no stanza #7",
        "stanza #1 opens no tcp/22 by a command",
        "stanza #3 opens no tcp/23 by a command",
        "stanza #3 opens nothing for 86400 s",
        "nothing has to be closed by /usr/bin/touch",
        "no stanza has such a key ring",
        "no mail goes to anybody",
    ]
    for said, why in zip(taken.said, expected, strict=True):
        assert why in said
    for why in expected[1:]:
        assert why in taken.log
    assert not spoiled.exists()
    assert not list(folder.glob("open-*"))
    assert taken.end() == 0


def test_only_connections_that_were_let_in_are_looked_at_and_cut(server: Server) -> None:
    caller = "198.51.100.78"

    def holes(port: int) -> list[object]:
        return [[packed(caller), "tcp", port, None, None, None, 0, False]]

    taken = Taken(
        server,
        ("calls", PROBE),
        ("calls", PREPARE),
        ("calls", opening(caller)),
        ("work", order(do="through", holes=holes(22))),
        ("work", order(do="through", holes=holes(23))),
        ("calls", order(do="cut", holes=holes(23), coming=False)),
    )
    assert taken.said[3] == "frozenset()"
    assert taken.said[4:] == [f"ForbiddenError: tcp/23 for {caller} was never open"] * 2
    assert taken.log.count("it asked for what may not be: tcp/23") == 2
    assert taken.end() == 0


def test_it_does_not_keep_the_hand_from_closing(server: Server) -> None:
    opened = server.folder / f"open-{CALLER}-22"
    taken = Taken(
        server,
        ("calls", order(do="end closing")),
        ("work", open_by_command(server.folder)),
        ("work", order(do="close", argv=["/bin/rm", str(opened)])),
    )
    assert taken.said[0] == "None"
    assert "status=0" in taken.said[1]
    assert "status=0" in taken.said[2]
    assert not opened.exists()
    assert taken.end() == 0


def test_sockets_and_files_that_are_not_configured_are_not_opened(server: Server) -> None:
    del server.settings["KNOCKD_CONF"]  # doors need packets of every interface
    ways = [
        {"way": "udp", "family": 4, "port": 53, "path": ""},
        {"way": "tcp", "family": 4, "port": 62201, "path": ""},
        {"way": "packets", "family": 1, "port": 0, "path": ""},
        {"way": "capture", "family": 0, "port": 0, "path": "/etc/shadow"},
    ]
    taken = Taken(
        server,
        *(("calls", order(do="way", **each)) for each in ways),
        ("calls", order(do="compile", text="ip or -w /tmp/spoiled")),
    )
    assert all("is configured" in each for each in taken.said), taken.said
    assert taken.end() == 0


NONSENSE = {
    "no JSON": "{",
    "no order": "[]",
    "a kind that does not exist": order(do="format disk"),
    "a field too many": order(do="mail", subject="x", to="somebody"),
    "a field too few": order(do="apply", add=[]),
    "a port that cannot be": opening(port=70_000),
    "a time that cannot be": order(
        do="apply",
        add=[[packed(CALLER), "tcp", 22, None, None, "soon", 1, packed(CALLER)]],
        remove=[],
        coming=False,
    ),
    "deep nesting": "[" * 100_000,
    "too long a message": "raw:" + (1 << 30).to_bytes(4, "big").hex(),
    "another kind of letter": "raw:" + (len(b"x" * 9)).to_bytes(4, "big").hex() + "78" * 9,
}


@pytest.mark.parametrize("name", NONSENSE)
def test_what_is_no_order_is_the_end_of_the_gate(server: Server, name: str) -> None:
    taken = Taken(server, ("calls", NONSENSE[name]), ("calls", opening()))
    until(lambda: taken.hand.poll() is not None)
    assert taken.hand.returncode == 1
    assert "it wrote what is no order" in taken.log
    assert "it was ended" in taken.log
    assert CALLER not in server.ruleset()
    taken.end()


def test_a_message_of_which_a_byte_comes_now_and_then_ends_the_gate(server: Server) -> None:
    taken = Taken(server, ("work", "slowly:" + (100).to_bytes(4, "big").hex() + "20" * 16))
    until(lambda: taken.hand.poll() is not None)
    assert taken.hand.returncode == 1
    assert "it did not end a message within 5 s; it was ended" in taken.log
    taken.end()


def test_what_it_opened_by_command_is_closed_though_it_never_asks_for_that(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart at the latest, as here: the hand remembers what it owes."""
    taken = Taken(server, ("work", open_by_command(server.folder, seconds=4)))
    opened = server.folder / f"open-{CALLER}-22"
    assert opened.exists()
    taken.hand.kill()
    taken.end()
    server.start()
    until(lambda: not opened.exists())
