"""External commands of fwknop 1.9, read as command cycles."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fwknopd_files import KEYS, configure, fatal, remarks
from tests.values import NOW, request
from watchword.grant import cycles
from watchword.grant.decide import authorise
from watchword.grant.permits import CommandPermit, Permit
from watchword.model.commands import CycleTerms
from watchword.model.outcomes import Refusal
from watchword.model.requests import CommandWish

BARE = (
    f"SOURCE 192.0.2.0/24, 198.51.100.2\n{KEYS}REQUIRE_SOURCE_ADDRESS Y\nOPEN_PORTS tcp/22,udp/53\n"
)
PAIR = "EXTERNAL_CMD_OPEN: /sbin/open $SRC;\nEXTERNAL_CMD_CLOSE: /sbin/close $SRC;\n"
EVERYWHERE = "EXTERNAL_CMD_OPEN /sbin/all-open $SRC;\nEXTERNAL_CMD_CLOSE /sbin/all-close $SRC;\n"
ON = "ENABLE_EXTERNAL_CMDS Y;\n"


def read(lines: str = "", config: str = "") -> CycleTerms | None:
    [found] = configure(config, BARE + lines).policy.stanzas
    return found.cycle


def ran(lines: str = "", config: str = "", services: str = "tcp/22") -> list[str]:
    """What a request would have run: openings, then closings."""
    loaded = configure(config, BARE + lines)
    permit = authorise(loaded.policy, request(services=services), NOW)
    assert isinstance(permit, Permit)
    assert permit.cycle is not None
    found = cycles.values(permit)
    opened = [" ".join(cycles.opening(permit.cycle, each).argv) for each in found]
    closed = [cycles.closing(permit.cycle, each) for each in found]
    return opened + [" ".join(each.argv) for each in closed if each is not None]


@pytest.mark.requirement("7.2", partial=True)
def test_the_two_examples_of_the_release_notes() -> None:
    rule = "-s $SRC -j ACCEPT"
    lines = (
        f"EXTERNAL_CMD_OPEN: /sbin/iptables -A INPUT {rule};\n"
        f"EXTERNAL_CMD_CLOSE: /sbin/iptables -D INPUT {rule};\n"
    )
    filled = "-s 198.51.100.2 -j ACCEPT"
    assert ran(lines) == [f"/sbin/iptables -A INPUT {filled}", f"/sbin/iptables -D INPUT {filled}"]
    custom = (
        "EXTERNAL_CMD_OPEN: /path/someprog $SOURCE $OPEN_PORTS;\n"
        "EXTERNAL_CMD_CLOSE /path/otherprog $SRC;\n"
    )
    assert ran(custom) == [
        "/path/someprog 192.0.2.0/24, 198.51.100.2 tcp/22,udp/53",
        "/path/otherprog 198.51.100.2",
    ]


@pytest.mark.requirement("7.3")
@pytest.mark.parametrize(
    ("config", "text", "said"),
    [
        ("", "$SRC", "198.51.100.2"),
        ("", "$PORT", "22"),
        ("", "$PROTO/$PORT", "tcp/22"),
        ("", "$OPEN_PORTS", "tcp/22,udp/53"),
        ("", "$SOURCE", "192.0.2.0/24, 198.51.100.2"),
        ("", "$REQUIRE_SOURCE_ADDRESS", "Y"),
        ("", "$FW_ACCESS_TIMEOUT", "17"),
        ("", "$FWKNOP_SRC", "FWKNOP_SRC"),
        (
            "ENABLE_EXT_CMD_PREFIX Y\n",
            "$FWKNOP_SRC $FWKNOP_OPEN_PORTS",
            "198.51.100.2 tcp/22,udp/53",
        ),
        ("ENABLE_EXT_CMD_PREFIX Y\n", "$SRC", "SRC"),
        ("ENABLE_EXT_CMD_PREFIX Y\nEXT_CMD_PREFIX MY_\n", "$MY_PROTO", "tcp"),
    ],
)
def test_variables_of_packets_and_of_the_stanza(config: str, text: str, said: str) -> None:
    lines = f"FW_ACCESS_TIMEOUT 17\nEXTERNAL_CMD_OPEN x {text}\nEXTERNAL_CMD_CLOSE true\n"
    assert ran(lines, config)[0] == f"x {said}"


def test_commands_that_name_the_port_run_for_each_and_others_once() -> None:
    assert len(ran(PAIR, services="tcp/22,udp/53")) == 2
    by_port = "EXTERNAL_CMD_OPEN x $PORT\nEXTERNAL_CMD_CLOSE y\n"
    assert ran(by_port, services="tcp/22,udp/53") == ["x 22", "x 53", "y", "y"]


@pytest.mark.requirement("7.4", "6.3")
@pytest.mark.parametrize(
    ("config", "lines", "opened"),
    [
        ("", "", None),
        ("", PAIR, "/sbin/open"),
        (ON, PAIR, "/sbin/open"),
        (f"{ON}{EVERYWHERE}", PAIR, "/sbin/open"),
        (f"{ON}{EVERYWHERE}", "", "/sbin/all-open"),
        (EVERYWHERE, "", None),
        (f"ENABLE_EXTERNAL_CMDS N\n{EVERYWHERE}", PAIR, None),
        (f"ENABLE_EXTERNAL_CMDS N\n{EVERYWHERE}", f"{ON}{PAIR}", "/sbin/open"),
        (f"{ON}{EVERYWHERE}", f"ENABLE_EXTERNAL_CMDS N\n{PAIR}", None),
        (
            f"{ON}{EVERYWHERE}",
            "EXTERNAL_CMD_OPEN __NONE__\nEXTERNAL_CMD_CLOSE __NONE__\n",
            "/sbin/all-open",
        ),
        (f"{ON}{EVERYWHERE}", "CMD_CYCLE_OPEN /sbin/new\nCMD_CYCLE_CLOSE NONE\n", "/sbin/new"),
    ],
)
def test_whose_commands_count(config: str, lines: str, opened: str | None) -> None:
    found = read(lines, config)
    assert (found.opening.words[0][0] if found else None) == opened
    hidden = configure(config, BARE + lines).settings.firewall
    assert hidden.needed is (opened is None)


def test_commands_that_are_switched_off_are_remarked_on() -> None:
    [said] = remarks("ENABLE_EXTERNAL_CMDS N\n", BARE + PAIR)
    assert "EXTERNAL_CMD_OPEN is not used" in said


@pytest.mark.requirement("7.2", partial=True)
@pytest.mark.parametrize(
    ("config", "lines", "seconds"),
    [
        ("", "", 30),
        ("EXTERNAL_CMD_ALARM 9\n", "", 9),
        ("EXTERNAL_CMD_ALARM 9\n", "EXTERNAL_CMD_ALARM 4\n", 4),
    ],
)
def test_the_alarm_is_the_time_limit_of_each_command(
    config: str, lines: str, seconds: float
) -> None:
    found = read(PAIR + lines, config)
    assert found is not None
    assert found.seconds == seconds


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("EXTERNAL_CMD_OPEN x\n", "EXTERNAL_CMD_CLOSE is missing"),
        ("EXTERNAL_CMD_CLOSE x\n", "EXTERNAL_CMD_OPEN is missing"),
        ("EXTERNAL_CMD_OPEN x $KEY_BASE64\nEXTERNAL_CMD_CLOSE y\n", "everybody can read the words"),
        ("EXTERNAL_CMD_OPEN x 'y\nEXTERNAL_CMD_CLOSE y\n", "cannot be split into words"),
        (f"{PAIR}EXTERNAL_CMD_ALARM soon\n", "no number of seconds"),
    ],
)
def test_external_commands_that_cannot_be_kept_keep_the_daemon_from_starting(
    lines: str, told: str
) -> None:
    assert any(told in each and "access.conf:" in each for each in fatal("", BARE + lines))


def test_what_was_written_for_a_shell_is_remarked_on_unless_there_is_one() -> None:
    lines = "EXTERNAL_CMD_OPEN echo $SRC >> /tmp/log\nEXTERNAL_CMD_CLOSE true\n"
    [said] = remarks("", BARE + lines)
    assert "has >, which means nothing" in said
    assert remarks("", f"{BARE}{lines}CMD_SHELL Y\n") == []
    found = read(f"{lines}CMD_SHELL Y\n")
    assert found is not None
    assert found.shell


def test_callers_commands_and_external_commands_stand_side_by_side_as_in_1_9() -> None:
    wish = replace(request(), wish=CommandWish("id"))
    loaded = configure("", f"{BARE}{PAIR}ENABLE_CMD_EXEC Y\n")
    assert isinstance(authorise(loaded.policy, wish, NOW), CommandPermit)
    answer = authorise(configure("", BARE + PAIR).policy, wish, NOW)
    assert isinstance(answer, Refusal)
