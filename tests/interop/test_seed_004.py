"""The examples of the old manual page, as printed, by fwknop1 and by fwknop, at both servers.

Placeholders are filled in, and the key is typed by standard input.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.daemon import Server, until
from tests.plugins.privileges import PACKAGED
from watchword.lab.hosts import Lab
from watchword.lab.trio import Trio, trio

pytestmark = [pytest.mark.system, pytest.mark.peer("fwknopd")]

CALLER, SERVER = "198.51.100.2", "203.0.113.1"
OURS = 62202
"""The port of our server, beside the packaged one's 62201."""
SHORT, LONG, NAMED = "fwknoptest", "a passphrase of 27 letters!", "one-for-mbr"
STANZAS = (
    f"SOURCE ANY\nKEY {SHORT}\nENCRYPTION_MODE legacy\nOPEN_PORTS tcp/22,udp/53,tcp/23\n\n"
    f"SOURCE ANY\nKEY_BASE64 YSBwYXNzcGhyYXNlIG9mIDI3IGxldHRlcnMh\nOPEN_PORTS tcp/22,udp/53\n\n"
    f"SOURCE ANY\nKEY {NAMED}\nENCRYPTION_MODE legacy\nREQUIRE_USERNAME mbr\nOPEN_PORTS tcp/25\n"
)
EXAMPLES = {
    "10.1": f"-A 'tcp/22,udp/53' -a {CALLER} -D {SERVER}",
    "10.2": f"-A 'tcp/22,udp/53' -s -D {SERVER}",
}


class Scene:
    """A caller, and one host with both servers."""

    def __init__(self, net: Trio, folder: Path) -> None:
        self.net = net
        self.folder = folder
        self.host = net.server.host
        self.ours = Server(self.host, folder)
        self.ours.settings |= {"UDPSERV_PORT": str(OURS)}
        self.ours.access = STANZAS
        self.ours.start()
        self._start_packaged(folder / "packaged")

    def _start_packaged(self, folder: Path) -> None:
        folder.mkdir()
        settings = {
            "PCAP_INTF": "eth0", "ENABLE_UDP_SERVER": "Y", "FWKNOP_RUN_DIR": str(folder),
            "FWKNOP_PID_FILE": str(folder / "pid"), "DIGEST_FILE": str(folder / "digest.cache"),
        }  # fmt: skip
        conf = "".join(f"{name} {value};\n" for name, value in settings.items())
        for name, text in (("fwknopd.conf", conf), ("access.conf", STANZAS)):
            (folder / name).write_text(text, "utf-8")
            (folder / name).chmod(0o600)
        program = shutil.which("fwknopd", path=PACKAGED)
        assert program
        log = (folder / "log").open("wb")
        self.host.start(
            program, "-f", "-c", str(folder / "fwknopd.conf"), "-a", str(folder / "access.conf"),
            stdout=log, stderr=log,
        )  # fmt: skip
        log.close()
        until(lambda: ":62201 " in self.host.run("ss", "-Hlun").stdout)

    def client(self, program: str, line: str, key: str, *more: str) -> str:
        """Run a command line of the page; what it prints."""
        return self.net.caller.host.run(
            sys.executable, "-m", f"watchword.programs.{program}", "--no-rc-file",
            "--Home-dir", str(self.folder), *shlex.split(line), "--stdin", *more,
            input=f"{key}\n",
        ).stdout  # fmt: skip

    @property
    def log(self) -> str:
        """What the packaged server has said so far."""
        return (self.folder / "packaged" / "log").read_text("utf-8", "replace")

    def rules(self) -> list[str]:
        return self.host.run("iptables", "-S", "FWKNOP_INPUT", check=False).stdout.splitlines()

    def opened(self, proto: str, port: int) -> bool:
        """Whether the packaged server lets the caller in there."""
        wanted = re.compile(rf"-s {CALLER}/32 -p {proto} .*--dport {port} .*-j ACCEPT")
        return any(wanted.search(rule) for rule in self.rules())


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with Lab() as lab:
        yield Scene(trio(lab), tmp_path_factory.mktemp("seed"))


