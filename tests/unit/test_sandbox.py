"""What a process without privileges may still do: the tables behind it, and the thing itself."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from watchword.edges import landlock, seccomp
from watchword.wire import bpf

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
EPERM, ENOSYS = 1, 38


def numbers(machine: str) -> dict[str, int]:
    """What the kernel's own header says."""
    text = HEADERS[machine].read_text("ascii")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)
    return {name: int(number) for name, number in found}


@pytest.mark.parametrize(("machine", "column"), [("x86_64", 0), ("aarch64", 1)])
def test_the_numbers_of_calls_are_those_of_the_kernels_headers(machine: str, column: int) -> None:
    if not HEADERS[machine].exists():
        pytest.skip("the headers of the kernel are not installed: linux-libc-dev")
    known = numbers(machine)
    for name, both in seccomp.REFUSED.items():
        if both[column] > max(known.values()):  # younger than the header
            continue
        assert both[column] == known.get(name, -1), name


def verdict(
    machine: str, call: int, argument: int = 0, second: int = 0, *, architecture: int | None = None
) -> int:
    """What the filter says, worked out line by line as the kernel does."""
    name = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine]
    seen = struct.pack("=IIQQQ", call, architecture or name, 0, argument, second)
    lines = seccomp.program(machine, 4711)
    at, value = 0, 0
    while True:
        code, yes, no, operand = lines[at]
        at += 1
        if code == bpf.RETURN:
            return operand
        if code == bpf.LD_W:
            [value] = struct.unpack_from("=I", seen, operand)
        elif code == bpf.JUMP:
            at += operand
        else:
            true = {
                bpf.EQUAL: value == operand,
                bpf.GREATER_EQUAL: value >= operand,
                bpf.BITS: bool(value & operand),
            }[code]
            at += yes if true else no


ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000, 0x80000000


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_call_that_is_named_is_refused_and_others_pass(machine: str) -> None:
    column = 0 if machine == "x86_64" else 1
    named = {both[column] for both in seccomp.REFUSED.values()} - {-1}
    for call in named:
        assert verdict(machine, call) == REFUSE | EPERM
    clone, clone3, sockets, tgkill, prlimit = (
        (56, 435, 41, 234, 302) if machine == "x86_64" else (220, 435, 198, 131, 261)
    )
    assert [verdict(machine, prlimit, pid) for pid in (0, 4711)] == [ALLOW, ALLOW]
    assert verdict(machine, prlimit, 1) == REFUSE | EPERM
    assert verdict(machine, tgkill, 4711) == ALLOW  # itself
    assert verdict(machine, tgkill, 1) == REFUSE | EPERM
    assert verdict(machine, clone3) == REFUSE | ENOSYS
    assert verdict(machine, clone, 0x3D0F00) == ALLOW  # a thread
    assert verdict(machine, clone, 0x1200011) == REFUSE | EPERM  # a process
    assert {family for family in range(64) if verdict(machine, sockets, family) == ALLOW} == {
        2, 10, 16,
    }  # fmt: skip
    others = set(range(470)) - named - {clone, clone3, sockets, tgkill, prlimit}
    assert {verdict(machine, call) for call in others} == {ALLOW}


@pytest.mark.parametrize(("machine", "fcntl", "ioctl"), [("x86_64", 72, 16), ("aarch64", 25, 29)])
def test_nobody_is_signalled_by_way_of_a_file(machine: str, fcntl: int, ioctl: int) -> None:
    high = 7 << 32  # the kernel looks at the lower half
    refused = [(fcntl, each) for each in (8, 10, 15)]
    refused += [(ioctl, each) for each in (0x8901, 0x8902, 0x5412)]
    for call, command in refused:
        assert verdict(machine, call, 3, command) == REFUSE | EPERM
        assert verdict(machine, call, 3, high | command) == REFUSE | EPERM
        assert verdict(machine, call, command, 0) == ALLOW
    for call, command in ((fcntl, 1030), (fcntl, 3), (fcntl, 4), (ioctl, 0x5421), (ioctl, 0x541B)):
        assert verdict(machine, call, 3, command) == ALLOW
    assert {verdict(machine, 0, 3, command) for _, command in refused} == {ALLOW}


def test_calls_of_another_kind_of_machine_end_the_process() -> None:
    assert verdict("x86_64", 11, architecture=0x40000003) == KILL  # execve of 32 bits
    assert verdict("x86_64", 0x40000000 + 59) == KILL  # and of x32


def test_each_version_of_landlock_is_asked_for_what_it_knows() -> None:
    assert landlock.ruleset(1) == struct.pack("=Q", 0x1FFF)
    assert landlock.ruleset(2) == struct.pack("=Q", 0x3FFF)
    assert landlock.ruleset(4) == struct.pack("=Q", 0x7FFF)
    assert landlock.ruleset(5) == struct.pack("=Q", 0xFFFF)
    assert landlock.ruleset(7) == struct.pack("=QQQ", 0xFFFF, 0, 3)
    assert landlock.rule(7, landlock.READ) == bytes([12, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0])
    assert not landlock.WRITE & 1  # nothing is executed


CONFINED = Path(__file__).parents[1] / "system" / "confined.py"


def confined(folder: Path, uid: int) -> dict[str, Any]:
    inside, outside = folder / "inside", folder / "outside"
    inside.mkdir()
    outside.write_text("a key", "ascii")
    outside.chmod(0o600)
    folder.chmod(0o711)
    if uid:
        os.chown(inside, uid, uid)
    done = subprocess.run(
        [sys.executable, str(CONFINED), str(inside), str(outside), str(uid)],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.system
@pytest.mark.parametrize("uid", [0, 61999])
def test_a_confined_process_has_no_rights_runs_nothing_and_reads_nobody_elses_files(
    uid: int,
) -> None:
    with TemporaryDirectory() as folder:  # not pytest's own, which other users cannot enter
        told = confined(Path(folder), uid)
    status = {name: value.strip() for name, value in told["status"].items()}
    for each in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[each], 16) == 0, each
    assert status["NoNewPrivs"] == "1"
    assert told["seccomp"] == ""
    assert status["Seccomp"] == "2"
    assert status["Uid"].split() == [str(uid)] * 4
    assert uid == 0 or status["Groups"] == ""
    for each in (
        "exec",
        "exec in a thread",
        "fork",
        "kill",
        "sniff",
        "talk",
        "chmod",
        "own",
        "type",
    ):
        assert told[each] in ("PermissionError", "OSError"), each
    assert told["inside"] == "done"
    assert told["loop"] == "done"
    if uid or not told["landlock"]:
        assert told["outside"] == "PermissionError"
