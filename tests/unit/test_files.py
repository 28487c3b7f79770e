"""Reading an operator's files, and writing files that hold secrets."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from watchword.edges import file_rights, files
from watchword.errors import HostError, OperatorError


def refusal(path: Path, limit: int = files.TEXT_LIMIT) -> OperatorError:
    with pytest.raises(OperatorError) as caught:
        files.read_text(path, limit)
    [complaint] = caught.value.complaints
    assert complaint.hint
    assert complaint.place
    assert complaint.place.file == str(path)
    return caught.value


def test_a_file_is_read_whole_and_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "conf").write_bytes("KEY  schlüssel;\r\n".encode())
    assert files.read_text(tmp_path / "conf") == "KEY  schlüssel;\r\n"


def test_bytes_of_another_encoding_can_be_had_back(tmp_path: Path) -> None:
    (tmp_path / "conf").write_bytes(b"KEY \xe9\xff;\n")
    text = files.read_text(tmp_path / "conf")
    assert text.encode("utf-8", "surrogateescape") == b"KEY \xe9\xff;\n"


def test_a_symbolic_link_is_read(tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "conf")
    assert files.read_text(tmp_path / "link") == "x"


def test_a_missing_file_is_told_with_a_remedy(tmp_path: Path) -> None:
    assert "does not exist" in str(refusal(tmp_path / "conf"))


@pytest.mark.timeout(5)
def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "link", Path("/dev/zero")):
        assert "not a regular file" in str(refusal(path))


@pytest.mark.timeout(5)
def test_a_fifo_put_in_place_after_the_look_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").write_text("x")
    looked_at = (tmp_path / "conf").stat()
    (tmp_path / "conf").unlink()
    os.mkfifo(tmp_path / "conf")
    monkeypatch.setattr(Path, "stat", lambda _: looked_at)
    assert "not a regular file" in str(refusal(tmp_path / "conf"))


def test_the_limit_is_the_last_length_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("x" * 10)
    assert files.read_text(tmp_path / "conf", limit=10) == "x" * 10
    assert "larger than 9 bytes" in str(refusal(tmp_path / "conf", limit=9))


@pytest.mark.parametrize("name", ["a\0b", "x" * 300])
def test_a_name_that_cannot_be_is_the_operators_mistake(tmp_path: Path, name: str) -> None:
    assert "cannot be read" in str(refusal(tmp_path / name))


def test_a_file_that_may_not_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbid(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "conf").write_text("x")
    monkeypatch.setattr(os, "open", forbid)
    assert "may not be read" in str(refusal(tmp_path / "conf"))


def complaints(path: Path) -> list[str]:
    return [str(each) for each in file_rights.permission_complaints(path)]


@pytest.mark.parametrize("bits", [0o644, 0o400, 0o640, 0o700, 0o4600])
def test_permissions_other_than_0600_are_complained_about(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "access.conf"
    path.touch()
    path.chmod(0o600)
    assert complaints(path) == []

    path.chmod(bits)
    [complaint] = file_rights.permission_complaints(path)
    assert not complaint.fatal
    assert str(complaint) == (
        f"[-] file: {path} permissions should only be user read/write (0600, -rw-------)"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_a_foreign_owner_is_complained_about(tmp_path: Path) -> None:
    path = tmp_path / "access.conf"
    path.touch(0o600)
    os.chown(path, 65534, 65534)
    assert complaints(path) == [f"[-] file: {path} not owned by current effective user id"]


def test_what_is_no_file_is_a_fatal_complaint_and_what_is_missing_none(tmp_path: Path) -> None:
    [complaint] = file_rights.permission_complaints(tmp_path)
    assert complaint.fatal
    assert str(complaint) == f"[-] file: {tmp_path} is not a regular file or symbolic link."
    assert complaints(tmp_path / "missing") == []


def test_a_folder_is_listed_by_name(tmp_path: Path) -> None:
    for name in ("b.conf", "a.conf", "c"):
        (tmp_path / name).touch()
    assert [path.name for path in files.list_folder(tmp_path)] == ["a.conf", "b.conf", "c"]


def test_what_cannot_be_listed_is_told_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, words in ((tmp_path / "missing", "not exist"), (tmp_path / "file", "not a folder")):
        with pytest.raises(OperatorError, match=words) as caught:
            files.list_folder(path)
        assert caught.value.complaints[0].hint


@pytest.mark.requirement("1.4")
def test_a_private_file_is_0600_from_the_call_that_creates_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    really = os.open

    def watched(path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = really(path, flags, mode)
        if flags & os.O_CREAT:
            assert flags & os.O_EXCL
            seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    monkeypatch.setattr(os, "open", watched)
    before = os.umask(0)
    try:
        files.replace_private(tmp_path / "rc", b"one")
        files.create_private(tmp_path / "pid", b"1")
    finally:
        os.umask(before)
    assert seen == [0o600, 0o600]


def test_replacing_leaves_nothing_but_the_new_file(tmp_path: Path) -> None:
    (tmp_path / "rc").write_text("old")
    (tmp_path / "rc").chmod(0o644)
    files.replace_private(tmp_path / "rc", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["rc"]
    assert (tmp_path / "rc").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "rc").stat().st_mode) == 0o600


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_replacement_keeps_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "rc").write_text("old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(HostError, match="No space left on device") as caught:
        files.replace_private(tmp_path / "rc", b"a secret")
    assert "secret" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["rc"]
    assert (tmp_path / "rc").read_text() == "old"


def test_the_file_is_synchronised_before_it_gets_its_name_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, move = os.fsync, os.replace

    def watched_sync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        steps.append(kind)
        sync(descriptor)

    def watched_move(source: Path, target: Path) -> None:
        steps.append("move")
        move(source, target)

    monkeypatch.setattr(os, "fsync", watched_sync)
    monkeypatch.setattr(os, "replace", watched_move)
    files.replace_private(tmp_path / "rc", b"new")
    assert steps == ["file", "move", "folder"]


def test_a_link_of_our_own_is_kept_and_its_target_replaced(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "rc").symlink_to(tmp_path / "dotfiles" / "rc")
    files.replace_private(tmp_path / "rc", b"new")
    assert (tmp_path / "rc").is_symlink()
    assert (tmp_path / "dotfiles" / "rc").read_bytes() == b"new"


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a link away needs root")
def test_somebody_elses_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "rc").symlink_to(tmp_path / "target")
    os.lchown(tmp_path / "rc", 65534, 65534)
    with pytest.raises(HostError, match="symbolic link"):
        files.replace_private(tmp_path / "rc", b"new")
    assert (tmp_path / "target").read_text() == "precious"


def test_creating_touches_nothing_that_exists(tmp_path: Path) -> None:
    assert files.create_private(tmp_path / "new", b"first")
    assert not files.create_private(tmp_path / "new", b"second")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert not files.create_private(tmp_path / "link", b"second")
    assert (tmp_path / "new").read_bytes() == b"first"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "new"]


def test_creating_where_nothing_can_be_is_the_machines_refusal(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot be written"):
        files.create_private(tmp_path / "missing" / "new", b"x")


@pytest.mark.parametrize(
    ("mode", "private"), [(0o700, True), (0o755, True), (0o775, False), (0o707, False)]
)
def test_a_folder_is_private_if_nobody_else_can_write_there(
    tmp_path: Path, mode: int, private: bool
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(mode)
    assert files.is_private_folder(folder) is private
    assert not files.is_private_folder(tmp_path / "nowhere")
