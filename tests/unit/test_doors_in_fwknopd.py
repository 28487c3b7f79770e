"""Doors as part of fwknopd: how their file is read, and what the hand opens and runs for them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.fwknopd_files import STANZA
from tests.values import NOW
from watchword.dialects.fwknop import server_options, voice_doors
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.translate import Configuration, load
from watchword.edges.clock import FakeClock
from watchword.edges.debts import NAME, Debts
from watchword.errors import OperatorError
from watchword.grant import warrants
from watchword.model.door_events import ServicesOpened, Told
from watchword.model.doors import Progress, Step
from watchword.model.openings import Grant, Hole, Lead, Opening
from watchword.model.orders import CloseByCommand, OpenDoor, UseUp, Wanted
from watchword.model.outcomes import Knocked
from watchword.model.services import Service
from watchword.model.settings import Settings
from watchword.ports import Completed, ForbiddenError
from watchword.service.apart.counter import Counter
from watchword.service.apart.licences import Licences
from watchword.service.apart.workshop import Tools, Workshop
from watchword.service.daemon.restraint import is_overheard

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
