"""fwknop -R from behind NAT, and beside the packaged client."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.daemon import until
from tests.interop.test_client_to_packaged_server import KEY, Packaged, encoded, mac_key
from tests.resolvers import Authority, Double, datagrams, page, stun_answer, web
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import inside
from watchword.lab.trio import Trio, trio

pytestmark = [pytest.mark.system, pytest.mark.peer("fwknopd")]

RESOLVER = "192.0.2.66"
OUTSIDE = "198.51.100.2"
KEYS = (
    "--key-base64-rijndael", encoded(KEY), "--key-base64-hmac", encoded(mac_key("sha256")),
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """A home behind NAT, and out there a server and who can be asked for one's address."""

    trio: Trio
    home: Host
    authority: Authority
    server: Packaged


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("resolve")
    with Lab() as lab:
        three = trio(lab)
        home = lab.host("home")
        router = three.caller.host
        lab.link((home, "eth0", ["10.0.0.2/24"]), (router, "home", ["10.0.0.1/24"]))
        lab.route(home, "10.0.0.1")
        router.sysctl("net.ipv4.ip_forward", 1)
        router.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "eth0", "-j", "MASQUERADE")
        yield Scene(three, home, Authority(folder), Packaged(three, folder))


@pytest.fixture
def outside(scene: Scene) -> Iterator[Callable[..., Double]]:
    """Starts doubles on the host of the resolvers; ended with the test."""
    with ExitStack() as stack:

        def start(
            kind: Callable[..., AbstractContextManager[Double]], *what: object, **more: object
        ) -> Double:
            made = kind(*what, host=RESOLVER, **more)
            return inside(scene.trio.stranger.host, lambda: stack.enter_context(made))

        yield start


def what_is_seen(question: bytes, sender: str) -> list[bytes]:
    return [stun_answer(question, sender)]


