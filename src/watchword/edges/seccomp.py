"""Which calls of the kernel this process may make from now on (seccomp, mode 2).

In here: the filter as a program, and handing it to the kernel for every thread.
Not in here: capabilities, users, files (sandbox, landlock).

It names what a process that reads packets never needs, and what somebody who got into one would
want: other programs, other processes' memory, mounts, modules, namespaces, clocks, raw packets. A
list of all that is needed would be shorter-lived: it is the interpreter and the C library who
make the calls, and they change theirs with every version. What is refused fails with EPERM.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import sys
from collections.abc import Iterable
from typing import Final

from watchword.wire.bpf import BITS, EQUAL, GREATER_EQUAL, LD_W, RETURN, Assembler, Label, Program

_ARCHITECTURES: Final = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""What the kernel calls each, and its column below."""
REFUSED: Final[dict[str, tuple[int, int]]] = {
    # other programs, other processes (-1: there is no such call)
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, -1), "vfork": (58, -1),
    "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "kcmp": (312, 272), "personality": (135, 92),
    # the kernel itself
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "syslog": (103, 116),
    "iopl": (172, -1), "ioperm": (173, -1), "modify_ldt": (154, -1), "uselib": (134, -1),
    # what a root without capabilities may still do to what belongs to root
    "chmod": (90, -1), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, -1), "fchown": (93, 55), "lchown": (94, -1), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
    "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119), "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122), "migrate_pages": (256, 238), "move_pages": (279, 239),
    # keys of the kernel's
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    # file systems and namespaces
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "mknod": (133, -1),
    "mknodat": (259, 33), "quotactl": (179, 60), "quotactl_fd": (443, 443), "acct": (163, 89),
    "swapon": (167, 224), "swapoff": (168, 225),
    # the host
    "reboot": (169, 142), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "clock_adjtime": (305, 266), "adjtimex": (159, 171), "sethostname": (170, 161),
    "setdomainname": (171, 162),
}  # fmt: skip
_SOCKET: Final = (41, 198)
_CLONE: Final = (56, 220)
_CLONE3: Final = (435, 435)
_SIGNAL_A_THREAD: Final = (234, 131)
_LIMIT_A_PROCESS: Final = (302, 261)
COMMANDS: Final = {
    (72, 25): (8, 10, 15),  # fcntl: F_SETOWN, F_SETSIG, F_SETOWN_EX
    (16, 29): (0x8901, 0x8902, 0x5412),  # ioctl: FIOSETOWN, SIOCSPGRP, TIOCSTI
}
"""Second arguments that are refused: by the first five the kernel signals whomever one names, as
root, when a file is ready (any signal, before Linux 6.12); by the last one types at a terminal."""
FAMILIES: Final = (socket.AF_INET, socket.AF_INET6, getattr(socket, "AF_NETLINK", 16))
"""Kinds of sockets that may be made. Not AF_PACKET, which sends whatever one likes; not AF_UNIX, by
which one talks to whoever takes root's user id for root: a container engine, a message bus."""

_CLONE_THREAD: Final = 0x10000
_X32: Final = 0x40000000  # calls of another number space, on x86_64
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = (
    0,
    4,
    16,
    24,
)  # offsets in struct seccomp_data
_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_REFUSE: Final = 0x00050000
_SET_MODE_FILTER, _ALL_THREADS = 1, 1
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}


def program(machine: str, process: int) -> Program:
    """The filter for a kind of machine (``uname -m``), and a process of that number.

    KeyError: we know no such kind.
    """
    name, column = _ARCHITECTURES[machine]
    allow, refuse, unknown, kill = Label(), Label(), Label(), Label()
    code = Assembler()
    _unless(code, LD_W, _ARCHITECTURE, name, kill)
    code.add(LD_W, _NUMBER)
    if machine == "x86_64":
        _on(code, GREATER_EQUAL, _X32, kill)
    for both in REFUSED.values():
        if (number := both[column]) >= 0:
            _on(code, EQUAL, number, refuse)
    _on(code, EQUAL, _CLONE3[column], unknown)  # its flags lie in memory; libraries then use clone
    _only(code, _CLONE[column], [(BITS, _CLONE_THREAD)], allow, refuse)
    _only(code, _SOCKET[column], [(EQUAL, family) for family in FAMILIES], allow, refuse)
    ours = [(EQUAL, process)]
    _only(code, _SIGNAL_A_THREAD[column], ours, allow, refuse)
    _only(code, _LIMIT_A_PROCESS[column], [(EQUAL, 0), *ours], allow, refuse)
    for call, commands in COMMANDS.items():
        _except(code, call[column], commands, refuse, allow)
    code.here(allow)
    code.add(RETURN, _ALLOW)
    code.here(refuse)
    code.add(RETURN, _REFUSE | errno.EPERM)
    code.here(unknown)
    code.add(RETURN, _REFUSE | errno.ENOSYS)
    code.here(kill)
    code.add(RETURN, _KILL)
    return code.program()


def _on(code: Assembler, test: int, operand: int, to: Label) -> None:
    on = Label()
    code.jump(test, operand, to, on)
    code.here(on)


def _unless(code: Assembler, load: int, offset: int, operand: int, to: Label) -> None:
    on = Label()
    code.add(load, offset)
    code.jump(EQUAL, operand, on, to)
    code.here(on)


def _only(
    code: Assembler, call: int, tests: Iterable[tuple[int, int]], allow: Label, refuse: Label
) -> None:
    """Let one call pass if its first argument passes one of the tests."""
    other, ours = Label(), Label()
    code.jump(EQUAL, call, ours, other)
    code.here(ours)
    code.add(LD_W, _FIRST_ARGUMENT)  # its lower half: both machines are little-endian
    for test, operand in tests:
        _on(code, test, operand, allow)
    code.go(refuse)
    code.here(other)


def _except(
    code: Assembler, call: int, commands: Iterable[int], refuse: Label, allow: Label
) -> None:
    """Refuse one call for some second arguments; they are ints, so that half of one counts."""
    other, ours = Label(), Label()
    code.jump(EQUAL, call, ours, other)
    code.here(ours)
    code.add(LD_W, _SECOND_ARGUMENT)
    for each in commands:
        _on(code, EQUAL, each, refuse)
    code.go(allow)
    code.here(other)


class _Filter(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("jt", ctypes.c_ubyte),
        ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Filter)))


def restrict() -> str:
    """Put the filter into force, for all threads and for good; it needs no_new_privs before.

    Returns why it is not, empty if it is.
    """
    machine = os.uname().machine
    if sys.platform != "linux" or machine not in _ARCHITECTURES:
        return f"there is no filter for {machine}"
    lines = program(machine, os.getpid())
    array = (_Filter * len(lines))(*(_Filter(*each) for each in lines))
    handed = _Program(len(lines), array)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_SECCOMP[machine], _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(handed)):
        return os.strerror(ctypes.get_errno()) if ctypes.get_errno() else "not all threads took it"
    return ""
