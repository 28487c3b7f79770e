"""Commands that open and close in place of the firewall."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fwknopd_files import KEYS, configure, fatal, remarks
from tests.sealing import sealed
from tests.unit.test_gate import House, play
from tests.values import NOW, credential, policy, request, terms
from watchword.dialects.fwknop.templates import NAMES, template
from watchword.dialects.fwknop.voice import Voice
from watchword.dialects.fwknop.voice_json import structured
from watchword.edges.peers import Peer
from watchword.edges.programs import MemoryPrograms
from watchword.edges.replay.memory import MemoryJournal
from watchword.errors import HostError, OperatorError
from watchword.grant import cycles, granting
from watchword.grant.decide import authorise
from watchword.grant.permits import Permit
from watchword.model.addresses import canonical
from watchword.model.commands import Account, CycleTerms
from watchword.model.crypto import Secret
from watchword.model.openings import Ending, Grant
from watchword.model.outcomes import Action, CycleOpening, Judged, Refusal
from watchword.model.policy import Policy, Terms
from watchword.model.reasons import Reason
from watchword.model.requests import CommandWish
from watchword.model.services import Proto, Service
from watchword.ports import Completed, NotStartedError
from watchword.service.daemon.answers import GrantAnswers
from watchword.service.daemon.changes import GrantChanges
from watchword.service.daemon.closer import Closer
from watchword.service.daemon.control import Question
from watchword.service.daemon.cycles import Cycles
from watchword.service.daemon.hand import BlockedError, Hand, NotAllowedError, close
from watchword.service.daemon.status import in_words, not_closed
from watchword.service.daemon.unclosed import MOST
from watchword.service.tool import revoke
from watchword.service.tool.grants import _remarks
from watchword.wire.spa.message import MessageType

WHO = "198.51.100.2"
OTHER = credential(key=Secret(b"another key"), mac_key=Secret(b"another HMAC key"))


def cycle(
    opening: str = "open $SRC $PORT", closing: str = "close $SRC $PORT", **more: Any
) -> CycleTerms:
    return CycleTerms(template(opening), template(closing) if closing else None, **more)


def stanza_with(found: CycleTerms, number: int = 1, **more: Any) -> Terms:
    return terms(number, cycle=found, **more)


class Scene(House):
    """A server whose programs are a list of answers."""

    def __init__(
        self,
        *stanzas: Terms,
        answers: Sequence[Completed | HostError] = (),
        pauses: Sequence[float] = (),
    ) -> None:
        self.pauses = pauses
        self.programs = MemoryPrograms(answers)
        super().__init__(policy(*stanzas))

    def start(self) -> None:
        super().start()
        run = partial(close, self.programs)
        closer = Closer(self.journal, run, self.reporter, self.clock, self.pauses)
        self.closer = closer
        self.cycles = Cycles(self.journal, closer, self.reporter, self.clock, self.gate._figures)
        self.gate._cycles = self.cycles
        self.gate._hand = Hand(self.policy, self.programs)

    async def ask(self, text: str = f"{WHO},tcp/22", **more: Any) -> list[str]:
        before = len(self.reporter.events)
        await self.take(sealed(text, **more))
        await self.done()
        judged = [each for each in self.reporter.events[before:] if isinstance(each, Judged)]
        return [word(each) for each in judged]

    async def done(self) -> None:
        while self.cycles.opening:
            await asyncio.sleep(0.001)
        await self.closer.closed()

    async def tried_again(self) -> None:
        """Until nothing waits for another try."""
        while self.closer.waiting.trying:
            await asyncio.sleep(0.001)
            await self.closer.closed()

    async def wait(self, seconds: float) -> None:
        """Let time pass, and close what has come to its end."""
        self.clock.advance(seconds)
        self.cycles.expire()
        await self.done()

    @property
    def ran(self) -> list[str]:
        return [" ".join(run.argv) for run in self.programs.runs]

    @property
    def log(self) -> list[str]:
        voice = Voice()
        return [text for event in self.reporter.events for _, text in voice(event, False)]


def word(judged: Judged) -> str:
    if judged.grant is not None:
        return "granted"
    return judged.refusal.reason.word if judged.refusal else "nothing"


def scene_of(house: House) -> Scene:
    assert isinstance(house, Scene)
    return house


# --- templates --------------------------------------------------------------------------


def told(text: str, **more: Any) -> str:
    permit = authorise(policy(stanza_with(cycle(text))), request(**more), NOW)
    assert isinstance(permit, Permit)
    [found] = cycles.values(permit)
    assert permit.cycle is not None
    run = cycles.opening(permit.cycle, found)
    assert " ".join(run.argv) == run.text
    return run.text


@pytest.mark.requirement("1.12")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x $IP $SRC", f"x {WHO} {WHO}"),
        ("x $PKT_SRC", "x 203.0.113.99"),
        ("x $DST", "x 203.0.113.1"),
        ("x $PORT/$PROTO", "x 22/6"),
        ("x $TIMEOUT", f"x {int(NOW.wall) + 20}"),
        ("x $CLIENT_TIMEOUT", "x 20"),
        ("x $SRCX ${SRC} $FOO a$b", f"x {WHO}X {{SRC}} FOO ab"),
        ("x $src $$PORT", "x src 22"),
        (
            "ipset add a $SRC,$PROTO:$PORT timeout $CLIENT_TIMEOUT",
            f"ipset add a {WHO},6:22 timeout 20",
        ),
    ],
)
def test_variables_are_filled_in_as_the_original_does(text: str, said: str) -> None:
    """Each line was given to fwknopd 2.6.10 too; UDP servers of it do not know ``$DST``."""
    assert told(text, seconds=20, source="203.0.113.99") == said


def test_a_destination_that_is_not_known_is_written_as_the_original_writes_it() -> None:
    assert told("x $DST", destination="") == "x 0.0.0.0"
    assert told("x $DST", destination="", allow="2001:db8::1") == "x ::"


def test_udp_has_its_number() -> None:
    assert told("x $PROTO $PORT", services="udp/53") == "x 17 53"


addresses = st.ip_addresses().map(str).map(canonical)


@pytest.mark.requirement("1.12")
@given(addresses, addresses, addresses | st.none(), st.sampled_from(Proto), st.integers(1, 65535),
       st.integers(0, 2**40), st.integers(1, 2**24))  # fmt: skip
def test_nothing_that_a_caller_chooses_means_anything_to_a_shell_or_a_program(
    who: Any, source: Any, destination: Any, proto: Proto, port: int, ends: int, seconds: int
) -> None:
    found = cycles.Values(who, source, destination, Service(proto, port), ends, seconds)
    everything = cycle(f"x {' '.join(f'${name}' for name in NAMES)}")
    run = cycles.opening(everything, found)
    assert len(run.argv) == len(NAMES) + 1
    assert all(set(each) <= set("0123456789abcdef.:") for each in run.argv[1:])


def test_words_are_split_before_anything_is_filled_in() -> None:
    found = cycle("\"/opt/my tool\" '$SRC $PORT'")
    permit = authorise(policy(stanza_with(found)), request(), NOW)
    assert isinstance(permit, Permit)
    [values] = cycles.values(permit)
    assert cycles.opening(found, values).argv == ("/opt/my tool", f"{WHO} 22")


def test_a_shell_is_given_the_whole_text() -> None:
    found = cycle("a $SRC > b", shell=True)  # noqa: S604 - not a call of subprocess
    permit = authorise(policy(stanza_with(found)), request(), NOW)
    assert isinstance(permit, Permit)
    [values] = cycles.values(permit)
    assert cycles.opening(found, values).argv == ("/bin/sh", "-c", f"a {WHO} > b")


# --- who may ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "asked", "reason"),
    [
        ({"source_required": True}, {"allow": None}, Reason.SOURCE_REQUIRED),
        ({"open_services": frozenset({Service(Proto.TCP, 80)})}, {}, Reason.PORT_NOT_OFFERED),
        ({"closed_services": frozenset({Service(Proto.TCP, 22)})}, {}, Reason.PORT_RESTRICTED),
        ({}, {"allow": "224.0.0.1"}, Reason.ADDRESS_NOT_HOST),
    ],
)
def test_the_rules_of_a_stanza_hold_for_its_cycle(
    more: dict[str, Any], asked: dict[str, Any], reason: Reason
) -> None:
    answer = authorise(policy(stanza_with(cycle(), **more)), request(**asked), NOW)
    assert isinstance(answer, Refusal)
    assert answer.reason is reason


def test_what_the_firewall_cannot_do_is_no_matter_for_a_cycle() -> None:
    only_four = policy(stanza_with(cycle()), families=(4,), destination_rule=True)
    answer = authorise(only_four, request(allow="2001:db8::1", source="2001:db8::1"), NOW)
    assert isinstance(answer, Permit)
    assert answer.destination is None


def test_a_cycle_takes_no_commands() -> None:
    """As the original, in the same words."""
    wish = replace(request(), wish=CommandWish("id"))
    answer = authorise(policy(stanza_with(cycle())), wish, NOW)
    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.COMMAND_FOR_CYCLE

    async def scene(house: House) -> None:
        await scene_of(house).ask(f"{WHO},id", type=MessageType.COMMAND)
        assert house_log(house)[-1] == (
            f"[{WHO}] (stanza #1) Could not build CMD_CYCLE_OPEN command."
        )

    play(scene, Scene(stanza_with(cycle())))


def house_log(house: House) -> list[str]:
    return scene_of(house).log


# --- opening and closing ----------------------------------------------------------------


@pytest.mark.requirement("1.6", "1.10", "1.13", partial=True)
def test_a_cycle_opens_and_closes_and_says_so_in_the_originals_words() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        assert await home.ask() == ["granted"]
        assert home.ran == [f"open {WHO} 22"]
        await home.wait(29.9)
        assert home.ran == [f"open {WHO} 22"]
        await home.wait(0.1)
        assert home.ran == [f"open {WHO} 22", f"close {WHO} 22"]
        at = f"[{WHO}] (stanza #1)"
        assert home.log == [
            f"(stanza #1) SPA Packet from IP: {WHO} received with access source match",
            f"{at} Running CMD_CYCLE_OPEN command: open {WHO} 22",
            f"{at} Running CMD_CYCLE_CLOSE command in 30 seconds: close {WHO} 22",
            f"{at} Timer expired, running CMD_CYCLE_CLOSE command: close {WHO} 22",
        ]
        judged = next(each for each in home.reporter.events if isinstance(each, Judged))
        assert '"by":"commands"' in structured(judged)
        assert home.open == set()
        assert judged.grant is not None
        assert judged.grant.holes == ()

    play(scene, Scene(stanza_with(cycle())))


@pytest.mark.requirement("1.10", partial=True)
@pytest.mark.parametrize("first_only", [False, True])
def test_every_port_has_its_own_run_unless_only_the_first_is_to(first_only: bool) -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        assert await home.ask(f"{WHO},tcp/22,udp/53,tcp/22") == ["granted"]
        await home.wait(31)
        ports = ("22",) if first_only else ("22", "53")
        opened = [f"open {WHO} {port}" for port in ports]
        assert home.ran == opened + [f"close {WHO} {port}" for port in ports]
        judged = next(each for each in home.reporter.events if isinstance(each, Judged))
        assert judged.grant is not None
        assert [str(each.port) for each in judged.grant.services] == list(ports)

    play(scene, Scene(stanza_with(cycle(first_only=first_only))))


@pytest.mark.requirement("1.11", partial=True)
def test_with_none_to_close_there_is_no_process_at_the_end() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        assert await home.ask() == ["granted"]
        await home.wait(31)
        assert home.ran == [f"open {WHO} 22"]
        assert len(home.log) == 2
        assert [ending for _, ending, _ in home.journal.history] == [Ending.EXPIRED]

    play(scene, Scene(stanza_with(cycle(closing=""))))


def test_what_ends_by_itself_is_neither_closed_nor_prolonged_by_anybody_s_word() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        await home.ask()
        [grant] = home.cycles.ledger.grants()
        changes = GrantChanges(home.enforcer, home.cycles, lambda: home.policy, home.clock)
        asked = Question({"grant": grant.id, "seconds": 5}, Peer(1, 0, frozenset()), root=True)
        with pytest.raises(OperatorError, match="ends by itself"):
            await changes.extend(asked)
        assert home.cycles.ledger.grant(grant.id) is grant
        told = await changes.revoke(Question({"all": True}, asked.peer, root=True))
        assert (told["revoked"], told["closing"]) == ([grant.id], [])
        assert told["not_closed"] == [grant.id]
        assert f"NOT CLOSED: {grant.id}" in "\n".join(revoke.lines(told, cut=False))

    play(scene, Scene(stanza_with(cycle(closing=""))))


@pytest.mark.requirement("1.14", partial=True)
@pytest.mark.parametrize(("asked", "seconds"), [(0, 30), (10, 10), (1000, 300)])
def test_how_long_it_is_open_is_for_the_caller_to_say_up_to_a_limit(
    asked: int, seconds: int
) -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        kind = MessageType.TIMEOUT_ACCESS if asked else MessageType.ACCESS
        await home.ask(type=kind, seconds=asked)
        assert home.ran == [f"open {seconds}"]
        await home.wait(seconds - 0.5)
        assert len(home.ran) == 1
        await home.wait(0.5)
        assert home.ran[1:] == ["close"]

    play(scene, Scene(stanza_with(cycle("open $CLIENT_TIMEOUT", "close"))))


def test_asking_again_runs_both_commands_again_as_the_original_does() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        await home.ask()
        await home.wait(10)
        await home.ask()
        await home.wait(20)
        assert home.ran.count(f"close {WHO} 22") == 1
        await home.wait(10)
        assert home.ran == [f"open {WHO} 22"] * 2 + [f"close {WHO} 22"] * 2

    play(scene, Scene(stanza_with(cycle())))


def test_a_stanza_that_renews_prolongs_what_is_open_and_runs_nothing() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        await home.ask(f"{WHO},tcp/22,tcp/80")
        await home.wait(10)
        assert await home.ask(f"{WHO},tcp/80,tcp/22") == ["granted"]
        assert "The command cycle is open, and goes on." in home.log[-3]
        assert await home.ask("198.51.100.3,tcp/22,tcp/80") == ["granted"]
        assert len(home.ran) == 4
        await home.wait(20)
        assert len(home.ran) == 4
        await home.wait(10)
        assert home.ran[4:] == [
            f"close {WHO} 22", f"close {WHO} 80", "close 198.51.100.3 22", "close 198.51.100.3 80",
        ]  # fmt: skip
        await home.ask(f"{WHO},tcp/22,tcp/80")
        assert home.ran[8:] == [f"open {WHO} 22", f"open {WHO} 80"]

    play(scene, Scene(stanza_with(cycle(renews=True))))


class SlowJournal(MemoryJournal):
    """Notes what it is told once it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.may_note = asyncio.Event()
        self.may_note.set()
        self.asked = 0

    async def granted(self, grants: Sequence[Grant]) -> None:
        self.asked += 1
        await self.may_note.wait()
        await super().granted(grants)


