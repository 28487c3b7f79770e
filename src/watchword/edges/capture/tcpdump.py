"""Filters that only libpcap understands, compiled by tcpdump.

In here: running it and reading the program it prints.
Not in here: the filters that everybody writes; those need no tcpdump
(dialects.pcap_filter).
"""

from __future__ import annotations

from watchword.errors import HostError, OperatorError
from watchword.ports import ProgramRunner
from watchword.wire.bpf import MOST_INSTRUCTIONS, RETURN, Instruction

_FIELDS = 4


def compiled(text: str, why: str, programs: ProgramRunner) -> list[Instruction]:
    """The program of a filter, for packets from their IP header on.

    ``why`` says what we did not understand. Raises OperatorError: tcpdump does
    not understand it either, or is not there.
    """
    try:
        done = programs.run(["tcpdump", "-y", "RAW", "-ddd", "--", text])
    except HostError as error:
        raise OperatorError(
            f"the capture filter '{text}' is more than this program knows: {why}; "
            f"tcpdump, which would know, cannot be run: {error}",
            hint="install tcpdump, or write a plainer filter, such as udp port 62201",
        ) from None
    if done.status:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise OperatorError(
            f"[*] Error compiling pcap filter: {said[-1].removeprefix('tcpdump: ')}",
            hint="see pcap-filter(7); link-layer tests cannot be used here",
        )
    return _read(done.stdout)


def _read(printed: bytes) -> list[Instruction]:
    found: list[Instruction] = []
    try:
        for line in printed.split(b"\n")[1:]:
            if line:
                code, true, false, operand = map(int, line.split())
                found.append((code, true, false, operand))
    except ValueError:
        found = []
    if not 0 < len(found) < MOST_INSTRUCTIONS or found[-1][0] != RETURN:
        raise OperatorError("tcpdump printed something that is no filter program")
    return found
