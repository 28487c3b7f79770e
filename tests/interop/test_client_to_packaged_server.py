"""Our fwknop client knocks at the packaged server: every digest, HMAC type, mode and key form."""

from __future__ import annotations

import re
import shutil
import sys
from base64 import b64encode
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from tests.daemon import until
from tests.plugins.privileges import PACKAGED
from watchword.lab.hosts import Lab
from watchword.lab.trio import Trio, trio

pytestmark = [pytest.mark.system, pytest.mark.peer("fwknopd")]

DIGESTS = ("md5", "sha1", "sha256", "sha384", "sha512", "sha3_256", "sha3_512")
MODES = ("CBC", "CTR", "CFB", "OFB", "ECB")
KEY = b"the encryption key of interop 32"
_ports = count(2000)


def mac_key(kind: str) -> bytes:
    """One key for each HMAC type, so that each type has a stanza of its own."""
    return f"hmac key for {kind}, long enough".encode("ascii")


def encoded(key: bytes) -> str:
    return b64encode(key).decode("ascii")


def stanza(**variables: str) -> str:
    return "SOURCE ANY\n" + "".join(f"{name} {value}\n" for name, value in variables.items())


def access_conf() -> str:
    """A stanza for each HMAC type, each mode and each form of key that the tests use."""
    base64 = {"KEY_BASE64": encoded(KEY)}
    by_type = [
        stanza(**base64, HMAC_KEY_BASE64=encoded(mac_key(kind)), HMAC_DIGEST_TYPE=kind)
        for kind in DIGESTS
    ]
    by_mode = [
        stanza(**base64, HMAC_KEY_BASE64=encoded(mac_key(mode)), ENCRYPTION_MODE=mode)
        for mode in MODES
    ]
    others = [
        stanza(KEY="a-passphrase", HMAC_KEY="an-hmac-passphrase"),
        stanza(KEY_BASE64=encoded(b"only encrypted, without any hmac")),
        stanza(KEY="legacy-key", ENCRYPTION_MODE="legacy"),
    ]
    return "\n".join([*by_type, *by_mode, *others])


