"""Our knockd beside the packaged one: the same packets, the same log, the same commands.

Every row of the table has an interface of its own with both daemons on it, and all
of them are played at the same time.
"""

from __future__ import annotations

import heapq
import re
import socket
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.daemon import until
from tests.knock_rows import PLACES, ROWS, SENDERS, Pause, Row, by_door, played
from tests.knockd_nursery import Nursery
from watchword.lab import knock_frames
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import inside

pytestmark = [pytest.mark.system, pytest.mark.peer("knockd")]

PACKAGED = "/usr/sbin/knockd"
_STAMP = r"\[\d{4}-\d\d-\d\d \d\d:\d\d\] "
_LINE = re.compile(_STAMP + r"([0-9a-f.:]+): (\w+): (.+)")
_COMMAND = re.compile(_STAMP + r"(\w+: (?:running command|command returned).*|error: .*)")
_WORDS = (
    (re.compile(r"Stage (\d+)"), r"\1"),
    (re.compile(r"OPEN SESAME"), "OS"),
    (re.compile(r"command timeout"), "CT"),
    (re.compile(r"sequence timeout \(stage (\d+)\)"), r"T\1"),
)
_GAP = 0.02


@dataclass(frozen=True)
class Place:
    """Where one row is played."""

    row: Row
    number: int
    folder: Path

    @property
    def interface(self) -> str:
        return f"r{self.number}"

    @property
    def addresses(self) -> list[str]:
        return [text.format(self.number) for name, text in PLACES.items() if name != "t"]

    def names(self) -> dict[str, str]:
        return {text.format(self.number): name for name, text in SENDERS.items()}

    def log(self, who: str) -> str:
        path = self.folder / who / "log"
        return path.read_text("utf-8") if path.exists() else ""

    def listens(self, who: str) -> bool:
        return "starting up" in self.log(who)

    def told(self, who: str) -> dict[str, list[str]]:
        """What a daemon said of each sender at each door, in its order."""
        found: dict[str, list[str]] = {}
        for line in self.log(who).splitlines():
            if (parts := _LINE.fullmatch(line)) is not None:
                source, door, text = parts.groups()
                known = [pattern.sub(to, text) for pattern, to in _WORDS if pattern.fullmatch(text)]
                found.setdefault(f"{self.names()[source]} {door}", []).append([*known, text][0])
        return found

    def ran(self, who: str) -> list[str]:
        """Commands and what became of them, in no order. Ours names the door of one that is
        too long, and cuts no line short."""
        lines = [line for line in self.log(who).splitlines() if _COMMAND.fullmatch(line)]
        return sorted(_COMMAND.sub(r"\1", line)[:900] for line in lines)


def _in_time(place: Place) -> dict[str, list[str]]:
    """What ours said. It tells of a timeout when time is up, the original with the next packet;
    so the last word may be one that the original had no cause to say."""
    want, told = by_door(place.row.told), place.told("ours")
    for who, lines in told.items():
        if lines[-1].startswith("T") and not want.get(who, [""])[-1].startswith("T"):
            lines.pop()
    return told


def _complete(place: Place) -> bool:
    theirs = by_door(place.row.packaged or place.row.told)
    return _in_time(place) == by_door(place.row.told) and place.told("packaged") == theirs


def _wire(server: Host, outside: Host, places: Sequence[Place]) -> None:
    """An interface for each row, all made by one run of ip(8) on each side."""
    ours = "".join(
        f"link add {each.interface} type veth peer name {each.interface} "
        f"netns {outside.namespace}\n"
        + "".join(
            f"addr add {address}/{64 if ':' in address else 24} dev {each.interface}"
            f"{' nodad' if ':' in address else ''}\n"
            for address in each.addresses
        )
        + f"link set {each.interface} up\n"
        for each in places
    )
    server.run("ip", "-batch", "-", input=ours)
    theirs = "".join(f"link set {each.interface} up\n" for each in places)
    outside.run("ip", "-batch", "-", input=theirs)


def _start(server: Host, places: Sequence[Place], folder: Path) -> None:
    nursery = Nursery(server, folder)
    for each in places:
        for who in ("ours", "packaged"):
            (each.folder / who).mkdir(parents=True)
            options = f"[options]\nLogFile = {each.folder}/{who}/log\n"
            if who == "ours":
                options += f"StateDir = {each.folder}/state\nRunDir = {each.folder}/run\n"
            conf = each.folder / who / "conf"
            conf.touch(mode=0o600)
            conf.write_text(options + each.row.text(each.number), "utf-8")
            words = ["-i", each.interface, "-c", str(conf), *each.row.options]
            if who == "packaged":
                server.start(PACKAGED, *words)
            else:
                nursery.start(each.folder / who / "said", *words)
    for each in places:
        for who in ("ours", "packaged"):
            until(partial(each.listens, who))


def _schedule(places: Sequence[Place]) -> list[tuple[float, int, str, bytes]]:
    """When which frame is sent on which interface, seconds from the beginning."""
    found: list[tuple[float, int, str, bytes]] = []
    for each in places:
        at = 0.0
        for step in played(each.row.sent):
            if isinstance(step, Pause):
                at += step.seconds
                continue
            flags = None if step.udp else int(step.flags)
            content = knock_frames.knock(
                SENDERS[step.sender].format(each.number),
                PLACES[step.place].format(each.number),
                step.port,
                flags,
            )
            heapq.heappush(found, (at, len(found), each.interface, knock_frames.frame(content)))
            at += _GAP
    return [heapq.heappop(found) for _ in range(len(found))]


def _play(outside: Host, places: Sequence[Place]) -> float:
    """Send everything; the seconds by which the latest frame was late."""
    late = 0.0
    kind = socket.SOCK_RAW
    raw = inside(outside, lambda: socket.socket(socket.AF_PACKET, kind))
    with closing(raw):
        time.sleep(1.05 - time.time() % 1)  # the original counts whole seconds
        began = time.monotonic()
        for at, _, interface, frame in _schedule(places):
            time.sleep(max(0.0, began + at - time.monotonic()))
            raw.sendto(frame, (interface, 0))
            late = max(late, time.monotonic() - began - at)
    return late


def _all_played(found: Sequence[Place], folder: Path) -> bool:
    """Play every row; whether all of it went as it should, or at least in time."""
    with Lab() as lab:
        server, outside = lab.host("server"), lab.host("outside")
        _wire(server, outside, found)
        _start(server, found, folder)
        late = _play(outside, found)
        with suppress(AssertionError):  # the test of the row tells it
            until(lambda: all(map(_complete, found)), seconds=20)
    return late < _GAP or all(map(_complete, found))


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Place]:
    for _ in range(3):  # a busy machine lets pass what are seconds of somebody's patience
        folder = tmp_path_factory.mktemp("knockd")
        found = [Place(row, at, folder / row.number) for at, row in enumerate(ROWS, start=1)]
        if _all_played(found, folder):
            break
    return {each.row.number: each for each in found}


@pytest.mark.requirement("3.2", "3.15", "3.17", "3.18", "3.25")
@pytest.mark.parametrize("number", [row.number for row in ROWS])
def test_a_row_comes_to_what_the_specification_says_of_both(
    number: str, places: dict[str, Place]
) -> None:
    place = places[number]
    row = place.row
    assert _in_time(place) == by_door(row.told)
    assert place.told("packaged") == by_door(row.packaged or row.told)
    if row.packaged is None:
        assert place.ran("ours") == place.ran("packaged")
    else:
        assert len(place.ran("ours")) == sum(line.endswith(" OS") for line in row.told)