@pytest.mark.requirement("10.1", "10.2", "4.40")
@pytest.mark.parametrize("key", [SHORT, LONG], ids=["short key", "long key"])
@pytest.mark.parametrize("example", EXAMPLES)
def test_fwknop1_opens_both_ports_at_the_packaged_server(
    example: str, key: str, scene: Scene
) -> None:
    scene.host.run("iptables", "-F", "FWKNOP_INPUT")
    said = scene.client("fwknop1", EXAMPLES[example], key)
    assert f"[+] Sending 182 byte message to {SERVER} over udp/62201...\n" in said
    for proto, port in (("tcp", 22), ("udp", 53)):
        until(partial(scene.opened, proto, port))


@pytest.mark.requirement("10.1", "10.2", "4.7")
@pytest.mark.parametrize("key", [SHORT, LONG], ids=["short key", "long key"])
@pytest.mark.parametrize("example", EXAMPLES)
def test_fwknop1_opens_both_ports_at_our_server(example: str, key: str, scene: Scene) -> None:
    before = len(scene.ours.judged)
    scene.client("fwknop1", EXAMPLES[example], key, "--Server-port", str(OURS))
    judged = scene.ours.wait_for_judgements(before + 1)[before]
    assert (judged["verdict"], judged["who"]) == ("granted", CALLER)
    assert judged["services"] == ["tcp/22", "udp/53"]


@pytest.mark.requirement("10.1", "10.2")
@pytest.mark.parametrize("example", EXAMPLES)
def test_fwknop_opens_both_ports_at_both_servers(example: str, scene: Scene) -> None:
    scene.host.run("iptables", "-F", "FWKNOP_INPUT")
    assert scene.client("fwknop", EXAMPLES[example], LONG) == ""
    for proto, port in (("tcp", 22), ("udp", 53)):
        until(partial(scene.opened, proto, port))
    before = len(scene.ours.judged)
    scene.client("fwknop", EXAMPLES[example], LONG, "-p", str(OURS))
    assert scene.ours.wait_for_judgements(before + 1)[before]["verdict"] == "granted"


@pytest.mark.requirement("9.21", "9.20")
def test_the_last_command_for_a_host_opens_again(scene: Scene) -> None:
    scene.client("fwknop1", f"-A tcp/23 -a {CALLER} -D {SERVER}", SHORT)
    until(partial(scene.opened, "tcp", 23))
    for replay in (f"--Last-host {SERVER}", "--last-cmd"):
        scene.host.run("iptables", "-F", "FWKNOP_INPUT")
        assert not scene.opened("tcp", 23)
        scene.client("fwknop", replay, SHORT)
        until(partial(scene.opened, "tcp", 23))


@pytest.mark.requirement("10.5", "9.33", "8.7")
def test_a_packet_from_a_forged_address_opens_for_the_one_inside_in_roots_name(
    scene: Scene,
) -> None:
    line = f"--Spoof-src '192.0.2.99' -A tcp/22 -a {CALLER} -D {SERVER}"
    scene.host.run("iptables", "-F", "FWKNOP_INPUT")
    said = scene.client("fwknop1", line, SHORT)
    assert "        Username:       root\n" in said
    until(partial(scene.opened, "tcp", 22))
    before = len(scene.ours.judged)
    scene.client("fwknop1", line, SHORT, "--Server-port", str(OURS), "--Spoof-user", "mbr")
    judged = scene.ours.wait_for_judgements(before + 1)[before]
    assert (judged["verdict"], judged["source"], judged["who"], judged["user"]) == (
        "granted", "192.0.2.99", CALLER, "mbr",
    )  # fmt: skip


@pytest.mark.requirement("9.34")
def test_the_name_that_a_stanza_requires_can_be_sent(scene: Scene) -> None:
    scene.host.run("iptables", "-F", "FWKNOP_INPUT")
    line = f"-A tcp/25 -a {CALLER} -D {SERVER} --Spoof-user"
    for name, verdict in (("eve", "refused"), ("mbr", "granted")):
        before = len(scene.ours.judged)
        scene.client("fwknop1", f"{line} {name}", NAMED, "--Server-port", str(OURS))
        assert scene.ours.wait_for_judgements(before + 1)[before]["verdict"] == verdict
    scene.client("fwknop1", f"{line} eve", NAMED)
    until(lambda: "(eve) does not match" in scene.log)
    assert not scene.opened("tcp", 25)
    scene.client("fwknop1", f"{line} mbr", NAMED)
    until(partial(scene.opened, "tcp", 25))
