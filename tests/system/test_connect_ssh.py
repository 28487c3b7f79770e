"""ssh, scp and rsync to hidden servers, as docs/connect.md has it: one hop and two."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.sshd import USER, Sshd
from tests.daemon import Server, stanza
from tests.system.connect_scene import ConnectScene, name_hosts, section
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import reaches

pytestmark = pytest.mark.system
INNER, GATEWAY = "10.9.9.2", "10.9.9.1"
INNER6, GATEWAY6 = "2001:db8:9::2", "2001:db8:9::1"
PAGE = Path(__file__).parents[2] / "docs" / "ssh.md"
OURS = f"""
Host *
    User {USER}
    IdentityFile {{keys}}/user_key
    IdentitiesOnly yes
    BatchMode yes
    LogLevel ERROR
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
"""
"""What a user has set up before."""


def recipes() -> list[str]:
    """The blocks for ssh_config on the page, in order, as they are printed there."""
    indented = re.findall(r"(?:^    .*\n)+", PAGE.read_text("utf-8"), re.MULTILINE)
    return [block for block in indented if block.startswith(("    Host ", "    Match "))]


PROXY, HANDED, CHECKED, THROUGH, THROUGH_TCP, JUMP = recipes()


class SshScene(ConnectScene):
    """The hidden server is the way to another one behind it, hidden too. Each has its own sshd."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        super().__init__(lab, folder)
        folder.chmod(0o755)  # the user's home is below it
        self.config = folder / "ssh_config"
        self.keys = folder / "sshd"
        self._names = [
            name_hosts(host, "") for host in (self.net.caller.host, self.net.server.host)
        ]
        self.name_inner(INNER)
        self.inner = self._inner_host()
        self.inner_server = Server(self.inner, self._folder("inner"))
        self.inner_server.settings["ENABLE_TCP_SERVER"] = "Y"
        self.server.access = stanza()
        self.inner_server.access = stanza()
        self._sshds()
        self.allow(inner="source")

    def name_inner(self, address: str) -> None:
        """What the names mean, on the caller's machine and on the first server."""
        for folder in self._names:
            (folder / "hosts").write_text(
                f"{self.net.server.four} server.example\n{address} inner.example\n"
            )

    def allow(self, inner: str) -> None:
        """Write the rc file: who is to be let in at the inner server."""
        self.write_rc(
            section("server.example", "server.example"),
            section("inner.example", "inner.example", ACCESS="tcp/22", ALLOW_IP=inner),
        )

    def close(self) -> None:
        super().close()
        for folder in self._names:
            shutil.rmtree(folder)

    def _folder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(mode=0o755)
        return folder

    def _inner_host(self) -> Host:
        inner = self.lab.host("inner")
        server, router = self.net.server.host, self.net.internet
        self.lab.link(
            (server, "eth1", (f"{GATEWAY}/24", f"{GATEWAY6}/64")),
            (inner, "eth0", (f"{INNER}/24", f"{INNER6}/64")),
        )
        self.lab.route(inner, GATEWAY)
        server.sysctl("net.ipv4.ip_forward", 1)
        router.run("ip", "route", "add", "10.9.9.0/24", "via", self.net.server.four)
        return inner

    def _sshds(self) -> None:
        """The same user with the same key on both."""
        Sshd(self.net.server.host, self._folder("sshd"))
        other = self._folder("inner-sshd")
        Sshd(self.inner, other)
        (other / "authorized_keys").write_text(
            (self.folder / "sshd" / "authorized_keys").read_text()
        )
        own = self._folder("bin") / "ssh"
        own.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {self.config} "$@"\n')
        own.chmod(0o755)

    def follow(self, recipe: str) -> None:
        """Do as the page says."""
        self.config.write_text(recipe + OURS.format(keys=self.keys), "utf-8")

    @property
    def environment(self) -> dict[str, str]:
        before = super().environment
        return {**before, "PATH": f"{self.folder}/bin:{before['PATH']}"}

    @property
    def user_home(self) -> Path:
        return self.folder / "sshd" / "home"

    def ssh(self, host: str, command: str) -> str:
        done = self.caller_runs("ssh", host, command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def scene() -> Iterator[SshScene]:
    with tempfile.TemporaryDirectory() as folder, Lab() as lab:  # where others may look into it
        made = SshScene(lab, Path(folder))
        made.server.start()
        made.inner_server.start()
        assert not reaches(made.net.caller.host, made.net.server.four, 22, 0.1)
        assert not reaches(made.net.server.host, INNER, 22, 0.1)
        yield made
        made.close()


class Granted:
    """Counts the packets that were granted from here on."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._before = len(self._all())

    def _all(self) -> list[dict[str, Any]]:
        return [each for each in self._server.judged if each["verdict"] == "granted"]

    @property
    def sources(self) -> list[str]:
        return [str(each["source"]) for each in self._all()[self._before :]]

    def only(self, source: str, seconds: float) -> bool:
        """Whether it was one packet from there, and those that a slow machine adds.

        After two seconds without an answer the tool takes a packet for lost.
        """
        return set(self.sources) == {source} and len(self.sources) <= 1 + seconds // 2


@pytest.fixture
def outer(scene: SshScene) -> Granted:
    return Granted(scene.server)


@pytest.fixture
def inner(scene: SshScene) -> Granted:
    return Granted(scene.inner_server)


@pytest.mark.parametrize(
    "recipe", [PROXY, HANDED, CHECKED], ids=["ProxyCommand", "fdpass", "Match exec"]
)
def test_ssh_gets_in_as_if_the_port_were_open(scene: SshScene, outer: Granted, recipe: str) -> None:
    scene.follow(recipe)
    assert scene.ssh("server.example", "echo hello; exit 0") == "hello\n"
    assert outer.only(scene.net.caller.four, scene.took)


@pytest.mark.peer("rsync")
def test_scp_and_rsync_carry_files_both_ways(scene: SshScene, outer: Granted) -> None:
    scene.follow(PROXY)
    ssh = str(scene.folder / "bin" / "ssh")
    letter = scene.folder / "letter"
    letter.write_bytes(bytes(range(256)) * 4096)
    for argv in (
        ("scp", "-S", ssh, str(letter), "server.example:by-scp"),
        ("scp", "-S", ssh, "server.example:by-scp", str(scene.folder / "back-by-scp")),
        ("rsync", str(letter), "server.example:by-rsync"),
        ("rsync", "server.example:by-rsync", str(scene.folder / "back-by-rsync")),
    ):
        done = scene.caller_runs(*argv)
        assert done.returncode == 0, done.stderr
    for way in ("scp", "rsync"):
        assert (scene.user_home / f"by-{way}").read_bytes() == letter.read_bytes()
        assert (scene.folder / f"back-by-{way}").read_bytes() == letter.read_bytes()
    assert len(outer.sources) >= 4


@pytest.mark.requirement("4.2", partial=True)
def test_run_hands_over_to_ssh(scene: SshScene, outer: Granted) -> None:
    scene.follow("")
    argv = ["watchword", "run", "server.example", "-p", "22", "--", "ssh", "server.example"]
    assert " ".join(argv) in PAGE.read_text("utf-8")
    done = scene.caller_runs(*argv, "exit 9")
    assert done.returncode == 9, done.stderr
    assert outer.only(scene.net.caller.four, scene.took)


@pytest.mark.parametrize("six", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("recipe", [THROUGH, THROUGH_TCP], ids=["UDP", "TCP"])
def test_of_two_hops_each_is_knocked_at_and_the_second_packet_goes_through_the_first(
    scene: SshScene, outer: Granted, inner: Granted, recipe: str, six: bool
) -> None:
    scene.follow(recipe)
    scene.name_inner(INNER6 if six else INNER)
    assert scene.ssh("inner.example", "echo hello from within") == "hello from within\n"
    seen_as = GATEWAY6 if six else GATEWAY  # the server saw the hop, not the caller
    assert inner.only(seen_as, scene.took)
    assert len(outer.sources) >= 2  # once for the packet, once for the connection
    assert len(outer.sources) <= 2 + scene.took // 2
    assert not reaches(scene.net.caller.host, INNER, 22, 0.1)


def test_a_shared_connection_to_the_first_hop_is_knocked_for_once(
    scene: SshScene, outer: Granted, inner: Granted
) -> None:
    [shared] = re.findall(r"(?:^        Control.*\n)+", PAGE.read_text("utf-8"), re.MULTILINE)
    head, proxy, *rest = THROUGH.splitlines(keepends=True)
    recipe = head + shared.replace("~/.ssh", str(scene.folder)) + proxy + "".join(rest)
    scene.follow(recipe)
    try:
        assert scene.ssh("inner.example", "echo shared") == "shared\n"
        seconds = scene.took
    finally:
        scene.caller_runs("ssh", "-O", "exit", "server.example")
    assert outer.only(scene.net.caller.four, seconds)
    assert len(inner.sources) <= 1 + seconds // 2


def test_a_jump_is_knocked_for_in_the_name_of_the_hop_where_packets_get_through(
    scene: SshScene, outer: Granted, inner: Granted
) -> None:
    scene.follow(JUMP)
    scene.name_inner(INNER)
    scene.allow(inner=GATEWAY)
    assert scene.ssh("inner.example", "echo jumped") == "jumped\n"
    assert inner.only(scene.net.caller.four, scene.took)
    assert len(outer.sources) == 1
    assert not reaches(scene.net.caller.host, INNER, 22, 0.1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--fdpass",), "--fdpass cannot be combined with --through"),
        (("-4",), "-4 and -6 cannot be combined with --through"),
        (("--to", "$(reboot)"), "no name or address of a host"),
        (("-o=-P http",), "cannot be sent through hop"),
        (("-o=-R",), "-R finds the address of this machine"),
        (("--ssh", "no-such-ssh"), "'no-such-ssh' cannot be run"),
        (("--ssh", "false"), "see that false hop works by itself"),
    ],
)
def test_what_cannot_go_through_a_hop_is_said(
    scene: SshScene, outer: Granted, inner: Granted, options: tuple[str, ...], said: str
) -> None:
    scene.follow(PROXY)
    done = scene.watchword("connect", "--through", "hop", "inner.example", "22", *options)
    assert (done.stdout, done.returncode != 0) == ("", True)
    assert said in done.stderr
    assert (inner.sources, outer.sources) == ([], [])