def slow() -> tuple[Scene, SlowJournal]:
    home, journal = Scene(stanza_with(cycle(renews=True))), SlowJournal()
    home.journal = journal
    home.start()
    return home, journal


async def at_once(home: Scene, journal: SlowJournal, *works: Coroutine[Any, Any, Any]) -> list[Any]:
    """Have all begin while nothing can be noted, in that order; what came of them."""
    journal.may_note.clear()
    doing = []
    for work in works:
        doing.append(asyncio.ensure_future(work))
        for _ in range(5):
            await asyncio.sleep(0)
    journal.may_note.set()
    found = await asyncio.gather(*doing, return_exceptions=True)
    await home.done()
    return found


def test_an_extension_is_not_lost_to_a_packet_that_renews_meanwhile() -> None:
    home, journal = slow()

    async def scene(_: House) -> None:
        await home.ask()
        [grant] = home.cycles.ledger.grants()
        extending = home.cycles.extend(grant.id, 100, None)
        await at_once(home, journal, extending, home.take(sealed(f"{WHO},tcp/22")))
        [renewed] = home.cycles.ledger.grants()
        assert renewed.until == grant.until + 100
        assert [each.until for each in await journal.unfinished(NOW)] == [renewed.until]
        assert home.ran == [f"open {WHO} 22"]

    play(scene, home)


