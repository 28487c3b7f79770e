"""Policy tests: what an operator expects of access.conf, held against the daemon's own rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.daemon import stanza
from tests.unit.test_tool import OTHER, OTHER_MAC
from watchword.dialects.fwknop import server_options, translate
from watchword.dialects.fwknop.policy_tests import MOST, OF_POLICY
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.translate import Configuration
from watchword.errors import OperatorError
from watchword.model.reasons import Reason
from watchword.service import policy_trial
from watchword.service.daemon import server
from watchword.service.daemon.own_configuration import fits
from watchword.service.tool import command as tool

CONFIG, ACCESS, TESTS = "/etc/fwknop/fwknopd.conf", "/etc/fwknop/access.conf", "/etc/tests"
HOME = stanza(
    SOURCE="192.0.2.0/24, 2001:db8::/32",
    OPEN_PORTS="tcp/22,udp/53",
    REQUIRE_USERNAME="alice,bob",
    REQUIRE_SOURCE_ADDRESS="Y",
    FW_ACCESS_TIMEOUT="60",
    MAX_FW_TIMEOUT="600",
    ACCESS_EXPIRE_EPOCH="2000000000",
)
ANYWHERE = stanza(
    OTHER,
    OTHER_MAC,
    DESTINATION="203.0.113.1",
    RESTRICT_PORTS="tcp/25",
    OPEN_PORTS="",
    ENABLE_CMD_EXEC="Y",
    CMD_EXEC_USER="nobody",
    CMD_REGEX="uptime|date .*",
)


def loaded(tests: str, access: str = HOME + ANYWHERE, settings: str = "") -> Configuration:
    config = f"ENABLE_UDP_SERVER Y\nGUARD_SERVICES ALL\nPOLICY_TESTS {TESTS}\n{settings}"
    texts = {CONFIG: config, ACCESS: access, TESTS: tests}
    return translate.load(Sources.of(texts), server_options.parse([]))


def failures(tests: str, access: str = HOME + ANYWHERE, settings: str = "") -> list[str]:
    configuration = loaded(tests, access, settings)
    failed = policy_trial.failures(configuration.policy, configuration.tests, fits)
    return [str(each) for each in failed]


PASSING = """\
# From home:
granted tcp/22 from 192.0.2.7
granted tcp/22,udp/53 from 2001:db8::7 user bob stanza 1 lasting 60;
granted tcp/22 from 192.0.2.7 seconds 9999 lasting 600 stanza #1
GRANTED tcp/22 FROM 192.0.2.7 for 198.51.100.9
refused tcp/22 from 192.0.2.7 for source stanza 1 because source-address-required
refused tcp/22 from 192.0.2.7 for 224.0.0.1 because address-not-a-host
refused tcp/3306 from 192.0.2.7
refused tcp/3306 from 192.0.2.7 because port-not-offered
refused tcp/22 from 192.0.2.7 user mallory stanza 1 because wrong-user
refused tcp/22 from 192.0.2.7 aged 121 because too-old
refused tcp/22 from 192.0.2.7 aged -121 because from-the-future
granted tcp/22 from 192.0.2.7 aged 120
refused tcp/22 from 192.0.2.7 at 2033-05-18T03:33:20+00:00 because stanza-expired
granted tcp/22 from 192.0.2.7 at 2033-05-18T03:33:19+00:00
# From elsewhere, to one of our addresses:
refused tcp/22 from 198.51.100.2 because no-stanza-for-source
granted tcp/3306 from 198.51.100.2 to 203.0.113.1
refused tcp/25 from 198.51.100.2 to 203.0.113.1 because port-restricted
granted command uptime from 198.51.100.2 to 203.0.113.1
granted command 'date -u' from 198.51.100.2 to 203.0.113.1
refused command reboot from 198.51.100.2 to 203.0.113.1 because command-not-allowed
refused command uptime from 192.0.2.7 stanza 1 because commands-not-enabled
"""


def test_every_word_of_the_language_is_tried_by_the_rules_of_the_daemon() -> None:
    assert failures(PASSING) == []


@pytest.mark.parametrize("line", [each for each in PASSING.splitlines() if each[0] != "#"])
def test_the_opposite_of_what_holds_fails(line: str) -> None:
    verdict, rest = line.split(maxsplit=1)
    rest = rest.partition(" because ")[0].partition(" lasting ")[0]
    opposite = {"granted": "refused", "refused": "granted"}[verdict.lower()]
    [said] = failures(f"{opposite} {rest}\n")
    assert f"{TESTS}:1: policy test failed: expected {opposite}, got {verdict.lower()}" in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "granted tcp/22 from 198.51.100.2",
            "expected granted, got refused because no-stanza-for-source (stanza #1",
        ),
        (
            "refused tcp/22 from 192.0.2.7 user mallory stanza 1 because port-not-offered",
            "expected refused because port-not-offered, got refused because wrong-user",
        ),
        (
            "granted tcp/22 from 192.0.2.7 lasting 30",
            f"expected granted for 30 seconds, got granted for 60 seconds (stanza #1, {ACCESS}:1)",
        ),
        ("granted command uptime from 198.51.100.2 to 203.0.113.1 lasting 5", "got granted (st"),
        ("granted tcp/22 from 192.0.2.7 stanza 3", "there is no stanza #3"),
    ],
)
def test_a_failing_test_is_told_with_its_line_what_was_expected_and_what_came(
    line: str, said: str
) -> None:
    [failure] = failures(f"\n# two lines before\n{line}\n")
    assert failure.startswith(f"{TESTS}:3: ")
    assert said in failure


def test_a_refusal_is_one_of_every_key_and_the_nearest_reason_counts() -> None:
    """Stanza 2 would let the port pass that stanza 1 does not offer."""
    line = "refused tcp/3306 from 192.0.2.7 to 203.0.113.1"
    [failure] = failures(line)
    assert "got granted for 30 seconds (stanza #2" in failure
    assert failures(f"{line} stanza 1 because port-not-offered") == []


def test_a_policy_that_passed_yesterday_passes_today() -> None:
    """Expiry is looked at where a test names a time, and nowhere else."""
    long_gone = HOME.replace("2000000000", "1000000000")
    assert failures("granted tcp/22 from 192.0.2.7", long_gone) == []
    [failure] = failures("granted tcp/22 from 192.0.2.7 at 2026-01-01", long_gone)
    assert "stanza-expired" in failure


def test_rules_for_all_stanzas_are_tried_too() -> None:
    assert failures("granted tcp/22 from 192.0.2.7", settings="DIGEST_TYPE SHA512\n") == []
    ageless = "ENABLE_SPA_PACKET_AGING N\n"
    assert failures("granted tcp/22 from 192.0.2.7 aged 9999", settings=ageless) == []
    limited = "ENABLE_DESTINATION_RULE Y\n"
    [failure] = failures("granted tcp/22 from 192.0.2.7", settings=limited)
    assert "address-not-a-host" in failure
    assert failures("granted tcp/22 from 192.0.2.7 to 203.0.113.1", settings=limited) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("grant tcp/22 from 192.0.2.7", "'grant' is neither granted nor refused"),
        ("granted", "where does the packet come from?"),
        ("granted tcp/22", "where does the packet come from?"),
        ("granted from 192.0.2.7", "what is asked for?"),
        ("granted tcp/22 from 192.0.2.7 command x", "what is asked for?"),
        ("granted tcp/22 frm 192.0.2.7", "did you mean from?"),
        ("granted tcp/22 from", "nothing follows 'from'"),
        ("granted tcp/22 from 192.0.2.0/24", "'192.0.2.0/24' is no address"),
        ("granted tcp/22 from 192.0.2.7 from 192.0.2.8", "'from' is said twice"),
        ("granted tcp/22 from 192.0.2.7 because too-old", "nothing is granted 'because'"),
        ("refused tcp/22 from 192.0.2.7 lasting 5", "what is refused does not last"),
        ("refused tcp/22 from 192.0.2.7 because to-old", "did you mean too-old?"),
        (
            "refused tcp/22 from 192.0.2.7 because hmac-mismatch",
            "no reason that lies in the policy",
        ),
        ("refused tcp/22x from 192.0.2.7", "Invalid port"),
        ("refused tcp/0 from 192.0.2.7", "names no port"),
        ("refused tcp/22 from 192.0.2.7 seconds -1", "is no number from 1"),
        ("refused tcp/22 from 192.0.2.7 seconds ５", "is no number from 1"),
        ("refused tcp/22 from 192.0.2.7 at noon", "'noon' is no time"),
        ("refused command 'a; b' from 192.0.2.7", "cannot be split into words"),
    ],
)
def test_a_mistake_in_a_test_is_an_error_with_its_line(line: str, said: str) -> None:
    with pytest.raises(OperatorError) as error:
        loaded(f"granted tcp/22 from 192.0.2.7\n{line}\n")
    [complaint] = [each for each in error.value.complaints if each.fatal]
    assert said in str(complaint)
    assert str(complaint.place) == f"{TESTS}:2"


def test_the_file_of_tests_has_to_be_there_and_to_be_text() -> None:
    for texts in (
        {},
        {TESTS: "granted \0"},
        {TESTS: "granted tcp/22 from 192.0.2.7\n" * (MOST + 1)},
    ):
        config = f"ENABLE_UDP_SERVER Y\nGUARD_SERVICES ALL\nPOLICY_TESTS {TESTS}\n"
        sources = Sources.of({CONFIG: config, ACCESS: HOME, **texts})
        with pytest.raises(OperatorError) as error:
            translate.load(sources, server_options.parse([]))
        assert TESTS in str(error.value)


def test_a_misspelt_variable_does_not_leave_the_tests_out() -> None:
    sources = Sources.of({CONFIG: f"ENABLE_UDP_SERVER Y\nPOLICY_TEST {TESTS}\n", ACCESS: HOME})
    with pytest.raises(OperatorError, match="unknown configuration parameter: 'POLICY_TEST'"):
        translate.load(sources, server_options.parse([]))


def test_the_reasons_that_can_be_expected_are_those_of_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "policy-tests.md").read_text("utf-8")
    for reason in Reason:
        assert (f"`{reason.word}`" in page) == (reason in OF_POLICY), reason


class Files:
    """A configuration on disk, with tests of its own."""

    def __init__(self, folder: Path, tests: str) -> None:
        texts = {
            "fwknopd.conf": f"ENABLE_UDP_SERVER Y\nSTATE_DIR {folder}/state\n"
            f"FWKNOP_RUN_DIR {folder}/run\nPOLICY_TESTS {folder}/tests.conf\n",
            "access.conf": HOME,
            "tests.conf": tests,
        }
        for name, text in texts.items():
            (folder / name).touch(0o600)
            (folder / name).write_text(text, "utf-8")
        self.named = ["-c", f"{folder}/fwknopd.conf", "-a", f"{folder}/access.conf"]


def test_check_tries_them_and_says_which_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = Files(tmp_path, "granted tcp/22 from 192.0.2.7\nrefused tcp/22 from 192.0.2.7\n")
    assert tool.run(["check", *files.named]) == 1
    said = capsys.readouterr()
    assert "1 of 2 policy tests pass\nthe configuration cannot be used\n" in said.out
    where = f"watchword: error: {tmp_path}/tests.conf:2: policy test failed: "
    assert f"{where}expected refused, got granted for 60 seconds" in said.err
    assert tool.run(["check", "--json", *files.named]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["usable"], told["tests"], told["failed_tests"]) == (False, 2, 1)
    files = Files(tmp_path, "granted tcp/22 from 192.0.2.7\n")
    assert tool.run(["check", *files.named]) == 0
    assert "1 of 1 policy tests pass\nthe configuration can be used\n" in capsys.readouterr().out


@pytest.mark.parametrize("way", ["-f", "--exit-parse-config"])
def test_with_a_failing_test_nothing_starts(
    way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = Files(tmp_path, "refused tcp/22 from 192.0.2.7\n")
    assert server.run([way, *files.named]) == 1
    said = capsys.readouterr().err
    assert f"fwknopd: error: {tmp_path}/tests.conf:1: policy test failed: expected refused" in said
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "state").exists()


def test_what_explains_a_packet_does_not_ask_the_tests_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = Files(tmp_path, "refused tcp/22 from 192.0.2.7\n")
    assert tool.run(["explain", *files.named, "-s", "192.0.2.7", "garbage"]) == 1
    assert "REFUSED (envelope)" in capsys.readouterr().out
