"""What can go wrong around each firewall of this kernel, and what is open then.

Whole servers, and iptables with its own process, have their tests elsewhere (docs/faults.md lists
all). Here the backends are on their own, and "right again" is what a server does next.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.system.firewall_kinds import (
    OPERATORS,
    SETTINGS,
    Backend,
    clear,
    furnish,
    load,
    make,
    realign,
    saved,
)
from tests.system.nft_scene import add, entered, nft, opening, remove
from watchword.edges.programs import SystemPrograms
from watchword.errors import HostError
from watchword.lab.hosts import Host, Lab
from watchword.model.commands import Account
from watchword.model.openings import ChangeSet, Opening
from watchword.ports import Completed, NotStartedError

pytestmark = [pytest.mark.system, pytest.mark.peer("iptables", "ipset")]


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[Host, Host]]:
    """One, and the same after a reboot."""
    with Lab() as lab:
        yield lab.host("before"), lab.host("after")


@contextlib.contextmanager
def furnished(host: Host, kind: str) -> Iterator[None]:
    with entered(host):
        furnish(host, kind)
        try:
            yield
        finally:
            clear(host, kind)


@pytest.fixture
def host(hosts: tuple[Host, Host], kind: str) -> Iterator[Host]:
    with furnished(hosts[0], kind):
        yield hosts[0]


def crowd(first: int, number: int = 300) -> tuple[Opening, ...]:
    return tuple(opening(f"10.{first}.{n >> 8}.{n & 255}", seconds=600) for n in range(number))


def rules(kind: str) -> list[str]:
    """Everybody's, without what counts up or down, and without our sets of ipset."""
    text = "".join(said for argv, said in saved(kind) if argv[0] != "ipset")
    running = r"(timeout|expires) \S+|\[\d+:\d+\]|^#.*$|packets \d+ bytes \d+"
    lines = re.sub(running, "", text, flags=re.MULTILINE).splitlines()
    if SETTINGS[kind].backend == "nftables":
        return [each for each in lines if each.strip()]
    # The program makes tables that it is asked about, and leaves them there.
    return sorted(each for each in lines if each.startswith("-A") or "DROP " in each[-6:])


def test_killed_at_any_step_of_a_change_a_server_leaves_what_the_next_one_puts_right(
    hosts: tuple[Host, Host], subtests_of: Callable[[str], Iterator[float]]
) -> None:
    for kind in ("guard", "ipset"):
        for delay in subtests_of(kind):
            with furnished(hosts[0], kind):
                before = rules(kind)
                first, second = crowd(1), crowd(2)
                _killed_after(delay, lambda: _change_over(kind, first, second))  # noqa: B023
                backend = make(kind)
                there = backend.installed()
                batches = [frozenset(each.tag for each in batch) for batch in (first, second)]
                if kind == "ipset":  # whose members go in one by one, and are nobody's then
                    assert there <= batches[0] | batches[1]
                else:
                    assert there in (frozenset(), *batches), (kind, delay)
                realign(backend, second)
                assert backend.installed() == batches[1]
                backend.teardown()
                backend.close()
                assert rules(kind) == before


@pytest.fixture
def subtests_of() -> Callable[[str], Iterator[float]]:
    """Seconds: from before the first step to after the last, as long as they take here."""

    def delays(kind: str) -> Iterator[float]:
        yield from (0.0, 0.006, 0.012, 0.02, 0.04)

    return delays


def _change_over(kind: str, first: Sequence[Opening], second: Sequence[Opening]) -> None:
    backend = make(kind)
    backend.prepare()
    backend.apply(ChangeSet(tuple(first)))
    backend.apply(ChangeSet(tuple(second), frozenset(each.tag for each in first)))


def _killed_after(delay: float, work: Callable[[], object]) -> None:
    pid = os.fork()
    if not pid:
        work()
        os._exit(0)
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


class Spoilt:
    """The programs of this host, which are missing, hang or fail while something says so."""

    def __init__(self) -> None:
        self.spoilt: Callable[[], Completed] | None = None
        self.once = False
        self._real = SystemPrograms()

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = 10.0,
        account: Account | None = None,
    ) -> Completed:
        if self.spoilt is not None:
            spoilt = self.spoilt
            if self.once:
                self.spoilt = None
            return spoilt()
        return self._real.run(argv, stdin=stdin, seconds=seconds, account=account)


def missing() -> Completed:
    raise NotStartedError("there is no such program", hint="install it")


def slow() -> Completed:
    raise HostError("it took too long and was ended")


def failing() -> Completed:
    return Completed(1, b"", b"it is out of order")


@pytest.mark.parametrize("kind", SETTINGS)
def test_while_programs_are_missing_slow_or_failing_nothing_changes_and_then_all_is_right(
    host: Host, kind: str
) -> None:
    before = rules(kind)
    programs = Spoilt()
    backend = make(kind, programs)
    here = opening("192.0.2.7")
    for spoilt in (missing, slow, failing):
        programs.spoilt = spoilt
        attempts: tuple[Callable[[], object], ...] = (backend.probe,)
        if kind != "sets":  # of which nothing is made
            attempts = (*attempts, backend.prepare, lambda: backend.apply(add(here)))
        for attempt in attempts:
            with pytest.raises(HostError):
                attempt()
        assert rules(kind) == before, spoilt
    realign_after(programs, backend, here)
    ours = rules(kind)
    _take_away(kind)
    for spoilt in (missing, slow, failing):
        programs.spoilt = spoilt
        assert not _stands(backend)
        if kind not in ("sets", "ipset"):  # those need no program for what was taken away
            with pytest.raises(HostError):
                backend.prepare()
    realign_after(programs, backend, here)
    assert rules(kind) == ours
    backend.teardown()
    backend.close()
    assert rules(kind) == before