def test_what_was_renewed_meanwhile_is_not_extended_by_its_old_name_and_closed_once() -> None:
    home, journal = slow()

    async def scene(_: House) -> None:
        await home.ask()
        [grant] = home.cycles.ledger.grants()
        home.clock.advance(10)
        packet_first = home.take(sealed(f"{WHO},tcp/22"))
        _, extended = await at_once(
            home, journal, packet_first, home.cycles.extend(grant.id, 100, None)
        )
        assert isinstance(extended, OperatorError)
        assert "no grant" in str(extended)
        assert [each.id for each in await journal.unfinished(NOW)] != [grant.id]
        await home.wait(30)
        assert home.ran == [f"open {WHO} 22", f"close {WHO} 22"]
        assert await journal.unfinished(NOW) == []

    play(scene, home)


def test_two_packets_that_renew_at_once_open_nothing_again() -> None:
    home, journal = slow()

    async def scene(_: House) -> None:
        await home.ask()
        packets = [home.take(sealed(f"{WHO},tcp/22")) for _ in range(2)]
        await at_once(home, journal, *packets)
        await home.wait(30)
        assert home.ran == [f"open {WHO} 22", f"close {WHO} 22"]

    play(scene, home)


# --- when something fails ---------------------------------------------------------------

FAILS = Completed(1, b"", b"alas\nand more\n")
WELL = Completed(0, b"", b"")


