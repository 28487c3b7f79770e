"""IPT_CMD_ALARM and its kin: how long the firewall's programs may take, how often they are run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from tests.fwknopd_files import complaints, configure, remarks
from watchword.dialects.fwknop.voice import lines
from watchword.edges.firewall.tables.standing import (
    RefusedError,
    StandingRestore,
    UncertainError,
)
from watchword.edges.firewall.tables.tools import Tools
from watchword.edges.paced import PacedPrograms
from watchword.edges.programs import MemoryPrograms, SystemPrograms
from watchword.errors import HostError
from watchword.model.daemon_events import ProgramRan
from watchword.model.firewalls import ProgramPace
from watchword.ports import Completed, NotStartedError

GOOD, BAD = Completed(0, b"", b""), Completed(1, b"", b"no")


def pace(config: str) -> ProgramPace:
    return configure(config).settings.firewall.pace


class Stopwatch:
    """A clock that moves when somebody sleeps, and a second with each program."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def runner(
    answers: Sequence[Completed | HostError], found: ProgramPace
) -> tuple[PacedPrograms, MemoryPrograms, Stopwatch]:
    programs, watch = MemoryPrograms(answers), Stopwatch()
    paced = PacedPrograms(programs, found, steady=lambda: watch.now, sleep=watch.sleep)
    return paced, programs, watch


def test_what_the_file_says() -> None:
    assert pace("") == ProgramPace(None, 0.0, 1)
    found = pace("IPT_CMD_ALARM 7\nIPT_EXEC_SLEEP 2;\nIPT_EXEC_TRIES 3;\n")
    assert found == ProgramPace(7.0, 2.0, 3)
    assert pace("IPT_EXEC_TRIES 0\n").tries == 1
    for wrong in ("IPT_CMD_ALARM 0", "IPT_EXEC_SLEEP 61", "IPT_EXEC_TRIES 101"):
        assert any("not in the range" in each.message for each in complaints(f"{wrong}\n"))


@pytest.mark.requirement("7.6")
def test_each_style_is_taken_and_said_to_be_the_same() -> None:
    assert "IPT_EXEC_STYLE" not in str(remarks("IPT_EXEC_STYLE waitpid\n"))
    for style in ("system", "popen"):
        found = [each for each in remarks(f"IPT_EXEC_STYLE {style};\n") if "IPT_EXEC" in each]
        assert len(found) == 1
        assert "comes to the same as waitpid: programs are run without a shell" in found[0]
    assert "did not know" in str(remarks("IPT_EXEC_STYLE fork\n"))


