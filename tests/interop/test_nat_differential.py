"""Who reaches what: our server and the packaged one, after the same packets, with the same files.

The packaged server works on iptables, with chains that drop; ours on nftables, beside an operator's
chain that drops. What is compared is what callers and strangers find, and as whom they are seen.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.daemon import PATIENCE, PROGRAMS, base64, until
from tests.plugins.privileges import PACKAGED
from tests.system.nat_scene import GATE4, ROUTER, Yard, said_by, speaking, yard
from tests.system.nft_scene import entered, nft
from watchword.lab.hosts import Lab
from watchword.lab.trio import Station
from watchword.model.crypto import Secret

pytestmark = [pytest.mark.system, pytest.mark.peer("fwknop", "fwknopd")]
SNAT = "10.0.0.99"
SILENCE = 0.4  # seconds
DROPPING = """\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -p udp --dport 62201 -j ACCEPT
-A INPUT -i eth1 -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i eth1 -j ACCEPT
COMMIT
"""
SETTINGS = {
    "ENABLE_UDP_SERVER": "Y",
    "ENABLE_IPT_FORWARDING": "Y",
    "ENABLE_IPT_LOCAL_NAT": "Y",
    "ENABLE_IPT_SNAT": "Y",
    "SNAT_TRANSLATE_IP": GATE4,
    "GUARD_SERVICES": "ALL",
    "NFT_FORWARD_FROM": "inet router forward",
}


class Case(NamedTuple):
    stanza: tuple[str, ...]
    wish: tuple[str, ...]
    finds: str
    """What the caller finds behind the port with the packaged server."""
    ours: str | None = None
    """With ours, where it is something else on purpose."""

    def expected(self, with_ours: bool) -> str:
        return (self.ours or self.finds) if with_ours else self.finds


INSIDE = "-N", "10.0.0.5:22"
CASES = {
    8001: Case(("NAT_TARGETS 10.0.0.5:22",), ("-A", "tcp/22", *INSIDE), f"inside to {GATE4}"),
    8002: Case(("NAT_TARGETS local:6543",), ("-A", "tcp/6543", "--nat-local"), "ghost to {caller}"),
    8003: Case(("FORCE_NAT 10.0.0.5 22",), ("-A", "tcp/8003"), f"inside to {GATE4}"),
    8004: Case(
        ("FORCE_NAT 10.0.0.6 23", f"FORCE_SNAT {SNAT}"), ("-A", "tcp/8004"), f"other to {SNAT}"
    ),
    8005: Case(("OPEN_PORTS tcp/9",), ("-A", "tcp/22", *INSIDE), "nothing"),
    8006: Case((), ("-A", "tcp/22", "-N", "10.0.0.6:22"), f"neighbour to {GATE4}", "nothing"),
    8007: Case(
        ("NAT_TARGETS local:9",), ("-A", "tcp/22", "--nat-local"), "ssh to {caller}", "nothing"
    ),
    8008: Case(
        ("NAT_TARGETS 10.0.0.6",), ("-A", "tcp/22", "-N", "neighbour.example:22"),
        f"neighbour to {GATE4}",
    ),
    8009: Case(
        ("FORCE_NAT 10.0.0.6 24", "FORCE_MASQUERADE Y"), ("-A", "tcp/8009"), f"third to {GATE4}"
    ),
}  # fmt: skip
THROUGH = ("FORWARD_ALL Y", "DISABLE_DNAT Y", "FORCE_MASQUERADE Y")


def key(port: int, kind: str) -> str:
    return base64(Secret(f"{kind} of the stanza for {port}".encode()))


def stanzas() -> str:
    lines: list[str] = []
    for port, case in {**CASES, 0: Case(THROUGH, (), "")}.items():
        lines += ["SOURCE ANY", f"KEY_BASE64 {key(port, 'key')}"]
        lines += [f"HMAC_KEY_BASE64 {key(port, 'mac')}", "FW_ACCESS_TIMEOUT 300", *case.stanza]
    return "".join(f"{line}\n" for line in lines)


@pytest.fixture(scope="module")
def network() -> Iterator[Yard]:
    with Lab() as lab:
        scene = yard(lab)
        gateway = scene.gateway.host
        gateway.run("ip", "addr", "add", f"{SNAT}/24", "dev", "eth1")
        with (
            speaking(gateway, 22, b"ssh", telling=True),
            speaking(gateway, 6543, b"ghost", telling=True),
            speaking(scene.inside.host, 22, b"inside", telling=True),
            speaking(scene.neighbour.host, 22, b"neighbour", telling=True),
            speaking(scene.neighbour.host, 23, b"other", telling=True),
            speaking(scene.neighbour.host, 24, b"third", telling=True),
        ):
            yield scene


def knock(scene: Yard, port: int, *wish: str) -> None:
    program = shutil.which("fwknop", path=PACKAGED)
    assert program is not None
    outside = ("--nat-port", str(port)) if {"-N", "--nat-local"} & set(wish) else ()
    scene.caller.host.run(
        program, "-D", scene.gateway.four, "-a", scene.caller.four, "--no-rc-file", "--use-hmac",
        "--key-base64-rijndael", key(port, "key"), "--key-base64-hmac", key(port, "mac"),
        *wish, *outside,
    )  # fmt: skip


def found(client: Station, address: str, port: int, seconds: float = SILENCE) -> str:
    try:
        word = said_by(client, address, port, seconds)
    except OSError:  # refused, unreachable
        word = None
    return "nothing" if word is None else word.decode()


def outcomes(
    scene: Yard, folder: Path, program: list[str], settings: Mapping[str, str]
) -> dict[str, str]:
    """What everybody finds once everything has been asked for."""
    host = scene.gateway.host
    texts = {
        "fwknopd.conf": "".join(f"{name} {value};\n" for name, value in settings.items()),
        "access.conf": stanzas(),
    }
    for name, text in texts.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text, "utf-8")
    with (folder / "log").open("wb") as log:
        server = host.start(
            *program, "-f", "-c", str(folder / "fwknopd.conf"), "-a", str(folder / "access.conf"),
            stdout=log, stderr=log, env={**os.environ, "HOSTALIASES": ""},
        )  # fmt: skip
    try:
        until(lambda: ":62201 " in host.run("ss", "-Hlun").stdout)
        until(lambda: b"Kicking off UDP server" in (folder / "log").read_bytes())
        for port, case in CASES.items():
            knock(scene, port, *case.wish)
        until(lambda: (folder / "log").read_bytes().count(b"(stanza #1) SPA") >= len(CASES))
        until(lambda: found(scene.caller, scene.gateway.four, 8004) != "nothing")
        ours = "STATE_DIR" in settings
        seen = {
            f"stranger {port}": found(scene.stranger, scene.gateway.four, port) for port in CASES
        }
        for port, case in CASES.items():
            seconds = SILENCE if case.expected(ours) == "nothing" else PATIENCE
            seen[f"caller {port}"] = found(scene.caller, scene.gateway.four, port, seconds)
        seconds = SILENCE if ours else PATIENCE
        seen["inside, from outside"] = found(scene.caller, scene.inside.four, 22, seconds)
        knock(scene, 0, "-A", "tcp/9")
        until(lambda: found(scene.caller, scene.inside.four, 22) != "nothing")
        seen["inside, let through"] = found(scene.caller, scene.inside.four, 22, PATIENCE)
        seen["inside, stranger"] = found(scene.stranger, scene.inside.four, 22)
        return seen
    finally:
        server.terminate()
        server.wait(60)


@pytest.fixture(scope="module")
def names(network: Yard) -> Iterator[None]:
    """The gateway knows a name, and nobody else does."""
    folder = Path("/etc/netns") / network.gateway.host.namespace
    folder.mkdir(parents=True)
    (folder / "hosts").write_text("127.0.0.1 localhost\n10.0.0.6 neighbour.example\n")
    try:
        yield
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def both(
    network: Yard, names: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], dict[str, str]]:
    """What they find with the packaged server, and with ours."""
    packaged = shutil.which("fwknopd", path=PACKAGED)
    assert packaged is not None
    folder = tmp_path_factory.mktemp("packaged")
    network.gateway.host.run("iptables-restore", input=DROPPING)
    run = {"FWKNOP_RUN_DIR": str(folder), "FWKNOP_PID_FILE": f"{folder}/pid"}
    theirs = outcomes(network, folder, [packaged], {**SETTINGS, **run})
    with entered(network.gateway.host):
        nft("flush", "ruleset")
        nft(script=ROUTER)
    folder = tmp_path_factory.mktemp("ours")
    run = {"FWKNOP_RUN_DIR": str(folder), "STATE_DIR": f"{folder}/state"}
    return theirs, outcomes(network, folder, [str(PROGRAMS / "fwknopd")], {**SETTINGS, **run})


@pytest.mark.parametrize("port", CASES)
def test_a_caller_finds_what_the_packaged_server_lets_him_find_or_less_on_purpose(
    network: Yard, both: tuple[dict[str, str], dict[str, str]], port: int
) -> None:
    theirs, ours = both
    case = CASES[port]
    expected = case.finds.format(caller=network.caller.four)
    assert theirs[f"caller {port}"] == expected
    assert ours[f"caller {port}"] == case.expected(with_ours=True).format(
        caller=network.caller.four
    )
    assert theirs[f"stranger {port}"] == ours[f"stranger {port}"] == "nothing"


def test_everything_is_let_through_for_the_caller_and_for_nobody_else(
    both: tuple[dict[str, str], dict[str, str]],
) -> None:
    for seen in both:
        assert seen["inside, let through"] == f"inside to {GATE4}"
        assert seen["inside, stranger"] == "nothing"


def test_a_service_behind_is_not_reached_around_the_port_that_leads_there(
    both: tuple[dict[str, str], dict[str, str]],
) -> None:
    """The packaged server lets the caller through to the inner port of every host."""
    theirs, ours = both
    assert theirs["inside, from outside"] != "nothing"
    assert ours["inside, from outside"] == "nothing"
