"""Our client and the packaged one read each other's files and speak alike."""

from __future__ import annotations

import base64
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.privileges import PACKAGED
from watchword.conformance.golden import load
from watchword.dialects.fwknop import client_keys
from watchword.dialects.fwknop.rcfile_read import read
from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.wire.spa.message import Message
from watchword.wire.spa.opening import Lock, unseal

pytestmark = pytest.mark.peer("fwknop")

OURS = [sys.executable, "-m", "watchword.programs.fwknop"]
THEIRS = [shutil.which("fwknop", path=PACKAGED) or "fwknop"]
BOTH = pytest.mark.parametrize(
    ("writer", "reader"), [(OURS, THEIRS), (THEIRS, OURS)], ids=["ours-theirs", "theirs-ours"]
)
KNOCK = ["-A", "tcp/22,udp/53", "-a", "192.0.2.10", "-D", "198.51.100.7"]
KEYS = {
    "text": ["--key-rijndael", "client-key-1", "--key-hmac", "client-hmac-1"],
    "base64": ["--key-base64-rijndael", "Y2xpZW50LWtleS0x", "--key-base64-hmac", "aG1hYy0xCg=="],
    "no hmac": ["--key-rijndael", "client-key-1"],
}


class Desk:
    """A home folder and the two clients in it."""

    def __init__(self, home: Path) -> None:
        self.rc = home / ".fwknoprc"
        self.packet = home / "packet"
        self.environment = {**os.environ, "HOME": str(home), "LOGNAME": "tester"}
        self.environment.pop("SPOOF_USER", None)

    def run(self, client: list[str], *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*client, *options], check=False, capture_output=True, text=True, timeout=120,
            stdin=subprocess.DEVNULL, env=self.environment, cwd=self.rc.parent,
            start_new_session=True,
        )  # fmt: skip

    def file(self, text: str) -> None:
        self.rc.write_text(text, "utf-8")
        self.rc.chmod(0o600)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def credential(desk: Desk, stanza: str) -> Credential:
    """The credential that a stanza of the rc file speaks of, read by our reader."""
    [section] = read(desk.rc.read_text("utf-8"), "rc", stanza)
    assert section is not None
    given = section.given
    assert given.key is not None
    mac_key = client_keys.octets(given.mac_key) if given.mac_key else None
    return Credential(
        Secret(client_keys.octets(given.key)),
        given.mode or CipherMode.CBC,
        Secret(mac_key) if mac_key else None,
        given.mac_digest or Digest.SHA256,
    )


def opened(desk: Desk, sealed_with: Credential) -> Message:
    payload = desk.packet.read_bytes().removesuffix(b"\n")
    return unseal(payload, Lock(sealed_with)).message


@pytest.mark.requirement("1.4", "2.6")
@BOTH
@pytest.mark.parametrize("digest", [each.name.lower() for each in Digest])
def test_a_stanza_of_one_client_is_a_packet_of_the_other(
    desk: Desk, writer: list[str], reader: list[str], digest: str
) -> None:
    desk.file("[default]\n")
    made = [*KNOCK, "--use-hmac", "-m", digest, "--hmac-digest-type", digest, "-f", "30"]
    length = ["--hmac-key-len", "64"] if digest.startswith("sha3") else []
    saved = desk.run(writer, *made, *length, "-k", "--save-rc-stanza", "-n", "Work")
    assert saved.returncode == 0, saved.stderr
    used = desk.run(reader, "-n", "work", "-T", "-B", str(desk.packet))
    assert used.returncode == 0, used.stderr

    message = opened(desk, credential(desk, "work"))

    assert message.text == "192.0.2.10,tcp/22,udp/53"
    assert message.digest is Digest[digest.upper()]
    assert (message.user, message.seconds) == ("tester", 30)


@BOTH
@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS.keys())
@pytest.mark.parametrize("mode", ["CBC", "CTR", "CFB", "OFB", "ECB"])
def test_every_key_form_and_mode_is_taken_over(
    desk: Desk, writer: list[str], reader: list[str], keys: list[str], mode: str
) -> None:
    desk.file("[default]\n")
    saved = desk.run(writer, *KNOCK, *keys, "-M", mode, "-T", "--save-rc-stanza")
    assert saved.returncode == 0, saved.stderr
    used = desk.run(reader, "-n", "198.51.100.7", "-T", "-B", str(desk.packet))
    assert used.returncode == 0, used.stderr
    assert opened(desk, credential(desk, "198.51.100.7")).text == "192.0.2.10,tcp/22,udp/53"


