"""What has to be closed is not forgotten, whatever dies, and is run once."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from watchword.edges import debts as module
from watchword.edges.debts import NAME, Debts
from watchword.errors import HostError
from watchword.model.commands import Closing
from watchword.model.moments import Moment

NOW = Moment(1_700_000_000.0, 1_000.0)
LATER = Moment(NOW.wall + 100, NOW.steady + 100)
RM = Closing("rm a", ("rm", "a"), 5.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


def test_what_is_owed_is_there_after_a_crash_and_gone_once_it_was_paid(path: Path) -> None:
    debts = Debts(path, "boot", NOW)
    debts.owe(RM, NOW.steady + 30, 300.0, NOW)
    debts.pay(debts.owe(Closing("rm b", ("rm", "b")), NOW.steady + 30, 300.0, NOW))
    again = Debts(path, "boot", LATER)
    assert len(again) == 1
    found = again.of(("rm", "a"))
    assert found is not None
    assert found.inherited
    assert (found.closing, found.until) == (RM, NOW.steady + 30)
    again.pay(found)
    assert len(Debts(path, "boot", LATER)) == 0
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_there_is_otherwise_counts_only_where_no_file_was(path: Path) -> None:
    first = Debts(path, "boot", NOW, lambda: [(RM, NOW.steady + 30, 300.0)])
    found = first.of(RM.argv)
    assert found is not None
    assert found.inherited
    first.pay(found)
    again = Debts(path, "boot", LATER, lambda: [(RM, NOW.steady + 30, 300.0)])
    assert len(again) == 0


def test_of_two_with_the_same_words_the_earlier_one_is_paid_first(path: Path) -> None:
    debts = Debts(path, "boot", NOW)
    later = debts.owe(RM, NOW.steady + 60, 300.0, NOW)
    earlier = debts.owe(RM, NOW.steady + 30, 300.0, NOW)
    assert debts.of(RM.argv) is earlier
    earlier.busy = True
    assert debts.of(RM.argv) is later
    earlier.busy, earlier.tried = False, True
    assert debts.of(RM.argv) is later
    debts.pay(earlier)
    assert len(debts) == 1


def test_after_another_boot_the_wall_clock_says_when_and_never_too_late(path: Path) -> None:
    Debts(path, "one", NOW).owe(RM, NOW.steady + 30, 60.0, NOW)
    reborn = Moment(NOW.wall + 10, 5.0)
    found = Debts(path, "two", reborn).of(RM.argv)
    assert found is not None
    assert found.until == 5.0 + 20
    set_back = Moment(NOW.wall - 86_400, 5.0)
    found = Debts(path, "three", set_back).of(RM.argv)
    assert found is not None
    assert found.until == 5.0 + 60


def test_what_was_put_off_is_due_later_after_a_crash_as_well(path: Path) -> None:
    debts = Debts(path, "boot", NOW)
    debts.put_off(debts.owe(RM, NOW.steady + 30, 300.0, NOW), NOW.steady + 90, NOW)
    found = Debts(path, "boot", LATER).of(RM.argv)
    assert found is not None
    assert found.until == NOW.steady + 90


def test_overdue_is_what_was_never_run_and_what_failed_is_owed_for_ever(path: Path) -> None:
    debts = Debts(path, "boot", NOW)
    failed = debts.owe(RM, NOW.steady + 10, 300.0, NOW)
    due = debts.owe(Closing("rm b", ("rm", "b")), NOW.steady + 20, 300.0, NOW)
    debts.owe(Closing("rm c", ("rm", "c")), NOW.steady + 500, 300.0, NOW)
    failed.tried = True
    assert debts.overdue(LATER.steady) == [due]
    assert debts.overdue(LATER.steady + 86_400)[0] is due
    assert debts.of(RM.argv) is failed
    assert Debts(path, "boot", LATER).of(RM.argv) is not None


def test_what_was_run_lately_is_known_after_a_crash_as_well(path: Path) -> None:
    debts = Debts(path, "boot", NOW)
    debts.pay(debts.owe(RM, NOW.steady + 30, 300.0, NOW))
    again = Debts(path, "boot", LATER)
    assert again.paid(RM.argv)
    assert not again.paid(("rm", "b"))


def test_the_file_does_not_grow_with_what_is_done_with(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIDY", 10)
    debts = Debts(path, "boot", NOW)
    kept = debts.owe(Closing("rm b", ("rm", "b")), NOW.steady + 60, 300.0, NOW)
    for at in range(30):
        debts.put_off(kept, NOW.steady + 60 + at, NOW)
        debts.pay(debts.owe(RM, NOW.steady + 30, 300.0, NOW))
        assert len(path.read_bytes().splitlines()) <= 16
    again = Debts(path, "boot", LATER)
    assert len(again) == 1
    found = again.of(("rm", "b"))
    assert found is not None
    assert found.until == NOW.steady + 89


def test_where_the_file_cannot_be_written_anew_the_old_one_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIDY", 1)
    debts = Debts(path, "boot", NOW)

    def refuse(*_: object) -> None:
        raise HostError("there is no room")

    monkeypatch.setattr("watchword.edges.files.replace_private", refuse)
    for _ in range(5):
        debts.pay(debts.owe(RM, NOW.steady + 30, 300.0, NOW))
    debts.owe(RM, NOW.steady + 40, 300.0, NOW)
    monkeypatch.undo()
    assert len(Debts(path, "boot", LATER)) == 1


def test_where_the_new_file_cannot_be_opened_it_is_with_the_next_change(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    debts = Debts(path, "boot", NOW)
    with monkeypatch.context() as crowded:
        crowded.setattr(os, "open", _no_descriptor)
        with pytest.raises(HostError, match="Too many open files"):
            debts.owe(RM, NOW.steady + 30, 300.0, NOW)
    debts.owe(RM, NOW.steady + 40, 300.0, NOW)
    debts.close()
    assert len(Debts(path, "boot", LATER)) == 1


def _no_descriptor(*_: object) -> int:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_so_many_are_owed_at_once_and_no_more(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    debts = Debts(path, "boot", NOW)
    for _ in range(2):
        debts.owe(RM, NOW.steady + 30, 300.0, NOW)
    with pytest.raises(HostError, match="2 commands that close have not been run"):
        debts.owe(RM, NOW.steady + 30, 300.0, NOW)


def test_a_file_of_any_length_is_read(path: Path) -> None:
    debts = Debts(path, "boot", NOW)
    debts.owe(RM, NOW.steady + 30, 300.0, NOW)
    line = path.read_bytes()
    with path.open("ab") as file:
        file.truncate(0)
        file.write((b'{"paid": 7}' + b" " * (1 << 20) + b"\n") * 65)
        file.write(line)
    assert len(Debts(path, "boot", LATER)) == 1


def test_a_line_that_is_something_else_is_told(path: Path) -> None:
    path.write_text('{"owe": 1}\n', "ascii")
    path.chmod(0o600)
    with pytest.raises(HostError, match=r"hand\.debts:1 cannot be read"):
        Debts(path, "boot", NOW)


def test_a_last_line_that_a_crash_cut_is_no_trouble_and_any_other_is(path: Path) -> None:
    Debts(path, "boot", NOW).owe(RM, NOW.steady + 30, 300.0, NOW)
    whole = path.read_text("ascii")
    path.write_text(whole + whole[:20], "ascii")
    assert len(Debts(path, "boot", LATER)) == 1
    path.write_text(whole[:20] + "\n" + whole, "ascii")
    with pytest.raises(HostError, match=r"hand\.debts:1 cannot be read"):
        Debts(path, "boot", LATER)


def test_on_a_full_disk_nothing_is_owed_and_the_file_stays_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    debts = Debts(path, "boot", NOW)
    debts.owe(RM, NOW.steady + 30, 300.0, NOW)

    true_write = os.write
    monkeypatch.setattr(os, "write", lambda fd, octets: true_write(fd, octets[:9]))
    with pytest.raises(HostError, match="No space left"):
        debts.owe(RM, NOW.steady + 30, 300.0, NOW)
    monkeypatch.undo()
    assert len(debts) == 1
    debts.owe(RM, NOW.steady + 40, 300.0, NOW)
    assert len(Debts(path, "boot", LATER)) == 2
