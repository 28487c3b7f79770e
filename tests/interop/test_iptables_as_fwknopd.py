"""After the same packets, iptables holds what the packaged server puts there."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.daemon import Server, stanza, until
from tests.system.tables_scene import MAKES, close_doors, knock, listed, open_doors
from watchword.lab.hosts import Host, Lab
from watchword.lab.trio import Trio, trio

pytestmark = [pytest.mark.system, pytest.mark.peer("fwknopd", "iptables")]

Steps = dict[str, list[str]]
SNIFFS = "Starting fwknopd main event loop."
EXPIRY = re.compile(r"_exp_([0-9]+)")
ACCESS = stanza(OPEN_PORTS="tcp/22,tcp/80,udp/53", FW_ACCESS_TIMEOUT="60")

NFT, LEGACY = MAKES
CASES = {
    "as it comes": (NFT, {}),
    "answers, one destination, newest first": (
        LEGACY,
        {
            "ENABLE_IPT_OUTPUT": "Y",
            "ENABLE_DESTINATION_RULE": "Y",
            "ENABLE_RULE_PREPEND": "Y",
        },
    ),
    "other chains, another table": (
        NFT,
        {
            "IPT_INPUT_ACCESS": "ACCEPT, mangle, PREROUTING, 1, EARLY, 1",
            "IPT_OUTPUT_ACCESS": "RETURN, filter, OUTPUT, 1, MY_OUTPUT, 1",
            "ENABLE_IPT_OUTPUT": "Y",
        },
    ),
    "a position among other rules": (
        LEGACY,
        {"IPT_INPUT_ACCESS": "ACCEPT, filter, INPUT, 3, MY_INPUT, 1"},
    ),
}


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


class Tables:
    """What iptables holds, with ends as seconds from the moment of the packets."""

    def __init__(self, host: Host, exe: str) -> None:
        self._host, self._exe = host, exe
        self._began = int(time.time())

    def raw(self) -> list[str]:
        return [
            f"{table}: {line}"
            for table in ("filter", "mangle", "nat")
            for line in listed(self._host, self._exe, "-t", table)
        ]

    def read(self) -> list[str]:
        return [EXPIRY.sub(self._relative, line) for line in self.raw()]

    def with_rules(self, count: int) -> list[str]:
        """The same, once so many rules of grants are among it."""
        found = self.read()
        return found if sum("_exp_" in each for each in found) >= count else []

    def _relative(self, found: re.Match[str]) -> str:
        """The packets of one scene are not all sent in its first seconds."""
        after = int(found[1]) - self._began
        return f"_exp_+{next((each for each in (4, 60) if each <= after <= each + 50), after)}"


@contextlib.contextmanager
def packaged(
    host: Host, folder: Path, settings: dict[str, str], access: str = ACCESS
) -> Iterator[None]:
    folder.mkdir()
    text = {"PCAP_INTF": "eth0", "FWKNOP_RUN_DIR": str(folder), **settings}
    for name, content in (
        ("fwknopd.conf", "".join(f"{k} {v};\n" for k, v in text.items())),
        ("access.conf", access),
    ):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(content)
    log = folder / "log"
    with log.open("wb") as into:
        process = host.start(
            "/usr/sbin/fwknopd", "-f", "-c", str(folder / "fwknopd.conf"),
            "-a", str(folder / "access.conf"), stdout=into, stderr=into,
        )  # fmt: skip
    try:
        until(lambda: SNIFFS in log.read_text())
        yield
    finally:
        process.terminate()
        process.wait(60)


@contextlib.contextmanager
def ours(
    host: Host, folder: Path, settings: dict[str, str], access: str = ACCESS
) -> Iterator[Server]:
    folder.mkdir()
    server = Server(host, folder)
    server.settings |= {
        "ENABLE_UDP_SERVER": "N", "PCAP_INTF": "eth0", "FLUSH_IPT_AT_EXIT": "Y",
        "FIREWALL_BACKEND": "iptables", **settings,
    }  # fmt: skip
    server.access = access
    server.launch()
    server.wait_for(SNIFFS)
    try:
        yield server
    finally:
        if server.process is not None:
            server.stop()


def played(scene: Trio, exe: str, server: Callable[[], AbstractContextManager[object]]) -> Steps:
    """The same packets for either server; what stands is written down after each step."""
    host, caller = scene.server.host, scene.caller.four
    found: Steps = {}
    with server():
        tables = Tables(host, exe)
        found["started"] = tables.read()
        knock(scene, caller, "tcp/22")
        knock(scene, "192.0.2.200", "tcp/22")
        knock(scene, caller, "tcp/80,udp/53", "-f", "4")
        rules = 8 if "OUTPUT -j" in "".join(tables.raw()) else 4
        found["granted"] = until(lambda: tables.with_rules(rules))
        if exe == NFT:
            until(lambda: not any("_exp_+4" in each for each in tables.read()))
            found["ended"] = tables.read()
    found["stopped"] = tables.read()
    return found


@pytest.mark.requirement("2.15", "4.24", partial=True)
@pytest.mark.parametrize("case", CASES)
def test_the_tables_are_those_of_the_packaged_server(
    scene: Trio, tmp_path: Path, case: str
) -> None:
    host = scene.server.host
    exe, variables = CASES[case]
    settings = {"FIREWALL_EXE": f"/usr/sbin/{exe}", **variables}
    close_doors(host, exe)
    try:
        theirs = played(scene, exe, lambda: packaged(host, tmp_path / "theirs", settings))
        mine = played(scene, exe, lambda: ours(host, tmp_path / "ours", settings))
    finally:
        open_doors(host, exe)
    for step, lines in theirs.items():
        assert mine[step] == lines, step
    assert sum("_exp_+60" in each for each in theirs["granted"]) >= 2


class Led(NamedTuple):
    """One way of being led on: variables, words of the stanza, packets."""

    exe: str
    variables: dict[str, str]
    words: dict[str, str]
    packets: list[tuple[str, ...]]


LEADS = {
    "to another host, masqueraded": Led(
        NFT,
        {"ENABLE_IPT_SNAT": "Y"},
        {},
        [("tcp/8080", "-N", "10.0.0.5,80"), ("udp/5300", "-N", "10.0.0.5,53")],
    ),
    "to another host, and to a port of this one": Led(
        LEGACY,
        {"ENABLE_IPT_LOCAL_NAT": "Y", "ENABLE_DESTINATION_RULE": "Y"},
        {},
        [("tcp/8080", "-N", "10.0.0.5,80"), ("tcp/55000", "--nat-local", "-N", "203.0.113.1,22")],
    ),
    "whatever is asked for, as somebody": Led(
        NFT,
        {"ENABLE_IPT_SNAT": "Y", "SNAT_TRANSLATE_IP": "10.0.0.1"},
        {"FORCE_NAT": "10.0.0.6 22", "FORCE_SNAT": "10.0.0.9"},
        [("tcp/22",)],
    ),
}


def led(
    scene: Trio,
    exe: str,
    knocks: list[tuple[str, ...]],
    server: Callable[[], AbstractContextManager[object]],
) -> list[str]:
    """What stands when these packets have been looked at."""
    host = scene.server.host
    with server():
        tables = Tables(host, exe)
        for count, words in enumerate(knocks, start=1):
            knock(scene, scene.caller.four, *words)
            until(lambda count=count: "".join(tables.raw()).count("DNAT ") == count)  # type: ignore[misc]
        until(lambda: sum("_exp_" in each for each in tables.raw()) >= 2 * len(knocks))
        return tables.read()


def as_ours(line: str) -> str:
    """What the packaged server would write, were it not for two things that we leave.

    It masquerades with the outer port as source, so that a second connection finds it taken;
    and it leads to the address that the client wrote where "this host" is meant.
    """
    line = re.sub(r"MASQUERADE --to-ports [0-9]+", "MASQUERADE", line)
    return line.replace("--to-destination 203.0.113.1:", "--to-destination :")


@pytest.mark.requirement("2.18", partial=True)
@pytest.mark.parametrize("case", LEADS)
def test_who_is_led_on_is_led_as_by_the_packaged_server(
    scene: Trio, tmp_path: Path, case: str
) -> None:
    host = scene.server.host
    exe, variables, words, packets = LEADS[case]
    settings = {"FIREWALL_EXE": f"/usr/sbin/{exe}", "ENABLE_IPT_FORWARDING": "Y", **variables}
    settings["FLUSH_IPT_AT_EXIT"] = "Y"
    access = stanza(OPEN_PORTS="", FW_ACCESS_TIMEOUT="60", **words)
    targets = "" if words else "NAT_TARGETS 10.0.0.5, local:22\n"
    try:
        theirs = led(
            scene, exe, packets, lambda: packaged(host, tmp_path / "theirs", settings, access)
        )
        mine = led(
            scene, exe, packets, lambda: ours(host, tmp_path / "ours", settings, access + targets)
        )
    finally:
        open_doors(host, exe)
    assert sorted(mine) == sorted(map(as_ours, theirs))
    assert any("DNAT" in each for each in mine)
