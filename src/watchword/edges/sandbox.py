"""Takes from this process what it does not need, for good.

In here: user, groups, capabilities, no_new_privs, and the order in which they go.
Not in here: calls of the kernel (seccomp), files (landlock), what a process needs
(service.daemon.confinement).

It has to be done before the process has a second thread: capabilities, and what Landlock
restricts, belong to threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from watchword.edges import landlock, seccomp
from watchword.errors import HostError
from watchword.model.commands import Account
from watchword.record import record

_SET_DEATH_SIGNAL, _DROP_FROM_BOUND, _NO_NEW_PRIVS, _AMBIENT = 1, 24, 38, 47
_CLEAR_AMBIENT: Final = 4
_HIGHEST: Final = 63  # capabilities are numbered up to 40 today
_CAPABILITY_VERSION: Final = 0x20080522
_INVALID: Final = 22  # there is no such capability


@record
class Confined:
    """What is in force; what is empty holds, what is not says why it does not."""

    user: int
    without_calls: str = ""
    without_files: str = ""


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process as soon as the one that forked it is gone."""
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was quicker
        os._exit(1)


def confine(
    account: Account | None, *, readable: Iterable[Path], writable: Iterable[Path]
) -> Confined:
    """Go on as that user, without a capability, and with these files only.

    ``account`` None: the user stays who it is. Raises HostError: a right could not be given up.
    Kernels without seccomp or Landlock are no error; the answer says so.
    """
    if threading.active_count() != 1:
        raise RuntimeError("there is a second thread, which would keep its rights")
    libc = ctypes.CDLL(None, use_errno=True)
    _empty_bound(libc)
    if account is not None:
        try:
            os.setgroups([])
            os.setresgid(account.gid, account.gid, account.gid)
            os.setresuid(account.uid, account.uid, account.uid)
        except OSError as error:
            raise HostError(
                f"cannot become the user {account.user}: {error.strerror}",
                hint="run it as root, with CAP_SETUID and CAP_SETGID",
            ) from error
    _drop_capabilities(libc)
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise _trouble("cannot set no_new_privs")
    files = landlock.restrict(readable, writable)
    return Confined(os.geteuid(), seccomp.restrict(), files)


def _empty_bound(libc: ctypes.CDLL) -> None:
    """Nothing that is executed later may have a capability. Who may not do it has none to lose."""
    for number in range(_HIGHEST + 1):
        if libc.prctl(_DROP_FROM_BOUND, number, 0, 0, 0) and ctypes.get_errno() == _INVALID:
            break
    libc.prctl(_AMBIENT, _CLEAR_AMBIENT, 0, 0, 0)


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing):
        raise _trouble("cannot give up capabilities")


def _trouble(what: str) -> HostError:
    return HostError(f"{what}: {os.strerror(ctypes.get_errno())}")
