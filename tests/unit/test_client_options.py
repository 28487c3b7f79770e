"""How the command line is read (client, sections 1 and 2)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from watchword.dialects.fwknop import client_gpg, client_last
from watchword.dialects.fwknop.client_option_table import OPTIONS, Family
from watchword.dialects.fwknop.client_options import parse, peek
from watchword.dialects.fwknop.client_perl_table import PERL_OPTIONS
from watchword.dialects.fwknop.client_settings import Allow, AllowKind, KeyForm, KeyWord
from watchword.dialects.fwknop.client_usage import usage
from watchword.errors import OperatorError
from watchword.programs.fwknop import main


@pytest.mark.parametrize(
    "argv",
    [
        ["-A", "tcp/22", "-v", "-v"],
        ["-Atcp/22", "-vv"],
        ["--access", "tcp/22", "--verbose", "--verbose"],
        ["--access=tcp/22", "--verb", "--verb"],
        ["--acc", "tcp/22", "operand", "-vv"],
        ["-vvA", "tcp/22"],
    ],
)
def test_one_option_can_be_written_in_many_ways(argv: list[str]) -> None:
    line = parse(argv)
    assert line.given.access == "tcp/22"
    assert line.verbose == line.given.verbose == 2


def test_a_value_may_begin_with_a_dash() -> None:
    assert parse(["--key-rijndael", "-v"]).given.key == KeyWord(KeyForm.TEXT, "-v")
    assert parse(["-C", "--help"]).command == "--help"


@pytest.mark.parametrize(
    ("argv", "allow"),
    [
        (["-a", "192.0.2.1", "-s"], Allow(AllowKind.SOURCE)),
        (["-s", "-a", "192.0.2.1"], Allow(AllowKind.ADDRESS, "192.0.2.1")),
        (["-R", "-a", "192.0.2.1"], Allow(AllowKind.ADDRESS, "192.0.2.1")),
        (["-a", "192.0.2.1", "-R"], Allow(AllowKind.ADDRESS, "192.0.2.1")),
        (["-R"], Allow(AllowKind.RESOLVE)),
        (["-a", "2001:DB8:0::7"], Allow(AllowKind.ADDRESS, "2001:db8::7")),
    ],
)
def test_of_addresses_the_last_counts_and_resolving_gives_way(
    argv: list[str], allow: Allow
) -> None:
    assert parse(argv).given.allow == allow


@pytest.mark.requirement("9.29", partial=True)
@pytest.mark.parametrize(
    ("argv", "offset"),
    [
        (["--time-offset-plus", "5m"], 300),
        (["--time-offset-minus", "2m"], -120),
        (["--time-offset-plus", "5m", "--time-offset-minus", "2m"], -120),
        (["--time-offset-minus", "2m", "--time-offset-plus", "5m"], -120),
    ],
)
def test_of_two_time_offsets_minus_counts(argv: list[str], offset: int) -> None:
    assert parse(argv).given.time_offset == offset


@pytest.mark.parametrize(
    "argv",
    [
        ["--use-hmac"],
        ["--key-hmac", "x"],
        ["--key-base64-hmac", "eHg="],
        ["--get-hmac-key", "/h"],
        ["--hmac-digest-type", "md5"],
        ["--hmac-key-len", "9"],
    ],
)
def test_whatever_is_about_the_hmac_asks_for_it(argv: list[str]) -> None:
    assert parse(argv).given.use_hmac is True
    assert parse([]).given.use_hmac is None


@pytest.mark.parametrize("option", ["-K", "--key-gen-file"])
def test_naming_a_key_file_makes_keys(option: str) -> None:
    assert parse([option, "/k"]).key_gen


@pytest.mark.parametrize(
    ("argv", "family"), [([], Family.ANY), (["-4"], Family.FOUR), (["--ipv6"], Family.SIX)]
)
def test_the_family_of_the_servers_address_can_be_chosen(argv: list[str], family: Family) -> None:
    assert parse(argv).family is family


def test_the_first_pass_looks_at_no_other_value() -> None:
    early = peek(["-p", "99999", "-f", "x", "-n", "work", "-vv", "--rc-file", "/rc"])
    assert (early.named, early.verbose, early.rc_file) == ("work", 2, "/rc")
    with pytest.raises(OperatorError):
        parse(["-p", "99999"])


def test_no_option_name_stands_twice() -> None:
    for names in ([o.long for o in OPTIONS], [o.short for o in OPTIONS if o.short]):
        assert len(names) == len(set(names))


@pytest.mark.requirement("9.41")
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_names_every_option_and_exits_0(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([option]) == 0
    shown = capsys.readouterr().out
    assert shown == usage("0.1.0")
    assert all(f"--{each.long}" in shown for each in (*OPTIONS, *PERL_OPTIONS))


@pytest.mark.requirement("9.41")
@pytest.mark.parametrize("option", ["-h", "-V"])
def test_help_and_version_load_no_cryptography(option: str) -> None:
    code = (
        "import sys\n"
        "from watchword.programs.fwknop import main\n"
        f"status = main(['{option}', '--no-rc-file', '--no-save-args', '-E', '/dev/null'])\n"
        "loaded = [n for n in sys.modules if n.split('.')[0] == 'cryptography']\n"
        "sys.exit(status or len(loaded))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "fwknop client" in done.stdout
    assert not done.stderr


# The kept options of a run.


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["-A", "tcp/22", "-D", "h"], "fwknop -A tcp/22 -D h "),
        (["--key-rijndael", "secret", "-D", "h"], "fwknop -D h "),
        (["--key-rijndael=secret", "-D", "h"], "fwknop -D h "),
        (["--key-r", "secret", "-D", "h"], "fwknop -D h "),
        (["--key-base64-rij=c2VjcmV0", "-v"], "fwknop -v "),
        (["-v", "--key-hmac", "secret"], "fwknop -v --use-hmac "),
        (["--key-base64-hmac", "c2VjcmV0", "-v"], "fwknop --use-hmac -v "),
        (["-U", "--key-rijndael", "-v"], "fwknop -U --key-rijndael -v "),
        (["-H", "http://me:secret@proxy:80", "-v"], "fwknop -H http://proxy:80 -v "),
        (["-vHme:s@proxy"], "fwknop -vHproxy "),
        (["--socks=socks5://me:s@ecr@et@h:1"], "fwknop --socks=socks5://h:1 "),
        (["--HTTP-proxy", "http://me:s@h"], "fwknop --HTTP-proxy http://h "),
        (["--HTTP-proxy-user", "me", "--HTTP-proxy-pass", "s"], "fwknop --HTTP-proxy-user me "),
        (["-vU", "--key-rijndael", "-v"], "fwknop -vU --key-rijndael -v "),
        (["-C", "echo 'a b'"], "fwknop -C 'echo '\"'\"'a b'\"'\"'' "),
    ],
)
def test_kept_options_hold_no_key(argv: list[str], line: str) -> None:
    assert client_last.kept(["fwknop", *argv]) == line


@pytest.mark.parametrize(
    "argv",
    [["-A", "tcp/22"], ["-C", "echo 'a b' > \"x\""], ["-U", ""], ["-C", "a\\b"], ["-C", "a\nb"]],
)
def test_kept_options_come_back_as_they_were(argv: list[str]) -> None:
    assert client_last.again(client_last.kept(["fwknop", *argv])) == argv


@pytest.mark.requirement("9.20", partial=True)
@pytest.mark.parametrize(
    ("line", "argv"),
    [
        ("fwknop -A tcp/22 -D h ", ["-A", "tcp/22", "-D", "h"]),
        ("-A tcp/22 -D h", ["-A", "tcp/22", "-D", "h"]),
        ("/usr/bin/fwknop -C it's -D h", ["-C", "it's", "-D", "h"]),
    ],
)
def test_lines_that_the_other_clients_kept_are_understood(line: str, argv: list[str]) -> None:
    assert client_last.again(line) == argv


def test_an_empty_name_of_a_key_or_program_of_gnupg_is_none() -> None:
    words = ["--gpg-recipient-key", "K", "--gpg-signer-key", "", "--gpg-exe", ""]
    wish = client_gpg.wish(parse([*words, "--gpg-home-dir", ""]).given)
    assert (wish.recipients, wish.signers, wish.home) == (("K",), (), "")
    assert wish.program == "/usr/bin/gpg"
