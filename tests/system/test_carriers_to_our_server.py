"""Every carrier of our client to our server, IPv4 and IPv6, also through relays and proxies.

In here: one server with all its ways in, and a web server beside it that ends TLS
and hands requests on.
Not in here: the packaged server (tests/interop/test_carriers_to_packaged_server).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import certificate
from tests.daemon import Server, base64, stanza, until
from tests.values import KEY, MAC_KEY
from watchword.lab.hosts import Host, Lab
from watchword.lab.trio import Trio, trio

pytestmark = [pytest.mark.system, pytest.mark.peer("tinyproxy", "nginx")]

OURS = [sys.executable, "-m", "watchword.programs.fwknop"]
NAME = "spa.example"
INNER = "1.1.1.1"
RELAY_PORT, PROXY_PORT = 9050, 8888
SETTINGS = {
    "PCAP_INTF": "eth0",
    "PCAP_FILTER": "icmp or icmp6 or tcp port 80 or tcp port 4444 or udp port 4444",
    "PACKET_SOURCES": "udp,tcp,sniff",
    "ENABLE_SPA_OVER_HTTP": "Y",
    "GUARD_SERVICES": "tcp/22",
}
NGINX = """\
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    server {{ listen 80; listen [::]:80; root /nonexistent; }}
    server {{
        listen 443 ssl; listen [::]:443 ssl;
        ssl_certificate {certificate}; ssl_certificate_key {certificate};
        location / {{ proxy_pass http://127.0.0.1:62201; }}
    }}
}}
"""
TINYPROXY = """\
Port {port}
Timeout 20
MaxClients 10
BasicAuth alice secret
"""


class Scene:
    def __init__(self, lab: Trio, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.authority = certificate(folder, NAME, lab.server.four, lab.server.six)
        self.server = Server(lab.server.host, folder)
        self.server.settings = {**self.server.settings, **SETTINGS}
        self.server.access = stanza()

    def prepare(self) -> None:
        self.folder.chmod(0o711)  # nginx makes it nobody's; who reads packets has to pass
        server, relay = self.lab.server.host, self.lab.stranger.host
        self.lab.internet.sysctl("net.ipv4.conf.all.rp_filter", 0)
        for limit in ("net.ipv4.icmp_ratelimit", "net.ipv6.icmp.ratelimit"):
            self.lab.internet.sysctl(limit, 0)
        self._file("nginx", NGINX.format(folder=self.folder, certificate=self.authority))
        self._file("tinyproxy", TINYPROXY.format(port=PROXY_PORT))
        self._run(server, "nginx", "-g", "daemon off;", "-c", str(self.folder / "nginx"))
        self._run(relay, "tinyproxy", "-d", "-c", str(self.folder / "tinyproxy"))
        double = Path(__file__).parents[1] / "relay_double.py"
        names = (f"{NAME}={self.lab.server.four}", f"six.example={self.lab.server.six}")
        self._run(relay, sys.executable, str(double), "::", str(RELAY_PORT), *names)
        self.server.start()
        for host, port in ((server, 443), (relay, PROXY_PORT), (relay, RELAY_PORT)):
            until(partial(listens, host, port))

    def _file(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, "utf-8")

    def _run(self, host: Host, *words: str) -> None:
        host.start(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def knock(self, server: str, *options: str) -> dict[str, Any]:
        """Send a packet that lets INNER in; what the server says of it."""
        before = len(self.server.judged)
        done = self.lab.caller.host.run(
            *OURS, "--no-rc-file", "--no-home-dir", "-E", str(self.folder / "args"), "-v",
            "-A", "tcp/22", "-a", INNER, "-D", server, "--key-base64-rijndael", base64(KEY),
            "--key-base64-hmac", base64(MAC_KEY), *options, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        self.said = done.stdout
        told: dict[str, Any] = self.server.wait_for_judgements(before + 1)[before]
        assert (told["verdict"], told["who"]) == ("granted", INNER)
        return told


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
    ("-P", "tcp"),
    ("-P", "http"),
    ("-P", "http", "-p", "62201"),
    ("-P", "udpraw", "-p", "4444"),
    ("-P", "tcpraw", "-p", "4444"),
    ("-P", "icmp"),
    ("-P", "icmp", "--icmp-type", "123", "--icmp-code", "123"),
]


@pytest.mark.requirement("5.10", partial=True)
@pytest.mark.requirement("6.1", "9.37", "5.20")
@pytest.mark.parametrize("options", CARRIERS, ids=" ".join)
@pytest.mark.parametrize("version", [4, 6])
def test_our_server_opens_for_each_carrier_in_both_families(
    scene: Scene, options: tuple[str, ...], version: int
) -> None:
    server, caller = scene.lab.server, scene.lab.caller
    told = scene.knock(server.four if version == 4 else server.six, *options)
    assert told["source"] == (caller.four if version == 4 else caller.six)


@pytest.mark.requirement("9.40")
def test_the_t_of_the_perl_client_is_the_tcp_carrier_and_not_a_test(scene: Scene) -> None:
    before = len(scene.server.judged)
    fwknop1 = [sys.executable, "-m", "watchword.programs.fwknop1"]
    scene.lab.caller.host.run(
        "env", f"HOME={scene.folder}", *fwknop1, "-A", "tcp/22", "-a", INNER,
        "-D", scene.lab.server.four, "-T", "--packet-version", "2.6",
        "--key-base64-rijndael", base64(KEY), "--key-base64-hmac", base64(MAC_KEY),
    )  # fmt: skip
    told = scene.server.wait_for_judgements(before + 1)[before]
    assert (told["verdict"], told["source"]) == ("granted", scene.lab.caller.four)
    assert told["destination"].partition("/")[0] in ("tcp", scene.lab.server.four)


@pytest.mark.requirement("9.33")
@pytest.mark.parametrize("carrier", ["udpraw", "tcpraw", "icmp"])
@pytest.mark.parametrize("forged", ["9.9.9.9", "2001:db8:9::9"])
def test_a_forged_source_of_either_family_is_what_the_server_sees(
    scene: Scene, carrier: str, forged: str
) -> None:
    server = scene.lab.server.six if ":" in forged else scene.lab.server.four
    told = scene.knock(server, "-P", carrier, "-p", "4444", "-Q", forged)
    assert told["source"] == forged


@pytest.mark.requirement("1.1")
@pytest.mark.parametrize(
    ("relay", "carrier"), [("socks5://{}:9050", "tcp"), ("socks4a://{}:9050", "http")]
)
def test_through_a_relay_the_server_sees_the_relay_and_lets_the_sealed_address_in(
    scene: Scene, relay: str, carrier: str
) -> None:
    at = relay.format(scene.lab.stranger.four)
    told = scene.knock(NAME, "--socks", at, "-P", carrier, "-p", "62201")
    assert told["source"] == scene.lab.stranger.four
    assert f"{INNER} . tcp . 22 " in scene.server.ruleset()


def test_a_relay_is_reached_over_ipv6_and_reaches_a_server_over_ipv6(scene: Scene) -> None:
    at = f"socks5://[{scene.lab.stranger.six}]:9050"
    assert scene.knock("six.example", "--socks", at)["source"] == scene.lab.stranger.six


@pytest.mark.requirement("9.38")
@pytest.mark.requirement("6.1", partial=True)
@pytest.mark.parametrize("version", [4, 6])
def test_a_request_that_a_proxy_hands_on_line_by_line_is_put_together(
    scene: Scene, version: int
) -> None:
    server, relay = scene.lab.server, scene.lab.stranger
    host = f"[{server.six}]:62201" if version == 6 else f"{server.four}:62201"
    proxy = f"[{relay.six}]" if version == 6 else relay.four
    told = scene.knock(host, "--HTTP-proxy", f"http://alice:secret@{proxy}:{PROXY_PORT}")
    assert told["source"] == (relay.six if version == 6 else relay.four)
    assert "secret" not in scene.said


@pytest.mark.requirement("9.38", partial=True)
def test_the_perl_clients_proxy_options_and_the_variable_of_the_environment_do_the_same(
    scene: Scene,
) -> None:
    proxy = f"http_proxy=http://{scene.lab.stranger.four}:{PROXY_PORT}"
    before = len(scene.server.judged)
    scene.lab.caller.host.run(
        "env", proxy, *OURS, "--no-rc-file", "--no-home-dir", "-E", str(scene.folder / "args"),
        "--Access", "tcp/22", "--allow-IP", INNER,
        "--Destination", f"{scene.lab.server.four}:62201", "--HTTP", "--HTTP-proxy",
        "--HTTP-proxy-user", "alice", "--HTTP-proxy-password", "secret",
        "--key-base64-rijndael", base64(KEY), "--key-base64-hmac", base64(MAC_KEY),
    )  # fmt: skip
    told = scene.server.wait_for_judgements(before + 1)[before]
    assert (told["verdict"], told["source"]) == ("granted", scene.lab.stranger.four)


@pytest.mark.parametrize("way", ["IPv6", "CONNECT", "SOCKS"])
def test_https_gets_through_whatever_ends_tls_in_front_of_the_server(
    scene: Scene, way: str
) -> None:
    server, relay = scene.lab.server, scene.lab.stranger
    host = {"SOCKS": NAME, "IPv6": server.six}.get(way, server.four)
    more = {
        "CONNECT": ("-H", f"alice:secret@{relay.four}:{PROXY_PORT}"),
        "SOCKS": ("--socks", f"{relay.four}:9050"),
    }.get(way, ())
    told = scene.knock(host, "-P", "https", "--ca-file", str(scene.authority), *more)
    assert told["source"] == "127.0.0.1"  # of the web server that hands it on


@pytest.mark.parametrize("carrier", ["udp", "udpraw", "tcpraw", "icmp"])
@pytest.mark.parametrize("nowhere", ["10.9.9.9", "2001:db8:ffff::9"])
def test_of_what_cannot_be_confirmed_it_is_heard_that_it_got_lost(
    scene: Scene, carrier: str, nowhere: str
) -> None:
    done = scene.lab.caller.host.run(
        *OURS, "--no-rc-file", "--no-home-dir", "-E", str(scene.folder / "args"),
        "-A", "tcp/22", "-a", INNER, "-D", nowhere, "--key-rijndael", "k", "--via", carrier,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    told = done.stderr.splitlines()[0].partition(" (")[0]  # without the remedy
    assert told.startswith(f"[-] {carrier} to ")
    assert told.endswith(("Network is unreachable", "No route to host", "no route to it")), told


def test_a_list_ends_with_the_first_that_is_confirmed_over_either_family(scene: Scene) -> None:
    for host in (scene.lab.server.four, scene.lab.server.six):
        scene.knock(host, "--via", "tcp:9,https:9,tcp,udp")
        shown = f"[{host}]" if ":" in host else host
        assert f"[+] tcp to {shown}:62201: confirmed: the server acknowledged it\n" in scene.said
