"""knoptm, knopmd and fwknop_serv, as far as they need neither root nor a network."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.journal import grant
from tests.daemon import stanza
from watchword.dialects.fwknop.companion_options import OPTIONS
from watchword.edges.clock import SystemClock, boot_id
from watchword.edges.replay.sqlite import SqliteStore
from watchword.model.commands import Closing, Cycle
from watchword.model.openings import Grant
from watchword.programs import fwknop_serv, knopmd, knoptm
from watchword.service.daemon.assembly import LOCK
from watchword.service.daemon.process import PidFile

PROGRAMS = {"fwknop_serv": fwknop_serv.main, "knopmd": knopmd.main, "knoptm": knoptm.main}
TOUCH = "import pathlib, sys; pathlib.Path(sys.argv[1]).touch()"
FAIL = "import sys; sys.exit('no')"


class Desk:
    """The two files, and what a program says that is given them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.write()

    def write(self, more: str = "") -> None:
        text = (
            f"STATE_DIR {self.folder}/state;\nFWKNOP_RUN_DIR {self.folder}/run;\n"
            f"ACCESS_FILE {self.folder}/access.conf;\nFIREWALL_BACKEND memory;\n"
            f"ENABLE_UDP_SERVER Y;\n{more}"
        )
        for name, content in (("fwknopd.conf", text), ("access.conf", stanza())):
            (self.folder / name).touch(mode=0o600)
            (self.folder / name).write_text(content, "utf-8")

    def run(self, program: Callable[[Sequence[str]], int], *words: str) -> tuple[int, str, str]:
        status = program(["-c", str(self.folder / "fwknopd.conf"), *words])
        said = self._capsys.readouterr()
        return status, said.out, said.err


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_says_what_it_does_and_which_version_it_is(name: str, desk: Desk) -> None:
    status, said, _ = desk.run(PROGRAMS[name], "--help")
    assert status == 0
    assert said.startswith(f"Usage: {name} [options]\n")
    assert all(f"--{option.long}" in said for option in OPTIONS[name])
    assert desk.run(PROGRAMS[name], "-V")[1].startswith(f"{name} of Watchword ")
    status, said, error = desk.run(PROGRAMS[name], "--nonsense")
    assert (status, said) == (1, "")
    assert f"{name} --help" in error


@pytest.mark.parametrize("mode", ["PCAP", "ULOG_PCAP", "FILE_PCAP", "SOCKET"])
def test_knopmd_has_nothing_to_do_where_no_knocks_are_taken(mode: str, desk: Desk) -> None:
    desk.write(f"AUTH_MODE {mode};\n")
    status, said, _ = desk.run(knopmd.main, "--no-voluntary-exits", "--Lib-dir", "/lib")
    assert status == 0
    assert f"AUTH_MODE is {mode}" in said


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ("", "the log /var/log/messages"),
        ("ENABLE_SYSLOG_FILE N;\n", "the named pipe /var/lib/fwknop/fwknopfifo"),
        ("KNOCK_SOURCE nflog;\n", "NFLOG group 5"),
    ],
)
def test_knopmd_says_that_the_daemon_takes_knocks_itself(
    lines: str, where: str, desk: Desk
) -> None:
    desk.write(f"AUTH_MODE KNOCK;\n{lines}")
    status, said, _ = desk.run(knopmd.main)
    assert (status, said) == (0, f"AUTH_MODE is KNOCK: fwknopd takes knocks from {where} itself.\n")


def left_behind(desk: Desk, *grants: Grant) -> None:
    """A daemon that was killed had these open, or yet to be closed by their commands."""
    now = SystemClock().now()
    store = SqliteStore.open(desk.folder / "state", boot_id=boot_id())
    asyncio.run(
        store.journal.granted(
            [replace(each, lead=None, until=now.steady + each.ends - each.began) for each in grants]
        )
    )
    asyncio.run(store.aclose())


def by_command(name: str, seconds: float, code: str, mark: Path) -> Grant:
    closing = Closing(f"close {name}", (sys.executable, "-c", code, str(mark)), 30.0)
    return replace(grant(name, seconds=seconds), cycle=Cycle((closing,)))


@pytest.mark.requirement("7.16", "7.17")
@pytest.mark.requirement("8.24", partial=True)
def test_without_a_daemon_knoptm_closes_what_is_overdue_and_nothing_else(desk: Desk) -> None:
    over, live = desk.folder / "over", desk.folder / "live"
    left_behind(
        desk,
        by_command("over", -5.0, TOUCH, over),
        by_command("live", 600.0, TOUCH, live),
        grant("plain", seconds=-5.0),
        grant("open", seconds=300.0),
    )
    status, said, log = desk.run(knoptm.main)
    assert status == 0
    assert over.exists()
    assert not live.exists()
    assert "No running fwknopd detected.\n" in said
    assert "0 openings were overdue and are shut, 1 were closed by their commands." in said
    [seconds] = re.findall(r"2 grants are in force, the next one ends in (\d+) s\.", said)
    assert 200 < int(seconds) <= 300
    assert "Timer expired, running CMD_CYCLE_CLOSE command: close over" in log
    over.unlink()
    assert desk.run(knoptm.main)[0] == 0
    assert not over.exists()  # its end has been noted


def test_it_does_so_although_the_stanzas_are_broken(desk: Desk) -> None:
    over = desk.folder / "over"
    left_behind(desk, by_command("over", -5.0, TOUCH, over))
    (desk.folder / "access.conf").write_text("nonsense\n")
    assert desk.run(knoptm.main)[0] == 0
    assert over.exists()


def test_what_cannot_be_closed_is_told_and_tried_again_the_next_time(desk: Desk) -> None:
    left_behind(desk, by_command("over", -5.0, FAIL, desk.folder))
    for _ in range(2):
        status, said, _ = desk.run(knoptm.main)
        assert status == 1
        assert "1 could not be closed by their commands; the log says why." in said


def test_knoptm_leaves_alone_what_another_daemon_with_the_same_memory_has(desk: Desk) -> None:
    (desk.folder / "state").mkdir(mode=0o700)
    held = desk.folder / "state" / LOCK
    child = f"import sys; sys.path[:] = {sys.path!r}\n" + (
        "from pathlib import Path; from watchword.service.daemon.process import PidFile\n"
        f"held = PidFile(Path({str(held)!r})); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "held\n"
        status, _, error = desk.run(knoptm.main)
        other.stdin.close()
        other.wait(60)
    assert status == 1
    assert "already running" in error
    PidFile(held).close()


def test_fwknop_serv_has_to_be_there_to_be_ended(desk: Desk) -> None:
    assert desk.run(fwknop_serv.main, "-K") == (1, "No running fwknop_serv detected.\n", "")
