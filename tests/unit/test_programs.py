"""Running other programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.contract.programs import Prepare, Prepared, ProgramsContract
from tests.daemon import until
from tests.vitals import open_in
from watchword.edges.programs import MemoryPrograms, Run, SystemPrograms
from watchword.errors import HostError
from watchword.model.commands import Account
from watchword.ports import Completed, NotStartedError

ACT = """
import os, sys
status, said, complained = int(sys.argv[1]), sys.argv[2], sys.argv[3]
sys.stdout.write(said); sys.stderr.write(complained); sys.stdout.flush(); sys.stderr.flush()
os.kill(os.getpid(), -status) if status < 0 else sys.exit(status)
"""


def sh(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


class TestSystemPrograms(ProgramsContract):
    @pytest.fixture
    def prepare(self) -> Prepare:
        def prepare(answer: Completed) -> Prepared:
            said = (answer.stdout.decode(), answer.stderr.decode())
            return SystemPrograms(), [sys.executable, "-c", ACT, str(answer.status), *said]

        return prepare

    @pytest.fixture
    def hopeless(self) -> Prepared:
        return SystemPrograms(), ["/nonexistent/program"]


class TestMemoryPrograms(ProgramsContract):
    @pytest.fixture
    def prepare(self) -> Prepare:
        return lambda answer: (MemoryPrograms([answer]), ["nft", "-f", "-"])

    @pytest.fixture
    def hopeless(self) -> Prepared:
        return MemoryPrograms([NotStartedError("nft: cannot be started")]), ["nft"]

    def test_it_keeps_what_it_was_asked_for(self) -> None:
        runner = MemoryPrograms()
        assert runner.run(["nft", "-f", "-"], stdin=b"rules") == Completed(0, b"", b"")
        assert runner.runs == [Run(("nft", "-f", "-"), b"rules")]


def test_input_and_output_larger_than_a_pipe_pass(tmp_path: Path) -> None:
    question = os.urandom(1 << 20)
    assert SystemPrograms().run(["cat"], stdin=question) == Completed(0, question, b"")


def test_a_program_that_does_not_want_its_input_is_no_error() -> None:
    assert SystemPrograms().run(["true"], stdin=b"x" * (1 << 20)).status == 0


def test_no_shell_sees_the_arguments() -> None:
    assert SystemPrograms().run(["echo", "$(id); `id` > /tmp/x | y"]).stdout == (
        b"$(id); `id` > /tmp/x | y\n"
    )


def test_the_environment_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD_LIKE", "evil")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    runner = SystemPrograms({"GNUPGHOME": "/keys"})
    lines = runner.run(["/usr/bin/env"]).stdout.decode().splitlines()
    assert sorted(line.partition("=")[0] for line in lines) == ["GNUPGHOME", "LC_ALL", "PATH"]
    assert "LC_ALL=C" in lines


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


def test_a_program_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    child = tmp_path / "child"
    script = f"sleep 600 & echo $! > {child}; trap '' TERM; wait; sleep 600"
    for seconds in (0.3, 3.0, 30.0):  # it has to come so far
        with pytest.raises(HostError, match=f"/bin/sh: took longer than {seconds:g} s") as caught:
            SystemPrograms().run(sh(script), seconds=seconds)
        assert "sleep" not in str(caught.value)
        if child.exists() and child.stat().st_size:
            break
    until(lambda: gone(int(child.read_text("ascii"))))


def test_a_program_that_closes_its_outputs_is_still_waited_for_and_limited() -> None:
    assert SystemPrograms().run(sh("exec >&- 2>&-; sleep 0.1; exit 3")).status == 3
    with pytest.raises(HostError, match="took longer"):
        SystemPrograms().run(sh("exec >&- 2>&-; sleep 60"), seconds=0.3)


def test_a_program_that_says_too_much_is_killed() -> None:
    with pytest.raises(HostError, match="yes: said too much"):
        SystemPrograms(output_limit=100_000).run(["yes"])


def test_output_up_to_the_limit_is_kept() -> None:
    whole = SystemPrograms(output_limit=100_000).run(["head", "-c", "100000", "/dev/zero"])
    assert len(whole.stdout) == 100_000


def test_a_child_left_behind_is_not_waited_for(tmp_path: Path) -> None:
    script = f"echo done; sleep 600 & echo $! > {tmp_path}/child"
    try:
        assert SystemPrograms().run(sh(script), seconds=60) == Completed(0, b"done\n", b"")
    finally:
        os.kill(int((tmp_path / "child").read_text("ascii")), 9)


def test_an_argument_that_cannot_be_is_the_machines_refusal() -> None:
    with pytest.raises(HostError, match="echo: cannot be started"):
        SystemPrograms().run(["echo", "a\0b"])


def test_a_program_that_may_not_be_executed_is_told_with_where_to_look(tmp_path: Path) -> None:
    """As with a profile of AppArmor, whose refusal is the same error."""
    there = tmp_path / "iptables"
    there.write_text("#!/bin/sh\n", "ascii")
    with pytest.raises(NotStartedError, match="Permission denied") as refused:
        SystemPrograms().run([str(there)])
    assert f"see that {there} may be executed" in refused.value.hint
    assert "AppArmor" in refused.value.hint
    with pytest.raises(NotStartedError, match="No such file") as missing:
        SystemPrograms().run([str(tmp_path / "nowhere")])
    assert missing.value.hint == ""


def test_no_descriptors_are_left_open() -> None:
    before = open_in()
    for argv in (["true"], sh("exit 3")):
        SystemPrograms().run(argv, stdin=b"x")
    with pytest.raises(HostError):
        SystemPrograms().run(["sleep", "60"], seconds=0.05)
    until(lambda: open_in() <= before)


def test_a_program_that_chatters_goes_on_and_the_rest_is_thrown_away() -> None:
    script = "head -c 1000000 /dev/zero; echo done >&2; exit 4"
    answer = SystemPrograms(output_limit=1000, chatter=True).run(sh(script))
    assert answer.status == 4
    assert len(answer.stdout) + len(answer.stderr) == 1000


def test_a_program_starts_with_nothing_of_ours(tmp_path: Path) -> None:
    """No descriptor, no variable, no group, no terminal."""
    script = "ls /proc/self/fd | wc -l; env | cut -d= -f1 | xargs; id -G; ps -o tty= -p $$"
    kept = [(tmp_path / str(n)).open("w") for n in range(5)]
    os.environ["WATCHWORD_SECRET"] = "x"
    said = SystemPrograms().run(sh(script)).stdout.decode().splitlines()
    del os.environ["WATCHWORD_SECRET"]
    assert said[0] == "4"  # three, and the one that ls looks through
    assert set(said[1].split()) <= {"PATH", "LC_ALL", "PWD", "OLDPWD"}
    assert said[2] == str(os.getgid())
    assert said[3].strip() == "?"
    for each in kept:
        each.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_program_runs_as_somebody_else_and_has_no_other_groups() -> None:
    nobody = Account("nobody", "nogroup", 65534, 65534)
    before = os.getgroups()
    os.setgroups([0, 12345])
    try:
        answer = SystemPrograms().run(sh("id -u; id -g; id -G"), account=nobody)
        ours = SystemPrograms().run(sh("id -G"))
    finally:
        os.setgroups(before)
    assert answer.stdout.decode().split() == ["65534", "65534", "65534"]
    assert ours.stdout.decode().split() == ["0"]


def test_nothing_is_started_after_the_end() -> None:
    programs = SystemPrograms()
    programs.end()
    with pytest.raises(NotStartedError):
        programs.run(["true"])


def test_files_of_a_program_are_as_it_was_told(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        for umask, mode in ((-1, 0o600), (0o022, 0o644)):
            made = tmp_path / str(umask)
            SystemPrograms(umask=umask).run(["touch", str(made)])
            assert made.stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)


def test_a_program_that_we_may_not_kill_is_one_that_took_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As sudo is, for a daemon that is not root."""

    def refuse(group: int, number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "killpg", refuse)
    with pytest.raises(HostError, match="took longer"):
        SystemPrograms().run(["sleep", "3"], seconds=0.1)
