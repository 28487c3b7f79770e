"""A vector that was recorded at fwknopd, played to our loader, recogniser and gate.

In here: the vector's own files, its packets in their order, each looked at as a capture
does it before the gate is told, and what is open in the end. The firewall and the replay
store are in memory.
Not in here: what must become of a vector.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tests.fwknopd_files import configure
from tests.values import NOW
from watchword.conformance.golden import Vector
from watchword.conformance.server_vectors import opened
from watchword.edges.clock import FakeClock
from watchword.edges.firewall.memory import MemoryFirewall
from watchword.edges.gpg_memory import MemoryOpenPgp
from watchword.edges.replay.memory import MemoryJournal, MemoryReplayStore
from watchword.edges.report.lines import MemoryReporter
from watchword.model.outcomes import Event, Judged
from watchword.model.packets import Packet
from watchword.model.policy import Policy
from watchword.ports import OpenPgp
from watchword.recognise.spa import SpaRecogniser
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.figures import Figures
from watchword.service.daemon.gate import Gate
from watchword.wire.spa.envelope import flaw

GUARD = "GUARD_SERVICES ALL\n"
"""The stanzas of the vectors offer every port, so everything has to be guarded."""
PROTOCOLS = {"udp": 17, "tcp": 6, "icmp": 1}
PATIENCE = 60.0  # seconds; gpg needs some hundredths of one


@dataclass(frozen=True, slots=True)
class Played:
    """What our server makes of a vector."""

    verdicts: tuple[str, ...]
    """For each packet: ``granted``, or the word of the reason."""
    open: frozenset[str]
    """``address service`` for everything that is open in the end."""


def recorded(vector: Vector) -> frozenset[str]:
    """What fwknopd opened, in the words of ``Played.open``."""
    return frozenset(f"{each.address} {each.service}" for each in opened(vector["log"]))


def policy_of(vector: Vector, ring: str = "") -> Policy:
    """Read the vector's files; ``ring`` is the GnuPG home. Raises OperatorError."""
    settings = "".join(f"{line.rstrip(';')}\n" for line in vector["fwknopd_conf"].splitlines())
    rings = {f"{ring}/pubring.kbx": ""} if ring else {}
    access = vector["access_conf"].replace("<GPG_HOME>", ring)
    return configure(GUARD + settings, access, **rings).policy


def play(
    vector: Vector,
    *,
    payloads: Sequence[bytes] = (),
    openpgp: OpenPgp | None = None,
    ring: str = "",
) -> Played:
    """Send the packets one after another; ``payloads`` in place of those that are not recorded."""
    policy = policy_of(vector, ring)
    sent = payloads or [each["payload"].encode("latin-1") for each in vector["packets"]]
    packets = [
        Packet(payload, each["src"], 40000, "203.0.113.1", each["dport"] or 0,
               PROTOCOLS[each["transport"]])
        for payload, each in zip(sent, vector["packets"], strict=True)
    ]  # fmt: skip
    return asyncio.run(_judged(policy, packets, openpgp or MemoryOpenPgp()))


async def _judged(policy: Policy, packets: Iterable[Packet], openpgp: OpenPgp) -> Played:
    clock, reporter, figures = FakeClock(*NOW), MemoryReporter(), Figures(NOW.wall)
    firewall = MemoryFirewall(clock)
    firewall.prepare()
    gate = Gate(
        policy,
        SpaRecogniser(policy),
        store=MemoryReplayStore(),
        enforcer=Enforcer(firewall, MemoryJournal("boot"), reporter, clock),
        reporter=reporter,
        clock=clock,
        openpgp=openpgp,
        figures=figures,
    )
    verdicts = []
    unsealing = asyncio.create_task(gate.open_forever())
    try:
        for packet in packets:
            if reason := flaw(packet.payload):
                verdicts.append(reason.word)
                continue
            told = figures.verdicts.total()
            gate.receive([packet])
            await _settled(gate, figures, told + 1)
            verdicts.append(_verdict(reporter.events))
    finally:
        unsealing.cancel()
        with suppress(asyncio.CancelledError):
            await unsealing
    open_now = {f"{each.hole.who} {each.hole.service}" for each in firewall.openings}
    return Played(tuple(verdicts), frozenset(open_now))


async def _settled(gate: Gate, figures: Figures, wanted: int) -> None:
    """Until so many packets are judged; gpg may be at work on the last."""
    async with asyncio.timeout(PATIENCE):
        while figures.verdicts.total() < wanted:
            await gate.settle()
            await asyncio.sleep(0.001)


def _verdict(events: Sequence[Event]) -> str:
    """Of the packet that was judged last."""
    judged = [each for each in events if isinstance(each, Judged)][-1]
    if judged.refusal:
        return judged.refusal.reason.word
    assert judged.grant is not None
    return "granted"
