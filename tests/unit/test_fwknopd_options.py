"""The command line of fwknopd."""

from __future__ import annotations

from dataclasses import fields

import pytest

from watchword.dialects.fwknop.server_options import (
    OPTIONS,
    ServerOptions,
    Takes,
    UsageError,
    parse,
    usage,
)
from watchword.errors import OperatorError


def test_nothing_said_is_the_default() -> None:
    assert parse([]) == ServerOptions()
    assert parse([]).config_file == "/etc/fwknop/fwknopd.conf"


def test_every_option_has_a_field_and_every_field_an_option() -> None:
    assert {each.long.replace("-", "_") for each in OPTIONS} == {
        each.name for each in fields(ServerOptions)
    }


@pytest.mark.requirement("2.21")
@pytest.mark.parametrize(
    "argv",
    [
        ["-a", "A", "-c", "C", "-f", "-v"],
        ["-fv", "-aA", "-cC"],
        ["--access-file", "A", "--config-file=C", "--foreground", "--verbose"],
        ["--access-fi", "A", "--conf", "C", "--fore", "--verb"],
    ],
)
def test_files_are_named_in_any_of_the_usual_ways(argv: list[str]) -> None:
    assert parse(argv) == ServerOptions(
        access_file="A", config_file="C", foreground=True, verbose=1
    )


@pytest.mark.parametrize(
    ("short", "field"),
    [
        ("-D", "dump_config"), ("-f", "foreground"), ("-K", "kill"), ("-R", "restart"),
        ("-S", "status"), ("-t", "test"), ("-U", "udp_server"), ("-n", "nfq_capture"),
        ("-V", "version"), ("-h", "help"),
    ],
)  # fmt: skip
def test_a_short_switch_sets_its_field_and_no_other(short: str, field: str) -> None:
    assert parse([short]) == ServerOptions(**{field: True})  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("short", "field"),
    [
        ("-a", "access_file"), ("-d", "digest_file"), ("-i", "interface"), ("-l", "locale"),
        ("-p", "pid_file"), ("-P", "pcap_filter"), ("-r", "run_dir"),
    ],
)  # fmt: skip
def test_a_short_option_takes_its_value(short: str, field: str) -> None:
    assert parse([short, "x y"]) == ServerOptions(**{field: "x y"})  # type: ignore[arg-type]


SWITCHES = [
    each.long for each in OPTIONS if each.takes is Takes.NOTHING and each.long != "afl-fuzzing"
]


@pytest.mark.parametrize("long", SWITCHES)
def test_every_long_switch_is_understood(long: str) -> None:
    assert getattr(parse([f"--{long}"]), long.replace("-", "_")) is True


def test_verbosity_adds_up() -> None:
    assert parse(["-v", "-vv", "--verbose"]).verbose == 4


def test_override_files_are_a_list_in_order() -> None:
    assert parse(["-O", "one, two,,three"]).override_config == ("one", "two", "three")


def test_naming_the_main_file_does_not_read_it_twice() -> None:
    assert parse(["-c", "main"]).override_config == ()


@pytest.mark.parametrize(
    "argv",
    [
        ["--nonsense"],
        ["-z"],
        ["stray"],
        ["-a"],
        ["--access-f", "file or folder?"],
        ["--fw"],
        ["--kill=1"],
    ],
)
def test_a_wrong_option_is_a_matter_of_usage(argv: list[str]) -> None:
    with pytest.raises(UsageError):
        parse(argv)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["-C", "-1"], "[*] invalid -C packet count limit '-1'"),
        (["-C", "x"], "[*] invalid -C packet count limit 'x'"),
        (["-A"], "[*] fwknopd not compiled with AFL fuzzing support"),
        (["--fault-injection-tag", "x"], "[*] fwknopd not compiled with libfiu support"),
        (["--key-len", "x"], "--key-len 'x' is no number of bytes"),
    ],
)
def test_a_value_that_cannot_be_is_refused(argv: list[str], message: str) -> None:
    with pytest.raises(OperatorError) as caught:
        parse(argv)
    assert str(caught.value) == message


def test_numbers_are_numbers() -> None:
    options = parse(["-C", "3", "--key-len", "16", "--hmac-key-len", "64"])
    assert (options.packet_limit, options.key_len, options.hmac_key_len) == (3, 16, 64)


@pytest.mark.parametrize("pair", ["DK", "DR", "DS", "KR", "KS", "RS"])
def test_only_one_thing_is_done_with_a_running_daemon(pair: str) -> None:
    with pytest.raises(OperatorError, match="mutually exclusive"):
        parse([f"-{each}" for each in pair])


def test_the_usage_text_names_every_option_once() -> None:
    text = usage()
    for option in OPTIONS:
        assert text.count(f"--{option.long} ") == 1, option.long
        assert not option.short or f" -{option.short}, --{option.long}" in text
    assert max(len(line) for line in text.splitlines()) <= 100
