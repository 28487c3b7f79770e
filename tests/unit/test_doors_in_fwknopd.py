"""Doors as part of fwknopd: how their file is read, and what the hand opens and runs for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.fwknopd_files import STANZA
from tests.values import NOW
from watchword.dialects.fwknop import server_options, voice_doors
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.translate import Configuration, load
from watchword.dialects.knockd import voice
from watchword.edges.clock import FakeClock
from watchword.edges.debts import NAME, Debts
from watchword.edges.firewall.memory import EVERYTHING, MemoryFirewall
from watchword.edges.firewall.nft import doors as kernel
from watchword.edges.replay.memory import MemoryJournal, MemoryReplayStore
from watchword.edges.report.lines import MemoryReporter
from watchword.errors import HostError, OperatorError
from watchword.grant import warrants
from watchword.model.door_events import Noise, ServicesOpened, Told
from watchword.model.doors import KernelOpening, KernelStep, OpenServices, Progress, Step
from watchword.model.openings import Feature, Grant, Hole, Lead, Opening
from watchword.model.orders import CloseByCommand, OpenDoor, UseUp, Wanted
from watchword.model.outcomes import Knocked
from watchword.model.services import Service
from watchword.model.settings import Settings
from watchword.ports import Completed, ForbiddenError
from watchword.recognise import kernel_doors
from watchword.recognise.kernel_doors import KernelAttempts
from watchword.service.apart.counter import Counter
from watchword.service.apart.licences import Licences
from watchword.service.apart.workshop import Tools, Workshop
from watchword.service.daemon import doors as doors_of_fwknopd
from watchword.service.daemon.assembly import fitted
from watchword.service.daemon.doors import Doors
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.means import ourselves
from watchword.service.daemon.restraint import is_overheard
from watchword.service.knock.door_grants import DoorGrants
from watchword.service.knock.kernel import KernelDoors
from watchword.service.knock.sparing import BURST
from watchword.service.tool import command as tool

SSH = Service.parse("tcp/2222")
CALLER, OTHER = ip_address("198.51.100.2"), ip_address("198.51.100.3")
DOORS = """[options]
Interface = eth0
[ssh]
sequence = 7000,9000,8000
open = tcp/2222
cmd_timeout = 60
[run]
sequence = 7001,9001
start_command = open %IP%
stop_command = close %IP%
cmd_timeout = 20
"""


def configured(doors: str = DOORS, settings: str = "", **texts: str) -> Configuration:
    files = {"/f": f"KNOCKD_CONF /doors\n{settings}\n", "/a": STANZA, "/doors": doors, **texts}
    return load(Sources.of(files), server_options.parse(["-c", "/f", "-a", "/a"]))


def refused(doors: str, settings: str = "") -> list[str]:
    with pytest.raises(OperatorError) as caught:
        configured(doors, settings)
    return [str(each) for each in caught.value.complaints]


def test_the_doors_of_the_file_are_part_of_the_policy_and_what_they_open_is_hidden() -> None:
    found = configured()
    assert found.knocking is not None
    assert [each.name for each in found.policy.doors] == ["ssh", "run"]
    assert found.knocking.settings.interfaces == ("eth0",)
    assert "/doors" in found.files
    assert SSH in found.settings.firewall.guarded
    assert set(configured("").settings.firewall.guarded) < set(found.settings.firewall.guarded)
    assert found.complaints == ()


def test_what_is_wrong_with_the_doors_is_refused_with_their_file_and_line() -> None:
    said, *_ = refused(DOORS.replace("8000", "80000"))
    assert said.startswith("/doors:3: ")
    assert "port 80000 is invalid" in said
    [said] = refused(DOORS.replace("tcp/2222", "udp/62201"), "ENABLE_UDP_SERVER Y")
    assert "would hide udp/62201, the port that packets come to" in said


def test_a_file_of_doors_that_is_not_there_is_refused() -> None:
    files = {"/f": "KNOCKD_CONF /nowhere\n", "/a": STANZA}
    with pytest.raises(OperatorError, match="/nowhere"):
        load(Sources.of(files), server_options.parse(["-c", "/f", "-a", "/a"]))


def test_what_fwknopd_says_itself_is_remarked_on_in_the_file_of_doors() -> None:
    text = DOORS.replace("[options]\n", "[options]\nLogFile = /l\nStateDir = /s\nNftTable = t\n")
    [said] = map(str, configured(text).complaints)
    assert "LogFile, StateDir, NftTable below [options]" in said


def test_a_one_time_door_has_the_first_sequence_of_its_own_file() -> None:
    door = "[once]\none_time_sequences = /sheet\nopen = tcp/2222\n"
    found = configured(door, **{"/sheet": "#1,2\n 3,4\n"})
    assert found.policy.doors[0].sequence == (Service.parse("tcp/3"), Service.parse("tcp/4"))
    with pytest.raises(OperatorError, match="/sheet"):
        configured(door)


# --- what the hand allows ----------------------------------------------------------


def wanted(seconds: float = 60.0, *, door: str = "ssh", **more: Any) -> Wanted:
    hole = Hole(CALLER, SSH)._replace(**more)
    return Wanted(Opening(hole, NOW.steady + seconds), 0, CALLER, door)


def test_the_hand_opens_for_knockers_what_a_door_opens_for_as_long_and_no_more() -> None:
    policy = configured().policy
    assert warrants.against(policy, wanted(), NOW) == ""
    assert "more than the 60" in warrants.against(policy, wanted(61.0), NOW)
    assert "no such door" in warrants.against(policy, wanted(door="other"), NOW)
    assert "no such door" in warrants.against(policy, wanted(door="run"), NOW)
    other = Service.parse("tcp/23")
    assert "no such door" in warrants.against(policy, wanted(service=other), NOW)
    assert "no such door" in warrants.against(policy, wanted(lead=Lead(None, 22)), NOW)
    assert "knocked for" in warrants.against(policy, wanted(who=OTHER), NOW)
    assert warrants.against(policy, wanted(destination=OTHER), NOW)
    bare = replace(policy, families=(6,))
    assert "no chain passes IPv4" in warrants.against(bare, wanted(), NOW)
    barred = replace(policy, blacklist=(ip_network("198.51.100.0/24"),))
    assert "blacklisted" in warrants.against(barred, wanted(), NOW)
    limited = replace(policy, destination_rule=True)
    assert warrants.against(limited, wanted(), NOW)
    assert warrants.against(limited, wanted(destination=OTHER), NOW) == ""


class Ran:
    """What runs nothing, and remembers it."""

    def __init__(self) -> None:
        self.argv: list[tuple[str, ...]] = []

    def run(self, argv: tuple[str, ...], **_: object) -> Completed:
        self.argv.append(tuple(argv))
        return Completed(0, b"", b"")

    def end(self) -> None:
        """Nothing runs."""


class Bench:
    """A workshop and a counter that go by the doors above."""

    def __init__(self, folder: Any, doors: str = DOORS, **texts: str) -> None:
        clock = FakeClock(*NOW)
        rules = SimpleNamespace(policy=configured(doors, **texts).policy)
        rules.settings, rules.firewall = Settings(), None
        book: Any = SimpleNamespace(now=rules, coming=None, of=lambda number: rules)
        self.debts = Debts(folder / NAME, "boot", clock.now())
        self.commands, self.closing = Ran(), Ran()
        tools = Tools(*(cast("Any", each) for each in (self.commands, self.closing, Ran(), Ran())))
        reporter: Any = SimpleNamespace(report=lambda outcome: None)
        self.workshop = Workshop(
            book, self.debts, tools, reporter, clock,
            answer=lambda answer: None, licences=Licences(clock),
        )  # fmt: skip
        self.counter = Counter(book, clock)


def test_the_hand_spells_a_doors_commands_itself_and_owes_what_closes(tmp_path: Any) -> None:
    bench = Bench(tmp_path)
    bench.workshop._done(1, OpenDoor(2, CALLER, 0))
    assert bench.commands.argv == [("open", str(CALLER))]
    assert len(bench.debts) == 1
    bench.workshop._done(2, CloseByCommand(("close", str(CALLER))))
    assert bench.closing.argv == [("close", str(CALLER))]
    assert len(bench.debts) == 0
    with pytest.raises(ForbiddenError, match="runs no commands"):
        bench.workshop._done(3, OpenDoor(1, CALLER, 0))
    with pytest.raises(ForbiddenError, match="runs no commands"):
        bench.workshop._done(4, OpenDoor(3, CALLER, 0))
    with pytest.raises(ForbiddenError, match="not one host"):
        bench.workshop._done(5, OpenDoor(2, ip_address("224.0.0.1"), 0))
    assert len(bench.commands.argv) == 1


def test_the_hand_marks_only_what_a_door_says_it_may(tmp_path: Any) -> None:
    sheet = tmp_path / "sheet"
    sheet.write_text(" 3,4\n 5,6\n", "ascii")
    once = f"[once]\none_time_sequences = {sheet}\nopen = tcp/2222\n{DOORS}"
    bench = Bench(tmp_path, once, **{str(sheet): sheet.read_text("ascii")})
    used = (Service.parse("tcp/3"), Service.parse("tcp/4"))
    opens, waiting, told = bench.counter.serve(UseUp(1, used, 0))[0]
    assert (opens, sheet.read_text("ascii")) == (True, "#3,4\n 5,6\n")
    assert waiting == (Service.parse("tcp/5"), Service.parse("tcp/6"))
    assert [type(each).__name__ for each in told] == ["SequenceTaken"]
    assert bench.counter.serve(UseUp(1, used, 0))[0][0] is False
    with pytest.raises(ForbiddenError):
        bench.counter.serve(UseUp(2, used, 0))


# --- what is told --------------------------------------------------------------------


def test_an_opened_door_has_one_structured_line_and_a_stage_none() -> None:
    door = configured().policy.doors[0]
    grant = Grant(
        "ab", 0, "ssh", CALLER, CALLER, (SSH,), None, NOW.wall, NOW.wall + 60, NOW.steady + 60,
        key="door ssh",
    )  # fmt: skip
    fields = voice_doors.fields_of(Knocked(ServicesOpened("ssh", grant), NOW.wall))
    assert (fields["door"], fields["verdict"], fields["seconds"]) == ("ssh", "granted", 60)
    assert grant.door == "ssh"
    stage = Knocked(Told(Progress(Step.ADVANCED, door, CALLER, 1, 3)), NOW.wall)
    assert voice_doors.structured(stage) == ""
    assert [text for _, text in voice_doors.lines(stage)] == [f"{CALLER}: ssh: Stage 1"]
    assert is_overheard(stage)
    assert not is_overheard(Knocked(ServicesOpened("ssh", grant), NOW.wall))


def test_a_door_that_is_knocked_at_again_is_told_with_the_time_that_is_left_and_is_nobody() -> None:
    async def scene() -> None:
        clock = FakeClock(*NOW)
        firewall = MemoryFirewall(clock)
        firewall.prepare()
        enforcer = Enforcer(firewall, MemoryJournal("boot"), MemoryReporter(), clock)
        told: list[Any] = []
        grants = DoorGrants(enforcer, told.append, clock)
        door = configured().policy.doors[0]
        assert isinstance(door.action, OpenServices)
        await grants.open(door, door.action, CALLER, None)
        clock.advance(11)
        await grants.open(door, door.action, CALLER, None)
        seconds = door.action.seconds
        lines = [text for each in told for _, text in voice.lines(each)]
        assert lines == [f"{CALLER}: ssh: opened tcp/2222 for {seconds} seconds"] * 2
        assert enforcer.crowd.people(CALLER, clock.now()).names == ()

    asyncio.run(scene())


# --- doors of the kernel ------------------------------------------------------------

FAST = """[fast]
sequence = 7000,9000,8000
kernel = yes
open = tcp/2222
"""


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("open = tcp/2222|start_command = id", "it runs no commands"),
        ("open = tcp/2222|close = tcp/22", "Close"),
        ("open = tcp/2222|seq_timeout = 5", "there is nothing that it opens"),
        ("sequence = 7000,9000,8000|one_time_sequences = /sheet", "one-time sequence"),
        (f"sequence = 7000,9000,8000|secret = {'QUJD' * 8}", "follows from a secret"),
        ("[fast]|[fast]\nmax_failures = 3/60", "does not count who failed"),
        ("[fast]|[fast]\ntcpflags = syn,!syn", "no packet has the flags"),
        ("[fast]|[fast]\nseq_timeout = 0", "no time for its sequence"),
    ],
)
def test_what_needs_a_program_is_refused_to_the_kernel_with_the_reason(line: str, why: str) -> None:
    before, _, after = line.partition("|")
    said = [each for each in refused(FAST.replace(before, after)) if "by the kernel" in each]
    assert any(why in each for each in said), said
    assert all(each.startswith("/doors:") for each in said)


def test_the_kernel_follows_doors_in_the_guard_of_nftables_only() -> None:
    assert [each.name for each in configured(FAST).settings.firewall.doors] == ["fast"]
    assert "only a guard in nftables" in refused(FAST, "FIREWALL_BACKEND iptables")[0]
    jump = "FIREWALL_ATTACH jump\nNFT_JUMP_FROM inet filter input"
    assert "only a guard in nftables" in refused(FAST, jump)[0]
    assert any("ENABLE_DESTINATION_RULE" in e for e in refused(FAST, "ENABLE_DESTINATION_RULE Y"))
    barred = configured(FAST, "BLACKLIST 192.0.2.0/24").settings.firewall
    assert barred.door_barred == (ip_network("192.0.2.0/24"),)


def test_a_policy_whose_doors_the_kernel_cannot_follow_starts_nothing() -> None:
    policy = configured(FAST).policy
    with pytest.raises(OperatorError, match="cannot be followed by the kernel"):
        fitted(policy, "memory", EVERYTHING - {Feature.KERNEL_DOORS})
    assert fitted(policy, "memory", EVERYTHING).doors == policy.doors


def test_other_doors_have_other_names_in_the_kernel() -> None:
    one = configured(FAST).settings.firewall
    names = {each.name for each in kernel.chains(one)}
    for other in (
        configured(FAST.replace("7000", "7001")).settings.firewall,
        configured(f"[options]\nInterface = eth1\n{FAST}").settings.firewall,
        configured(FAST, "BLACKLIST 192.0.2.0/24").settings.firewall,
    ):
        assert names.isdisjoint(each.name for each in kernel.chains(other))
        assert set(kernel.sets(one)).isdisjoint(kernel.sets(other))
    assert {
        each.name for each in kernel.chains(configured(f"\n\n{FAST}").settings.firewall)
    } == names


def test_what_the_kernel_tells_is_told_with_the_ends_that_it_does_not_tell() -> None:
    [door] = configured(
        FAST.replace("open", "seq_timeout = 5\nstep_timeout = 2\nopen")
    ).policy.doors
    attempts = KernelAttempts([door])
    one, two = CALLER.packed, OTHER.packed

    def heed(source: bytes, stage: int, now: float) -> tuple[Step, int]:
        progress = attempts.heed(KernelStep(1, source, stage), now)
        assert progress is not None
        return progress.step, progress.stage

    assert attempts.next_deadline() is None
    assert heed(one, 1, 10.0) == (Step.ADVANCED, 1)
    assert heed(two, 1, 11.0) == (Step.ADVANCED, 1)
    assert attempts.next_deadline() == 12.0
    assert heed(one, 2, 11.5) == (Step.ADVANCED, 2)
    assert [(e.step, e.source, e.stage) for e in attempts.expire(13.0)] == [
        (Step.TIMED_OUT, OTHER, 1)
    ]
    assert heed(one, 0, 13.1) == (Step.SPOILT, 2)
    assert attempts.expire(99.0) == []
    assert heed(one, 3, 100.0) == (Step.ADVANCED, 3)  # lines before it were lost
    assert attempts.next_deadline() is None
    assert attempts.heed(KernelStep(7, one, 1), 100.0) is None


def test_of_attempts_that_the_kernel_tells_the_oldest_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kernel_doors, "MOST", 2)
    attempts = KernelAttempts(configured(FAST).policy.doors)
    for number in (1, 2, 3):
        attempts.heed(KernelStep(1, ip_address(f"192.0.2.{number}").packed, 1), float(number))
    assert [str(each.source) for each in attempts.expire(99.0)] == ["192.0.2.2", "192.0.2.3"]


def test_whom_the_kernel_let_in_becomes_a_grant_with_the_end_that_it_has() -> None:
    async def scene() -> None:
        clock = FakeClock(*NOW)
        firewall, reporter = MemoryFirewall(clock), MemoryReporter()
        firewall.prepare()
        enforcer = Enforcer(firewall, MemoryJournal("boot"), reporter, clock)
        told: list[Any] = []
        grants = DoorGrants(enforcer, told.append, clock, numbered=False)
        followed = KernelDoors(
            cast("Any", None), enforcer, grants, told.append, clock=clock,
            barred=lambda who: "barred" if who == OTHER else "",
        )  # fmt: skip
        followed.take_up(configured(FAST).policy.doors)
        firewall.let_in = [
            KernelOpening(1, "fast", CALLER, 7.2),
            KernelOpening(1, "fast", OTHER, 7.2),
            KernelOpening(2, "another", CALLER, 7.2),
        ]
        await followed.take_over()
        [grant] = enforcer.ledger.grants()
        assert (grant.door, grant.who, grant.until - NOW.steady) == ("fast", CALLER, 8.0)
        assert [each.name for each in firewall.let_in] == ["another"]  # of a door that is not there
        assert [type(each).__name__ for each in told] == ["Trouble", "ServicesOpened"]
        await enforcer.rest()
        assert firewall.resting

    asyncio.run(scene())


# --- what people are told ---------------------------------------------------------------


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """A command of watchword's on files with the doors above; its status, and what it says."""
    doors = DOORS.replace("eth0", "lo") + FAST.replace("7000", "7007")
    (tmp_path / "doors").write_text(doors, "ascii")
    settings = f"KNOCKD_CONF {tmp_path}/doors\nBLACKLIST 192.0.2.66\nSTATE_DIR {tmp_path}/state\n"
    (tmp_path / "f").write_text(settings, "ascii")
    (tmp_path / "a").write_text(STANZA, "ascii")
    for each in tmp_path.iterdir():
        each.chmod(0o600)

    def run(*words: str) -> tuple[int, str]:
        status = tool.run([*words, "-c", str(tmp_path / "f"), "-a", str(tmp_path / "a")])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def test_the_check_of_a_configuration_looks_at_its_doors(
    command: Callable[..., tuple[int, str]],
) -> None:
    status, said = command("check")
    assert status == 0
    assert "[ssh]: one of 6 scans of all ports in random order opens it" in said
    assert "3 knocks, within 25 s, opens tcp/2222 for 60 seconds\n" in said
    assert "2 knocks, within 25 s, has a command run, and another one 20 seconds later" in said
    assert "opens tcp/2222 for 10 seconds, followed by the kernel" in said
    assert "9000" not in said.replace("/9000", "")  # sequences are secrets


