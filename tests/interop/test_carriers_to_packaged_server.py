"""The packaged server opens for each carrier of our client, sniffing beside a web server.

In here: one server for all tests, the session of seed 000 with its relay, proxies
between client and server.
Not in here: the fields of what is sent (test_client_carriers).

The stanza's keys are made by the first command of seed 000's session.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from tests.daemon import until
from tests.plugins.privileges import PACKAGED
from watchword.lab.hosts import Host, Lab
from watchword.lab.trio import Trio, trio

pytestmark = [
    pytest.mark.system,
    pytest.mark.peer("fwknopd", "fwknop", "socat", "tinyproxy", "nginx"),
]

OURS = [sys.executable, "-m", "watchword.programs.fwknop"]
THEIRS = ["env", f"PATH={PACKAGED}", "fwknop"]
SERVER = "2.2.2.2"
"""The server's address in the seed; the lab's server has it as well."""
FORGED = "9.9.9.9"
TOR_PORT = 9050
PIECEMEAL_PORT, PROXY_PORT = 8888, 8889
PERL_NAMES = ("--Server-proto", "--Spoof-src", "--Spoof-proto", "--HTTP", "--TCP-sock")
MATCH = "received with access source match"
_ports = count(2000)
SAVE = "-n spa.tor -A tcp/22 -a 1.1.1.1 -D 127.0.0.1 -P tcp --key-gen --use-hmac --save-rc-stanza"
SETTINGS = {
    "PCAP_INTF": "eth0",
    "PCAP_FILTER": "udp portrange 10000-65535 or tcp or icmp",
    "ENABLE_TCP_SERVER": "Y",
    "ENABLE_SPA_OVER_HTTP": "Y",
}
NGINX = """\
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors;
events {{}}
http {{
    access_log {folder}/nginx-log;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    server {{ {site} }}
}}
"""
WEB_SITE = "listen 80; listen [::]:80; root /nonexistent;"
FORWARDING = "listen 8889; location / {{ proxy_pass http://$host$request_uri; }}"
"""A proxy that hands a request on in one piece; one that does not is invisible to a sniffer."""
TINYPROXY = """\
Port {port}
Listen {address}
Timeout 20
MaxClients 10
PidFile "{folder}/tinyproxy.pid"
LogFile "{folder}/tinyproxy-log"
BasicAuth alice secret
"""


class Scene:
    """A server that is knocked at, the caller with an rc file, and relays on a third host."""

    def __init__(self, lab: Trio, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.rc = folder / "home" / ".fwknoprc"
        self.rc.parent.mkdir()
        self.rc.write_text("[default]\n", "utf-8")
        self.rc.chmod(0o600)

    def prepare(self) -> None:
        server, relay = self.lab.server.host, self.lab.stranger.host
        server.run("ip", "addr", "add", f"{SERVER}/32", "dev", "eth0")
        self.lab.internet.run("ip", "route", "add", f"{SERVER}/32", "via", self.lab.server.four)
        self.lab.internet.sysctl("net.ipv4.conf.all.rp_filter", 0)
        self.made = self.run(OURS, *SAVE.split())
        assert self.made.returncode == 0, self.made.stderr
        self._start_fwknopd(server)
        self._start("nginx", server, NGINX.replace("{site}", WEB_SITE))
        self._start("proxy", relay, NGINX.replace("{site}", FORWARDING))
        self._start("tinyproxy", relay, TINYPROXY)
        double = Path(__file__).parents[1] / "relay_double.py"
        self.relayed = (self.folder / "relayed").open("wb")
        relay.start(
            sys.executable, str(double), self.lab.stranger.four, str(TOR_PORT),
            f"spa.hidden={SERVER}", stdout=self.relayed,
        )  # fmt: skip
        # What Tor's own client is: a SOCKS port here, whose other end is somewhere else.
        self.lab.caller.host.start(
            "socat", f"TCP-LISTEN:{TOR_PORT},bind=127.0.0.1,fork,reuseaddr",
            f"TCP:{self.lab.stranger.four}:{TOR_PORT}",
        )  # fmt: skip
        for host, port in (
            (server, 80), (relay, PROXY_PORT), (relay, PIECEMEAL_PORT), (relay, TOR_PORT),
            (self.lab.caller.host, TOR_PORT), (server, 62201),
        ):  # fmt: skip
            until(partial(listens, host, port))

    def _start_fwknopd(self, server: Host) -> None:
        keys = re.findall(r"^((?:HMAC_)?KEY_BASE64 .*)$", self.rc.read_text("utf-8"), re.MULTILINE)
        assert len(keys) == 2
        files = {
            "FWKNOP_RUN_DIR": str(self.folder),
            "FWKNOP_PID_FILE": str(self.folder / "fwknopd.pid"),
            "DIGEST_FILE": str(self.folder / "digest.cache"),
        }
        self._write("fwknopd.conf", "".join(f"{n} {v};\n" for n, v in (SETTINGS | files).items()))
        self._write("access.conf", "SOURCE ANY\n" + "\n".join(keys) + "\n")
        program = shutil.which("fwknopd", path=PACKAGED)
        assert program
        self._log = (self.folder / "log").open("wb")
        server.start(
            program, "-f", "-c", str(self.folder / "fwknopd.conf"),
            "-a", str(self.folder / "access.conf"), stdout=self._log, stderr=self._log,
        )  # fmt: skip
        until(lambda: "Starting fwknopd main event loop" in self.log)

    def _start(self, name: str, host: Host, text: str) -> None:
        folder = self.folder / name
        folder.mkdir()
        port, address = PIECEMEAL_PORT, self.lab.stranger.four
        self._write(f"{name}/conf", text.format(folder=folder, port=port, address=address))
        words = ["tinyproxy", "-d"] if "tiny" in name else ["nginx", "-g", "daemon off;"]
        with (folder / "out").open("wb") as out:
            host.start(*words, "-c", str(folder / "conf"), stdout=out, stderr=out)

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, "utf-8")
        (self.folder / name).chmod(0o600)

    def run(self, client: list[str], *options: str) -> subprocess.CompletedProcess[str]:
        return self.lab.caller.host.run(
            "env", f"HOME={self.rc.parent}", "LOGNAME=tester", *client, *options, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def knock(self, *options: str, who: str = "1.1.1.1") -> str:
        """Ask for a port that nobody asked for before; the rule's line in the server's log."""
        port = next(_ports)
        to = () if "-D" in options else ("-D", self.lab.server.four)
        chosen = {"-P", "-H", "--via", "--socks", *PERL_NAMES} & set(options)
        via = () if chosen else ("-P", "udp")
        done = self.run(OURS, "-n", "spa.tor", "-A", f"tcp/{port}", *to, *via, *options)
        assert done.returncode == 0, done.stderr
        self.said = done.stdout
        return str(until(partial(self.granted, who, port)))

    def granted(self, who: str, port: int) -> str:
        wanted = re.compile(rf".*Added access rule to FWKNOP_INPUT for {who} -> .* tcp/{port},.*")
        found = wanted.search(self.log)
        return found[0] if found else ""

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    @contextlib.contextmanager
    def hosts(self, *lines: str) -> Iterator[None]:
        """Names that the caller knows."""
        folder = Path("/etc/netns") / self.lab.caller.host.namespace
        folder.mkdir(parents=True)
        try:
            (folder / "hosts").write_text("\n".join(lines) + "\n", "ascii")
            yield
        finally:
            shutil.rmtree(folder)

    def requests(self) -> list[str]:
        """What the web server has logged."""
        return (self.folder / "nginx" / "nginx-log").read_text("utf-8").splitlines()

    def source_of_last(self) -> str:
        """Where the last packet came from, as the server saw it."""
        return str(
            re.findall(r"SPA Packet from IP: (\S+) received with access source", self.log)[-1]
        )


def listens(host: Host, port: int) -> bool:
    return f":{port} " in host.run("ss", "-Hltn").stdout


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with Lab() as lab:
        scene = Scene(trio(lab), tmp_path_factory.mktemp("carriers"))
        scene.prepare()
        yield scene


CARRIERS = [
    ("-P", "udp"),
    ("-P", "udp", "-p", "53000"),
    ("-P", "tcp"),
    ("-P", "http"),
    ("-P", "udpraw"),
    ("-P", "tcpraw"),
    ("-P", "tcpraw", "-p", "80"),
    ("-P", "icmp"),
    ("-P", "icmp", "--icmp-type", "8"),
    ("--Server-proto", "icmp", "--icmp-type", "123", "--icmp-code", "123"),
    ("--HTTP",),
    ("--TCP-sock",),
]


@pytest.mark.requirement("6.1", "9.40", partial=True)
@pytest.mark.requirement("9.37")
@pytest.mark.parametrize("options", CARRIERS, ids=" ".join)
def test_the_packaged_server_opens_for_each_carrier(scene: Scene, options: tuple[str, ...]) -> None:
    assert scene.knock(*options)
    assert scene.source_of_last() == scene.lab.caller.four


@pytest.mark.requirement("9.24")
def test_it_opens_for_a_random_port_where_its_filter_takes_the_range(scene: Scene) -> None:
    assert scene.knock("-P", "udp", "-r", "-v")
    found = re.search(r"destination port: ([0-9]+)", scene.said)
    assert found
    assert 10000 <= int(found[1]) <= 65535


@pytest.mark.requirement("9.33")
@pytest.mark.parametrize("carrier", ["udp", "tcp", "icmp"])
def test_a_forged_source_is_what_it_sees_and_the_sealed_address_what_it_lets_in(
    scene: Scene, carrier: str
) -> None:
    forged = ("--Spoof-proto", carrier, "--Spoof-src", FORGED)
    assert scene.knock(*forged, "-a", "192.0.2.99", who="192.0.2.99")
    assert scene.source_of_last() == FORGED


@pytest.mark.requirement("10.5")
def test_a_forged_source_may_be_the_name_of_some_site(scene: Scene) -> None:
    with scene.hosts("198.51.100.77 www.example.com"):
        forged = ("--Spoof-src", "www.example.com")
        assert scene.knock(*forged, "-a", "192.0.2.99", who="192.0.2.99")
    assert scene.source_of_last() == "198.51.100.77"


@pytest.mark.requirement("1.3", "1.4", partial=True)
def test_the_stanza_of_the_tor_session_says_what_it_should_and_the_packaged_client_reads_it(
    scene: Scene,
) -> None:
    stanza = scene.rc.read_text("utf-8").partition("[spa.tor]\n")[2]
    found = dict(line.split() for line in stanza.splitlines() if line)
    assert found.pop("KEY_BASE64")
    assert found.pop("HMAC_KEY_BASE64")
    assert found == {
        "SPA_SERVER_PROTO": "tcp", "ALLOW_IP": "1.1.1.1", "ACCESS": "tcp/22",
        "SPA_SERVER": "127.0.0.1", "USE_HMAC": "Y",
    }  # fmt: skip
    assert scene.run(THEIRS, "-n", "spa.tor", "-T").returncode == 0


@pytest.mark.requirement("1.1", partial=True)
@pytest.mark.requirement("1.3", "1.5")
@pytest.mark.parametrize("client", [OURS, THEIRS], ids=["ours", "theirs"])
def test_the_tor_session_of_the_seed_as_it_is_printed(scene: Scene, client: list[str]) -> None:
    """Its first command has made the stanza; the relay's address is what the server sees."""
    relay = scene.lab.stranger.four
    packet = f"(stanza #1) SPA Packet from IP: {relay} received with access source match"
    before = scene.log.count(packet)
    socat = scene.lab.caller.host.start(
        "socat", "TCP-LISTEN:62201,reuseaddr", "SOCKS4A:127.0.0.1:2.2.2.2:62201,socksport=9050"
    )
    try:
        until(partial(listens, scene.lab.caller.host, 62201))
        done = scene.run(client, "-n", "spa.tor")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        until(lambda: scene.log.count(packet) > before)
        # The second of the two finds the first one's rule in force.
        until(lambda: scene.granted("1.1.1.1", 22))
    finally:
        socat.send_signal(signal.SIGTERM)
        socat.wait(60)
    assert scene.source_of_last() == relay