@BOTH
@pytest.mark.parametrize("form", ["key file", "legacy"])
def test_key_files_and_legacy_mode_are_taken_over(
    desk: Desk, writer: list[str], reader: list[str], form: str, tmp_path: Path
) -> None:
    desk.file("[default]\n")
    keys = tmp_path / "keys"
    keys.write_text("# c\n198.51.100.7: client-key-1\n", "utf-8")
    keys.chmod(0o600)
    options = {"key file": ["-G", str(keys)], "legacy": ["-M", "legacy", *KEYS["no hmac"]]}[form]
    saved = desk.run(writer, *KNOCK, *options, "-T", "--save-rc-stanza")
    assert saved.returncode == 0, saved.stderr
    used = desk.run(reader, "-n", "198.51.100.7", "-T", "-B", str(desk.packet))
    assert used.returncode == 0, used.stderr
    mode = CipherMode.LEGACY if form == "legacy" else CipherMode.CBC
    assert opened(desk, Credential(Secret(b"client-key-1"), mode)).user == "tester"


SAVED = {
    "seed": ["-A", "tcp/1234", "-a", "192.168.21.128", "-D", "192.168.21.132", "--use-hmac"],
    "text": [*KNOCK, *KEYS["text"]],
    "base64": [*KNOCK, *KEYS["base64"], "-n", "named"],
    "everything": [
        *KNOCK, *KEYS["text"], "-n", "foo", "-p", "1234", "-P", "UDP", "-S", "44", "-f", "30",
        "--time-offset-plus", "2h", "-M", "ctr", "-m", "SHA512", "-U", "bob", "-r",
        "--hmac-digest-type", "md5", "-N", "192.0.2.5:55", "--nat-local", "--nat-rand-port",
        "--nat-port", "44", "--no-save-args",
    ],
    "minus": [*KNOCK, "--time-offset-minus", "60min"],
    "file": [*KNOCK, "-G", "/k"],
    "gpg": [
        *KNOCK, "--gpg-agent", "--gpg-recipient-key", "AA", "--gpg-signer-key", "BB",
        "--gpg-home-dir", "/g", "--gpg-exe", "/usr/bin/gpg", "--gpg-no-signing-pw",
    ],
    "spoof": [*KNOCK, "-Q", "192.0.2.9", "-P", "udpraw"],
}  # fmt: skip


@pytest.mark.requirement("2.6")
@pytest.mark.parametrize("options", SAVED.values(), ids=SAVED.keys())
def test_both_clients_write_the_same_file(desk: Desk, options: list[str]) -> None:
    """Where there is no comment and no empty line that ours would keep."""
    written = []
    mode = "-k" if {"-G", *KEYS["text"], *KEYS["base64"]}.isdisjoint(options) else "-T"
    for client in (OURS, THEIRS):
        desk.file("[default]\n[other]\nACCESS tcp/1\n")
        desk.run(client, *options, mode, "--save-rc-stanza")
        written.append(re.sub(r"(KEY_BASE64 +)\S+", r"\1...", desk.rc.read_text("utf-8")))
    assert written[0] == written[1]
    assert "SPA_SERVER " in written[0]


def normal(text: str) -> str:
    """An output with everything that differs from packet to packet taken out."""
    text = re.sub(r"(Random Value: )[0-9]{16}", r"\1<16 digits>", text)
    text = re.sub(r"(Timestamp: )[0-9]{10}", r"\1<time>", text)
    text = re.sub(r"GET /[A-Za-z0-9_-]{140,}", "GET /<packet>", text)
    text = re.sub(r"(Encoded Data: )[0-9]{16}:([^:]+):[0-9]{10}:", r"\1<random>:\2:<time>:", text)
    return re.sub(
        r"(SPA Data Digest|HMAC|Final SPA Data): ([A-Za-z0-9+/]{20,})",
        lambda found: f"{found[1]}: <{len(found[2])} characters>",
        text,
    )


SHOWN = {
    **{f"digest {each.name}": ["-m", each.name] for each in Digest},
    **{f"hmac {each.name}": ["--hmac-digest-type", each.name] for each in Digest},
    **{f"mode {each}": ["-M", each] for each in ("CBC", "CTR", "CFB", "OFB", "ECB")},
    "timeout": ["-f", "60"],
    "nat": ["-N", "10.0.0.5:80"],
    "nat with timeout": ["-N", "10.0.0.5", "-f", "9"],
    "local nat": ["--nat-local", "-f", "9"],
    "command": ["-C", "id -a", "-f", "60"],
    "source": ["-s"],
    "user": ["-U", "bob smith"],
    "port": ["-p", "1234", "-S", "99"],
    "time": ["--time-offset-plus", "2days"],
    **{f"over {each}": ["-P", each, "-S", "99"] for each in ("tcp", "icmp")},
    "over http": ["-P", "http", "-p", "80", "-u", "Fwknop/mine"],
    "forged": ["-P", "tcpraw", "-S", "99", "-Q", "192.0.2.9"],
}