def test_knocks_are_explained_step_by_step(command: Callable[..., tuple[int, str]]) -> None:
    status, said = command("explain", "--knocks", "7000,9000,8000")
    assert (status, said.splitlines()) == (0, [
        "tcp/7000: ssh: right, 1 of 3", "tcp/9000: ssh: right, 2 of 3",
        "tcp/8000: ssh: right, 3 of 3", "door ssh opens tcp/2222 for 60 seconds",
    ])  # fmt: skip
    status, said = command("explain", "--knocks", "7000,7001,5:udp,7007,9000,8000")
    assert status == 0
    assert said.splitlines()[1:3] == [
        "tcp/7001: ssh: spoilt after 1 right ones",
        ("udp/5: no door minds it"),
    ]
    assert (
        said.splitlines()[-1] == "door fast opens tcp/2222 for 10 seconds, followed by the kernel"
    )
    status, said = command("explain", "--json", "--knocks", "7000,8000")
    told = json.loads(said)
    assert (status, told["opened"]) == (1, [])
    assert told["knocks"][1]["doors"] == [{"door": "ssh", "step": "spoilt", "stage": 1, "of": 3}]
    whole = "7000,9000,8000"
    assert command("explain", "--knocks", whole, "-d", "192.0.2.9")[0] == 0
    status, said = command("explain", "--knocks", whole, "-s", "192.0.2.66")
    assert (status, said.splitlines()[-1]) == (1, "nothing is opened: 192.0.2.66 is blacklisted")
    assert command("explain", "--knocks", "7000,x")[0] != 0
    assert command("explain", "--knocks", "7000", "-s", "here")[0] != 0


