"""Makes this Python look like one on another system, as far as a program can tell.

In here: what Windows, macOS and the Python of Android's terminals lack, taken away in the
process that runs this file: ``python elsewhere.py SYSTEM PROGRAM``, PROGRAM being Python text.
Not in here: what is then tried (tests.unit.test_portability).

What cannot be shown here: those systems' own consoles, file systems and network stacks.
``os.name`` stays: paths have to be those of the machine that the test runs on.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import Any, Final

MODULES: Final = {
    "win32": ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"),
    "darwin": ("spwd",),
    "android": ("grp", "resource", "spwd", "syslog"),
}
ON_WINDOWS: Final = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_APPEND", "O_CREAT", "O_EXCL", "O_TRUNC"}
NOT_ON_WINDOWS: Final = (
    "chown", "ctermid", "fchdir", "fchmod", "fchown", "fork", "forkpty", "getegid", "geteuid",
    "getgid", "getgroups", "getloadavg", "getpgid", "getpgrp", "getuid", "initgroups", "killpg",
    "lchown", "memfd_create", "mkfifo", "nice", "openpty", "pipe2", "pread", "pwrite",
    "sched_getaffinity", "sendfile", "setgid", "setgroups", "setpgid", "setsid", "setuid",
    "sysconf", "tcgetpgrp", "uname", "wait", "WNOHANG",
)  # fmt: skip
SIGNALS_OF_WINDOWS: Final = {
    "SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM", "SIG_DFL", "SIG_IGN",
}  # fmt: skip
ONLY_LINUX: Final = ("AF_NETLINK", "AF_PACKET", "MSG_ERRQUEUE", "SO_BINDTODEVICE", "SO_PEERCRED")
ONLY_POSIX: Final = (
    "AF_UNIX", "MSG_DONTWAIT", "MSG_NOSIGNAL", "SCM_", "SO_REUSEPORT", "SOCK_CLOEXEC",
    "SOCK_NONBLOCK", "recv_fds", "send_fds",
)  # fmt: skip


def become(system: str) -> None:
    """Take away what that system does not have. Cannot be undone."""
    import asyncio  # noqa: F401, PLC0415  (what Python loads for its own sake comes first)
    import ctypes  # noqa: F401, PLC0415
    import http.client  # noqa: F401, PLC0415
    import ssl  # noqa: F401, PLC0415
    import subprocess  # noqa: F401, PLC0415

    for name in MODULES[system]:
        sys.modules[name] = None  # type: ignore[assignment]  # importing it is an ImportError
    if system == "win32":
        _without(os, lambda name: name.startswith("O_") and name not in ON_WINDOWS)
        _without(os, lambda name: name in NOT_ON_WINDOWS)
        _without(signal, lambda name: name.startswith("SIG") and name not in SIGNALS_OF_WINDOWS)
        _without(socket, lambda name: name.startswith((*ONLY_LINUX, *ONLY_POSIX)))
    elif system == "darwin":
        _without(os, lambda name: name in ("memfd_create", "pipe2", "O_PATH", "sched_getaffinity"))
        _without(socket, lambda name: name.startswith((*ONLY_LINUX, "SOCK_")) and "_C" in name)
        _without(socket, lambda name: name.startswith(ONLY_LINUX))
    else:
        os.link = _forbidden  # Android's policy
    sys.platform = system


def _without(module: Any, away: Any) -> None:
    for name in [each for each in dir(module) if away(each)]:
        delattr(module, name)


def _forbidden(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


if __name__ == "__main__":
    become(sys.argv[1])
    exec(compile(sys.argv[2], "elsewhere", "exec"))  # noqa: S102  (the test's own text)