@pytest.mark.parametrize("answer", [FAILS, HostError("open: took longer than 30 s")])
def test_an_opening_that_fails_is_no_grant_and_is_closed_at_its_time(
    answer: Completed | HostError,
) -> None:
    """Half of its work may be done; and the same caller may be in by an earlier packet."""

    async def scene(house: House) -> None:
        home = scene_of(house)
        payload = sealed(f"{WHO},tcp/22,tcp/80")
        await home.take(payload)
        await home.done()
        judged = [each for each in home.reporter.events if isinstance(each, Judged)]
        assert [word(each) for each in judged] == ["open-command-failed"]
        assert home.ran == [f"open {WHO} 22"]
        assert "CMD_CYCLE_OPEN command failed, nothing is granted" in home.log[-1]
        assert "alas" in home.log[-1] or "longer" in home.log[-1]
        await home.wait(29)
        assert len(home.ran) == 1
        await home.wait(1)
        assert home.ran[1:] == [f"close {WHO} 22"]
        assert await home.take(payload) == ["replayed"]

    play(scene, Scene(stanza_with(cycle()), answers=[answer]))


@pytest.mark.parametrize(
    ("second", "closed"), [(FAILS, ["22", "80"]), (NotStartedError("no such program"), ["22"])]
)
def test_what_never_began_to_open_is_not_closed_not_after_a_restart_either(
    second: Completed | HostError, closed: list[str]
) -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        await home.ask(f"{WHO},tcp/22,tcp/80,tcp/443")
        [left] = await home.journal.unfinished(home.clock.now())
        expected = [f"close {WHO} {port}" for port in closed]
        assert left.cycle is not None
        assert [each.text for each in left.cycle.closings] == expected
        await home.wait(31)
        assert home.ran[2:] == expected

    play(scene, Scene(stanza_with(cycle()), answers=[WELL, second]))


def test_of_an_opening_that_cannot_be_started_there_is_nothing_to_close() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        assert await home.ask() == ["open-command-failed"]
        await home.wait(31)
        assert len(home.ran) == 1
        assert [ending for _, ending, _ in home.journal.history] == [Ending.FAILED]

    play(scene, Scene(stanza_with(cycle()), answers=[NotStartedError("no such program")]))


def test_nothing_is_opened_whose_end_cannot_be_written_down() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        home.journal.fail_next = True
        assert await home.ask() == ["close-not-recorded"]
        assert home.ran == []

    play(scene, Scene(stanza_with(cycle())))


def test_all_that_is_due_is_closed_in_order_also_when_one_fails() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        for n in range(3, 8):
            await home.ask(f"198.51.100.{n},tcp/22")
            home.clock.advance(0.5)
        await home.wait(60)
        assert home.ran[5:] == [f"close 198.51.100.{n} 22" for n in range(3, 8)]
        assert sum("CMD_CYCLE_CLOSE command failed" in line for line in home.log) == 2
        assert [ending for _, ending, _ in home.journal.history] == [Ending.EXPIRED] * 3
        assert len(home.cycles.unclosed) == 2

    answers: list[Completed | HostError] = [WELL] * 5
    answers += [WELL, FAILS, HostError("hangs"), WELL, WELL]
    play(scene, Scene(stanza_with(cycle()), answers=answers))


@pytest.mark.requirement("1.13", partial=True)
def test_what_fails_to_close_is_tried_again_until_it_is_closed_and_told_each_time() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        await home.ask(f"{WHO},tcp/22,tcp/80")
        await home.wait(30)
        await home.tried_again()
        assert home.ran[2:] == [f"close {WHO} 22", f"close {WHO} 80"] + [f"close {WHO} 80"] * 2
        assert [ending for _, ending, _ in home.journal.history] == [Ending.EXPIRED]
        assert len(home.cycles.unclosed) == 0
        told = [line.partition("(stanza #1) ")[2] for line in home.log[-5:]]
        failed = (
            "CMD_CYCLE_CLOSE command failed, and what it closes may be open: exit status 1: alas"
        )
        assert told == [
            f"Timer expired, running CMD_CYCLE_CLOSE command: close {WHO} 80",
            f"{failed}; it is tried again in 0 seconds",
            f"Trying again after 1 that failed, running CMD_CYCLE_CLOSE command: close {WHO} 80",
            f"{failed}; it is tried again in 0.001 seconds",
            f"Trying again after 2 that failed, running CMD_CYCLE_CLOSE command: close {WHO} 80",
        ]

    answers = [WELL, WELL, WELL, FAILS, FAILS, WELL]
    play(scene, Scene(stanza_with(cycle()), answers=answers, pauses=(0, 0.001, 0.001)))


