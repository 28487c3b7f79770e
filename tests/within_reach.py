"""Programs that run as another user find Python and the checkout, whatever lies closed above them.

In here: what comes before such a program's words. In a mount namespace of its own, each closed
folder on the way to where they lie is another folder with the same entries, which anybody may
pass; what is made anew in that one itself goes with the program. Nothing is seen of it outside, and
nobody's rights are changed. The process stays the same.
Not in here: becoming the other user (setpriv, by who starts the program); folders of tests, which
have to lie where that user gets to.

    *within_reach(), "setpriv", "--reuid=65534", ..., "watchword", "status"

Where nothing is closed there is nothing before them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

PLACES = (Path(__file__).parents[1], Path(sys.prefix), Path(sys.base_prefix))
_NEW_MOUNTS = 0x20000
_BIND, _REC, _PRIVATE = 0x1000, 0x4000, 0x40000
_ENTER, _READ = 0o001, 0o005
"""Rights of everybody to a folder: passing it; passing it and seeing what is in it."""


def within_reach(*places: Path) -> list[str]:
    """First words of a command that root starts; ``places`` are those of the tests, if none."""
    places = places or PLACES
    if not any(True for each in _ways(places) for _ in _closed(each)):
        return []
    return [sys.executable, "-IS", __file__, *map(str, places), "--"]


def _ways(places: tuple[Path, ...]) -> Iterator[Path]:
    """The places, and where they are if the way there goes by symbolic links."""
    for each in places:
        yield each.absolute()
        yield each.resolve()


def _closed(place: Path) -> Iterator[Path]:
    """The folders that keep others from a place, from above; the place itself may be the last."""
    for folder in reversed(place.parents[:-1]):
        if not _lets(folder, _ENTER):
            yield folder
    if not _lets(place, _READ):
        yield place


def _lets(folder: Path, rights: int) -> bool:
    return stat.S_IMODE(folder.stat().st_mode) & rights == rights


def _stand_in(folder: Path) -> None:
    """Put a folder with the same entries in a folder's place. Raises OSError."""
    before = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    _mount("none", folder, "tmpfs", 0, "mode=755")
    for entry in Path(f"/proc/self/fd/{before}").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it is somebody's, who removed it since
            _appear(entry, folder / entry.name)
    os.close(before)


def _appear(entry: Path, name: Path) -> None:
    if entry.is_symlink():
        name.symlink_to(entry.readlink())
        return
    if entry.is_dir():
        name.mkdir()
    else:
        name.touch()
    _mount(entry, name, None, _BIND | _REC)


def _mount(
    source: str | Path, target: Path, kind: str | None, flags: int, options: str = ""
) -> None:
    words = (os.fsencode(source), os.fsencode(target), kind and kind.encode())
    _done(_libc.mount(*words, ctypes.c_ulong(flags), options.encode()), target)


def _done(answer: int, what: object = "") -> None:
    if answer:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(what))


def main(words: list[str]) -> None:
    """``PLACE... -- PROGRAM...``: become the program, with the places within its reach."""
    end = words.index("--")
    _done(_libc.unshare(_NEW_MOUNTS))
    _mount("none", Path("/"), None, _REC | _PRIVATE)
    for each in _ways(tuple(map(Path, words[:end]))):
        for folder in _closed(each):
            _stand_in(folder)
    os.execvp(words[end + 1], words[end + 1 :])  # noqa: S606


_libc = ctypes.CDLL(None, use_errno=True)

if __name__ == "__main__":
    main(sys.argv[1:])