class Packaged:
    """The packaged fwknopd on the server of the scene, in UDP server mode."""

    def __init__(self, scene: Trio, folder: Path) -> None:
        self.scene = scene
        self.folder = folder
        host = scene.server.host
        settings = {
            "PCAP_INTF": "eth0",
            "ENABLE_UDP_SERVER": "Y",
            "FWKNOP_RUN_DIR": str(folder),
            "FWKNOP_PID_FILE": str(folder / "fwknopd.pid"),
            "DIGEST_FILE": str(folder / "digest.cache"),
        }
        self._write("fwknopd.conf", "".join(f"{n} {v};\n" for n, v in settings.items()))
        self._write("access.conf", access_conf())
        program = shutil.which("fwknopd", path=PACKAGED)
        assert program
        self.log = (folder / "log").open("wb")
        host.start(
            program, "-f", "-c", str(folder / "fwknopd.conf"), "-a", str(folder / "access.conf"),
            stdout=self.log, stderr=self.log,
        )  # fmt: skip
        until(lambda: ":62201 " in host.run("ss", "-Hlun").stdout)

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(text, "utf-8")
        path.chmod(0o600)

    def knock(self, *options: str, who: str = "198.51.100.2") -> str:
        """Ask for a port that nobody asked for before; return the rule that lets it in."""
        [rule] = self.knock_for(1, *options, who=who)
        return rule

    def knock_for(self, services: int, *options: str, who: str = "198.51.100.2") -> list[str]:
        """The same for so many ports at once."""
        ports = self.send(services, *options, who=who)
        return [until(partial(self.rule, who, port)) for port in ports]

    def send(self, services: int, *options: str, who: str = "198.51.100.2") -> list[int]:
        """Ask for so many ports that nobody asked for before; return them."""
        ports = [next(_ports) for _ in range(services)]
        whom = () if "-s" in options else ("-a", who)
        self.scene.caller.host.run(
            sys.executable, "-m", "watchword.programs.fwknop", "--no-rc-file", "--no-home-dir",
            "-E", str(self.folder / "args"), "-D", self.scene.server.four,
            "-A", ",".join(f"tcp/{port}" for port in ports), *whom, *options,
        )  # fmt: skip
        return ports

    def told(self) -> str:
        """What the server has logged so far."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def rule(self, who: str, port: int) -> str:
        rules = self.scene.server.host.run("iptables", "-S", "FWKNOP_INPUT", check=False).stdout
        wanted = re.compile(rf"-s {re.escape(who)}/32 -p tcp .*--dport {port} .*-j ACCEPT")
        return next((line for line in rules.splitlines() if wanted.search(line)), "")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Packaged]:
    with Lab() as lab:
        packaged = Packaged(trio(lab), tmp_path_factory.mktemp("fwknopd"))
        try:
            yield packaged
        finally:
            packaged.log.close()


def keys(mac: bytes, key: bytes = KEY) -> tuple[str, ...]:
    return ("--key-base64-rijndael", encoded(key), "--key-base64-hmac", encoded(mac))


@pytest.mark.requirement("8.16")
@pytest.mark.parametrize("inner", DIGESTS)
@pytest.mark.parametrize("outer", DIGESTS)
def test_every_inner_digest_under_every_hmac_type_opens_what_it_asks_for(
    server: Packaged, inner: str, outer: str
) -> None:
    assert server.knock(*keys(mac_key(outer)), "-m", inner, "--hmac-digest-type", outer)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_opens_what_it_asks_for(server: Packaged, mode: str) -> None:
    assert server.knock(*keys(mac_key(mode)), "-M", mode)


@pytest.mark.parametrize(
    "options",
    [
        ("--key-rijndael", "a-passphrase", "--key-hmac", "an-hmac-passphrase"),
        ("--key-base64-rijndael", encoded(b"only encrypted, without any hmac")),
        ("--key-rijndael", "legacy-key", "-M", "legacy"),
    ],
    ids=["text", "no hmac", "legacy"],
)
def test_every_form_of_key_opens_what_it_asks_for(
    server: Packaged, options: tuple[str, ...]
) -> None:
    assert server.knock(*options)


def test_keys_from_files_open_what_they_ask_for(server: Packaged, tmp_path: Path) -> None:
    files = {"-G": "a-passphrase", "--get-hmac-key": "an-hmac-passphrase"}
    options = []
    for number, (option, key) in enumerate(files.items()):
        path = tmp_path / str(number)
        path.write_text(f"{server.scene.server.four}: {key}\n", "utf-8")
        path.chmod(0o600)
        options += [option, str(path)]
    assert server.knock(*options)


@pytest.mark.requirement("9.3", partial=True)
def test_another_address_than_the_callers_can_be_let_in(server: Packaged) -> None:
    assert server.knock(*keys(mac_key("sha256")), who="192.0.2.66")


@pytest.mark.requirement("9.5")
def test_with_s_the_packets_own_source_is_let_in(server: Packaged) -> None:
    assert server.knock(*keys(mac_key("sha256")), "-s")


@pytest.mark.requirement("9.29")
def test_a_small_time_offset_is_accepted_and_a_large_one_is_not(server: Packaged) -> None:
    [stale] = server.send(1, *keys(mac_key("sha256")), "--time-offset-minus", "60min")
    until(lambda: "SPA data time difference is too great" in server.told())
    assert server.knock(*keys(mac_key("sha256")), "--time-offset-minus", "60sec")
    assert not server.rule("198.51.100.2", stale)


@pytest.mark.parametrize("seconds", [77, 200])
def test_the_rule_lasts_as_long_as_was_asked_for(server: Packaged, seconds: int) -> None:
    rule = server.knock(*keys(mac_key("sha256")), "-f", str(seconds))
    now = float(server.scene.server.host.run("date", "+%s").stdout)
    found = re.search(r"_exp_([0-9]+)", rule)
    assert found
    assert seconds - 40 <= int(found[1]) - now <= seconds + 1


@pytest.mark.requirement("9.2")
def test_several_services_are_asked_for_at_once(server: Packaged) -> None:
    assert len(set(server.knock_for(3, *keys(mac_key("sha256"))))) == 3
