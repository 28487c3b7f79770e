"""knockd.conf: what is read, what is refused, in which words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from watchword.dialects.knockd import conf
from watchword.dialects.knockd.one_time import next_sequence, place_of_mark
from watchword.errors import OperatorError
from watchword.model.doors import CloseServices, Door, Flag, FlagRule, OpenServices, RunCommands
from watchword.model.knocking import Knocking
from watchword.model.services import Service

PACKAGED = """\
[options]
\tUseSyslog

[openSSH]
\tsequence    = 7000,8000,9000
\tseq_timeout = 5
\tcommand     = /sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
\ttcpflags    = syn
"""
SEQUENCE = "[d]\nsequence = 7000,8000\n"


def read(text: str) -> Knocking:
    return conf.read(text, "knockd.conf")


def only_door(text: str) -> Door:
    [door] = read(text).doors
    return door


def refused(text: str) -> list[str]:
    with pytest.raises(OperatorError) as caught:
        read(text)
    assert all(each.hint for each in caught.value.complaints)
    return [each.message for each in caught.value.complaints]


def remarks(text: str) -> list[str]:
    return [each.message for each in read(text).complaints]


def services(text: str) -> tuple[Service, ...]:
    return tuple(map(Service.parse, text.split()))


@pytest.mark.requirement("3.14", "3.15", partial=True)
def test_the_file_of_the_package_is_read() -> None:
    found = read(PACKAGED)
    [door] = found.doors
    assert found.settings.syslog
    assert (door.name, door.seq_timeout) == ("openSSH", 5)
    assert door.sequence == services("tcp/7000 tcp/8000 tcp/9000")
    assert door.flags == FlagRule(wanted=Flag.SYN)
    assert found.complaints == ()


@pytest.mark.requirement("3.9", "3.10", "3.11", "3.12", "3.13", partial=True)
def test_options_may_be_written_in_any_case_and_stand_anywhere() -> None:
    text = f"{SEQUENCE}[options]\nLOGFILE = /a/b\nPidFile=/c\n[options]\ninterface = eth1,eth2\n"
    settings = read(text).settings
    assert (settings.log_file, settings.pid_file) == ("/a/b", "/c")
    assert settings.interfaces == ("eth1", "eth2")
    assert not settings.syslog


@pytest.mark.requirement("3.9")
@pytest.mark.parametrize("spelt", [str.lower, str.upper, str.title])
def test_every_key_may_be_written_in_any_case_and_a_section_in_its_own(
    spelt: Callable[[str], str],
) -> None:
    """[options] alone is the global section, as for the original; [Options] is a door."""
    values = {
        "logfile": "/l", "pidfile": "/p", "interface": "eth1", "syslogfacility": "user",
        "statedir": "/s", "rundir": "/r", "firewallbackend": "nftables", "nfttable": "t",
        "jumpfrom": "inet filter input", "closeatexit": "yes",
    }  # fmt: skip
    assert {*values, "usesyslog"} == {*conf.KEYS}
    lines = [f"{spelt(key)} = {value}\n" for key, value in values.items()]
    text = f"[options]\n{spelt('usesyslog')}\n{''.join(lines)}"
    plain = f"[options]\nUseSyslog\n{''.join(f'{k} = {v}' + chr(10) for k, v in values.items())}"
    assert read(text).settings == read(plain).settings != read("").settings
    keys = {"sequence": "1,2", "seq_timeout": "7", "tcpflags": "syn", "open": "tcp/22"}
    door = "".join(f"{spelt(key)} = {value}\n" for key, value in keys.items())
    assert only_door(f"[d]\n{door}") == only_door(f"[d]\n{door.lower()}")
    with pytest.raises(OperatorError, match="empty knock sequence"):
        read("[Options]\nUseSyslog\n")


def test_a_door_may_ask_for_the_systems_log_too() -> None:
    assert read(f"{SEQUENCE}UseSyslog\n").settings.syslog


def test_line_ends_of_another_system_and_a_missing_last_one_do_no_harm() -> None:
    assert only_door("[d]\r\nsequence = 7000,8000\r\nseq_timeout = 7").seq_timeout == 7


def test_two_doors_of_one_name_are_two_doors() -> None:
    assert [each.number for each in read(SEQUENCE * 2).doors] == [1, 2]


@pytest.mark.requirement("3.16", partial=True)
def test_each_knock_may_have_its_protocol() -> None:
    text = "[d]\nsequence = 2222:udp, 3333:TCP ,4444 : udp , 5555:tcp:x\n"
    assert only_door(text).sequence == services("udp/2222 tcp/3333 udp/4444 tcp/5555")
    assert remarks(text) == ["config: line 2: 'x' is ignored"]


def test_a_repeated_sequence_replaces_the_one_before() -> None:
    assert only_door(f"{SEQUENCE}sequence = 1,2,3\n").sequence == services("tcp/1 tcp/2 tcp/3")


@pytest.mark.parametrize("port", ["0", "65536", "99999", "ssh", "", "-1", "9" * 30, "٣"])
def test_what_is_no_port_is_refused(port: str) -> None:
    assert refused(f"[d]\nsequence = 7000,{port}\n")[0] == (
        f"config: section d: port {port} is invalid"
    )


@pytest.mark.parametrize("protocol", ["", "icmp", "tcp # hi"])
def test_what_is_no_protocol_is_refused(protocol: str) -> None:
    assert refused(f"[d]\nsequence = 7000:{protocol}\n")[0] == (
        "config: section d: unknown protocol in knock sequence"
    )


def test_a_sequence_has_thirty_two_knocks_at_the_most() -> None:
    ports = ",".join(map(str, range(1, 33)))
    assert len(only_door(f"[d]\nsequence = {ports}\n").sequence) == 32
    assert refused(f"[d]\nsequence = {ports},33\n")[0] == (
        "config: section d: too many ports in knock sequence"
    )


@pytest.mark.requirement("3.18", partial=True)
@pytest.mark.parametrize("name", ["fin", "syn", "rst", "psh", "ack", "urg"])
def test_every_flag_may_be_asked_for_or_forbidden(name: str) -> None:
    flag = Flag[name.upper()]
    assert only_door(f"{SEQUENCE}tcpflags = {name}\n").flags == FlagRule(wanted=flag)
    assert only_door(f"{SEQUENCE}TCPFlags = !{name}\n").flags == FlagRule(unwanted=flag)


def test_flags_combine() -> None:
    assert only_door(f"{SEQUENCE}tcpflags = SYN,!ack\n").flags == FlagRule(Flag.SYN, Flag.ACK)


@pytest.mark.parametrize(
    ("written", "told"), [("syn, ack", " ACK"), ("", ""), ("syn,", ""), ("syn|ack", "SYN|ACK")]
)
def test_an_unknown_flag_is_named(written: str, told: str) -> None:
    assert refused(f"{SEQUENCE}tcpflags = {written}\n") == [
        f'config: line 3: unrecognized flag "{told}"'
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sequence = 1\n", "config: line 1: all directives must belong to a section"),
        ("[options] # all\n", "config: line 1: all directives must belong to a section"),
        ("[]\n", "config: line 1: bad section name"),
        (f"[{'n' * 128}]\nsequence = 1\n", "config: line 1: bad section name"),
        (f"[{'n' * 255}]\nsequence = 1\n", "config: line 1: bad section name"),
        (f"[{'n' * 256}]\nsequence = 1\n", "config: line 1: bad section name"),
        (f"[{'n' * 10_000}]\nsequence = 1\n", "config: line 1: syntax error"),
        (f"{SEQUENCE}colour = red\n", "config: line 3: syntax error"),
        (f"{SEQUENCE}LogFile = /x\n", "config: line 3: syntax error"),
        ("[options]\nsequence = 1\n", "config: line 2: syntax error"),
        (f"{SEQUENCE}seq_timeout\n", "config: line 3: syntax error"),
        ("[options]\nUseSyslog = yes\n", "config: line 2: syntax error"),
        ("; a comment of others\n", "config: line 1: all directives must belong to a section"),
        ("[d]\ntcpflags = syn\n", "error: section 'd' has an empty knock sequence"),
        (f"{SEQUENCE}seq_timeout = soon\n", "config: line 3: 'soon' is no number"),
        (f"{SEQUENCE}seq_timeout = -1\n", "config: line 3: Seq_Timeout is negative"),
        (f"{SEQUENCE}target = here\n", "config: line 3: Target is 'here'"),
        (f"{SEQUENCE}open = 22\n", "config: line 3: '22' is not of the form proto/port"),
        ("[options]\nFirewallBackend = pf\n", "config: line 2: syntax error"),
        (f"{SEQUENCE}shell = perhaps\n", "config: line 3: 'perhaps' is neither yes nor no"),
        (f"{SEQUENCE}command = a\0b\n", "config: line 3: syntax error"),
    ],
)
def test_what_cannot_be_read_is_refused_in_the_words_of_the_original(text: str, told: str) -> None:
    assert refused(text)[0] == told


def test_a_name_may_be_as_long_as_the_original_keeps() -> None:
    assert only_door(f"[{'n' * 127}]\nsequence = 1\n").name == "n" * 127


def test_everything_that_is_wrong_is_told_at_once() -> None:
    assert refused("[a]\ncolour = red\n[b]\nsequence = 0\n") == [
        "config: line 2: syntax error",
        "error: section 'a' has an empty knock sequence",
        "config: section b: port 0 is invalid",
    ]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[d]\nsequenc = 1,2\n", "did you mean sequence?"),
        ("[d]\nStart_Comand = x\nsequence = 1\n", "did you mean start_command?"),
        ("[Options]\nUseSyslog\n", "write [options], in small letters, for what is no door"),
    ],
)
def test_a_slip_of_the_pen_is_told_with_what_was_meant(text: str, hint: str) -> None:
    with pytest.raises(OperatorError) as caught:
        read(text)
    assert hint in {each.hint for each in caught.value.complaints}


def test_a_section_that_was_meant_as_options_is_remarked_on() -> None:
    assert remarks("[Options]\nsequence = 1\n") == ["config: line 1: [Options] is taken for a door"]


def commands(text: str) -> RunCommands:
    action = only_door(SEQUENCE + text).action
    assert isinstance(action, RunCommands)
    return action


@pytest.mark.requirement("3.20", partial=True)
def test_commands_and_times_have_their_other_names_and_defaults() -> None:
    action = commands("start_command = a %IP%\nstop_command = b\n")
    assert action.start == action.start_6 == commands("command = a %IP%\n").start
    assert action.stop == action.stop_6 is not None
    assert action.seconds == 10
    assert only_door(SEQUENCE).seq_timeout == 25


def test_a_command_for_the_other_family_replaces_and_an_empty_one_does_nothing() -> None:
    action = commands("command = a\ncommand_6 = c\nstop_command = b\nstop_command_6 =\n")
    assert action.start != action.start_6 is not None
    assert action.stop is not None
    assert action.stop_6 is None


def test_a_negative_time_means_never() -> None:
    assert commands("command = a\nstop_command = b\ncmd_timeout = -1\n").seconds is None


def test_a_door_may_open_services_in_place_of_commands() -> None:
    found = read(f"{SEQUENCE}open = tcp/22, udp/53\ncmd_timeout = 30\n")
    assert found.doors[0].action == OpenServices(services("tcp/22 udp/53"), 30)
    assert found.settings.firewall.guarded == tuple(sorted(services("tcp/22 udp/53")))
    assert found.settings.firewall.needed
    assert not read(SEQUENCE).settings.firewall.needed


def test_services_and_commands_do_not_stand_in_one_door() -> None:
    assert refused(f"{SEQUENCE}open = tcp/22\ncommand = a\n") == [
        "config: line 3: Open, Close and commands cannot stand in one door"
    ]
    assert refused(f"{SEQUENCE}open = tcp/22\ncmd_timeout = 0\n") == [
        "config: line 3: Open needs a time"
    ]


def test_a_door_may_close_what_another_one_opens() -> None:
    closing = f"{SEQUENCE}close = tcp/22\n"
    [_, door] = read(f"{SEQUENCE}open = tcp/22\n{closing}").doors
    assert door.action == CloseServices(services("tcp/22"))
    assert remarks(closing) == ["config: line 1: no door opens what d closes"]
    assert refused(f"{SEQUENCE}open = tcp/22\nclose = tcp/22\n") == [
        "config: line 4: Open, Close and commands cannot stand in one door"
    ]


USED = services("tcp/7100 udp/8100")


def test_the_next_sequence_is_the_first_that_is_not_marked() -> None:
    content = b"# mine\n\n  #7000,8000\n 7100,8100:udp\n 7200\n"
    assert next_sequence(content).sequence == USED


def test_a_last_line_needs_no_end_and_no_blank() -> None:
    assert next_sequence(b"#7000\n7100,8100:udp").sequence == USED


def test_lines_that_are_no_sequences_are_passed_over_and_told() -> None:
    found = next_sequence(b" 99999\n 7100,8100:udp\n")
    assert found.sequence == USED
    assert found.puzzles == ((1, "port 99999 is invalid"),)


def test_a_file_can_be_used_up() -> None:
    assert next_sequence(b"#7000\n\n").sequence == ()
    assert next_sequence(b"").sequence == ()


@pytest.mark.parametrize(
    ("content", "marked"),
    [
        (b" 7100,8100:udp\n 7200\n", b"#7100,8100:udp\n 7200\n"),
        (b" 99999\n 7100,8100:udp\n", b" 99999\n#7100,8100:udp\n"),
        (b"#7100,8100:udp\n\t7100:TCP, 8100:udp", b"#7100,8100:udp\n#7100:TCP, 8100:udp"),
        (b"7100,8100:udp", b"#100,8100:udp"),
        (b" 7000\n 7100,8100:udp\n", b" 7000\n#7100,8100:udp\n"),
    ],
)
def test_the_line_that_was_used_is_the_one_that_is_marked(content: bytes, marked: bytes) -> None:
    place = place_of_mark(content, USED)
    assert place is not None
    changed = bytearray(content)
    changed[place] = ord("#")
    assert bytes(changed) == marked


def test_a_sequence_that_is_not_there_any_more_is_not_marked() -> None:
    assert place_of_mark(b"#7100,8100:udp\n 7200\n", USED) is None
