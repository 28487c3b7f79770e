"""What the library costs by itself, in this process: no socket, no firewall, no disk.

Ours stands in the column of our server, libfko (called through ctypes, which adds about a
microsecond to each call) in that of the packaged one. Processor time of this process, so that
what else the machine does is not counted; no server is started.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from bench import packets
from bench.figures import Goal, Unit
from bench.libfko import MAC_MISMATCH, Libfko
from bench.servers import Packaged, Server
from bench.table import Effort, Line, Round, Rounds, Row
from bench.waiting import NotMeasuredError
from watchword import spa

STANZAS = 10_000


def seconds_each(work: Callable[[bytes], bool], payloads: Iterable[bytes]) -> float:
    """Processor seconds for each payload. Raises NotMeasuredError if ``work`` is ever wrong."""
    payloads = tuple(payloads)
    began = time.process_time()
    answers = [work(payload) for payload in payloads]
    took = time.process_time() - began
    if not all(answers):
        raise NotMeasuredError("a packet was not judged as it should be")
    return took / len(payloads)


def _open(server: Server, effort: Effort) -> Round:
    number = effort.of(5_000, 2_000)
    valid = [packets.sealed(caller) for caller in packets.fresh_addresses(number)]
    work = _opened_by_libfko() if isinstance(server, Packaged) else opened_by_us()
    return Round({"library.open": seconds_each(work, valid)}, raw={"packets": number})


def opened_by_us() -> Callable[[bytes], bool]:
    """All that becomes of a valid packet: its envelope, its HMAC, decryption, digest, fields."""
    lock = spa.Lock(packets.credential(1))

    def work(payload: bytes) -> bool:
        return (
            spa.flaw(payload) is None
            and lock.fits(payload)
            and lock.open(payload).message.user == packets.USER
        )

    return work


def _opened_by_libfko() -> Callable[[bytes], bool]:
    library = Libfko(packets.credential(1))
    return lambda payload: library.open(payload) == 0


def _refuse(server: Server, effort: Effort) -> Round:
    number = effort.of(20_000, 5_000)
    work = _refused_by_libfko() if isinstance(server, Packaged) else refused_by_us()
    cost = seconds_each(work, packets.forged(number))
    return Round({"library.refuse": cost}, raw={"packets": number})


def refused_by_us() -> Callable[[bytes], bool]:
    bunch = spa.Bunch([spa.Lock(packets.credential(1))])
    return lambda payload: spa.flaw(payload) is None and bunch.first_fit(payload) == 1


def _refused_by_libfko() -> Callable[[bytes], bool]:
    library = Libfko(packets.credential(1))
    return lambda payload: library.open(payload) == MAC_MISMATCH


def _trials(server: Server, effort: Effort) -> Round:
    """What each stanza computes at load is computed before the clock starts, for both."""
    number = effort.of(30, 10)
    work = _tried_by_libfko() if isinstance(server, Packaged) else tried_by_us()
    cost = seconds_each(work, packets.forged(number))
    return Round({"library.trials": cost}, raw={"packets": number})


def tried_by_us() -> Callable[[bytes], bool]:
    locks = [spa.Lock(packets.credential(number)) for number in range(1, STANZAS + 1)]
    bunch = spa.Bunch(locks)
    return lambda payload: bunch.first_fit(payload) == STANZAS


def _tried_by_libfko() -> Callable[[bytes], bool]:
    libraries = [Libfko(packets.credential(number)) for number in range(1, STANZAS + 1)]
    return lambda payload: all(each.open(payload) == MAC_MISMATCH for each in libraries)


ROWS = (
    Row(
        "library.open",
        (
            Line(
                "library.open",
                "the library beside libfko: opening a valid packet",
                Unit.TIME,
                Goal(bound=40e-6),
            ),
        ),
        Rounds(9, 3),
        _open,
    ),
    Row(
        "library.refuse",
        (
            Line(
                "library.refuse",
                "the same: refusing a packet with a bad HMAC, 1 key",
                Unit.TIME,
                Goal(bound=3e-6),
            ),
        ),
        Rounds(9, 3),
        _refuse,
    ),
    Row(
        "library.trials",
        (
            Line(
                "library.trials",
                "the same: refusing one after trying 10,000 keys",
                Unit.TIME,
                Goal(bound=7e-3),
            ),
        ),
        Rounds(9, 3),
        _trials,
    ),
)
