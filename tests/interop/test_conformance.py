"""The conformance kit, held against the packaged programs and ours: what fails is known by name."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

import pytest

from tests.daemon import PROGRAMS
from tests.plugins.privileges import PACKAGED
from watchword.conformance import carriers, clients, live, openpgp_trials, servers
from watchword.conformance.findings import Finding, Verdict
from watchword.conformance.golden import load
from watchword.conformance.repertoire import NOT_SAYABLE, plan
from watchword.conformance.strictness import LISTED_IN_OTHER_WORDS

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

CANNOT_BE_SEEN = {
    "acc-broadcast", "acc-ip-octal", "acc-ip-zeros15", "acc-ip-loopback",
    "cli-fw-timeout-1", "mt-timeout-1",
}  # fmt: skip
UNSENT = {
    "srv-crlf-tcp", "srv-over-tcp", "srv-over-icmp", "srv-age-100", "srv-age+100", "srv-http",
    "srv-http-11", "srv-http-lower", "srv-http-disabled", "srv-http-ua", "srv-http-ua-prefix",
    "srv-http-post", "srv-http-absolute", "srv-http-plain-b64", "srv-http-short",
    "srv-http-prefix", "srv-http-xff", "srv-http-xff-named", "srv-http-xff-list",
    "srv-http-xff-bad",
}  # fmt: skip
"""Recorded over TCP or ICMP, or with a time stamp that is over: the kit sends datagrams."""
NOT_JUDGED = (
    CANNOT_BE_SEEN
    | UNSENT
    | openpgp_trials.NOT_TRIED.keys()
    | {each.name for each in plan()[1] if each.why == NOT_SAYABLE or each.group == "selection"}
)
WEAKNESSES = {f"srv-replay-variants #{number}" for number in (2, 3, 4, 5)} | {
    "srv-http-prefix-replay #2"
}
"""Of fwknopd 2.6.10, known: a packet seen on the wire is accepted again in other words."""


OPENPGP = {vector["id"] for vector in load("server") if "<GPG_HOME>" in vector["access_conf"]}
CARRIERS = {
    "tr-udp", "tr-udp-port", "tr-rand-port", "ipv6-udp",
    "tr-tcp", "tr-http", "tr-http-ua", "tr-http-proxy", "tr-tcpraw", "tr-tcpraw-spoof", "tr-udpraw",
    "tr-udpraw-spoof", "tr-icmp", "tr-icmp-echo", "tr-icmp-other", "tr-icmp-spoof",
}  # fmt: skip


def packaged(name: str) -> list[str]:
    return [shutil.which(name, path=PACKAGED) or name]


def ours(name: str) -> list[str]:
    return [str(PROGRAMS / name)]


def names(findings: Iterable[Finding], verdict: Verdict) -> dict[str, str]:
    return {each.name: each.detail for each in findings if each.verdict is verdict}


Judge: TypeAlias = Callable[[list[str]], Iterable[Finding]]
OF_CLIENTS: tuple[Judge, ...] = (clients.judge, carriers.judge, live.judge_client)
"""Command lines with GnuPG are judged one by one in test_client_gpg."""
OF_SERVERS: tuple[Judge, ...] = (servers.judge, live.judge_server)
JUDGED = {
    "our server": (ours("fwknopd"), OF_SERVERS),
    "the packaged server": (packaged("fwknopd"), OF_SERVERS),
    "our client": (ours("fwknop"), OF_CLIENTS),
    "the packaged client": (packaged("fwknop"), OF_CLIENTS),
}
Judged: TypeAlias = Callable[[str], list[Finding]]


@pytest.fixture(scope="module")
def judged() -> Iterator[Judged]:
    """What is found of a program; all are judged at once, since most of it is waiting."""
    with ThreadPoolExecutor(sum(len(judges) for _, judges in JUDGED.values())) as pool:
        found: dict[str, list[Future[list[Finding]]]] = {
            name: [pool.submit(_all, judge, program) for judge in judges]
            for name, (program, judges) in JUDGED.items()
            if shutil.which(program[0])
        }
        yield lambda name: [each for part in found[name] for each in part.result()]


def _all(judge: Judge, program: list[str]) -> list[Finding]:
    return list(judge(program))


@pytest.mark.peer("fwknop")
def test_the_packaged_client_meets_everything_and_declines_ipv6(judged: Judged) -> None:
    found = judged("the packaged client")
    assert names(found, Verdict.FAIL) == {}
    assert names(found, Verdict.SKIP).keys() == {"ipv6-udp"}
    assert len(names(found, Verdict.PASS)) == 52 + 15 + 2 + 16 + len(live.CELLS)


def test_our_client_meets_everything_each_carrier_too(judged: Judged) -> None:
    found = judged("our client")
    assert names(found, Verdict.FAIL) == {}
    assert names(found, Verdict.SKIP) == {}
    assert names(found, Verdict.PASS).keys() >= CARRIERS


@pytest.mark.requirement("8.4", partial=True)
@pytest.mark.peer("fwknopd")
def test_the_packaged_server_fails_where_a_replay_comes_in_other_words(judged: Judged) -> None:
    found = judged("the packaged server")
    failed = names(found, Verdict.FAIL)
    assert failed.keys() == WEAKNESSES
    assert {detail.partition(":")[0] for detail in failed.values()} == {
        "it accepts a replay in other words"
    }
    assert names(found, Verdict.SKIP).keys() == NOT_JUDGED | {"over IPv6"}
    passed = names(found, Verdict.PASS)
    assert passed.keys() >= OPENPGP
    assert len(passed) > 200


@pytest.mark.requirement("8.4", partial=True)
def test_our_server_meets_everything_that_it_does_not_decline(judged: Judged) -> None:
    found = judged("our server")
    assert names(found, Verdict.FAIL) == {}
    assert names(found, Verdict.SKIP).keys() == NOT_JUDGED
    passed = names(found, Verdict.PASS)
    assert {"over IPv6", "on the wire", *WEAKNESSES} <= passed.keys()
    assert passed.keys() >= OPENPGP
    assert {passed[name] for name in LISTED_IN_OTHER_WORDS} == {"it opens, as it may"}
    assert len(passed) > 200