@pytest.mark.requirement("1.1", partial=True)
@pytest.mark.parametrize("form", ["127.0.0.1:9050", "socks4a://127.0.0.1:9050"])
@pytest.mark.parametrize("carrier", ["tcp", "http"])
def test_without_socat_the_client_speaks_to_the_relay_itself_and_only_that_knows_the_name(
    scene: Scene, form: str, carrier: str
) -> None:
    assert scene.knock("-D", "spa.hidden", "--socks", form, "-P", carrier)
    assert scene.source_of_last() == scene.lab.stranger.four
    port = {"tcp": 62201, "http": 80}[carrier]
    last = (scene.folder / "relayed").read_text("ascii").splitlines()[-1]
    assert last == f"asked for spa.hidden {port}"


@pytest.mark.requirement("9.38", "9.39", partial=True)
@pytest.mark.requirement("6.1", partial=True)
@pytest.mark.parametrize("server", ["203.0.113.1", SERVER])
def test_through_a_real_proxy_the_sealed_address_is_let_in_and_the_proxys_is_not(
    scene: Scene, server: str
) -> None:
    proxy = f"http://{scene.lab.stranger.four}:{PROXY_PORT}"
    assert scene.knock("-H", proxy, "-D", server)
    assert scene.source_of_last() == scene.lab.stranger.four
    assert f"for {scene.lab.stranger.four} ->" not in scene.log
    until(lambda: scene.requests()[-1].endswith('"Fwknop/2.6.10"'))


