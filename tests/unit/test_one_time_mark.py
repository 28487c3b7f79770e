"""Marking a line of a one-time file: one byte, in place, for good."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from watchword.dialects.knockd.one_time import place_of_mark
from watchword.edges import one_time
from watchword.errors import HostError
from watchword.model.services import Service

USED = tuple(map(Service.parse, ("tcp/7000", "udp/8000")))
SHEET = b"# mine\n 7000,8000:udp\n 7100\n"
mark_used = partial(place_of_mark, used=USED)


def test_one_byte_changes_and_the_file_stays_the_same_one(tmp_path: Path) -> None:
    path = tmp_path / "sheet"
    path.write_bytes(SHEET)
    path.chmod(0o640)
    link = tmp_path / "link"
    link.hardlink_to(path)
    before = path.stat()
    assert one_time.mark(str(path), mark_used)
    after = path.stat()
    assert path.read_bytes() == link.read_bytes() == SHEET.replace(b" 7000", b"#7000")
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)


def test_the_mark_is_on_the_disk_before_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sheet"
    path.write_bytes(SHEET)
    synced: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.read_bytes()))
    assert one_time.mark(str(path), mark_used)
    assert synced == [path.read_bytes()]


def test_a_line_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sheet"
    path.write_bytes(b" 7100\n")
    assert not one_time.mark(str(path), mark_used)
    assert path.read_bytes() == b" 7100\n"


def test_a_file_that_takes_its_place_meanwhile_is_marked_too(tmp_path: Path) -> None:
    path, fresh = tmp_path / "sheet", tmp_path / "fresh"
    path.write_bytes(SHEET)
    fresh.write_bytes(b" 9000\n" + SHEET)
    turns: list[bytes] = []

    def place(content: bytes) -> int | None:
        if not turns:
            fresh.rename(path)
        turns.append(content)
        return mark_used(content)

    assert one_time.mark(str(path), place)
    assert len(turns) == 2
    assert path.read_bytes() == b" 9000\n" + SHEET.replace(b" 7000", b"#7000")


def test_a_file_that_is_replaced_again_and_again_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "sheet"
    path.write_bytes(SHEET)

    def place(content: bytes) -> int | None:
        fresh = tmp_path / "fresh"
        fresh.write_bytes(SHEET)
        fresh.rename(path)
        return mark_used(content)

    with pytest.raises(HostError, match="again and again"):
        one_time.mark(str(path), place)


@pytest.mark.parametrize("what", ["missing", "folder", "fifo", "nul"])
def test_what_is_no_file_is_an_error_and_never_waited_for(what: str, tmp_path: Path) -> None:
    path = tmp_path / "sheet"
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    name = f"{path}\0" if what == "nul" else str(path)
    with pytest.raises(HostError, match="cannot be marked"):
        one_time.mark(name, mark_used)