@pytest.mark.requirement("7.5", partial=True)
def test_a_program_that_hangs_is_ended_after_its_alarm_and_not_tried_again(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    fake = tmp_path / "iptables-restore"
    fake.write_text(f"#!/bin/sh\necho $$ >> {runs}\nexec sleep 600\n")
    fake.chmod(0o700)
    for seconds in (0.3, 3.0, 30.0):  # it has to come so far
        found = ProgramPace(seconds, 0.0, 3)
        tools = Tools(str(tmp_path / "iptables"), PacedPrograms(SystemPrograms(), found))
        with pytest.raises(HostError, match=f"took longer than {seconds:g} s and was ended"):
            tools.restore(4, "*filter\nCOMMIT\n")
        if runs.exists() and runs.read_text():
            break
    [pid] = runs.read_text().split()
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.requirement("7.7")
def test_between_two_programs_lies_the_pause(tmp_path: Path) -> None:
    recorder = tmp_path / "record"
    recorder.write_text(f"#!/bin/sh\ndate +%s.%N >> {tmp_path}/times\n")
    recorder.chmod(0o700)
    programs = PacedPrograms(SystemPrograms(), ProgramPace(None, 0.25, 1))
    for _ in range(3):
        programs.run([str(recorder)])
    times = [float(each) for each in (tmp_path / "times").read_text().split()]
    assert all(after - before >= 0.25 for before, after in pairwise(times))

    paced, memory, watch = runner([GOOD, GOOD, GOOD], ProgramPace(None, 2.0, 1))
    paced.run(["a"])
    assert watch.slept == []
    watch.now += 0.5
    paced.run(["b"])
    watch.now += 5
    paced.run(["c"])
    assert watch.slept == [1.5]
    assert len(memory.runs) == 3


@pytest.mark.requirement("7.8")
def test_what_fails_is_tried_again_up_to_the_number() -> None:
    paced, programs, watch = runner([BAD, GOOD], ProgramPace(None, 1.0, 3))
    assert paced.run(["x"]) == GOOD
    assert (len(programs.runs), watch.slept) == (2, [1.0])
    paced, programs, _ = runner([BAD] * 5, ProgramPace(None, 0.0, 3))
    assert paced.run(["x"]) == BAD
    assert len(programs.runs) == 3
    paced, programs, _ = runner([NotStartedError("gone"), GOOD], ProgramPace(None, 0.0, 2))
    assert paced.run(["x"], stdin=b"in").status == 0
    assert {run.stdin for run in programs.runs} == {b"in"}
    paced, programs, _ = runner([NotStartedError("gone")] * 3, ProgramPace(None, 0.0, 2))
    with pytest.raises(NotStartedError):
        paced.run(["x"])
    assert len(programs.runs) == 2


def test_without_anything_said_a_program_is_run_once_as_it_was_asked() -> None:
    paced, programs, watch = runner([BAD, GOOD], ProgramPace())
    began = time.monotonic()
    assert paced.run(["x"]) == BAD
    assert (len(programs.runs), watch.slept) == (1, [])
    assert time.monotonic() - began < 30


STANDING = """\
#!/bin/sh
date +%s.%N >> {folder}/starts
test -e {folder}/ready || {{ touch {folder}/ready; echo no >&2; exit 1; }}
exec cat
"""


def standing(folder: Path, **pace: float) -> StandingRestore:
    fake = folder / "iptables-restore"
    fake.write_text(STANDING.format(folder=folder))
    fake.chmod(0o700)
    return StandingRestore([str(fake)], {"PATH": "/usr/bin:/bin"}, **pace)  # type: ignore[arg-type]


@pytest.mark.requirement("7.8")
def test_a_script_that_is_refused_is_handed_over_again_up_to_the_number(tmp_path: Path) -> None:
    restore = standing(tmp_path, tries=2)
    restore.carry_out("*filter\nCOMMIT\n")
    restore.close()
    assert len((tmp_path / "starts").read_text().split()) == 2
    (tmp_path / "ready").unlink()
    restore = standing(tmp_path)
    with pytest.raises(RefusedError, match="refused: no"):
        restore.carry_out("*filter\nCOMMIT\n")
    restore.close()


@pytest.mark.requirement("7.7")
def test_between_two_scripts_lies_the_pause(tmp_path: Path) -> None:
    (tmp_path / "ready").touch()
    restore = standing(tmp_path, pause=0.2)
    times = []
    for _ in range(3):
        restore.carry_out("*filter\nCOMMIT\n")
        times.append(time.monotonic())
    restore.close()
    assert all(after - before >= 0.2 for before, after in pairwise(times))


@pytest.mark.requirement("7.5", partial=True)
def test_a_program_that_stands_and_does_not_answer_is_ended_after_its_alarm(tmp_path: Path) -> None:
    fake = tmp_path / "iptables-restore"
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    fake.chmod(0o700)
    restore = StandingRestore([str(fake)], {"PATH": "/usr/bin:/bin"}, seconds=0.2, tries=5)
    with pytest.raises(UncertainError, match="took too long and was ended"):
        restore.carry_out("*filter\nCOMMIT\n")
    assert restore.pid is None


@pytest.mark.requirement("4.23", partial=True)
def test_each_program_is_told_with_its_status_and_what_it_said() -> None:
    heard: list[ProgramRan] = []
    answers = [Completed(0, b"Chain FWKNOP_INPUT (1 references)\nnum target\n", b""), BAD]
    programs = PacedPrograms(MemoryPrograms(answers), ProgramPace(), told=heard.append)
    programs.run(["/sbin/iptables", "-t", "filter", "-L", "FWKNOP_INPUT", "-n"])
    programs.run(["nft", "-f", "-"], stdin=b"secret")
    said = [text for event in heard for _, text in lines(event)]
    assert said == [
        "RES=0, CMD_BUF: /sbin/iptables -t filter -L FWKNOP_INPUT -n 2>&1",
        "RULES LIST: Chain FWKNOP_INPUT (1 references)",
        "num target",
        "RES=1, CMD_BUF: nft -f - 2>&1",
        "RULES LIST: no",
    ]
    assert all(priority == 7 for event in heard for priority, _ in lines(event))
