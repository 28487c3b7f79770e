"""Named actions: how they are declared, what fits them, and what is run of them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fwknopd_files import configure, fatal, remarks, stanza
from tests.unit.test_commands import Scene, packet_with
from tests.unit.test_gate import House, play
from tests.values import NOW, policy, request, terms
from watchword.dialects.fwknop.explain_words import terms_in_words
from watchword.edges import patterns
from watchword.edges.programs import MemoryPrograms, SystemPrograms
from watchword.errors import HostError
from watchword.grant.actions import UnfitError, job, named
from watchword.grant.decide import authorise
from watchword.grant.permits import CommandPermit
from watchword.model.actions import Action, Argument, Kind
from watchword.model.commands import Account, CommandTerms, CycleTerms
from watchword.model.outcomes import Refusal
from watchword.model.requests import CommandWish
from watchword.model.templates import Template
from watchword.ports import Completed
from watchword.service.daemon.hand import Hand, NotAllowedError
from watchword.service.explain import checked

NOBODY = Account("nobody", "nogroup", 65534, 65534)
FILE = """\
ACTION            wake
ACTION_RUN        /usr/bin/wakeonlan -i 192.0.2.255 $MAC
ACTION_ARGUMENT   MAC word [0-9a-f]{2}(:[0-9a-f]{2}){5}
ACTION_USER       nobody
ACTION_GROUP      nogroup
ACTION_TIMEOUT    10