def test_what_is_given_up_is_shown_until_somebody_has_it_tried_once_more() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        await home.ask()
        await home.wait(30)
        await home.tried_again()
        assert len(home.ran) == 1 + 3
        name = next(iter(home.cycles.unclosed)).grant.id
        assert home.log[-1].endswith(
            f"GIVEN UP after 3. Close it by hand (close {WHO} 22), then: watchword revoke {name}"
        )
        [told] = not_closed(home.cycles)
        assert (told["given_up"], told["tries"], told["for"]) == (True, 3, WHO)
        assert home.cycles.has(name)
        assert home.journal.history == []

        assert [each.id for each in home.cycles.try_again(lambda grant: True)] == [name]
        await home.done()
        assert len(home.ran) == 1 + 4
        assert [ending for _, ending, _ in home.journal.history] == [Ending.NOT_CLOSED]
        assert not_closed(home.cycles) == []
        assert not home.cycles.has(name)

    play(scene, Scene(stanza_with(cycle()), answers=[WELL] + [FAILS] * 4, pauses=(0, 0)))


def test_revoking_by_name_tries_once_more_and_blocking_a_key_does_not_forget_it() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        await home.ask()
        await home.wait(30)
        [failed] = home.cycles.unclosed
        changes = GrantChanges(home.enforcer, home.cycles, lambda: home.policy, home.clock)
        asked = Question({"grant": failed.grant.id}, Peer(1, 0, frozenset()), root=True)
        await changes.end(asked, Action.BLOCK, "a key", lambda grant: True, cut=False)
        await home.done()
        assert len(home.cycles.unclosed) == 1
        said = list(in_words(TOLD | {"not_closed": not_closed(home.cycles)}))
        assert any(line.startswith("NOT CLOSED: tcp/22 for 198.51.100.2, grant") for line in said)
        assert any("tried once (" in line for line in said)
        desk = GrantAnswers(home.enforcer, home.cycles, lambda: home.policy, home.clock)
        shown = await desk.grants(Question({}, asked.peer, root=True))
        assert (shown["total"], shown["not_closed"]) == (0, 1)
        assert "NOT CLOSED: what commands opened for 1 grant that is over" in _remarks(shown)[0]

        told = await changes.revoke(asked)
        await home.done()
        assert told["revoked"] == told["closing"] == [failed.grant.id]
        assert "closed by commands, which run now" in revoke.lines(told, cut=False)[1]
        assert home.ran[1:] == [f"close {WHO} 22"] * 2
        assert [ending for _, ending, _ in home.journal.history] == [Ending.EXPIRED]
        assert list(in_words(TOLD | {"not_closed": not_closed(home.cycles)})) == list(
            in_words(TOLD)
        )

    play(scene, Scene(stanza_with(cycle()), answers=[WELL, FAILS]))


TOLD: dict[str, Any] = {
    "program": "fwknopd", "release": "1", "began": 0.0, "reloads": {"last": ""}, "grants": 0,
    "commands": {}, "firewall_in_step": True, "not_closed": [], "blocked": [], "sources": {},
    "awaited": [],
    "packets": {}, "dropped": {}, "waiting": {"strangers": 0, "known": 0, "gpg": 0},
    "known_addresses": 0, "claims": 0, "steps": {}, "slowest_step": None,
}  # fmt: skip


@pytest.mark.parametrize("given_up", [True, False])
def test_the_next_start_tries_what_an_earlier_run_could_not_close_and_nothing_else(
    given_up: bool,
) -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        home.pauses = () if given_up else (3600,)
        home.start()
        await home.ask(f"{WHO},tcp/22,tcp/80")
        await home.wait(30)
        before = len(home.ran)
        home.start()
        await home.cycles.resume(flush=False)
        await home.done()
        assert home.ran[before:] == [f"close {WHO} 80"]
        assert [ending for _, ending, _ in home.journal.history] == [Ending.EXPIRED]

    play(scene, Scene(stanza_with(cycle()), answers=[WELL, WELL, WELL, FAILS]))


def test_a_close_that_failed_is_not_tried_again_while_its_caller_is_in_by_another_packet() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        await home.ask()
        await home.wait(30)
        await home.ask()
        await try_again(home)
        assert home.ran[3:] == []
        await home.wait(30)
        assert home.ran[3:] == [f"close {WHO} 22"]
        await try_again(home)
        assert home.ran[3:] == [f"close {WHO} 22"] * 2

    async def try_again(home: Scene) -> None:
        """As after an hour."""
        [failed] = home.cycles.unclosed
        home.cycles.unclosed._due(failed)
        await home.done()

    play(scene, Scene(stanza_with(cycle()), answers=[WELL, FAILS], pauses=(3600,)))


def test_a_close_that_waits_for_its_next_try_holds_no_other_up() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        for n in (3, 4):
            await home.ask(f"198.51.100.{n},tcp/22")
        await home.wait(30)
        assert home.ran[2:] == ["close 198.51.100.3 22", "close 198.51.100.4 22"]
        assert [grant.who for grant, _, _ in home.journal.history] == [canonical("198.51.100.4")]

    play(scene, Scene(stanza_with(cycle()), answers=[WELL, WELL, FAILS], pauses=(3600,)))


def test_a_stop_tries_once_more_what_waits_and_leaves_the_rest_to_the_next_start() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        for n in (3, 4):
            await home.ask(f"198.51.100.{n},tcp/22")
        await home.wait(30)
        await home.cycles.stop(patience=5)
        assert home.ran[2:] == ["close 198.51.100.3 22", "close 198.51.100.4 22"] * 2
        assert home.log[-1].endswith("; the next start tries it again")
        unfinished = await home.journal.unfinished(home.clock.now())
        assert [grant.who for grant in unfinished] == [canonical("198.51.100.4")]

    answers = [WELL, WELL, FAILS, FAILS, WELL, FAILS]
    play(scene, Scene(stanza_with(cycle()), answers=answers, pauses=(3600,)))