def test_spoilt_attempts_are_for_debuggers_and_floods_are_counted() -> None:
    async def scene() -> None:
        clock, reporter = FakeClock(*NOW), MemoryReporter()
        debugging = False
        enforcer = Enforcer(MemoryFirewall(clock), MemoryJournal("boot"), reporter, clock)
        doors = Doors(
            reporter, clock, ourselves(), enforcer, journal=MemoryJournal("boot"),
            keys=MemoryReplayStore(), dry_run=False, debugging=lambda: debugging,
        )  # fmt: skip
        door = configured().policy.doors[0]
        doors._tell(Told(Progress(Step.SPOILT, door, CALLER, 1, 3)))
        assert reporter.events == []
        debugging = True
        doors._tell(Told(Progress(Step.SPOILT, door, CALLER, 1, 3)))
        assert len(reporter.events) == 1
        for _ in range(BURST + 50):
            doors._tell(Told(Progress(Step.ADVANCED, door, CALLER, 1, 3)))
        assert len(reporter.events) == BURST
        await doors.stop(0.0)
        assert Knocked(Noise(51), NOW.wall) in reporter.events

    asyncio.run(scene())


def test_a_used_sequence_is_not_waited_for_again_when_an_interface_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What listens then is given the doors as they wait by now."""
    heard: list[list[tuple[Service, ...]]] = []

    class Listens:
        def __init__(self, *_: object, **__: object) -> None:
            self.take_up = lambda doors: heard.append([each.sequence for each in doors])

        def close(self) -> None:
            """Nothing is open."""

        def forget(self) -> None:
            """Nothing has come."""

        async def listen(self) -> None:
            raise HostError("it is gone")

    async def scene() -> None:
        clock, reporter = FakeClock(*NOW), MemoryReporter()
        enforcer = Enforcer(MemoryFirewall(clock), MemoryJournal("boot"), reporter, clock)
        after = (Service.parse("tcp/5"), Service.parse("tcp/6"))
        means = replace(
            ourselves(), use_up=lambda door, tell: (True, replace(door, sequence=after))
        )
        doors = Doors(
            reporter, clock, means, enforcer, journal=MemoryJournal("boot"),
            keys=MemoryReplayStore(), dry_run=False,
        )  # fmt: skip
        monkeypatch.setattr(doors_of_fwknopd, "Listener", Listens)
        monkeypatch.setattr(doors_of_fwknopd, "_AGAIN", 0.0)
        once = "[once]\none_time_sequences = /sheet\nopen = tcp/2222\n"
        configuration = configured(once, **{"/sheet": " 3,4\n 5,6\n"})
        doors.take_over(doors.prepare(configuration), configuration.policy)
        doors._used_up(configuration.policy.doors[0])
        listening = asyncio.ensure_future(doors.listen())
        while len(heard) < 2:
            await asyncio.sleep(0)
        listening.cancel()

    asyncio.run(scene())
    assert heard[:2] == [[services("tcp/3 tcp/4")], [services("tcp/5 tcp/6")]]


def services(text: str) -> tuple[Service, ...]:
    return tuple(map(Service.parse, text.split()))