@pytest.mark.requirement("4.17", partial=True)
@pytest.mark.parametrize("verbose", [[], ["-v"], ["-vv"]], ids=["plain", "v", "vv"])
@pytest.mark.parametrize("options", SHOWN.values(), ids=SHOWN.keys())
def test_both_clients_show_the_same_dump(
    desk: Desk, options: list[str], verbose: list[str]
) -> None:
    desk.file("[default]\n[x]\nFW_TIMEOUT 4\n")
    argv = [*KNOCK, *KEYS["text"], "-T", *verbose, "-n", "x", *options]
    ours, theirs = (desk.run(client, *argv) for client in (OURS, THEIRS))
    assert normal(ours.stdout) == normal(theirs.stdout)
    assert ours.stderr == theirs.stderr
    assert ours.returncode == theirs.returncode == 0


@pytest.mark.requirement("4.14")
def test_each_v_widens_the_output_as_far_as_in_the_other_client(desk: Desk) -> None:
    desk.file(
        "[default]\nUSE_HMAC y\n[myssh]\nACCESS tcp/22\nALLOW_IP 192.0.2.10\nSPA_SERVER h\n"
        "KEY client-key-1\nHMAC_KEY client-hmac-1\n"
    )
    shown = []
    for level in ([], ["-v"], ["-vv"], ["-vvv"], ["-v", "-v", "-v"]):
        ours, theirs = (desk.run(each, "-n", "myssh", "-T", *level) for each in (OURS, THEIRS))
        assert normal(ours.stdout) == normal(theirs.stdout)
        assert ours.stderr == theirs.stderr
        shown.append(set(normal(ours.stdout).splitlines()))
    plain, one, two, three, spread = shown
    assert plain < one < two
    assert {"parse_rc_param() : Parsing variable ACCESS..."} <= two - one
    assert two == three == spread