def test_of_what_is_given_up_so_much_is_kept_and_the_oldest_goes() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        for n in range(MOST + 2):
            await home.ask(f"198.51.{n}.1,tcp/22")
        await home.wait(30)
        assert len(home.cycles.unclosed) == MOST
        gone = [grant.who for grant, _, _ in home.journal.history]
        assert gone == [canonical("198.51.0.1"), canonical("198.51.1.1")]

    answers = [WELL] * (MOST + 2) + [FAILS] * (MOST + 2)
    play(scene, Scene(stanza_with(cycle()), answers=answers))


@pytest.mark.parametrize("step", [-3600.0, 0.0, 3600.0])
def test_ends_are_kept_in_order_whatever_was_asked_first_and_whatever_the_wall_clock_does(
    step: float,
) -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        for n, seconds in ((3, 100), (4, 10), (5, 50), (6, 10)):
            await home.ask(
                f"198.51.100.{n},tcp/22", type=MessageType.TIMEOUT_ACCESS, seconds=seconds
            )
        home.clock.step_wall(step)
        for rest, closed in ((9.9, 0), (0.1, 2), (39.9, 2), (0.1, 3), (50.0, 4)):
            await home.wait(rest)
            assert len(home.ran) == 4 + closed
        assert home.ran[4:] == [f"close 198.51.100.{n} 22" for n in (4, 6, 5, 3)]

    play(scene, Scene(stanza_with(cycle())))


# --- across restarts --------------------------------------------------------------------


@pytest.mark.parametrize("away", [5, 600])
def test_what_an_earlier_run_opened_is_closed_on_time_or_at_the_start(away: float) -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        for n in (3, 4):
            await home.ask(f"198.51.100.{n},tcp/22")
            home.clock.advance(1)
        home.policy = Policy((terms(7),))  # its stanza is gone by now
        home.clock.advance(away)
        home.start()
        await home.cycles.resume(flush=False)
        await home.enforcer.resume(flush=False)
        await home.done()
        closes = ["close 198.51.100.3 22", "close 198.51.100.4 22"]
        assert home.ran[2:] == (closes if away == 600 else [])
        await home.wait(30)
        assert home.ran[2:] == closes
        home.start()
        await home.cycles.resume(flush=False)
        await home.done()
        assert home.ran[2:] == closes

    play(scene, Scene(stanza_with(cycle())))


def test_a_start_that_ends_earlier_grants_closes_what_commands_opened() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        await home.ask()
        home.start()
        await home.cycles.resume(flush=True)
        await home.done()
        assert home.ran[1:] == [f"close {WHO} 22"]
        assert "Ended before its time, running CMD_CYCLE_CLOSE" in home.log[-1]

    play(scene, Scene(stanza_with(cycle())))


def test_a_stop_closes_everything() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        await home.ask()
        await home.cycles.stop(patience=5)
        assert home.ran[1:] == [f"close {WHO} 22"]
        home.start()
        await home.cycles.resume(flush=False)
        assert len(home.cycles.ledger) == 0

    play(scene, Scene(stanza_with(cycle())))


def test_a_dry_run_runs_nothing() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        home.gate._dry_run = True
        await home.ask()
        assert home.ran == []
        assert not [each for each in home.reporter.events if isinstance(each, CycleOpening)]

    play(scene, Scene(stanza_with(cycle())))


def test_five_hundred_at_once_are_all_opened_and_all_closed() -> None:
    async def scene(house: House) -> None:
        home = scene_of(house)
        await home.take(*(sealed(f"10.0.{n >> 8}.{n & 255},tcp/22") for n in range(1, 501)))
        await home.done()
        await home.wait(31)
        assert len(set(home.ran)) == len(home.ran) == 1000

    play(scene, Scene(stanza_with(cycle())))


# --- the file ---------------------------------------------------------------------------

BARE = f"SOURCE ANY\n{KEYS}REQUIRE_SOURCE_ADDRESS Y\n"
RECIPE = f"""{BARE}\
CMD_CYCLE_OPEN    ipset add fwknop_allow $SRC,$PROTO:$PORT timeout $CLIENT_TIMEOUT
CMD_CYCLE_CLOSE   NONE
"""
PAIR = "CMD_CYCLE_OPEN open $SRC\nCMD_CYCLE_CLOSE close $SRC\n"


def read(lines: str) -> Terms:
    [found] = configure("", BARE + lines).policy.stanzas
    return found


@pytest.mark.requirement("1.8", partial=True)
def test_the_ipset_recipe_is_taken_as_it_is_and_no_firewall_is_touched() -> None:
    found = configure("", RECIPE)
    assert found.complaints == ()
    assert not found.settings.firewall.needed
    [stanza] = found.policy.stanzas
    assert stanza.cycle is not None
    assert stanza.cycle.closing is None
    assert (stanza.default_seconds, stanza.max_seconds) == (30, 300)


def test_beside_a_stanza_for_the_firewall_the_firewall_is_used() -> None:
    found = configure("", f"{RECIPE}SOURCE 192.0.2.1\nOPEN_PORTS tcp/25\n{KEYS}")
    assert found.settings.firewall.needed
    assert [str(each) for each in found.settings.firewall.guarded] == ["tcp/25"]


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ("CMD_CYCLE_TIMER 20\n", (20, 300)),
        ("CMD_CYCLE_TIMER 3600\n", (3600, 3600)),
        ("CMD_CYCLE_TIMER 3600\nMAX_FW_TIMEOUT 60\n", (60, 60)),
        ("CMD_CYCLE_TIMER 20\nFW_ACCESS_TIMEOUT 50\n", (20, 300)),
    ],
)
def test_how_long_a_cycle_lasts(lines: str, seconds: tuple[int, int]) -> None:
    found = read(PAIR + lines)
    assert (found.default_seconds, found.max_seconds) == seconds


