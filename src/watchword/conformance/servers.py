"""Holds a server program against recorded packets, replays and garbage.

In here: all rounds, some of them at the same time, and what is said of all together.
Not in here: one round (sittings), what is tried (repertoire).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from typing import Final

from watchword.conformance import keyrings
from watchword.conformance.findings import Finding, Verdict
from watchword.conformance.openpgp import Rings, key_rings
from watchword.conformance.repertoire import plan
from watchword.conformance.rounds import Round, pack
from watchword.conformance.sittings import sit
from watchword.conformance.trials import Trial

AT_ONCE: Final = 12
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
    if why := keyrings.obstacle():
        yield from _passed_over([each for each in trials if each.openpgp], why)
        trials = [each for each in trials if not each.openpgp]
    with ExitStack() as stack:
        rings = None if why else stack.enter_context(key_rings())
        yield from _sittings(program, pack(trials), rings)


def _passed_over(trials: Iterable[Trial], why: str) -> Iterator[Finding]:
    for trial in trials:
        for knock in trial.knocks:
            yield Finding(trial.group, knock.name, Verdict.SKIP, why)


def _sittings(
    program: Sequence[str], rounds: Iterable[Round], rings: Rings | None
) -> Iterator[Finding]:
    answered = False
    longest_first = sorted(rounds, key=lambda one: -one.openings)
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        for done in as_completed([pool.submit(sit, program, one, rings) for one in longest_first]):
            for finding in done.result():
                answered |= finding.group == "silence"
                yield finding
    finally:
        pool.shutdown(cancel_futures=True)
    if not answered:
        yield Finding("silence", "on the wire", Verdict.PASS, "no packet is answered")