ACTION            lamp
ACTION_RUN        /usr/local/bin/lamp "--level=${LEVEL}%" --where $WHERE $HOST:$PORT
ACTION_ARGUMENT   LEVEL number -10 100
ACTION_ARGUMENT   WHERE one-of hall door
ACTION_ARGUMENT   HOST address
ACTION_ARGUMENT   PORT port
ACTION_USER       nobody
"""
DECLARED = "ACTIONS_FILE /actions.conf\n"
MACHINE = {"/usr/bin/wakeonlan": "", "/usr/local/bin/lamp": ""}
WAKE = Action(
    "wake",
    (("/usr/bin/wakeonlan",), (Argument("MAC", Kind.WORD, pattern="[0-9a-f:]+"),)),
    (Argument("MAC", Kind.WORD, pattern="[0-9a-f:]+"),),
    NOBODY,
    10.0,
)
EVERY_KIND = {
    Kind.ADDRESS: Argument("A", Kind.ADDRESS),
    Kind.IPV4: Argument("A", Kind.IPV4),
    Kind.IPV6: Argument("A", Kind.IPV6),
    Kind.PORT: Argument("A", Kind.PORT, 1, 65535),
    Kind.NUMBER: Argument("A", Kind.NUMBER, -5, 100),
    Kind.CHOICE: Argument("A", Kind.CHOICE, choices=("desktop", "-v")),
    Kind.WORD: Argument("A", Kind.WORD, pattern=".*"),
}


def loaded(actions: str, *, lists: str = "") -> tuple[Action, ...]:
    access = stanza(f"ACTIONS {lists}\n" if lists else "")
    configuration = configure(DECLARED, access, **{"/actions_conf": actions}, **MACHINE)
    return configuration.policy.stanzas[0].actions


def wrong(actions: str) -> list[str]:
    return fatal(DECLARED, stanza(""), **{"/actions_conf": actions}, **MACHINE)


def action_of(argument: Argument) -> Action:
    return Action("do", (("/bin/do",), (argument,)), (argument,))


# --- declaring them -----------------------------------------------------------------------


def test_a_file_declares_them_and_a_stanza_lists_those_that_its_callers_may_run() -> None:
    [lamp, wake] = loaded(FILE, lists="lamp, wake")
    assert (wake.usage, wake.account, wake.seconds) == ("wake MAC", NOBODY, 10.0)
    assert lamp.seconds == 30.0
    assert lamp.words[1:3] == (("--level=", lamp.arguments[0], "%"), ("--where",))
    assert lamp.words[4] == (lamp.arguments[2], ":", lamp.arguments[3])
    assert loaded(FILE) == ()


@pytest.mark.parametrize(
    ("actions", "said"),
    [
        ("ACTION_RUN /bin/true\n", "ACTION_RUN stands before the first ACTION"),
        ("ACTION wake\n", "action wake has no ACTION_RUN"),
        ("ACTION close\nACTION_RUN /bin/true\n", "'close' is no name for an action"),
        ("ACTION a b\nACTION_RUN /bin/true\n", "'a b' is no name for an action"),
        ("ACTION a\nACTION_RUN true\n", "does not begin with the path of a program"),
        ("ACTION a\nACTION_RUN $P\nACTION_ARGUMENT P port\n", "does not begin with the path"),
        ("ACTION a\nACTION_RUN /bin/true $B\n", "$B is no ACTION_ARGUMENT of this action"),
        ("ACTION a\nACTION_RUN /bin/true $(id)\n", "$ is no ACTION_ARGUMENT"),
        ("ACTION a\nACTION_RUN /bin/true 'x\n", "ACTION_RUN cannot be read: No closing"),
        ("ACTION a\nACTION_RUN /bin/true\nACTION_RUNS x\n", "did you mean ACTION_RUN?"),
        ("ACTION a\nACTION_RUN /bin/true\nACTION_USER noone\n", "Not a user on this system"),
        ("ACTION a\nACTION_RUN /bin/true\nACTION_TIMEOUT 0\n", "ACTION_TIMEOUT is '0'"),
        ("ACTION a\nACTION_RUN /bin/true\nACTION_RUN /bin/true\n", "stands twice"),
        ("ACTION a\nACTION_RUN /bin/true\n" * 2, "there are two actions a"),
        ("ACTION a\nACTION_RUN /bin/true\nACTION_ARGUMENT\n", "'ACTION_ARGUMENT' has no value"),
        *(
            (f"ACTION a\nACTION_RUN /bin/true\nACTION_ARGUMENT {line}\n", said)
            for line, said in (
                ("X", "X: '' is no kind of argument"),
                ("x port", "'x' is no name in capitals"),
                ("X socket", "'socket' is no kind of argument"),
                ("X port 22", "what follows port does not fit"),
                ("X number 5", "a number has two limits"),
                ("X number 5 1", "no number is from 5 to 1"),
                ("X one-of", "what follows one-of does not fit"),
                ("X word", "what follows word does not fit"),
                ("X word (", "that is no regular expression"),
            )
        ),
        (
            "ACTION a\nACTION_RUN /bin/true\n"
            + "".join(f"ACTION_ARGUMENT X{number} port\n" for number in range(9)),
            "ACTION_ARGUMENT X8 is one too many",
        ),
    ],
)
def test_what_is_wrong_with_an_action_keeps_the_daemon_from_starting(
    actions: str, said: str
) -> None:
    assert any(said in each for each in wrong(actions)), wrong(actions)


def test_two_dollars_are_one_for_the_program() -> None:
    [action] = loaded("ACTION a\nACTION_RUN /bin/sh -c 'echo $$0$$$P' $P\n"
                      "ACTION_ARGUMENT P port\n", lists="a")  # fmt: skip
    assert job(action, "a 22").argv == ("/bin/sh", "-c", "echo $0$22", "22")


def test_a_stanza_cannot_list_what_is_not_declared() -> None:
    access = stanza("ACTIONS wakee\n")
    assert "did you mean wake?" in fatal(DECLARED, access, **{"/actions_conf": FILE})[0]
    assert "the file that ACTIONS_FILE" in fatal("", access)[0]
    assert "cannot be read" in fatal(DECLARED, access)[0]


def test_root_a_missing_program_and_an_idle_argument_are_remarked_on() -> None:
    text = "ACTION a\nACTION_RUN /bin/gone\nACTION_ARGUMENT X port\n"
    said = " ".join(remarks(DECLARED, stanza(""), **{"/actions_conf": text}))
    assert "there is no program /bin/gone" in said
    assert "does nothing with the argument X" in said
    assert "mostly root" in said or "others can write" in said


def test_check_tells_what_is_run_for_what() -> None:
    [words] = [
        each for each in terms_in_words(terms(actions=loaded(FILE, lists="lamp"))) if "lamp" in each
    ]
    assert words == (
        "runs for 'lamp LEVEL WHERE HOST PORT' (LEVEL is number -10 to 100, WHERE is hall or door, "
        "HOST is address, PORT is port 1 to 65535): /usr/local/bin/lamp --level=<LEVEL>% --where "
        "<WHERE> <HOST>:<PORT>, as nobody (group nobody), for 30 seconds at most"
    )


def test_the_sample_is_an_action_once_its_lines_count() -> None:
    sample = (Path(__file__).parents[2] / "packaging" / "etc" / "actions.conf").read_text("utf-8")
    assert loaded(sample) == ()
    lines = re.sub(r"^#(ACTION)", r"\1", sample, flags=re.MULTILINE)
    [action] = loaded(lines, lists="wake")
    run = job(action, "wake desktop")
    assert run.argv == ("/usr/local/sbin/wake-up", "--host", "desktop")
    assert (run.seconds, action.account and action.account.user) == (10.0, "nobody")


# --- what fits ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "said", "given"),
    [
        (Kind.ADDRESS, "192.0.2.7", "192.0.2.7"),
        (Kind.ADDRESS, "2001:DB8:0::1", "2001:db8::1"),
        (Kind.IPV4, "192.0.2.7", "192.0.2.7"),
        (Kind.IPV6, "2001:db8:0:0::7", "2001:db8::7"),
        (Kind.PORT, "0022", "22"),
        (Kind.PORT, "65535", "65535"),
        (Kind.NUMBER, "-5", "-5"),
        (Kind.NUMBER, "100", "100"),
        (Kind.CHOICE, "desktop", "desktop"),
        (Kind.CHOICE, "-v", "-v"),
        (Kind.WORD, "'a b;$(c)'", "a b;$(c)"),
    ],
)
def test_a_value_is_given_on_in_its_one_form(kind: Kind, said: str, given: str) -> None:
    assert job(action_of(EVERY_KIND[kind]), f"do {said}").argv == ("/bin/do", given)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Kind.ADDRESS, "door"),
        (Kind.ADDRESS, "192.0.2.0/24"),
        (Kind.ADDRESS, "192.0.2.07"),
        (Kind.ADDRESS, "fe80::1%eth0"),
        (Kind.ADDRESS, "::ffff:192.0.2.7"),
        (Kind.IPV4, "2001:db8::1"),
        (Kind.IPV6, "192.0.2.7"),
        (Kind.PORT, "0"),
        (Kind.PORT, "65536"),
        (Kind.PORT, "-1"),
        (Kind.PORT, "٢٢"),
        (Kind.NUMBER, "-6"),
        (Kind.NUMBER, "101"),
        (Kind.NUMBER, "+1"),
        (Kind.NUMBER, "1e1"),
        (Kind.NUMBER, "9" * 5000),
        (Kind.CHOICE, "Desktop"),
        (Kind.CHOICE, "''"),
        (Kind.WORD, "-rf"),
        (Kind.WORD, "''"),
        (Kind.WORD, "a\tb"[0] + "'\x1b'"),
        (Kind.WORD, "x" * 256),
        (Kind.WORD, "a b"),
        (Kind.WORD, ""),
        (Kind.WORD, "'a"),
        (Kind.WORD, "a\0"),
    ],
)
def test_what_does_not_fit_is_refused_and_not_repeated(kind: Kind, said: str) -> None:
    with pytest.raises(UnfitError) as refused:
        job(action_of(EVERY_KIND[kind]), f"do {said}")
    if len(said) > 3:
        assert said.strip("'") not in str(refused.value)


def test_only_the_whole_first_word_names_an_action() -> None:
    assert named((WAKE,), "wake 00:11") is WAKE
    assert named((WAKE,), " \twake") is WAKE
    for other in ("wakeup", "'wake'", "Wake", "/bin/wake", "", "  "):
        assert named((WAKE,), other) is None


# --- deciding -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "command", "answer"),
    [
        ({}, "wake 00:11", "commands-not-enabled"),
        ({"actions": (WAKE,)}, "wake 00:11", "/usr/bin/wakeonlan 00:11"),
        ({"actions": (WAKE,)}, "wake", "action-arguments-unfit"),
        ({"actions": (WAKE,)}, "reboot", "action-not-listed"),
        ({"actions": (WAKE,), "commands": CommandTerms()}, "reboot now", "reboot now"),
        ({"actions": (WAKE,), "commands": CommandTerms()}, "wake", "action-arguments-unfit"),
        (
            {"actions": (WAKE,), "cycle": CycleTerms(Template((), ()), None)},
            "wake 00:11",
            "/usr/bin/wakeonlan 00:11",
        ),
        ({"actions": (WAKE,), "access": False}, "wake 00:11", "/usr/bin/wakeonlan 00:11"),
        ({"actions": (WAKE,), "users": frozenset({"bob"})}, "wake 00:11", "wrong-user"),
    ],
)
def test_an_action_is_for_stanzas_that_list_it_and_never_becomes_a_command(
    more: dict[str, Any], command: str, answer: str
) -> None:
    wish = replace(request(), wish=CommandWish(command))
    found = authorise(policy(terms(**more)), wish, NOW)
    if isinstance(found, CommandPermit):
        assert " ".join(found.job.argv) == answer
    else:
        assert isinstance(found, Refusal)
        assert found.reason.word == answer


def test_explain_holds_the_arguments_against_their_expressions() -> None:
    wish = replace(request(), wish=CommandWish("wake 00:11"))
    found = authorise(policy(terms(actions=(WAKE,))), wish, NOW)
    assert isinstance(found, CommandPermit)
    assert checked(found, lambda pattern, text: (pattern, text) == ("[0-9a-f:]+", "00:11")) is found
    refused = checked(found, lambda pattern, text: False)
    assert isinstance(refused, Refusal)
    assert (refused.reason.word, refused.detail[:4]) == ("action-arguments-unfit", "MAC ")


# --- running ------------------------------------------------------------------------------


def test_an_action_runs_as_its_declaration_says() -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        assert await house.ask(packet_with("wake 00:11")) == ["ran"]
        [check, run] = house.programs.runs
        assert b"[0-9a-f:]+\x0000:11" in check.stdin
        assert (run.argv, run.account) == (("/usr/bin/wakeonlan", "00:11"), NOBODY)
        assert "command='wake 00:11'" in "\n".join(house.log)

    play(scene, Scene(terms(actions=(WAKE,))))


def test_an_argument_that_does_not_match_is_told_and_nothing_is_run() -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        assert await house.ask(packet_with("wake zz")) == ["action-arguments-unfit"]
        assert len(house.programs.runs) == 1
        assert house.log[-1].endswith("do not fit: MAC is not as it should be.")

    play(scene, Scene(terms(actions=(WAKE,)), programs=MemoryPrograms([Completed(3, b"", b"")])))


def test_an_expression_that_takes_for_ever_lets_nothing_run() -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        assert await house.ask(packet_with("wake 00")) == ["command-not-checked"]
        assert len(house.programs.runs) == 1

    play(scene, Scene(terms(actions=(WAKE,)), programs=MemoryPrograms([HostError("too slow")])))


def test_the_hand_runs_no_action_that_its_own_policy_does_not_list() -> None:
    programs = MemoryPrograms()
    for stanza_terms in (terms(), terms(actions=(replace(WAKE, name="other"),))):
        with pytest.raises(NotAllowedError):
            Hand(policy(stanza_terms), programs).command(1, "wake 00:11", lambda: None)
    with pytest.raises(NotAllowedError):
        Hand(policy(terms(actions=(WAKE,))), programs).command(1, "wake -x", lambda: None)
    assert programs.runs == []


def test_the_expression_of_an_argument_has_to_match_all_of_it() -> None:
    pattern = "[0-9a-f]{2}(:[0-9a-f]{2}){5}"
    assert patterns.fits(SystemPrograms(), pattern, "52:54:00:12:34:56")
    assert not patterns.fits(SystemPrograms(), pattern, "52:54:00:12:34:56;reboot")