def test_switches_of_a_cycle() -> None:
    found = read(
        f"{PAIR}CMD_CYCLE_TIMER 1\nCMD_CYCLE_PORTS FIRST\nCMD_CYCLE_RENEW Y\nCMD_SHELL Y\n"
    )
    assert found.cycle is not None
    assert (found.cycle.first_only, found.cycle.renews, found.cycle.shell) == (True, True, True)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("CMD_CYCLE_OPEN x\nCMD_CYCLE_TIMER 1\n", "[*] Cannot set CMD_CYCLE_OPEN without also"),
        ("CMD_CYCLE_CLOSE x\nCMD_CYCLE_TIMER 1\n", "[*] Cannot set CMD_CYCLE_CLOSE without also"),
        (PAIR, "[*] Must set the CMD_CYCLE_TIMER for command cycle functionality: 'ANY'"),
        (f"{PAIR}CMD_CYCLE_TIMER 0\n", "[*] CMD_CYCLE_TIMER value not in range [1,8388608]."),
        (f"CMD_CYCLE_OPEN {'x' * 256}\nCMD_CYCLE_CLOSE NONE\n", "command is too long: 'ANY'"),
        ("CMD_CYCLE_OPEN x 'y\nCMD_CYCLE_CLOSE NONE\n", "CMD_CYCLE_OPEN cannot be split"),
        (f"{PAIR}CMD_CYCLE_TIMER 1\nCMD_CYCLE_PORTS SOME\n", "neither ALL nor FIRST"),
    ],
)
def test_a_cycle_that_is_not_whole_keeps_the_daemon_from_starting(lines: str, told: str) -> None:
    said = fatal("", BARE + lines)
    assert any(told in each for each in said)
    assert all("access.conf:" in each for each in said)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("ENABLE_CMD_EXEC Y\n", "ENABLE_CMD_EXEC has no effect"),
        ("CMD_CYCLE_RENEW Y\n", "CMD_CYCLE_RENEW has no effect"),
    ],
)
def test_what_means_nothing_beside_a_cycle_is_remarked_on(lines: str, told: str) -> None:
    [said] = remarks("", RECIPE + lines)
    assert told in said


def test_a_variable_that_does_not_exist_is_remarked_on() -> None:
    [said] = remarks("", f"{BARE}CMD_CYCLE_OPEN x $SOURCE $SRC\nCMD_CYCLE_CLOSE NONE\n")
    assert "$SOURCE, which stands for nothing" in said


# --- bounds -----------------------------------------------------------------------------


class Held(MemoryPrograms):
    """Programs that end when they are let; those whose first word is ``quick`` at once."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = 10.0,
        account: Account | None = None,
    ) -> Completed:
        answer = super().run(argv, stdin=stdin, seconds=seconds, account=account)
        if argv[0] != "quick":
            assert self.go_on.wait(60)
        return answer


def held(*stanzas: Terms) -> tuple[Scene, Held]:
    scene, programs = Scene(*stanzas), Held()
    scene.programs = programs
    scene.start()
    return scene, programs


def test_who_waited_long_is_not_let_in_when_nobody_expects_it_any_more() -> None:
    home, programs = held(stanza_with(cycle()))

    async def scene(house: House) -> None:
        await home.take(*(sealed(f"10.0.0.{n},tcp/22") for n in range(1, 21)))
        while len(home.programs.runs) < 16:
            await asyncio.sleep(0.001)
        home.clock.advance(11)
        programs.go_on.set()
        await home.done()
        judged = [word(each) for each in home.reporter.events if isinstance(each, Judged)]
        assert sorted(judged) == ["granted"] * 16 + ["too-many-commands"] * 4

    play(scene, home)


def test_what_waits_for_its_turn_while_its_key_is_blocked_opens_nothing() -> None:
    blocked = set[str]()
    keyed = replace(stanza_with(cycle()), key_names=("blocked",))
    home, programs = held(keyed, replace(stanza_with(cycle(), 2, credential=OTHER)))

    async def scene(house: House) -> None:
        home.cycles.blocked = blocked.__contains__
        await home.take(*(sealed(f"10.0.0.{n},tcp/22,tcp/80") for n in range(1, 21)))
        await home.take(sealed("10.0.0.99,tcp/22", OTHER))
        while len(home.programs.runs) < 16:
            await asyncio.sleep(0.001)
        blocked.add("blocked")
        programs.go_on.set()
        await home.done()
        judged = [word(each) for each in home.reporter.events if isinstance(each, Judged)]
        assert sorted(judged) == ["granted"] + ["key-blocked"] * 20
        assert "open 10.0.0.99 22" in home.ran
        assert not any(line.endswith(" 80") for line in home.ran)
        await home.wait(31)
        closed = [line for line in home.ran if line.startswith("close")]
        assert len(closed) == 16 + 1, "what was begun is closed, and nothing else"

    play(scene, home)


def test_the_hand_opens_nothing_for_a_key_that_is_blocked_by_now() -> None:
    programs = MemoryPrograms()
    keyed = replace(stanza_with(cycle()), key_names=("a", "b"))
    hand = Hand(policy(keyed), programs, lambda key: key == "a+b")
    asked = cycles.Values(canonical(WHO), canonical(WHO), None, Service(Proto.TCP, 22), 1, 30)
    with pytest.raises(BlockedError):
        hand.open(1, asked)
    assert programs.runs == []


def test_so_many_wait_and_no_more() -> None:
    home, programs = held(stanza_with(cycle()))

    async def scene(house: House) -> None:
        for first in range(0, 1100, 100):
            await home.take(*(sealed(f"10.1.{first // 100}.{n},tcp/22") for n in range(1, 101)))
        judged = [word(each) for each in home.reporter.events if isinstance(each, Judged)]
        assert judged == ["too-many-commands"] * (1100 - 1024)
        programs.go_on.set()
        await home.done()

    play(scene, home)


def test_a_stanza_whose_closing_hangs_holds_up_no_other() -> None:
    home, programs = held(
        stanza_with(cycle("quick", "slow $SRC"), 1, users=frozenset({"slow"})),
        stanza_with(cycle("quick", "quick close"), 2),
    )

    async def scene(house: House) -> None:
        for user in ("slow", "slow", "alice"):
            await home.take(sealed(user=user))
        while home.cycles.opening:
            await asyncio.sleep(0.001)
        home.clock.advance(31)
        home.cycles.expire()
        while "quick close" not in home.ran:
            await asyncio.sleep(0.001)
        assert home.ran.count(f"slow {WHO}") == 1  # the other one waits behind it
        programs.go_on.set()
        await home.done()
        assert home.ran.count(f"slow {WHO}") == 2

    play(scene, home)


def test_what_a_stop_has_no_time_to_close_is_closed_at_the_next_start() -> None:
    home, programs = held(stanza_with(cycle("quick", "slow $SRC")))

    async def scene(house: House) -> None:
        await home.take(sealed(), sealed("198.51.100.3,tcp/22"))
        while home.cycles.opening:
            await asyncio.sleep(0.001)
        await home.cycles.stop(patience=0.05)
        assert [run for run in home.ran if run != "quick"] == [f"slow {WHO}"]
        programs.go_on.set()
        home.start()
        await home.cycles.resume(flush=True)
        await home.done()
        assert home.ran[-2:] == [f"slow {WHO}", "slow 198.51.100.3"]
        assert list(await home.journal.unfinished(NOW)) == []

    play(scene, home)


@pytest.mark.parametrize(("port", "seconds"), [(80, 30), (22, 301), (22, 0)])
def test_the_hand_opens_only_what_its_own_policy_lets(port: int, seconds: int) -> None:
    programs = MemoryPrograms()
    only = frozenset({Service(Proto.TCP, 22)})
    hand = Hand(policy(stanza_with(cycle(), open_services=only)), programs)
    asked = cycles.Values(
        canonical(WHO), canonical(WHO), None, Service(Proto.TCP, port), 1, seconds
    )
    with pytest.raises(NotStartedError):
        hand.open(1, asked)
    with pytest.raises(NotStartedError):
        Hand(policy(terms()), programs).open(1, replace(asked, seconds=30))
    assert programs.runs == []


def test_the_hand_runs_no_command_where_there_are_none() -> None:
    programs = MemoryPrograms()
    with pytest.raises(NotAllowedError):
        Hand(policy(stanza_with(cycle())), programs).command(1, "id", lambda: None)
    assert programs.runs == []


# --- whatever happens, it is closed -----------------------------------------------------


def test_packets_made_to_be_called_alike_are_closed_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten digits are alike after a million tries; here all packets are from the beginning."""
    monkeypatch.setattr(granting, "SHORT", 0)

    async def scene(house: House) -> None:
        found = scene_of(house)
        assert await found.ask(f"{WHO},tcp/22") == ["granted"]
        assert await found.ask(f"{WHO},tcp/23") == ["granted"]
        assert len({each.id for each in await found.journal.unfinished(found.clock.now())}) == 2
        await found.wait(30)
        assert set(found.ran[2:]) == {f"close {WHO} 22", f"close {WHO} 23"}

    play(scene, Scene(stanza_with(cycle())))


