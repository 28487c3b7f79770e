"""The rules that take datagrams out of the host's packet path and into a queue.

In here: a chain of our own under the operator's names, for both families:
putting it up, seeing whether it stands, taking it down by name.
Not in here: the queue (queue), what is hidden (edges.firewall).

By iptables, as the original does: its target NFQUEUE is there on every kernel
that has queues, the one of nftables is not. The jump is from PREROUTING, which
comes before the guard, so that the packets need no hole in anything. What is
too short to be one of ours is dropped right there: to a stranger the port is as
silent as one that does not exist. While nobody reads the queue, the kernel
drops what the rule puts there.
"""

from __future__ import annotations

from watchword.errors import HostError
from watchword.model.settings import PacketQueue
from watchword.ports import Completed, ProgramRunner
from watchword.wire.spa.lengths import SHORTEST

_SHORTEST = {"iptables": 20 + 8 + SHORTEST, "ip6tables": 40 + 8 + SHORTEST}
"""Bytes of the IP packet, by the program for its family."""
_FROM = "PREROUTING"


class QueueRule:
    """One chain in each family, and the jump to it; nothing else is touched."""

    def __init__(self, wanted: PacketQueue, programs: ProgramRunner) -> None:
        self._wanted = wanted
        self._programs = programs
        self._listing = ""

    def put_up(self) -> None:
        """Make it stand as it should, whatever stood there. Raises HostError."""
        for program in _SHORTEST:
            self._put_up(program)
        self._listing = self._list()

    def _put_up(self, program: str) -> None:
        wanted = self._wanted
        where = f"-i {wanted.interface} " if wanted.interface else ""
        match = (
            f"-A {wanted.chain} {where}-p udp -m udp --dport {wanted.port} "
            "-m addrtype --dst-type LOCAL"
        )
        lines = (
            f"*{wanted.table}",
            f":{wanted.chain} - [0:0]",  # made, or emptied
            f"{match} -m length --length {_SHORTEST[program]}:65535 "
            f"-j NFQUEUE --queue-num {wanted.number}",
            f"{match} -j DROP",
            "COMMIT",
        )
        text = "".join(f"{line}\n" for line in lines)
        argv = [f"{program}-restore", "-w", "--noflush"]
        _check(self._programs.run(argv, stdin=text.encode("ascii")), program)
        if not self._is_jumped_to(program):
            _check(self._run(program, "-I", _FROM, "1", "-j", wanted.chain), program)

    def _is_jumped_to(self, program: str) -> bool:
        return not self._run(program, "-C", _FROM, "-j", self._wanted.chain).status

    def _run(self, program: str, *words: str) -> Completed:
        return self._programs.run([program, "-w", "-t", self._wanted.table, *words])

    def stands(self) -> bool:
        """Whether it is as it was put up. Raises HostError."""
        return all(map(self._is_jumped_to, _SHORTEST)) and self._list() == self._listing

    def remove(self) -> None:
        """Take it down; no error if it is gone, or if there is no iptables. Raises HostError."""
        for program in _SHORTEST:
            chain = self._wanted.chain
            try:
                there = not self._run(program, "-S", chain).status
            except HostError:
                continue
            if self._is_jumped_to(program):
                _check(self._run(program, "-D", _FROM, "-j", chain), program)
            if there:
                for what in ("-F", "-X"):
                    _check(self._run(program, what, chain), program)
        self._listing = ""

    def _list(self) -> str:
        """Both chains as the kernel has them."""
        answers = [self._run(program, "-S", self._wanted.chain) for program in _SHORTEST]
        return "".join(answer.stdout.decode("utf-8", "replace") for answer in answers)


def _check(done: Completed, program: str) -> None:
    if done.status:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise HostError(f"{program} refused: {said[0] if said else f'status {done.status}'}")
