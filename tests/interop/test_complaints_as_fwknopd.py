"""Files and options with mistakes, given to the packaged fwknopd and to ours.

Both read them and end (--exit-parse-config): nothing is opened, hidden or bound. What the packaged
server says of a mistake, ours says too, word for word, and both start with it or refuse. Where they
do not, that stands in ``ON_PURPOSE`` with the reason, and is tried as well: a difference that has
gone fails the test as one that is new.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.daemon import base64
from tests.values import KEY, MAC_KEY
from watchword.programs.fwknopd import main

pytestmark = [pytest.mark.system, pytest.mark.peer("fwknopd")]

K = f"KEY_BASE64 {base64(KEY)}\n"
M = f"HMAC_KEY_BASE64 {base64(MAC_KEY)}\n"
HEAD = "SOURCE ANY\nOPEN_PORTS tcp/22\nREQUIRE_SOURCE_ADDRESS Y\n"
GOOD = f"{HEAD}{K}{M}"


def of(source: str) -> str:
    return GOOD.replace("ANY", source)


def more(lines: str) -> str:
    return f"{GOOD}{lines}\n"


COMMANDS = "ENABLE_CMD_EXEC Y\n"
STANZAS = {
    "good": GOOD,
    "a colon and a semicolon": GOOD.replace("SOURCE ANY", "SOURCE: ANY;"),
    "a line before the first stanza": f"OPEN_PORTS tcp/1\n{GOOD}",
    "a bare flag": more("ENABLE_CMD_EXEC;"),
    "a name alone": more("OPEN_PORTS"),
    "an unknown name": more("FOO_BAR x"),
    "comments": more("; one\n# two\n\r\n"),
    "nothing": "",
    "nothing but a comment": "# nothing\n",
    "carriage returns": GOOD.replace("\n", "\r\n"),
    "tabs": GOOD.replace(" ", "\t"),
    "no newline at the end": GOOD.rstrip("\n"),
    "a line of blanks": f"{GOOD}   ",
    "source any": of("any"),
    "source with a mask": of("10.0.0.0/255.0.0.0"),
    "source with 33 bits": of("10.0.0.0/33"),
    "source with 0 bits": of("10.0.0.0/0"),
    "source without a mask": of("10.0.0.0/"),
    "source of a word": of("foo"),
    "source of a number too large": of("256.1.1.1"),
    "source with nothing in it": of("10.0.0.1,,10.0.0.2"),
    "source of several": of("10.0.0.1, 10.0.0.0/8"),
    "source of three numbers": of("1.2.3"),
    "source with holes in its mask": of("10.0.0.0/255.0.255.0"),
    "source of IPv6": of("2001:db8::1"),
    "destination of a word": more("DESTINATION foo"),
    "destination": more("DESTINATION 10.0.0.1"),
    "an end that is a word": more("ACCESS_EXPIRE tomorrow"),
    "an end that is no day": more("ACCESS_EXPIRE 13/45/2020"),
    "an end in two digits": more("ACCESS_EXPIRE 1/1/30"),
    "an end in seconds": more("ACCESS_EXPIRE_EPOCH 1999999999"),
    "an end that is no number": more("ACCESS_EXPIRE_EPOCH soon"),
    "ports of ICMP": more("OPEN_PORTS icmp/1"),
    "ports without protocol": more("OPEN_PORTS 22"),
    "a port too large": more("OPEN_PORTS tcp/65536"),
    "a port that is a word": more("OPEN_PORTS tcp/x"),
    "ports in capitals": more("OPEN_PORTS TCP/22, UDP/53"),
    "restricted ports of ICMP": more("RESTRICT_PORTS icmp/1"),
    "restricted ports without protocol": more("RESTRICT_PORTS 22"),
    "a time below nought": more("FW_ACCESS_TIMEOUT -1"),
    "a time too long": more("FW_ACCESS_TIMEOUT 8388609"),
    "a time that is a word": more("FW_ACCESS_TIMEOUT word"),
    "no time": more("FW_ACCESS_TIMEOUT 0"),
    "a cap below the time": more("MAX_FW_TIMEOUT 10\nFW_ACCESS_TIMEOUT 60"),
    "a cap below nought": more("MAX_FW_TIMEOUT -5"),
    "a key that is no base64": GOOD.replace(K, "KEY_BASE64 not base64!\n"),
    "a key with its end in the middle": GOOD.replace(K, "KEY_BASE64 ab=cd\n"),
    "no key": HEAD,
    "no key but for the HMAC": f"{HEAD}{M}",
    "placeholder": GOOD.replace(K, "KEY __CHANGEME__\n"),
    "placeholder in small letters": GOOD.replace(K, "KEY_BASE64 __changeme__\n"),
    "placeholder for the HMAC": GOOD.replace(M, "HMAC_KEY __CHANGEME__\n"),
    "placeholder for GnuPG": more("GPG_DECRYPT_PW __CHANGEME__"),
    "one key for both": f"{HEAD}KEY abcdefghijklmnopq\nHMAC_KEY abcdefghijklmnopq\n",
    "a digest that is none": more("HMAC_DIGEST_TYPE crc"),
    "a digest": more("HMAC_DIGEST_TYPE sha3_512"),
    "a mode that is none": more("ENCRYPTION_MODE xyz"),
    "the old mode": more("ENCRYPTION_MODE legacy"),
    "another mode": more("ENCRYPTION_MODE ctr"),
    "NAT that is not switched on": more("FORCE_NAT 10.0.0.5 22"),
    "an address to be seen as, alone": more("FORCE_SNAT 10.0.0.5"),
    "masquerade alone": more("FORCE_MASQUERADE Y"),
    "commands as nobody we know": more(f"{COMMANDS}CMD_EXEC_USER nosuchuser"),
    "commands in no group we know": more(f"{COMMANDS}CMD_EXEC_GROUP nosuchgroup"),
    "commands as nobody": more(f"{COMMANDS}CMD_EXEC_USER nobody"),
    "commands through sudo as nobody we know": more(
        f"{COMMANDS}ENABLE_CMD_SUDO_EXEC Y\nCMD_SUDO_EXEC_USER nosuchuser"
    ),
    "a cycle that only opens": more("CMD_CYCLE_OPEN /bin/true"),
    "a cycle that only closes": more("CMD_CYCLE_CLOSE /bin/true"),
    "a cycle without an end": more("CMD_CYCLE_OPEN /bin/true\nCMD_CYCLE_CLOSE /bin/true"),
    "a cycle with nothing to close": more("CMD_CYCLE_OPEN /bin/true\nCMD_CYCLE_CLOSE NONE"),
    "a cycle of no time": more(
        "CMD_CYCLE_OPEN /bin/true\nCMD_CYCLE_CLOSE /bin/true\nCMD_CYCLE_TIMER 0"
    ),
    "a cycle too long": more(f"CMD_CYCLE_OPEN /bin/{'x' * 300}\nCMD_CYCLE_CLOSE NONE"),
    "GnuPG without signers": more("GPG_ALLOW_NO_PW Y"),
    "GnuPG without a key ring": more(
        "GPG_ALLOW_NO_PW Y\nGPG_HOME_DIR /nonexistent\nGPG_REMOTE_ID ABCD1234"
    ),
    "GnuPG without signatures": more("GPG_ALLOW_NO_PW Y\nGPG_DISABLE_SIG Y"),
    "GnuPG with and without signatures": more(
        "GPG_ALLOW_NO_PW Y\nGPG_DISABLE_SIG Y\nGPG_REQUIRE_SIG Y\nGPG_REMOTE_ID ABCD1234"
    ),
    "an include that is missing": more("%include /nonexistent"),
    "a folder that is missing": more("%include_folder /nonexistent"),
    "a key file that is missing": more("%include_keys /nonexistent") + GOOD,
    "a user": more("REQUIRE_USERNAME bob"),
    "no address required": GOOD.replace("REQUIRE_SOURCE_ADDRESS Y\n", ""),
}
SETTINGS = {
    "nothing": "",
    "an unknown name": "FOO_BAR 1;",
    "a name alone": "VERBOSE",
    "an equals sign": "VERBOSE = 1;",
    "a colon": "VERBOSE: 1;",
    "a pause of nothing": "PCAP_LOOP_SLEEP 0;",
    "an age too great": "MAX_SPA_PACKET_AGE 100001;",
    "bytes that are a word": "MAX_SNIFF_BYTES word;",
    "a number with a tail": "MAX_SPA_PACKET_AGE 60x;",
    "the sample's own dispatch count": "PCAP_DISPATCH_COUNT 0;",
    "a TCP port too large": "TCPSERV_PORT 70000;",
    "a UDP port of nought": "UDPSERV_PORT 0;",
    "a threshold too high": "RULES_CHECK_THRESHOLD 131072;",
    "less than no words": "VERBOSE -1;",
    "a facility that is none": "SYSLOG_FACILITY LOG_FOO;",
    "a facility": "SYSLOG_FACILITY LOG_LOCAL3;",
    "five fields of a chain": "IPT_INPUT_ACCESS ACCEPT, filter, INPUT, 1, FWKNOP_INPUT;",
    "seven fields": "IPT_INPUT_ACCESS ACCEPT, src, filter, INPUT, 1, FWKNOP_INPUT, 1;",
    "a field with a dash": "IPT_INPUT_ACCESS ACCEPT, filter, IN-PUT, 1, FWKNOP_INPUT, 1;",
    "a jump too far": "IPT_INPUT_ACCESS ACCEPT, filter, INPUT, 70000, FWKNOP_INPUT, 1;",
    "a rule too far": "IPT_INPUT_ACCESS ACCEPT, filter, INPUT, 1, FWKNOP_INPUT, 70000;",
    "a path that begins nowhere": "FWKNOP_RUN_DIR relative/dir;",
    "a variable in a value": "SYSLOG_IDENTITY abc;\nLOCALE $SYSLOG_IDENTITY;",
    "a variable that is not set": "SYSLOG_IDENTITY $NOPE/x;",
    "an address to be seen as": (
        "ENABLE_IPT_FORWARDING Y;\nENABLE_IPT_SNAT Y;\nSNAT_TRANSLATE_IP nonsense;"
    ),
    "an address to be seen as, switched off": "SNAT_TRANSLATE_IP nonsense;",
    "a flag that is neither": "ENABLE_SPA_OVER_HTTP maybe;",
    "external commands": "ENABLE_EXTERNAL_CMDS N;",
    "the sets of ipfw": "IPFW_ACTIVE_SET_NUM 3;\nIPFW_EXPIRE_SET_NUM 4;",
    "a name for firewalld": "FIREWD_INPUT_ACCESS ACCEPT, filter, INPUT, 1, X, 1;",
    "no semicolon": "VERBOSE 0",
    "more behind the semicolon": "VERBOSE 0; and more",
    "a carriage return": "VERBOSE 0;\r",
    "a comment": "; VERBOSE 0;",
    "a locale": "LOCALE C;",
    "no such locale": "LOCALE nn_XX;",
}
ON_PURPOSE = {
    "a bare flag": "the line is not shown: it may be half of a key",
    "a line of blanks": "is empty",
    "source of three numbers": "nobody means 1.2.0.3",
    "source with holes in its mask": "nobody means that",
    "source of IPv6": "is read",
    "an end that is no day": "there is no such day",
    "an end that is no number": "never is not what was meant",
    "a port that is a word": "is not port 0",
    "a key that is no base64": "the key is not shown",
    "a key with its end in the middle": "is no base64",
    "GnuPG without a key ring": "why it cannot be found is said once",
    "a TCP port too large": "there is no such port",
    "a UDP port of nought": "ports end at 65535",
    "seven fields": "are those of 1.9",
    "a field with a dash": "chains that call ours may have one, as Docker's has",
    "a variable that is not set": "is told once, and its name is known",
    "external commands": "there are",
    "the sets of ipfw": "names for other firewalls are known",
    "a name for firewalld": "names for other firewalls are known",
}


@dataclass(frozen=True)
class Said:
    status: int
    text: str


class Both:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._capsys = capsys
        (folder / "run").mkdir()

    def told(self, settings: str, stanzas: str) -> tuple[Said, Said]:
        """The packaged server and ours, of the same files."""
        whole = f"FWKNOP_RUN_DIR {self._folder}/run;\nENABLE_UDP_SERVER Y;\n{settings}"
        for name, text in (("c", whole), ("a", stanzas)):
            (self._folder / name).touch(0o600)
            (self._folder / name).write_bytes(text.encode("utf-8"))
        words = ["-f", "-c", str(self._folder / "c"), "-a", str(self._folder / "a")]
        words.append("--exit-parse-config")
        done = subprocess.run(
            ["/usr/sbin/fwknopd", *words], capture_output=True, text=True, timeout=120, check=False
        )
        status = main(words)
        ours = self._capsys.readouterr()
        return Said(done.returncode, done.stdout + done.stderr), Said(status, ours.out + ours.err)


@pytest.fixture
def both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Both:
    monkeypatch.setattr("watchword.edges.language.set_locale", lambda name: name == "C")
    return Both(tmp_path, capsys)


def alike(theirs: Said, ours: Said) -> bool:
    lines = [each for each in theirs.text.splitlines() if each.strip()]
    return theirs.status == ours.status and all(each in ours.text for each in lines)


def check(cases: dict[str, str], told: Callable[[str], tuple[Said, Said]]) -> None:
    for name, text in cases.items():
        theirs, ours = told(text)
        assert "Traceback" not in ours.text, name
        reason = ON_PURPOSE.get(name)
        assert alike(theirs, ours) is (reason is None), (name, reason, theirs, ours)


def test_of_stanzas_with_mistakes_ours_says_what_the_packaged_server_says(both: Both) -> None:
    check(STANZAS, lambda stanzas: both.told("", stanzas))


def test_of_settings_with_mistakes_ours_says_what_the_packaged_server_says(both: Both) -> None:
    check(SETTINGS, lambda settings: both.told(f"{settings}\n", GOOD))


def test_every_difference_is_one_of_a_case_that_is_tried() -> None:
    assert set(ON_PURPOSE) <= set(STANZAS) | set(SETTINGS)


@pytest.mark.parametrize(
    "words",
    [
        ["-C", "-1"], ["-D", "-S"], ["-K", "-R"], ["-R", "-S"], ["--fault-injection-tag", "x"],
        ["--afl-fuzzing"], ["--bogus"], ["--pcap-filter"], ["-k"], ["-C"],
        ["-a", "/nonexistent", "-f"], ["--access-folder", "/nonexistent", "-f"],
        ["--gpg-home-dir", "/nonexistent", "-f"], ["--gpg-exe", "/nonexistent", "-f"],
        ["--sudo-exe", "/nonexistent", "-f"], ["-c", "/nonexistent", "-f"],
    ],
)  # fmt: skip
def test_a_command_line_that_cannot_be_ends_alike_and_with_the_same_words(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What getopt says of an option that there is none of is the system's, not fwknopd's."""
    (tmp_path / "c").touch(0o600)
    (tmp_path / "c").write_text(f"FWKNOP_RUN_DIR {tmp_path}/run;\n")
    if "-c" not in words:
        words = ["-c", str(tmp_path / "c"), *words]
    done = subprocess.run(
        ["/usr/sbin/fwknopd", *words], capture_output=True, text=True, timeout=120, check=False
    )
    status = main(words)
    said = capsys.readouterr().err
    assert done.returncode == status == 1
    lines = [each for each in done.stderr.splitlines() if each.strip()]
    if not lines[0].startswith("/usr/sbin/fwknopd: "):
        assert [each for each in lines if each not in said] == []
