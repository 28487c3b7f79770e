"""Holds a server program against recorded packets, replays and garbage.

In here: all rounds, some of them at the same time, and what is said of all together.
Not in here: one round (sittings), what is tried (repertoire).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Final

from watchword.conformance.findings import Finding, Verdict
from watchword.conformance.repertoire import plan
from watchword.conformance.rounds import pack
from watchword.conformance.sittings import sit

AT_ONCE: Final = 6
"""Rounds side by side: most of a round is waiting for something to end."""


def judge(program: Sequence[str], everything: bool = False) -> Iterator[Finding]:
    """Findings as they come, round by round. Needs root and network namespaces.

    Args:
        program: The server's command, to which ``-f -c FILE -a FILE`` is added.
        everything: Try every vector, not only those that stand for all.
    """
    trials, unseen = plan(everything)
    for each in unseen:
        yield Finding(each.group, each.name, Verdict.SKIP, each.why)
    answered = False
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        for done in as_completed([pool.submit(sit, program, one) for one in pack(trials)]):
            for finding in done.result():
                answered |= finding.group == "silence"
                yield finding
    finally:
        pool.shutdown(cancel_futures=True)
    if not answered:
        yield Finding("silence", "on the wire", Verdict.PASS, "no packet is answered")
