"""knopwatchd: what it passes on, when it starts again, and when it gives up."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.daemon import until
from watchword.dialects.fwknop import server_options
from watchword.dialects.fwknop.watchdog_options import Patience, parse, patience, usage
from watchword.errors import OperatorError
from watchword.model.settings import MailSettings
from watchword.service.daemon import adopted, server, watchdog
from watchword.service.daemon.watchdog import Watchdog

COUNTS = ["/bin/sh", "-c", 'printf x >> "$0"; exit "$1"']


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """What signals did in this process is put back."""
    before = {
        each: signal.getsignal(each) for each in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.requirement("5.8", "6.6", "6.13", partial=True)
def test_override_files_are_passed_on_in_their_order() -> None:
    for word in ("-O", "--Override", "--Over"):
        assert parse(["-c", "c", word, "a,b"]).daemon == ("-c", "c", "-O", "a,b")
    options = server.absolute(server_options.parse(("-c", "/c", "-O", "/a,/b")))
    assert server.file_options(options) == ["-c", "/c", "-O", "/a,/b"]
    assert "--Override" in usage()


@pytest.mark.requirement("6.10", "6.13")
def test_the_dump_shows_what_the_override_files_say_and_no_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = {
        "access.conf": "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: never to be shown;\n",
        "fwknop.conf": f"KNOPWATCHD_CHECK_INTERVAL 7;\nACCESS_CONF {tmp_path}/access.conf;\n",
        "one": "KNOPWATCHD_CHECK_INTERVAL 8;\n",
        "two": "KNOPWATCHD_CHECK_INTERVAL 9;\n",
    }
    for name, text in texts.items():
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(text)
    names = [str(tmp_path / name) for name in ("fwknop.conf", "one", "two")]
    assert watchdog.run(["-c", names[0], "-O", ",".join(names[1:]), "-D"]) == 0
    said = capsys.readouterr().out
    assert "KNOPWATCHD_CHECK_INTERVAL    =  '9'" in said
    assert "never to be shown" not in said


def test_how_patient_it_is_stands_in_the_file() -> None:
    assert patience({}) == Patience(5, 10)
    given = {"KNOPWATCHD_CHECK_INTERVAL": "2", "KNOPWATCHD_MAX_RETRIES": "3"}
    assert patience(given) == Patience(2, 3)
    for wrong in ("0", "-1", "x", "1e3", "100000"):
        with pytest.raises(OperatorError, match="KNOPWATCHD_MAX_RETRIES"):
            patience({"KNOPWATCHD_MAX_RETRIES": wrong})


def watched(tmp_path: Path, status: int, limits: Patience, told: list[str]) -> tuple[int, int]:
    """How it ended, and how often the program was started."""
    into = tmp_path / "lives"
    argv = [*COUNTS, str(into), str(status)]
    ended = Watchdog(argv, limits, told.append).run(lambda: None)
    return ended, len(into.read_text())


def test_a_program_that_dies_at_once_is_given_up_after_so_many_starts(tmp_path: Path) -> None:
    told: list[str] = []
    watchdog_of_two = Patience(seconds=3, tries=2)
    assert watched(tmp_path, 3, watchdog_of_two, told) == (1, 3)
    assert ["restarting" in each for each in told] == [True, True, False]
    assert "(status 3)" in told[0]
    assert "Could not restart fwknopd" in told[2]


MAILER = """#!/bin/sh
cat >> {mails}
{then}
"""


def mailer(folder: Path, then: str = "") -> MailSettings:
    path = folder / "sendmail"
    path.write_text(MAILER.format(mails=folder / "mails", then=then))
    path.chmod(0o700)
    return MailSettings(("ops@example.net",), str(path), takes_message=True)


@pytest.mark.requirement("8.24", partial=True)
def test_each_new_start_and_the_giving_up_are_mailed_in_the_words_of_1_9(tmp_path: Path) -> None:
    argv = [*COUNTS, str(tmp_path / "lives"), "3"]
    slow = mailer(tmp_path, "sleep 0.5")
    dog = Watchdog(argv, Patience(seconds=60, tries=1), lambda _: None, slow)
    assert dog.run(lambda: None) == 1
    mails = (tmp_path / "mails").read_text()
    host = socket.gethostname()
    assert mails.count("To: ops@example.net") == 2
    assert f"Subject: [*] knopwatchd: Restarting fwknopd on {host}" in mails
    assert f"Subject: [*] knopwatchd: Could not restart fwknopd on {host}. Exiting." in mails


def test_a_mailer_that_hangs_holds_up_no_start_and_one_that_fails_is_told(tmp_path: Path) -> None:
    post = watchdog.Post(mailer(tmp_path, "sleep 5"), lambda _: None)
    before = set(threading.enumerate())
    for _ in range(5):
        post.send("[*] a mail")
    assert len(set(threading.enumerate()) - before) == 1  # the others are left out meanwhile
    told: list[str] = []
    broken = watchdog.Post(mailer(tmp_path, "exit 75"), told.append)
    broken.send("[*] a mail")
    broken.wait()
    assert "it ended with status 75" in told[0]


def test_a_program_that_ends_well_is_not_started_again(tmp_path: Path) -> None:
    told: list[str] = []
    assert watched(tmp_path, 0, Patience(), told) == (0, 1)
    assert told == []


def test_what_ends_it_ends_the_program_too(tmp_path: Path) -> None:
    into = tmp_path / "pid"
    sleeps = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
    dog = Watchdog([sys.executable, "-c", sleeps, str(into)], Patience(), lambda _: None)

    def end() -> None:
        until(lambda: into.exists() and into.read_text())
        os.kill(os.getpid(), signal.SIGTERM)

    ender = threading.Thread(target=end)
    ender.start()
    assert dog.run(lambda: None) == 0
    ender.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(into.read_text()), 0)


HOLDS = """import fcntl, os, sys, time
file = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.lockf(file, fcntl.LOCK_EX)
os.write(file, b"1")
print("held", flush=True)
time.sleep(600)
"""


@contextmanager
def somebody_elses(pid_file: Path, name: str = "fwknopd") -> Iterator[subprocess.Popen[str]]:
    """A process of this name that holds the lock, and that no knopwatchd of ours has started."""
    argv = [sys.executable, "-c", HOLDS, name, str(pid_file)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield other
        other.kill()


def looked_after(tmp_path: Path, other: subprocess.Popen[str], told: list[str]) -> Watchdog:
    argv = [*COUNTS, str(tmp_path / "lives"), "0"]
    running = partial(adopted.running, tmp_path / "pid")

    def tell(text: str) -> None:
        told.append(text)
        assert str(other.pid) in text or "restarting" in text

    return Watchdog(argv, Patience(), tell, running=running)


@pytest.mark.parametrize("well", [True, False])
def test_a_program_that_runs_already_is_looked_after_until_it_ends_and_then_started_if_need_be(
    tmp_path: Path, well: bool
) -> None:
    told: list[str] = []
    with somebody_elses(tmp_path / "pid") as other:

        def end() -> None:
            until(lambda: told)
            if well:
                os.truncate(tmp_path / "pid", 0)
            other.kill()
            other.wait()

        ender = threading.Thread(target=end)
        ender.start()
        assert looked_after(tmp_path, other, told).run(lambda: None) == 0
        ender.join()
    assert (tmp_path / "lives").exists() is not well


def test_what_ends_it_ends_the_program_that_ran_before_it_too(tmp_path: Path) -> None:
    told: list[str] = []
    with somebody_elses(tmp_path / "pid") as other:

        def end() -> None:
            until(lambda: told)
            os.kill(os.getpid(), signal.SIGTERM)

        ender = threading.Thread(target=end)
        ender.start()
        assert looked_after(tmp_path, other, told).run(lambda: None) == 0
        ender.join()
        assert other.wait(60) == -signal.SIGTERM
    assert not (tmp_path / "lives").exists()


def test_nobody_is_looked_after_who_is_no_fwknopd_or_holds_no_lock(tmp_path: Path) -> None:
    assert adopted.running(tmp_path / "pid") is None
    with somebody_elses(tmp_path / "pid", name="sshd"):
        assert adopted.running(tmp_path / "pid") is None
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")
    assert adopted.running(tmp_path / "pid") is None