@pytest.mark.requirement("4.18")
def test_both_clients_report_the_sending_in_the_same_lines(desk: Desk) -> None:
    desk.file("[default]\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(60)
        port = server.getsockname()[1]
        argv = ["-A", "tcp/22", "-a", "192.0.2.10", "-D", "127.0.0.1", "-p", str(port),
                "--key-rijndael", "client-key-1", "-v"]  # fmt: skip
        ours, theirs = (
            desk.run(client, *argv).stdout.partition("Generating SPA packet:")[2]
            for client in (OURS, THEIRS)
        )
        sizes = [len(server.recv(2000)) for _ in range(2)]
    assert ours == theirs.replace(
        "             IP/host: 127.0.0.1\n",
        "             IP/host: 127.0.0.1\n             address: 127.0.0.1\n",
    )
    assert "            protocol: udp\n" in ours
    assert f"    destination port: {port}\n" in ours
    assert ours.endswith(f"send_spa_packet: bytes sent: {sizes[0]}\n")


@pytest.mark.parametrize("verbose", [[], ["-v"]], ids=["plain", "v"])
@pytest.mark.parametrize(
    "keys",
    [KEYS["no hmac"], KEYS["base64"], ["-M", "legacy", "--key-rijndael", "k" * 20]],
    ids=["no hmac", "base64", "legacy"],
)
def test_both_clients_show_the_same_dump_for_every_key_form(
    desk: Desk, keys: list[str], verbose: list[str]
) -> None:
    desk.file("[default]\n")
    argv = [*KNOCK, *keys, "-T", *verbose]
    ours, theirs = (desk.run(client, *argv) for client in (OURS, THEIRS))
    assert normal(ours.stdout) == normal(theirs.stdout)
    assert ours.stderr == theirs.stderr


REFUSED: dict[str, list[str]] = {
    **{each["id"]: each["argv"][1:] for each in load("client_errors")},
    "no destination": ["-A", "tcp/22", "-a", "192.0.2.1"],
    "nobody to let in": ["-A", "tcp/22", "-D", "198.51.100.7"],
    "no stanza": ["-n", "nowhere"],
    "no -A, command and nat": ["-T", "-a", "192.0.2.1", *KEYS["text"], "-A", "foo", "-N", "h:1"],
    "no address": ["-T", "-A", "tcp/22", *KEYS["text"]],
    "user": ["-T", *KNOCK, *KEYS["text"], "-U", "/x"],
    "nat port": ["-T", *KNOCK, *KEYS["text"], "-N", "h:0"],
    "new key": ["-k", "--key-len", "33"],
    "new key length": ["-k", "--key-len", "0"],
    "key file": ["-T", *KNOCK, "-G", "/nonexistent"],
    "key length": ["-T", *KNOCK, "--key-base64-rijndael", "A"],
    "no terminal": ["-T", *KNOCK],
    "last": ["-l"],
    "show last": ["--show-last"],
    "spoof": ["-T", *KNOCK, "-Q", "192.0.2.1", *KEYS["text"]],
    "gpg": ["-T", *KNOCK, "-g", *KEYS["text"]],
    "asymmetric": ["-T", *KNOCK, "-M", "asymmetric", *KEYS["text"]],
    "offset": ["-T", *KNOCK, "--time-offset-plus", "x", *KEYS["text"]],
    "port": ["-T", *KNOCK, "-p", "-1", *KEYS["text"]],
    "no home": ["--no-home-dir", "-V"],
    "unresolvable": ["-A", "tcp/22", "-s", "-D", "no-such-host.invalid", *KEYS["text"]],
    "unknown option": ["--frobnicate"],
}
OURS_ONLY = {"clierr-cmd-200"}
"""Refused by ours before a packet is made that nobody can read."""


@pytest.mark.parametrize("name", sorted(REFUSED.keys() - OURS_ONLY))
def test_both_clients_refuse_with_the_same_first_line_and_status(desk: Desk, name: str) -> None:
    desk.file("[default]\n")
    ours, theirs = (desk.run(client, *REFUSED[name]) for client in (OURS, THEIRS))
    assert ours.returncode == theirs.returncode == 1
    assert ours.stderr.splitlines()[0] == theirs.stderr.splitlines()[0].removeprefix("/usr/bin/")


RC_MISTAKES = [
    "VERBOSE 7", "DIGEST_TYPE sha224", "ALLOW_IP foo", "FW_TIMEOUT 65537", "NAT_PORT -1",
    "SPA_SERVER_PROTO foo", "ENCRYPTION_MODE pcbc",
]  # fmt: skip


@pytest.mark.parametrize("line", RC_MISTAKES)
def test_both_clients_complain_alike_about_the_rc_file(desk: Desk, line: str) -> None:
    desk.file(f"[default]\n# c\n{line}\n")
    ours, theirs = (desk.run(client, "-T", *KNOCK, *KEYS["text"]) for client in (OURS, THEIRS))
    assert ours.returncode == theirs.returncode == 1
    assert ours.stderr.splitlines()[0] == theirs.stderr.splitlines()[0]


def test_only_theirs_shows_the_value_of_an_unknown_variable_which_may_be_a_key(desk: Desk) -> None:
    desk.file("[default]\n# c\nKEYBASE64 bar\n")
    ours, theirs = (desk.run(client, "-T", *KNOCK, *KEYS["text"]) for client in (OURS, THEIRS))
    assert ours.returncode == theirs.returncode == 1
    first = theirs.stderr.splitlines()[0]
    assert first.endswith("var=KEYBASE64, val=bar")
    assert ours.stderr.splitlines()[0] == first.replace("val=bar", "val=(not shown)")
    assert "bar" not in ours.stderr.replace("var", "")


def test_both_clients_list_the_same_stanzas(desk: Desk) -> None:
    desk.file("[default]\n[a]\nACCESS tcp/1\n[ b c ] x\n[A]\n# [d]\n  [e]\n")
    ours, theirs = (desk.run(client, "--stanza-list") for client in (OURS, THEIRS))
    assert ours.stdout == theirs.stdout
    assert " - a\n" in ours.stdout


@BOTH
def test_the_options_of_one_clients_last_run_are_run_again_by_the_other(
    desk: Desk, writer: list[str], reader: list[str]
) -> None:
    desk.file("[default]\nKEY client-key-1\nHMAC_KEY client-hmac-1\n")
    argv = [*KNOCK, "-T", "-B", str(desk.packet)]
    assert desk.run(writer, *argv).returncode == 0
    desk.packet.unlink()
    again = desk.run(reader, "-l")
    assert again.returncode == 0, again.stderr
    assert opened(desk, credential(desk, "default")).text == "192.0.2.10,tcp/22,udp/53"


def test_new_keys_are_shown_in_the_same_form(desk: Desk) -> None:
    desk.file("[default]\n")
    shapes = []
    for client in (OURS, THEIRS):
        done = desk.run(client, "-k")
        words = done.stdout.split()
        shapes.append([words[0], len(words[1]), words[2], len(words[3]), len(words)])
        assert len(base64.b64decode(words[1])) == 32
    assert shapes[0] == shapes[1]