@pytest.mark.requirement("9.38", partial=True)
def test_a_proxy_that_wants_a_login_gets_it_and_hands_the_request_to_the_web_server(
    scene: Scene,
) -> None:
    """It does so line by line, which the packaged server cannot read; see docs/carriers.md."""
    proxy = f"http://alice:secret@{scene.lab.stranger.four}:{PIECEMEAL_PORT}"
    before = len(scene.requests())
    done = scene.run(OURS, "-n", "spa.tor", "-D", SERVER, "-H", proxy, "-u", "Fwknop/mine")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    until(lambda: len(scene.requests()) > before)
    [line] = scene.requests()[before:]
    assert line.startswith(f"{scene.lab.stranger.four} ")
    assert line.endswith('"Fwknop/mine"')


@pytest.mark.requirement("9.38", partial=True)
def test_a_real_proxy_that_wants_a_login_is_an_error_and_nothing_is_opened(scene: Scene) -> None:
    proxy = f"{scene.lab.stranger.four}:{PIECEMEAL_PORT}"
    done = scene.run(OURS, "-n", "spa.tor", "-A", "tcp/999", "-D", SERVER, "-H", proxy)
    assert done.returncode == 1
    assert "407 Proxy Authentication Required" in done.stderr
    assert "user:password@" in done.stderr
    assert not scene.granted("1.1.1.1", 999)