def client(
    scene: Scene, folder: Path, *options: str, ports: str = "tcp/22", check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Our client, at home."""
    return scene.home.run(
        sys.executable, "-m", "watchword.programs.fwknop", "--no-rc-file", "--no-home-dir",
        "-E", str(folder / "args"), "-D", scene.trio.server.four, "-A", ports, *KEYS, "-v",
        *options, check=check,
    )  # fmt: skip


@pytest.mark.requirement("9.4", partial=True)
@pytest.mark.requirement("10.3")
@pytest.mark.requirement("4.15", partial=True)
def test_behind_nat_the_packaged_server_lets_in_the_address_that_two_others_see(
    scene: Scene, outside: Callable[..., Double], tmp_path: Path
) -> None:
    tls: ssl.SSLContext = scene.authority.server(RESOLVER)
    pages = outside(web, [page(f"{OUTSIDE}\n")], tls=tls)
    stun = outside(datagrams, what_is_seen)
    listed = f"https://{RESOLVER}:{pages.port}/ip,stun:{RESOLVER}:{stun.port}"
    done = client(
        scene, tmp_path, "-R", "--resolvers", listed, "--resolve-agree",
        "--ca-file", str(scene.authority.file), ports="tcp/1022,udp/1053",
    )  # fmt: skip
    assert re.findall(r"\[\+\] Resolved external IP \(via (.*)\) as: (.*)\n", done.stdout) == [
        (f"https://{RESOLVER}:{pages.port}/ip", OUTSIDE),
        (f"stun:{RESOLVER}:{stun.port}", OUTSIDE),
    ]
    assert until(partial(scene.server.rule, OUTSIDE, 1022))
    wanted = re.compile(rf"-s {OUTSIDE}/32 -p udp .*--dport 1053 .*-j ACCEPT")
    listing = partial(scene.trio.server.host.run, "iptables", "-S", "FWKNOP_INPUT")
    assert until(lambda: wanted.search(listing().stdout))


def test_where_nobody_answers_nothing_reaches_the_server(scene: Scene, tmp_path: Path) -> None:
    before = scene.server.told()
    deaf = f"stun:{RESOLVER}:9"
    done = client(scene, tmp_path, "--resolvers", deaf, ports="tcp/1023", check=False)
    assert done.returncode == 1
    assert f"[-] Could not resolve IP via: '{deaf}'\n" in done.stderr
    client(scene, tmp_path, "-a", OUTSIDE, ports="tcp/1024")
    assert until(partial(scene.server.rule, OUTSIDE, 1024))
    assert "1023" not in scene.server.told()[len(before) :]


@pytest.mark.skipif(shutil.which("turnserver") is None, reason="turnserver is not installed")
def test_a_stun_server_that_is_not_ours_tells_the_address_in_either_family(
    scene: Scene, tmp_path: Path
) -> None:
    place = scene.trio.stranger
    place.host.start(
        "turnserver", "-n", "-S", "-L", place.four, "-L", place.six, "--no-tls", "--no-dtls",
        "--no-cli", "--no-tcp", "--log-file", "stdout", "--simple-log",
        "--pidfile", str(tmp_path / "pid"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until(lambda: place.host.run("ss", "-Hlun").stdout.count(":3478 ") >= 2)
    done = client(scene, tmp_path, "-T", "--resolvers", f"stun:{place.four}")
    assert f"[+] Resolved external IP (via stun:{place.four}:3478) as: {OUTSIDE}\n" in done.stdout
    six = scene.trio.caller.host.run(
        sys.executable, "-m", "watchword.programs.fwknop", "--no-rc-file", "--no-home-dir",
        "-E", str(tmp_path / "args"), "-A", "tcp/22", *KEYS, "-v", "-T", "-6",
        "--resolvers", f"stun:[{place.six}]",
    )  # fmt: skip
    assert f" Message String: {scene.trio.caller.six},tcp/22\n" in six.stdout


@pytest.mark.skipif(shutil.which("wget") is None, reason="wget is not installed")
def test_the_real_wget_is_asked_where_it_is_named(
    scene: Scene, outside: Callable[..., Double], tmp_path: Path
) -> None:
    pages = outside(web, [page(OUTSIDE)], tls=scene.authority.server(RESOLVER))
    url = f"https://{RESOLVER}:{pages.port}/ip"
    ca = scene.authority.file
    options = ("-R", "-w", "wget", "--resolve-url", url, "-T")
    done = client(scene, tmp_path, *options, "--ca-file", str(ca))
    assert f" Message String: {OUTSIDE},tcp/22\n" in done.stdout
    assert (
        "[+] Resolved external IP (via 'wget -U Fwknop/2.6.10 "
        f"--ca-certificate={ca} --secure-protocol=auto --quiet -O - {url}') as: {OUTSIDE}\n"
    ) in done.stdout
    assert b"User-Agent: Fwknop/2.6.10\r\n" in pages.heard[0]
    assert client(scene, tmp_path, *options, check=False).returncode == 1


@pytest.mark.peer("fwknop")
@pytest.mark.requirement("4.15", partial=True)
@pytest.mark.parametrize(
    "answer",
    [page("198.51.100.77"), page("198.51.100.77\r\nmore"), page("<html>"), page("::1"), b"junk"],
    ids=["address", "two lines", "HTML", "IPv6", "no head"],
)
def test_the_packaged_client_asks_alike_and_says_the_same(
    answer: bytes, scene: Scene, outside: Callable[..., Double], tmp_path: Path
) -> None:
    pages = outside(web, [answer], port=8080)  # the packaged client knows four digits only
    options = ("-R", "--resolve-http-only", "--resolve-url", f"http://{RESOLVER}:{pages.port}/ip/")
    ours = client(scene, tmp_path, *options, "-T", check=False)
    rc_file = tmp_path / "rc"
    rc_file.touch(mode=0o600)
    theirs = scene.home.run(
        "fwknop", "--rc-file", str(rc_file), "--no-save-args", "-D", scene.trio.server.four,
        "-A", "tcp/22", *KEYS, "-v", "-T", *options, check=False,
    )  # fmt: skip
    assert ours.returncode == theirs.returncode
    assert pages.heard[0] == pages.heard[1]
    if theirs.returncode == 0:
        assert ours.stdout.splitlines()[:2] == theirs.stdout.splitlines()[:2]
    else:
        assert theirs.stderr.splitlines()[0] in ours.stderr.splitlines()