def test_a_name_is_taken_until_the_journal_has_the_end_of_its_grant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(granting, "SHORT", 0)

    async def scene(house: House) -> None:
        found = scene_of(house)
        await found.ask()
        assert found.cycles.has("")
        found.clock.advance(30)
        found.cycles.expire()
        assert found.cycles.ledger.grant("") is None
        assert found.cycles.has("")
        await found.done()
        assert not found.cycles.has("")

    play(scene, Scene(stanza_with(cycle())))


def test_a_renewal_by_another_key_with_that_stanzas_number_now_is_none() -> None:
    async def scene(house: House) -> None:
        found = scene_of(house)
        for name in ("0123456789ab", "ba9876543210"):
            renewing = stanza_with(cycle(renews=True), key_names=(name,))
            await found.gate.take_policy(policy(renewing))
            assert await found.ask() == ["granted"]
        assert found.ran == [f"open {WHO} 22"] * 2
        await found.wait(30)
        assert found.ran[2:] == [f"close {WHO} 22"] * 2

    play(scene, Scene(stanza_with(cycle(renews=True))))


class _OutOfThreads:
    """What happens where the system lets nobody begin a thread any more."""

    def __init__(self, programs: MemoryPrograms) -> None:
        self.programs = programs
        self.left = 0

    def run(self, *args: Any, **more: Any) -> Completed:
        if self.left:
            self.left -= 1
            raise RuntimeError("can't start new thread")
        return self.programs.run(*args, **more)


def test_a_close_that_cannot_be_begun_takes_no_other_with_it() -> None:
    async def scene(house: House) -> None:
        found = scene_of(house)
        broken = _OutOfThreads(found.programs)
        found.closer._run = partial(close, broken)
        for port in (22, 23):
            assert await found.ask(f"{WHO},tcp/{port}") == ["granted"]
        broken.left = 1
        await found.wait(30)
        assert found.ran[2:] == [f"close {WHO} 23"]
        assert any("can't start new thread" in line for line in found.log)

    play(scene, Scene(stanza_with(cycle())))


def test_an_open_that_ends_in_something_unforeseen_is_told_and_closed_at_its_end() -> None:
    async def scene(house: House) -> None:
        found = scene_of(house)
        broken = _OutOfThreads(found.programs)
        broken.left = 1
        found.gate._hand = Hand(found.policy, broken)
        assert await found.ask() == ["open-command-failed"]
        await found.wait(30)
        assert found.ran == [f"close {WHO} 22"]

    play(scene, Scene(stanza_with(cycle())))