def test_a_list_is_tried_until_one_is_confirmed_and_says_which(scene: Scene) -> None:
    assert scene.knock("--via", "tcp:999,http:999,tcp,udp", "-D", SERVER)
    assert scene.said == f"[+] tcp to {SERVER}:62201: confirmed: the server acknowledged it\n"


def test_what_cannot_be_confirmed_does_not_end_a_list_and_every_try_has_a_new_packet(
    scene: Scene,
) -> None:
    packets = scene.folder / "packets"
    before = scene.log.count(MATCH)
    assert scene.knock("--via", "udpraw,http", "-D", SERVER, "-B", str(packets))
    assert scene.said.splitlines() == [
        f"[*] udpraw to {SERVER}:62201: sent: nothing confirms a packet that was built by hand",
        f"[+] http to {SERVER}:80: confirmed: the server answers 404 Not Found",
    ]
    assert len(set(packets.read_text("ascii").splitlines())) == 2
    until(lambda: scene.log.count(MATCH) == before + 2)
    assert "Replay detected" not in scene.log


def test_every_address_of_a_name_is_sent_to(scene: Scene) -> None:
    """Two addresses of one server here: both packets are new, so neither is a replay."""
    with scene.hosts(f"{SERVER} both.example", f"{scene.lab.server.four} both.example"):
        before = scene.log.count(MATCH)
        assert scene.knock("-D", "both.example", "--all-addresses")
        until(lambda: scene.log.count(MATCH) == before + 2)
    assert "Replay detected" not in scene.log