def _stands(backend: Backend) -> bool:
    """Who cannot look does not know."""
    try:
        return backend.intact()
    except HostError:
        return False


def realign_after(programs: Spoilt, backend: Backend, *openings: Opening) -> None:
    """Programs fail once more, and work from then on."""
    programs.spoilt, programs.once = failing, True
    with contextlib.suppress(HostError):
        realign(backend, openings)
    programs.spoilt, programs.once = None, False
    realign(backend, openings)
    assert backend.intact()
    assert backend.installed() == {each.tag for each in openings}


def _take_away(kind: str) -> None:
    """What each hangs on."""
    match kind:
        case "guard" | "mark":
            nft("delete", "table", "inet", "watchword")
        case "jump":
            nft(script="flush ruleset\n" + OPERATORS)
        case "sets":
            nft("flush", "set", "inet", "filter", "friends4")
        case "ipset":
            subprocess.run(["ipset", "flush"], check=True)
        case exe:
            for words in ("-D INPUT -j FWKNOP_INPUT", "-F FWKNOP_INPUT", "-X FWKNOP_INPUT"):
                subprocess.run([exe, *words.split()], check=True)


STALE = '192.0.2.9 . tcp . 22 timeout 60s comment "ww:0123456789abcdef"'
"""A grant that is over, as an old dump has it."""
DAMAGES = {
    "mark": (
        "flush ruleset\n" + OPERATORS,
        "delete table inet watchword",
        "flush chain inet watchword ahead",
        "flush chain inet watchword ahead\ndelete chain inet watchword ahead",
        "flush chain inet watchword ahead\ndelete set inet watchword open6",
        "flush set inet watchword open4",
        "delete element inet watchword open4 { 192.0.2.7 . tcp . 22 }",
        f"add element inet watchword open4 {{ {STALE} }}",
    ),
    "sets": (
        "flush ruleset\n" + OPERATORS,
        "flush set inet filter friends4",
        "delete element inet filter friends6 { 2001:db8::7 . tcp . 22 }",
        f"add element inet filter friends4 {{ {STALE} }}",
    ),
    "ipset": (
        "ipset flush watchword6",
        "ipset del watchword4 192.0.2.7,tcp:22",
        "iptables-nft -D INPUT -j FWKNOP_INPUT",
        "ip6tables-nft -F FWKNOP_INPUT",
        "iptables-nft -F FWKNOP_INPUT\nipset destroy watchword4",
        "ipset add watchword4 192.0.2.9,tcp:22 timeout 60 comment ww:0123456789abcdef",
        "ipset add watchword4 192.0.2.10,tcp:22 timeout 60 comment theirs",
    ),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_whatever_others_remove_or_put_in_is_noticed_and_put_right_and_theirs_is_left_alone(
    host: Host, kind: str
) -> None:
    backend, openings = make(kind), (opening("192.0.2.7"), opening("2001:db8::7"))
    realign(backend, openings)
    whole = rules(kind)
    for damage in DAMAGES[kind]:
        if kind == "ipset":
            for line in damage.splitlines():
                _until_done(line.split())
        else:
            nft(script=damage)
        assert not backend.intact(), damage
        realign(backend, openings)
        assert backend.intact(), damage
        assert backend.installed() == {each.tag for each in openings}, damage
        assert sorted(rules(kind)) == sorted(whole), damage
    if kind == "ipset":
        assert "theirs" in str(saved(kind))
    backend.teardown()
    backend.close()


def _until_done(argv: Sequence[str]) -> None:
    """The kernel lets go of a set a moment after the rule that asked it is gone."""
    for _ in range(100):
        if not subprocess.run(argv, check=False, capture_output=True).returncode:
            return
        time.sleep(0.02)
    raise AssertionError(argv)


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_second_server_in_the_same_place_is_refused_and_the_first_goes_on(
    host: Host, kind: str
) -> None:
    ready, told = os.pipe()
    pid = os.fork()
    if not pid:
        make(kind).prepare()
        os.write(told, b"!")
        signal.pause()
    assert os.read(ready, 1) == b"!"
    try:
        before, second = rules(kind), make(kind)
        with pytest.raises(HostError, match=rf"another fwknopd \(pid {pid}\) keeps") as refused:
            second.prepare()
        assert "end it, or give this one" in refused.value.hint
        assert rules(kind) == before
        second.close()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(ready)
        os.close(told)
    third = make(kind)
    third.prepare()  # nobody has it any more
    third.close()


@pytest.mark.parametrize("kind", [each for each in SETTINGS if "iptables" not in each])
def test_after_a_reboot_with_saved_rules_only_what_has_time_left_is_open(
    hosts: tuple[Host, Host], kind: str
) -> None:
    alive, over = opening("192.0.2.7", seconds=90), opening("192.0.2.8")
    with furnished(hosts[0], kind):
        backend = make(kind)
        realign(backend, (alive, over))
        backend.apply(remove(opening("192.0.2.9").tag))
        dump = saved(kind)
        backend.close()
    with entered(hosts[1]):
        load(dump)
        try:
            backend = make(kind)
            realign(backend, (alive,))
            assert backend.installed() == {alive.tag}
            assert backend.intact()
            assert "192.0.2.8" not in str(saved(kind))
            backend.teardown()
            backend.close()
        finally:
            clear(hosts[1], kind)
