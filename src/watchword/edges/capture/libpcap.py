"""Filters that only libpcap understands, compiled by it.

In here: asking its binding cypcap where that is installed, else the program
tcpdump, and making what they compile fit our sockets.
Not in here: the filters that everybody writes, which need neither
(dialects.pcap_filter).

Our sockets see packets from their IP header on. A filter that asks for
link-layer addresses is compiled for Ethernet; what it reads of the Ethernet
header is then read where the kernel keeps that, and all the rest 14 bytes
earlier. VLAN tags cannot be asked for: the kernel has taken them off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial

from watchword.errors import HostError, OperatorError
from watchword.ports import ProgramRunner
from watchword.wire.bpf import (
    LD_B,
    LD_B_X,
    LD_H,
    LD_H_X,
    LD_W,
    LD_W_X,
    LDX_HEADER,
    LINK_HEADER,
    MOST_INSTRUCTIONS,
    RETURN,
    Instruction,
    Program,
)

_ETHERNET_HEADER = 14
_NOT_LOOKED_AT = re.compile(r"\b(vlan|mpls|pppoes|pppoed|geneve)\b")
_Compile = Callable[[str], list[Instruction]]
"""From the name of a link type to a program. Raises OperatorError."""


def compiled(text: str, why: str, programs: ProgramRunner) -> list[Instruction]:
    """The program of a filter, for packets from their IP header on.

    ``why`` says what we did not understand. Raises OperatorError: libpcap does
    not understand it either, or is not there.
    """
    compile_for = _by_binding(text) or partial(_by_tcpdump, text, why, programs)
    try:
        return compile_for("RAW")
    except OperatorError as plain:
        if word := _NOT_LOOKED_AT.search(text):
            raise OperatorError(
                f"the capture filter '{text}' asks for {word[0]}, which cannot be told here",
                hint="leave that out: VLAN tags are stepped over; or name the VLAN's own interface",
            ) from None
        try:
            return from_ip_on(compile_for("EN10MB"))
        except OperatorError:
            raise plain from None


def reads_link_header(program: Program) -> bool:
    """Whether a program needs more than what comes from the IP header on."""
    return any(
        code in (LD_W, LD_H, LD_B) and LINK_HEADER <= operand < LINK_HEADER + _ETHERNET_HEADER
        for code, _, _, operand in program
    )


def from_ip_on(program: Program) -> list[Instruction]:
    """A program for Ethernet frames, for packets whose Ethernet header the kernel keeps apart.

    Raises OperatorError: it reads the header at places that it works out.
    """
    return [(code, true, false, _moved(code, operand)) for code, true, false, operand in program]


def _moved(code: int, operand: int) -> int:
    if code in (LD_W, LD_H, LD_B) and operand < _ETHERNET_HEADER:
        return LINK_HEADER + operand
    if code in (LD_W, LD_H, LD_B, LD_W_X, LD_H_X, LD_B_X, LDX_HEADER):
        if operand < _ETHERNET_HEADER:
            raise OperatorError("this filter looks for something in the link header")
        return operand - _ETHERNET_HEADER if operand < LINK_HEADER else operand
    return operand


def _by_binding(text: str) -> _Compile | None:
    """None: it is not installed."""
    try:
        import cypcap  # noqa: PLC0415 - hardly any filter needs it
    except ImportError:
        return None

    def compile_for(link: str) -> list[Instruction]:
        try:
            dead = cypcap.open_dead(cypcap.DatalinkType[link], 65_535)
            return _checked(dead.compile(text, True, 0xFFFFFFFF))
        except cypcap.Error as error:
            raise _misunderstood(str(error.args[-1])) from None

    return compile_for


def _by_tcpdump(text: str, why: str, programs: ProgramRunner, link: str) -> list[Instruction]:
    try:
        done = programs.run(["tcpdump", "-y", link, "-ddd", "--", text])
    except HostError as error:
        raise OperatorError(
            f"the capture filter '{text}' is more than this program knows: {why}; "
            f"libpcap, which would know, is not there: {error}",
            hint="pip install 'watchword[pcap]', or install tcpdump, "
            "or write a plainer filter, such as udp port 62201",
        ) from None
    if done.status:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise _misunderstood(said[-1].removeprefix("tcpdump: "))
    return _read(done.stdout)


def _misunderstood(said: str) -> OperatorError:
    return OperatorError(f"[*] Error compiling pcap filter: {said}", hint="see pcap-filter(7)")


def _read(printed: bytes) -> list[Instruction]:
    try:
        lines = [line.split() for line in printed.split(b"\n")[1:] if line]
        return _checked([tuple(map(int, each)) for each in lines])
    except ValueError:
        raise OperatorError("tcpdump printed something that is no filter program") from None


def _checked(found: Iterable[tuple[int, ...]]) -> list[Instruction]:
    """Raises ValueError."""
    program = [(code, true, false, operand) for code, true, false, operand in found]
    if not 0 < len(program) < MOST_INSTRUCTIONS or program[-1][0] != RETURN:
        raise ValueError("no program")
    return program
