"""Which files this process may touch from now on (Landlock, Linux 5.13 and later).

In here: the three calls, and what each version of the kernel's interface can restrict.
Not in here: which files (service.daemon.confinement).

Everything that is not named is refused, also to root, also below names that are made later.
Files that are open already stay open.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same numbers on every machine
_ASK_VERSION: Final = 1
_BENEATH: Final = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_FILE, _MAKE_FILE, _TRUNCATE = 1 << 5, 1 << 8, 1 << 14
RIGHTS: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All rights to files that can be restricted, by the version that brought the last of them."""
_SCOPED_SINCE: Final = 6
_NO_SIGNALS_AND_NO_ABSTRACT_SOCKETS: Final = 0b11
READ: Final = _READ_FILE | _READ_FOLDER
WRITE: Final = READ | _WRITE_FILE | _REMOVE_FILE | _MAKE_FILE | _TRUNCATE
_OF_FILES: Final = _WRITE_FILE | _READ_FILE | _TRUNCATE
"""What can be allowed for something that is no folder."""


def handled(version: int) -> int:
    """The rights that this version of the interface can take away."""
    return RIGHTS[max(each for each in RIGHTS if each <= version)]


def ruleset(version: int) -> bytes:
    """``struct landlock_ruleset_attr`` as that version knows it."""
    if version >= _SCOPED_SINCE:
        return struct.pack("=QQQ", handled(version), 0, _NO_SIGNALS_AND_NO_ABSTRACT_SOCKETS)
    return struct.pack("=Q", handled(version))


def rule(descriptor: int, rights: int) -> bytes:
    """``struct landlock_path_beneath_attr``, which is packed."""
    return struct.pack("=Qi", rights, descriptor)


def restrict(readable: Iterable[Path], writable: Iterable[Path]) -> str:
    """Leave this thread, and those it begins, what lies at or below these paths.

    A path that is not there is left out. It needs no_new_privs before. Returns why nothing is
    restricted, empty if it is.
    """
    if sys.platform != "linux":
        return "this is no Linux"
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE, None, 0, _ASK_VERSION)
    if version < 1:
        return os.strerror(ctypes.get_errno())
    wanted = ruleset(version)
    rules = libc.syscall(_CREATE, wanted, len(wanted), 0)
    if rules < 0:
        return os.strerror(ctypes.get_errno())
    try:
        for paths, rights in ((readable, READ), (writable, WRITE)):
            for path in paths:
                if why := _allow(libc, rules, path, rights & handled(version)):
                    return why
        if libc.syscall(_RESTRICT, rules, 0):
            return os.strerror(ctypes.get_errno())
    finally:
        os.close(rules)
    return ""


def _allow(libc: ctypes.CDLL, rules: int, path: Path, rights: int) -> str:
    """Why not; empty if it is done, or if nothing is there."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        if not path.is_dir():
            rights &= _OF_FILES
        if libc.syscall(_ADD, rules, _BENEATH, rule(descriptor, rights), 0):
            return f"{path}: {os.strerror(ctypes.get_errno())}"
    finally:
        os.close(descriptor)
    return ""
