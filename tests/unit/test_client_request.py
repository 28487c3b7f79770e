"""What a run asks the server for (client, sections 3, 5 and 6)."""

from __future__ import annotations

import pytest

from watchword.dialects.fwknop.client_options import parse
from watchword.dialects.fwknop.client_request import Draw, Person, random_port, user_name, wanted
from watchword.dialects.fwknop.client_settings import Given
from watchword.errors import OperatorError
from watchword.wire.spa.composing import compose
from watchword.wire.spa.message import Message

NOBODY = Person({}, "")
DRAW = Draw("1234567890123456", 31337)


def message(command_line: str) -> Message:
    line = parse(["-D", "gate.example", *command_line.split()])
    made = wanted(line.given, line.command, NOBODY, 1_700_000_000.9, DRAW).message
    compose(made)
    return made


@pytest.mark.parametrize(
    ("options", "access", "nat"),
    [
        ("-A tcp/8080 -N 10.0.0.5:80", "tcp/8080", "10.0.0.5,80"),
        ("-A tcp/22 -N 10.0.0.5", "tcp/22", "10.0.0.5,22"),
        ("-A tcp/22 -N 10.0.0.5,443", "tcp/22", "10.0.0.5,443"),
        ("-A tcp/22 -N 10.0.0.5:22 --nat-port 4000", "tcp/4000", "10.0.0.5,22"),
        ("-A tcp/22 -N 10.0.0.5:22 --nat-rand-port", "tcp/31337", "10.0.0.5,22"),
        ("-A tcp/22 --nat-local", "tcp/22", "gate.example,22"),
        ("-A tcp/22 --nat-local --nat-port 55000", "tcp/55000", "gate.example,22"),
        ("--nat-local -A tcp/22 -N 10.0.0.5:22", "tcp/22", "10.0.0.5,22"),
        ("-A tcp/22,udp/53 -N 10.0.0.5:22", "tcp/22,udp/53", "10.0.0.5,22"),
        ("-A tcp/22 -N [2001:db8::5]:80", "tcp/22", "2001:db8::5,80"),
        ("-A tcp/22 -N [2001:db8::5]", "tcp/22", "2001:db8::5,22"),
        ("-A tcp/22 -N db.internal.example:5432", "tcp/22", "db.internal.example,5432"),
    ],
)
def test_a_forwarding_names_the_outer_and_the_inner_port(
    options: str, access: str, nat: str
) -> None:
    made = message(f"-a 192.0.2.1 {options}")
    assert made.text == f"192.0.2.1,{access}"
    assert made.nat == nat


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ("-C id", 0),
        ("-C id -f 60", 0),
        ("-A tcp/22", 1),
        ("-A tcp/22 -f 0", 1),
        ("-A tcp/22 -N 10.0.0.5", 2),
        ("-A tcp/22 -f 1", 3),
        ("-A tcp/22 -N 10.0.0.5 -f 1", 4),
        ("-A tcp/22 --nat-local", 5),
        ("-A tcp/22 --nat-local -N 10.0.0.5", 5),
        ("-A tcp/22 --nat-local -f 1", 6),
    ],
)
def test_the_kind_of_message_follows_from_the_options(options: str, kind: int) -> None:
    assert message(f"-s {options}").type == kind


@pytest.mark.requirement("9.3", "9.5")
@pytest.mark.parametrize(
    ("who", "text"),
    [
        ("-a 192.0.2.1", "192.0.2.1"),
        ("-a 2001:db8::7", "2001:db8::7"),
        ("-a 2001:DB8:0:0::7", "2001:db8::7"),
        ("-s", "0.0.0.0"),
    ],
)
def test_whom_to_let_in_stands_before_the_services(who: str, text: str) -> None:
    assert message(f"{who} -A tcp/22").text == f"{text},tcp/22"


@pytest.mark.requirement("9.2")
@pytest.mark.parametrize("access", ["tcp/22", "udp/53", "tcp/1,udp/65535,tcp/1"])
def test_a_list_of_services_is_sent_as_written(access: str) -> None:
    assert message(f"-s -A {access}").text == f"0.0.0.0,{access}"


@pytest.mark.requirement("9.2")
@pytest.mark.parametrize(
    "access",
    ["icmp/8", "none/0", "tcp/0", "tcp/65536", "TCP/22", "tcp/22,", "tcp", "22", "tcp/22,any/1"],
)
def test_anything_else_is_no_list_of_services(access: str) -> None:
    for nat in ("", "-N 10.0.0.5"):
        with pytest.raises(OperatorError, match="Error 102 - Invalid SPA access message format"):
            message(f"-s -A {access} {nat}")


@pytest.mark.parametrize("host", ["a_b", "-a", "a-", "a..b", ".a", "x" * 64, "2001:db8::5]"])
def test_a_forwarding_to_no_host_is_refused(host: str) -> None:
    with pytest.raises(OperatorError, match="Error 4 - Args contain invalid data"):
        message(f"-s -A tcp/22 -N {host},80")


@pytest.mark.parametrize(
    ("chosen", "environment", "login", "user"),
    [
        ("bob", {"SPOOF_USER": "env"}, "login", "bob"),
        ("u" * 40, {}, "", "u" * 29),
        (None, {"SPOOF_USER": "env", "LOGNAME": "log"}, "login", "env"),
        (None, {"LOGNAME": "log", "USER": "user"}, "login", "log"),
        (None, {"USER": "user"}, "login", "login"),
        (None, {"USER": "user"}, "", "user"),
        (None, {"SPOOF_USER": ""}, "", "NO_USER"),
        (None, {"LOGNAME": "l" * 70}, "", "l" * 63),
    ],
)
def test_the_user_is_the_first_name_that_exists(
    chosen: str | None, environment: dict[str, str], login: str, user: str
) -> None:
    assert user_name(Given(user=chosen), Person(environment, login)) == user


@pytest.mark.requirement("9.29", partial=True)
def test_the_time_is_shifted_by_the_offset() -> None:
    assert message("-s -A tcp/1").sent_at == 1_700_000_000
    assert message("-s -A tcp/1 --time-offset-plus 60min").sent_at == 1_700_003_600
    assert message("-s -A tcp/1 --time-offset-minus 2days").sent_at == 1_699_827_200


@pytest.mark.parametrize(
    ("digits", "port"), [("0", 10000), ("55534", 65534), ("55535", 10000), ("9" * 16, 16714)]
)
def test_a_random_port_lies_between_10000_and_65534(digits: str, port: int) -> None:
    assert random_port(digits) == port
