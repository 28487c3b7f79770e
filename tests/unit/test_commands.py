"""Commands of callers: what is run of them, as whom, how many, and what is refused."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fwknopd_files import configure, fatal, remarks, stanza
from tests.sealing import sealed
from tests.unit.test_gate import House, play
from tests.values import NOW, policy, request, terms
from tests.vitals import open_in, zombies
from watchword.conformance.golden import load, payload_of
from watchword.dialects.fwknop.voice import Voice
from watchword.dialects.fwknop.voice_json import structured
from watchword.edges import patterns
from watchword.edges.programs import MemoryPrograms, SystemPrograms
from watchword.errors import HostError
from watchword.grant.commands import job
from watchword.grant.decide import authorise
from watchword.grant.permits import CommandPermit
from watchword.model.commands import Account, CommandTerms, Ran
from watchword.model.outcomes import CommandStarted, Judged, Refusal
from watchword.model.policy import Terms
from watchword.model.reasons import Reason
from watchword.model.requests import CommandWish
from watchword.ports import Completed, NotStartedError
from watchword.service.daemon.hand import Hand
from watchword.wire.spa.message import MessageType

SHELL = CommandTerms(shell=True)  # noqa: S604 - not a call of subprocess
NOBODY = Account("nobody", "nogroup", 65534, 65534)


def runs(number: int = 1, **more: object) -> Terms:
    return terms(number, commands=CommandTerms(**more))  # type: ignore[arg-type]  # whatever a test names


def packet_with(command: str, who: str = "198.51.100.2") -> bytes:
    return sealed(f"{who},{command}", type=MessageType.COMMAND)


class Scene(House):
    """A server whose programs are a list of answers."""

    def __init__(self, *stanzas: Terms, programs: MemoryPrograms | None = None) -> None:
        self.programs: Any = programs or MemoryPrograms()
        super().__init__(policy(*stanzas))

    def start(self) -> None:
        super().start()
        self.gate._hand = Hand(self.policy, self.programs)

    async def ask(self, *payloads: bytes) -> list[str]:
        """What became of packets, once every command has ended."""
        before = len(self.reporter.events)
        await self.take(*payloads)
        await self.gate.finish()
        while self.gate._commands.running:
            await asyncio.sleep(0.001)
        judged = [each for each in self.reporter.events[before:] if isinstance(each, Judged)]
        return ["ran" if each.ran else word(each) for each in judged]

    @property
    def argvs(self) -> list[tuple[str, ...]]:
        return [run.argv for run in self.programs.runs]

    @property
    def log(self) -> list[str]:
        voice = Voice()
        events = [*self.reporter.events]
        return [text for event in events for _, text in voice(event, False)]


def word(judged: Judged) -> str:
    if judged.grant is not None:
        return "granted"
    return judged.refusal.reason.word if judged.refusal else "nothing"


# --- words ------------------------------------------------------------------------------


@pytest.mark.requirement("10.13", partial=True)
@pytest.mark.parametrize(
    ("command", "argv"),
    [
        ("ping -c 1 192.0.2.1", ("ping", "-c", "1", "192.0.2.1")),
        ('echo "a b" c', ("echo", "a b", "c")),
        ("echo x & sleep 10; id", ("echo", "x", "&", "sleep", "10;", "id")),
        ("echo $HOME `id` $(id) | cat", ("echo", "$HOME", "`id`", "$(id)", "|", "cat")),
        ("\techo\t#x", ("echo", "#x")),
    ],
)
def test_without_a_shell_only_quotes_mean_anything(command: str, argv: tuple[str, ...]) -> None:
    assert job(CommandTerms(), command).argv == argv


def test_a_stanza_may_choose_a_shell() -> None:
    assert job(SHELL, "a & b").argv == ("/bin/sh", "-c", "a & b")


@pytest.mark.parametrize("shell", [False, True])
def test_what_a_caller_writes_comes_after_all_options_of_sudo(shell: bool) -> None:
    prefix = ("/usr/bin/sudo", "-n", "-u", "nobody", "--")
    argv = job(CommandTerms(prefix=prefix, shell=shell), "-u root id").argv
    assert argv[: len(prefix)] == prefix
    assert argv.index("--") < len(prefix)


@pytest.mark.parametrize("command", ['echo "a', "echo 'b", "", "   ", "''", "a\0b"])
@pytest.mark.parametrize("shell", [False, True])
def test_what_is_no_command_is_refused(command: str, shell: bool) -> None:
    if shell and command.strip() and "\0" not in command:
        return  # that is for the shell to say
    wish = replace(request(), wish=CommandWish(command))
    answer = authorise(policy(runs(shell=shell)), wish, NOW)
    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.COMMAND_UNREADABLE


# --- who may ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stanza_terms", "more", "reason"),
    [
        (terms(), {}, Reason.NO_COMMANDS),
        (replace(runs(), source_required=True), {"allow": None}, Reason.SOURCE_REQUIRED),
        (replace(runs(), users=frozenset({"bob"})), {}, Reason.WRONG_USER),
        (runs(), {"sent_at": int(NOW.wall) - 500}, Reason.TOO_OLD),
    ],
)
def test_rules_of_the_stanza_hold_for_commands(
    stanza_terms: Terms, more: dict[str, object], reason: Reason
) -> None:
    wish = replace(request(), wish=CommandWish("id"), **more)  # type: ignore[arg-type]
    answer = authorise(policy(stanza_terms), wish, NOW)
    assert isinstance(answer, Refusal)
    assert answer.reason is reason


def test_a_command_needs_no_address_that_could_be_let_in() -> None:
    """The original looks at it for REQUIRE_SOURCE_ADDRESS only."""
    wish = replace(request(source="2001:db8::9", allow=None), wish=CommandWish("id"))
    assert isinstance(authorise(policy(runs(), families=(4,)), wish, NOW), CommandPermit)


def test_a_stanza_that_opens_nothing_runs_commands_all_the_same() -> None:
    closed = replace(runs(), access=False)
    answer = authorise(policy(closed), request(), NOW)
    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.NO_ACCESS
    wish = replace(request(), wish=CommandWish("id"))
    assert isinstance(authorise(policy(closed), wish, NOW), CommandPermit)


# --- running ----------------------------------------------------------------------------


@pytest.mark.requirement("9.44", partial=True)
def test_a_command_runs_as_its_stanza_says_and_is_told_in_the_originals_words() -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        assert await house.ask(packet_with("id -u")) == ["ran"]
        [run] = house.programs.runs
        assert (run.argv, run.account) == (("id", "-u"), NOBODY)
        at = "[198.51.100.2] (stanza #1)"
        assert house.log == [
            "(stanza #1) SPA Packet from IP: 198.51.100.2 received with access source match",
            f"{at} Processing SPA Command message: command='id -u'.",
            f"{at} Running command 'id -u' setuid/setgid user/group to nobody/nogroup "
            "(UID=65534,GID=65534)",
            f"{at} CMD_EXEC: command returned 0, pid_status: 3",
            f"{at} CMD_EXEC: it said: alas",
        ]

    answers = MemoryPrograms([Completed(3, b"", b"alas\nmore\n")])
    play(scene, Scene(runs(account=NOBODY), programs=answers))


def test_a_program_that_is_not_there_is_told_as_the_original_tells_it() -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        assert await house.ask(packet_with("/nonexistent")) == ["command-not-started"]
        assert house.log[-3:] == [
            "run_extcmd(): execvpe() failed: no such thing",
            "run_extcmd(): execvp() failed: no such thing",
            "[198.51.100.2] (stanza #1) CMD_EXEC: command returned 0, pid_status: 255",
        ]

    play(scene, Scene(runs(), programs=MemoryPrograms([NotStartedError("no such thing")])))


def test_a_command_that_a_signal_ended_has_the_status_that_a_shell_would_show() -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        assert await house.ask(packet_with("crash")) == ["ran"]
        assert house.log[-1].endswith("CMD_EXEC: command returned 0, pid_status: 137")

    play(scene, Scene(runs(), programs=MemoryPrograms([Completed(-9, b"", b"")])))


def test_a_command_that_took_too_long_is_told_with_the_reason() -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        assert await house.ask(packet_with("sleep 99")) == ["ran"]
        assert "the command was ended: sleep: took longer" in house.log[-1]
        judged = next(each for each in house.reporter.events if isinstance(each, Judged))
        assert '"verdict":"ran"' in structured(judged)
        assert '"trouble":"sleep: took longer"' in structured(judged)

    play(scene, Scene(runs(), programs=MemoryPrograms([HostError("sleep: took longer")])))


def test_the_packet_of_a_command_is_spent_whatever_becomes_of_it() -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        fails, refused = packet_with("/nonexistent"), packet_with('echo "')
        assert await house.ask(fails) == ["command-not-started"]
        assert await house.ask(refused) == ["command-unreadable"]
        assert await house.ask(fails, refused) == ["replayed", "replayed"]
        assert len(house.programs.runs) == 1

    play(scene, Scene(runs(), programs=MemoryPrograms([NotStartedError("gone")])))


def test_a_dry_run_runs_nothing() -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        house.gate._dry_run = True
        await house.ask(packet_with("id"))
        assert house.programs.runs == []
        assert house.log[-1].endswith("--test mode enabled, skipping command execution.")

    play(scene, Scene(runs()))


class Slow(MemoryPrograms):
    """Programs that end when they are let."""

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
        assert self.go_on.wait(60)
        return answer


def test_a_bounded_number_runs_at_once_and_packets_do_not_wait_for_them() -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        assert isinstance(house.programs, Slow)
        house.gate._commands.at_once = 3
        refused = await house.take(*(packet_with(f"sleep {n}") for n in range(500)))
        assert refused == ["too-many-commands"] * 497
        assert await house.take(sealed()) == ["granted"]
        assert house.gate._commands.running == 3
        house.programs.go_on.set()
        while house.gate._commands.running:
            await asyncio.sleep(0.001)
        assert (
            len([each for each in house.reporter.events if isinstance(each, CommandStarted)]) == 3
        )
        assert await house.ask(packet_with("id")) == ["ran"]

    play(scene, Scene(runs(), programs=Slow()))


@pytest.mark.parametrize("asker", ["hand", "commands"])
def test_a_command_whose_key_is_blocked_before_it_starts_is_not_run(asker: str) -> None:
    """Between the decision and the start lies a thread, and the match of a CMD_REGEX."""

    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        assert isinstance(house.programs, Slow)
        blocked = set[str]()
        if asker == "hand":
            house.gate._hand = Hand(house.policy, house.programs, blocked.__contains__)
        else:
            house.gate._commands.blocked = blocked.__contains__
            house.gate._commands._threads = ThreadPoolExecutor(1)
        await house.take(packet_with("id 1"))
        if asker == "commands":  # the second one waits for a thread
            await house.take(packet_with("id 2"))
        while not house.programs.runs:
            await asyncio.sleep(0.001)
        blocked.add("the name of the key")
        house.programs.go_on.set()
        while house.gate._commands.running:
            await asyncio.sleep(0.001)
        told = [each for each in house.reporter.events if isinstance(each, Judged)]
        assert [word(each) for each in told if not each.ran] == ["key-blocked"]
        assert [argv[0] for argv in house.argvs].count("id") == (asker == "commands")

    pattern = ".*" if asker == "hand" else None
    keyed = replace(runs(pattern=pattern), key_names=("the name of the key",))
    play(scene, Scene(keyed, programs=Slow()))


@pytest.mark.requirement("7.13")
def test_five_hundred_commands_leave_no_zombie_and_no_descriptor() -> None:
    """In a process of its own: here, the children of other tests end when they like."""
    alone = f"from {__name__} import five_hundred_commands; five_hundred_commands()"
    subprocess.run([sys.executable, "-c", alone], cwd=Path(__file__).parents[2], check=True)


def five_hundred_commands() -> None:
    kinds = ("true", "false", "/nonexistent", "sh -c 'sleep 0.01 &'", "sh -c 'kill -9 $$'")

    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        before = open_in()
        for _ in range(20):
            verdicts = await house.ask(*(packet_with(kind) for kind in kinds * 5))
            assert sorted(set(verdicts)) == ["command-not-started", "ran"]
        assert len(house.reporter.events) >= 900
        assert zombies(os.getpid()) == []
        assert open_in() <= before + 40  # the threads' own, at the most

    play(scene, Scene(runs(), programs=SystemPrograms()))  # type: ignore[arg-type]  # real ones


# --- CMD_REGEX --------------------------------------------------------------------------


@pytest.mark.requirement("8.18", "9.44", partial=True)
def test_a_command_that_the_pattern_does_not_match_goes_to_the_next_stanza() -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        assert await house.ask(packet_with("reboot")) == ["ran"]
        assert house.argvs[-1] == ("reboot",)
        assert any("(stanza #1) Received a command, but CMD_REGEX did not" in x for x in house.log)
        assert await house.ask(packet_with("ping 192.0.2.1")) == ["ran"]

    answers = MemoryPrograms(
        [Completed(3, b"", b""), Completed(0, b"", b""), Completed(0, b"", b"")]
    )
    play(scene, Scene(runs(1, pattern="ping .*"), runs(2), programs=answers))


def test_a_command_that_no_stanza_lets_pass_is_not_run() -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        assert await house.ask(packet_with("reboot")) == ["command-not-allowed"]
        assert all(argv[0] != "reboot" for argv in house.argvs)

    play(scene, Scene(runs(pattern="ping .*"), programs=MemoryPrograms([Completed(3, b"", b"")])))


def test_a_command_that_cannot_be_checked_is_not_run() -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        assert await house.ask(packet_with("aaaa")) == ["command-not-checked"]
        assert all(argv[0] != "aaaa" for argv in house.argvs)

    play(scene, Scene(runs(pattern="(a+)+b"), programs=MemoryPrograms([HostError("too slow")])))


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("ping -c 1 [0-9.]+", "ping -c 1 192.0.2.1", True),
        ("ping", "ping; reboot", False),
        ("^ping", "ping x", False),
        ("ping|ping x", "ping x", True),
        ("p.ng\\Z", "ping\n", False),
        ("gr(ü|u)n", "grün", True),
    ],
)
def test_the_whole_command_has_to_match(pattern: str, text: str, fits: bool) -> None:
    assert patterns.fits(SystemPrograms(), pattern, text) is fits


def test_a_pattern_that_would_take_for_ever_is_given_up() -> None:
    with pytest.raises(HostError, match="longer than"):
        patterns.fits(SystemPrograms(), "(a+)+b", "a" * 60, seconds=0.3)


def test_a_pattern_that_is_none_matches_nothing() -> None:
    with pytest.raises(HostError, match="regular expression"):
        patterns.fits(SystemPrograms(), "(", "(")


# --- the file ---------------------------------------------------------------------------

ON = "ENABLE_CMD_EXEC Y\n"


def read(lines: str, config: str = "") -> CommandTerms | None:
    [found] = configure(config, stanza(lines)).policy.stanzas
    return found.commands


def test_commands_are_off_unless_switched_on() -> None:
    assert read("") is None
    assert read("ENABLE_CMD_EXEC N\nCMD_EXEC_USER nobody\n") is None


@pytest.mark.parametrize(
    ("lines", "account"),
    [
        ("", None),
        ("CMD_EXEC_USER nobody\n", Account("nobody", "nobody", 65534, 65534)),
        ("CMD_EXEC_USER nobody\nCMD_EXEC_GROUP root\n", Account("nobody", "root", 65534, 0)),
        ("CMD_EXEC_USER nobody\nCMD_EXEC_GROUP nogroup\n", NOBODY),
        (
            "CMD_EXEC_USER nobody\nCMD_EXEC_GROUP nobody\n",
            Account("nobody", "nobody", 65534, 65534),
        ),
        ("CMD_EXEC_USER root\n", Account("root", "root", 0, 0)),
    ],
)
def test_whom_commands_run_as(lines: str, account: Account | None) -> None:
    found = read(ON + lines)
    assert found is not None
    assert found.account == account


@pytest.mark.parametrize(
    ("lines", "prefix"),
    [
        ("ENABLE_CMD_SUDO_EXEC N\nCMD_SUDO_EXEC_USER nobody\n", ()),
        ("ENABLE_CMD_SUDO_EXEC Y\n", ("/usr/bin/sudo", "-n", "--")),
        (
            "ENABLE_CMD_SUDO_EXEC Y\nCMD_SUDO_EXEC_USER nobody\nCMD_SUDO_EXEC_GROUP root\n",
            ("/usr/bin/sudo", "-n", "-u", "nobody", "-g", "root", "--"),
        ),
    ],
)
def test_commands_may_go_through_sudo(lines: str, prefix: tuple[str, ...]) -> None:
    found = read(ON + lines)
    assert found is not None
    assert found.prefix == prefix


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("CMD_EXEC_USER gone", "Unable to determine UID for CMD_EXEC_USER: Not a user on this"),
        ("CMD_EXEC_GROUP gone", "Unable to determine GID for CMD_EXEC_GROUP: Not a group on this"),
        ("ENABLE_CMD_SUDO_EXEC Y\nCMD_SUDO_EXEC_USER gone", "UID for CMD_SUDO_EXEC_USER"),
        ("ENABLE_CMD_SUDO_EXEC Y\nCMD_SUDO_EXEC_GROUP gone", "GID for CMD_SUDO_EXEC_GROUP"),
        ("CMD_REGEX (", "CMD_REGEX is '(', which is no regular expression"),
        ("CMD_REGEXP id", "did you mean CMD_REGEX?"),
        ("CMD_EXEC_USR nobody", "did you mean CMD_EXEC_USER?"),
    ],
)
def test_what_would_run_more_or_as_somebody_else_keeps_the_daemon_from_starting(
    line: str, told: str
) -> None:
    [said] = fatal("", stanza(f"{ON}{line}\n"))
    assert told in said
    assert "access.conf:" in said
    assert "(" in said


def test_commands_that_would_run_as_root_are_remarked_on() -> None:
    [said] = remarks("", stanza(ON))
    assert "mostly root" in said
    assert remarks("", stanza(f"{ON}CMD_EXEC_USER nobody\nCMD_EXEC_GROUP nogroup\n")) == []


def test_the_group_of_a_user_is_told_in_the_originals_words() -> None:
    [said] = remarks("", stanza(f"{ON}CMD_EXEC_USER nobody\n"))
    assert (
        "Setting gid to group associated with CMD_EXEC_USER 'nobody' for setgid() execution "
        "in stanza source: 'ANY'"
    ) in said


@pytest.mark.parametrize(
    ("config", "seconds"),
    [
        ("", 30),
        ("CMD_EXEC_TIMEOUT 7\n", 7),
        ("PCAP_CMD_TIMEOUT 10\n", 10),
        ("CMD_EXEC_TIMEOUT 0\n", 30),
    ],
)
def test_how_long_a_command_may_take(config: str, seconds: float) -> None:
    found = read(ON, config)
    assert found is not None
    assert found.seconds == seconds


def test_how_many_commands_run_at_once() -> None:
    assert configure("").settings.commands_at_once == 32
    assert configure("MAX_COMMANDS 5\n").settings.commands_at_once == 5


def test_a_stanza_for_commands_only_hides_nothing_and_needs_no_list_of_ports() -> None:
    text = f"SOURCE ANY\n{stanza('').partition(chr(10))[2].replace('OPEN_PORTS tcp/22', '')}"
    found = configure("", f"{text}{ON}DISABLE_FW_ACCESS Y\n")
    assert found.settings.firewall.guarded == ()
    assert not found.policy.stanzas[0].access


def test_what_a_command_said_is_in_no_structured_line() -> None:
    wish = replace(request(), wish=CommandWish("id --secret"))
    judged = Judged(wish.packet, NOW.wall, (), wish, ran=Ran(1, 0.25, said="a secret"))
    line = structured(judged)
    assert '"verdict":"ran","stanzas_tried":1,"took":0.25,"status":1' in line
    assert "secret" not in line


@pytest.mark.requirement("8.18")
@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "commands-not-enabled"),
        (f"{ON}CMD_REGEX uname -a\nREQUIRE_USERNAME mbr\n", "ran"),
        (f"{ON}CMD_REGEX uname\n", "command-not-allowed"),
        (f"{ON}REQUIRE_USERNAME root\n", "wrong-user"),
    ],
)
def test_a_command_of_the_perl_client_is_judged_by_the_stanza(lines: str, said: str) -> None:
    """Its packet for ``uname -a``, from a user mbr, as it was recorded."""
    [vector] = [each for each in load("perl19") if each["id"] == "perl-cmd"]
    text = "SOURCE: ANY;\nKEY: fwknoptest000000;\nENCRYPTION_MODE: legacy;\nOPEN_PORTS: tcp/22;\n"
    loaded = configure("ENABLE_SPA_PACKET_AGING N\n", text + lines)
    house = Scene()
    house.policy, house.programs = loaded.policy, SystemPrograms()
    house.start()

    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        assert await house.ask(payload_of(vector)) == [said]

    play(scene, house)
    if said == "ran":
        [judged] = [each for each in house.reporter.events if isinstance(each, Judged)]
        assert judged.ran is not None
        assert judged.ran.status == 0
