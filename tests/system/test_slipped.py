"""Who gets in while other hands have the operator's rules is cut off when they are back.

With the guard, which hides by itself, it is shown elsewhere (test_nft_heal).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Server
from tests.system.firewall_kinds import (
    SETTINGS,
    Backend,
    clear,
    furnish,
    load,
    make,
    realign,
    saved,
)
from tests.system.nat_scene import Door, Yard, leading, yard
from tests.system.nft_scene import DNS, SSH, add, entered, nft, opening, remove
from tests.system.tables_scene import knock, settled, six
from watchword.edges.firewall import slipped
from watchword.edges.firewall.tables.structure import Structure
from watchword.errors import HostError
from watchword.lab.hosts import Lab
from watchword.lab.sockets import open_socket
from watchword.model.addresses import canonical
from watchword.model.daemon_events import SlippedIn
from watchword.model.openings import Feature, Lead, Opening

pytestmark = [pytest.mark.system, pytest.mark.peer("iptables", "ipset")]

KINDS = ("jump", "mark", "sets", "iptables-nft", "iptables-legacy", "ipset")
INSIDE = (ip_network("10.0.0.0/24"), ip_network("fd00::/64"))


@pytest.fixture(scope="module")
def scene() -> Iterator[Yard]:
    with Lab() as lab:
        yield yard(lab)


@pytest.fixture(autouse=True)
def _short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever had a grant that has ended is not taken for let in by it any longer."""
    monkeypatch.setattr(slipped, "_LIST_EVERY", 0.0)


@dataclass
class Stage:
    """A backend in the gateway, behind an operator's rules that drop; his friends are inside."""

    scene: Yard
    kind: str
    more: dict[str, Any]
    backend: Backend = field(init=False)
    told: list[SlippedIn] = field(default_factory=list)
    rules: list[tuple[list[str], str]] = field(init=False)
    """The operator's, without anything of ours."""

    def begin(self) -> None:
        """As a daemon that starts."""
        settings: dict[str, Any] = {"hidden": (SSH,), "hidden_except": INSIDE} | self.more
        self.backend = make(self.kind, told=self.told.append, **settings)
        self.backend.prepare()

    def flush(self) -> None:
        """Nobody is refused anything, and nothing of ours is left."""
        clear(self.scene.gateway.host, self.kind)

    def policy(self, chain: str, verdict: str) -> None:
        """What happens where no rule of the operator's says anything."""
        settings = SETTINGS[self.kind]
        if settings.backend == "nftables":
            nft(script=f"add chain inet filter {chain} {{ policy {verdict}; }}\n")
            return
        for exe in (settings.exe, six(settings.exe)):
            self.scene.gateway.host.run(exe, "-P", chain.upper(), verdict.upper())

    def heal(self, *openings: Opening) -> None:
        """As the daemon that heard something."""
        if not self.backend.intact():
            realign(self.backend, openings)

    @property
    def cut(self) -> set[tuple[str, str]]:
        return {(who, str(service)) for each in self.told for who, service in each.connections}


@contextlib.contextmanager
def staged(scene: Yard, kind: str, **more: Any) -> Iterator[Stage]:
    host, stage = scene.gateway.host, Stage(scene, kind, more)
    with entered(host):
        furnish(host, kind)
        befriend(scene, kind)
        stage.rules = saved(kind)
        stage.begin()
        try:
            yield stage
            stage.backend.teardown()
            assert "watchword" not in nft("list", "ruleset")
        finally:
            stage.backend.close()
            clear(host, kind)


def befriend(scene: Yard, kind: str) -> None:
    """The operator lets in whoever is inside, without a grant."""
    settings = SETTINGS[kind]
    for network in INSIDE:
        if settings.backend == "nftables":
            ip = "ip" if network.version == 4 else "ip6"
            nft("add", "rule", "inet", "filter", "input", ip, "saddr", str(network), "accept")
        else:
            exe = settings.exe if network.version == 4 else six(settings.exe)
            scene.gateway.host.run(exe, *f"-A INPUT -s {network} -j ACCEPT".split())


def ends(scene: Yard) -> list[tuple[str, str, str, str]]:
    """Caller, stranger, friend and gateway, by IPv4 and by IPv6."""
    return [
        (scene.caller.four, scene.stranger.four, scene.inside.four, scene.gateway.four),
        (scene.caller.six, scene.stranger.six, scene.inside.six, scene.gateway.six),
    ]


@pytest.mark.requirement("3.4", partial=True)
@pytest.mark.parametrize("kind", KINDS)
def test_of_all_who_are_connected_after_a_flush_those_are_cut_whom_nobody_let_in(
    scene: Yard, kind: str
) -> None:
    with staged(scene, kind) as stage, contextlib.ExitStack() as stack:
        assert Feature.SLIPPED in stage.backend.probe()
        door = Door(scene.gateway.host, "::", 22)
        stack.callback(door.close)
        grants = [opening(caller, seconds=600) for caller, *_ in ends(scene)]
        earlier, over = ([opening(each[1], seconds=600) for each in ends(scene)] for _ in range(2))
        right, wrong = [], []
        stage.backend.apply(add(*earlier))
        right += [door.enter(scene.stranger, here, 22) for *_, here in ends(scene)]
        stage.backend.apply(remove(*(each.tag for each in earlier)))
        stage.backend.close()
        stage.begin()  # it does not know why those are connected
        stage.backend.apply(add(*grants, *over))
        for *_, here in ends(scene):
            right.append(door.enter(scene.stranger, here, 22))
            right += [door.enter(each, here, 22) for each in (scene.caller, scene.inside)]
        stage.backend.apply(remove(*(each.tag for each in over)))
        assert stage.backend.intact()
        stage.flush()
        for *_, here in ends(scene):
            wrong.append(door.enter(scene.stranger, here, 22))
            right += [door.enter(each, here, 22) for each in (scene.caller, scene.inside)]
        web = Door(scene.gateway.host, "::", 80)
        stack.callback(web.close)
        others = [web.enter(scene.stranger, here, 80) for *_, here in ends(scene)]
        load(stage.rules)
        stage.heal(*grants)
        for each in wrong:
            with pytest.raises(ConnectionResetError):
                each.far.recv(10)
        assert stage.cut == {(stranger, "tcp/22") for _, stranger, *_ in ends(scene)}
        assert [len(each.connections) for each in stage.told] == [2]
        # Connection tracking was away: who came then is established once the service speaks.
        for each in right:
            each.near.sendall(b"first")
            assert each.far.recv(5) == b"first"
            assert each.goes_on()
        assert stage.backend.intact()
        for each in (*right, *wrong, *others):
            each.close()


@pytest.mark.requirement("3.4", partial=True)
@pytest.mark.parametrize("kind", ["jump", "iptables-nft", "ipset"])
def test_who_comes_in_by_a_grant_of_an_old_ruleset_is_cut_when_that_is_taken_out(
    scene: Yard, kind: str
) -> None:
    with staged(scene, kind) as stage, contextlib.ExitStack() as stack:
        door = Door(scene.gateway.host, "::", 22)
        stack.callback(door.close)
        grants = [opening(caller) for caller, *_ in ends(scene)]
        over = [opening(stranger) for _, stranger, *_ in ends(scene)]
        stage.backend.apply(add(*grants, *over))
        dump = saved(kind)
        stage.backend.apply(remove(*(each.tag for each in over)))
        assert not door.lets_in(scene.stranger, scene.gateway.four, 22)
        assert stage.backend.intact()
        stage.flush()
        load(dump)
        wrong = [door.enter(scene.stranger, here, 22) for *_, here in ends(scene)]
        right = [door.enter(scene.caller, here, 22) for *_, here in ends(scene)]
        stage.heal(*grants)
        assert stage.backend.installed() == {each.tag for each in grants}
        assert stage.cut == {(stranger, "tcp/22") for _, stranger, *_ in ends(scene)}
        assert all(each.is_cut() for each in wrong)
        assert all(each.goes_on() for each in right)
        for each in (*right, *wrong):
            each.close()


@pytest.mark.parametrize("kind", ["iptables-nft", "ipset"])
def test_it_is_heard_of_a_chain_further_on_too(scene: Yard, kind: str) -> None:
    with staged(scene, kind) as stage, contextlib.ExitStack() as stack:
        door, exe = Door(scene.gateway.host, "::", 22), SETTINGS[kind].exe
        stack.callback(door.close)
        for rule in ("-N users", "-A INPUT -j users", "-A users -j ACCEPT"):
            scene.gateway.host.run(exe, *rule.split())
        stage.heal()
        wrong = door.enter(scene.stranger, scene.gateway.four, 22)
        assert stage.backend.intact()
        assert wrong.goes_on()
        scene.gateway.host.run(exe, "-F", "users")
        assert stage.backend.intact()
        assert stage.cut == {(scene.stranger.four, "tcp/22")}
        wrong.close()


@pytest.mark.parametrize("kind", ["jump", "mark", "iptables-nft", "ipset"])
def test_who_gets_in_before_the_operators_rules_are_back_is_cut_when_they_are(
    scene: Yard, kind: str
) -> None:
    with staged(scene, kind) as stage, contextlib.ExitStack() as stack:
        door = Door(scene.gateway.host, "::", 22)
        stack.callback(door.close)
        stage.policy("input", "accept")
        stage.heal()
        wrong = [door.enter(scene.stranger, here, 22) for *_, here in ends(scene)]
        grant = opening(scene.caller.four)
        stage.backend.apply(add(grant))
        stage.backend.apply(remove(grant.tag))  # so that a new list is taken
        assert stage.backend.intact()
        assert stage.told == []
        stage.policy("input", "drop")
        assert stage.backend.intact()
        assert stage.cut == {(stranger, "tcp/22") for _, stranger, *_ in ends(scene)}
        for each in wrong:
            assert each.is_cut()
            each.close()


def test_grants_come_back_though_nobody_can_be_judged_and_that_is_made_up_for(
    scene: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise HostError("the kernel is busy")

    with staged(scene, "mark") as stage, contextlib.ExitStack() as stack:
        door = Door(scene.gateway.host, "::", 22)
        stack.callback(door.close)
        grant = opening(scene.caller.four)
        stage.backend.apply(add(grant))
        stage.flush()
        wrong = door.enter(scene.stranger, scene.gateway.four, 22)
        load(stage.rules)
        with monkeypatch.context() as patch:
            patch.setattr(slipped, "end", refuses)
            stage.heal(grant)
            assert stage.backend.installed() == {grant.tag}
            with pytest.raises(HostError, match="busy"):
                stage.backend.intact()
        assert stage.told == []
        assert stage.backend.intact()
        assert stage.cut == {(scene.stranger.four, "tcp/22")}
        assert wrong.is_cut()
        wrong.close()


@pytest.mark.parametrize("kind", ["iptables-nft", "ipset"])
def test_who_slipped_in_is_judged_though_the_first_try_to_mend_it_failed_half_way(
    scene: Yard, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Structure.build

    def half(structure: Structure) -> None:
        whole(structure)
        raise HostError("the machine is busy")

    with staged(scene, kind) as stage, contextlib.ExitStack() as stack:
        door = Door(scene.gateway.host, "::", 22)
        stack.callback(door.close)
        stage.flush()
        wrong = door.enter(scene.stranger, scene.gateway.four, 22)
        load(stage.rules)
        with monkeypatch.context() as patch:
            patch.setattr(Structure, "build", half)
            with pytest.raises(HostError, match="busy"):
                stage.backend.prepare()
        stage.backend.prepare()
        assert stage.cut == {(scene.stranger.four, "tcp/22")}
        wrong.close()


@pytest.mark.parametrize("kind", ["jump", "iptables-nft", "ipset"])
def test_what_is_led_on_and_what_passes_through_is_cut_alike(scene: Yard, kind: str) -> None:
    """Who may come is let in by grants, and with ipset, which leads nobody on, by the operator."""
    inside = (ip_network("10.0.0.5/32"), ip_network("fd00::5/128"))
    callers = (ip_network(scene.caller.four), ip_network(scene.caller.six))
    friends = callers if kind == "ipset" else ()
    with staged(scene, kind, hidden_except=friends, hidden_behind=inside) as stage:
        there, near = Door(scene.inside.host, "::", 22), Door(scene.neighbour.host, "::", 22)
        out = Door(scene.stranger.host, "::", 22)
        stage.policy("forward", "drop")
        publish(stage)
        lets_out(stage)
        grants = (
            []
            if friends
            else [
                leading(scene.caller.four, None, Lead(None, 0, everything=True)),
                leading(scene.caller.six, "tcp/8024", Lead(canonical(scene.inside.six), 22)),
            ]
        )
        stage.backend.apply(add(*grants))
        stage.heal(*grants)
        stage.policy("forward", "accept")
        gate, station = scene.gateway, scene.inside
        wrong = [
            there.enter(scene.stranger, station.four, 22),
            there.enter(scene.stranger, station.six, 22),
            there.enter(scene.stranger, gate.four, 8022),
        ]
        right = [
            there.enter(scene.caller, station.four, 22),
            there.enter(scene.caller, *((station.six, 22) if friends else (gate.six, 8024))),
            near.enter(scene.stranger, scene.neighbour.four, 22),
            out.enter(station, scene.stranger.four, 22),
        ]
        stage.policy("forward", "drop")
        stage.heal(*grants)
        assert stage.cut == {
            (each, "tcp/22") for each in (scene.stranger.four, scene.stranger.six)
        } | {(scene.stranger.four, "tcp/8022")}
        for each in wrong:
            each.near.sendall(b"what the host behind says begins nothing anew")
            each.far.settimeout(0.2)
            with pytest.raises(TimeoutError):
                each.far.recv(50)
            assert each.is_cut()
        assert all(each.goes_on() for each in right)
        for visit in (*wrong, *right):
            visit.close()
        for door in (there, near, out):
            door.close()
        stage.policy("forward", "accept")


def publish(stage: Stage) -> None:
    """Port 8022 of the gateway is that of the service inside, as Docker has it."""
    if SETTINGS[stage.kind].backend == "nftables":
        nft(
            script="add table ip published\n"
            "add chain ip published pre { type nat hook prerouting priority -100; }\n"
            f"add rule ip published pre tcp dport 8022 dnat to {stage.scene.inside.four}:22\n"
        )
    else:
        rule = f"-t nat -A PREROUTING -p tcp --dport 8022 -j DNAT --to {stage.scene.inside.four}:22"
        stage.scene.gateway.host.run(SETTINGS[stage.kind].exe, *rule.split())


def lets_out(stage: Stage) -> None:
    """A router lets out whoever is inside, and the answers to them."""
    settings = SETTINGS[stage.kind]
    if settings.backend == "nftables":
        return  # it does already
    for exe in (settings.exe, six(settings.exe)):
        for rule in ("-m conntrack --ctstate ESTABLISHED,RELATED", "-i eth1"):
            stage.scene.gateway.host.run(exe, *f"-A FORWARD {rule} -j ACCEPT".split())


@pytest.mark.parametrize("kind", ["mark"])
def test_datagrams_of_who_slipped_in_are_forgotten_and_those_of_others_are_not(
    scene: Yard, kind: str
) -> None:
    with staged(scene, kind, hidden=(DNS,)) as stage, contextlib.ExitStack() as stack:
        here = scene.gateway.four
        service = stack.enter_context(open_socket(scene.gateway.host, here, socket.SOCK_DGRAM))
        service.bind((here, 53))
        stage.backend.apply(add(grant := opening(scene.caller.four, DNS)))
        stage.policy("input", "accept")
        stage.heal(grant)
        talks = []
        for station, address in (
            (scene.caller, here), (scene.inside, here), (scene.stranger, here),
        ):  # fmt: skip
            talk = stack.enter_context(open_socket(station.host, address, socket.SOCK_DGRAM))
            talk.connect((address, 53))
            service.settimeout(30)
            talk.send(b"question")
            service.sendto(b"answer", service.recvfrom(10)[1])
            talks.append(talk)
        stage.policy("input", "drop")
        stage.backend.apply(remove(grant.tag))
        stage.heal()
        assert stage.cut == {(scene.stranger.four, "udp/53")}
        talks[2].send(b"2")
        for number in (0, 1):
            talks[number].send(str(number).encode())
            assert service.recv(10) == str(number).encode()
        service.settimeout(0.2)
        with pytest.raises(TimeoutError):
            service.recv(10)


WAYS = {
    "jump": {
        "FIREWALL_ATTACH": "jump",
        "NFT_JUMP_FROM": "inet filter input",
        "PRIVILEGE_SEPARATION": "N",
    },
    "iptables-nft": {"FIREWALL_BACKEND": "iptables"},
    "ipset": {"FIREWALL_BACKEND": "ipset"},
}


@pytest.mark.requirement("3.4", partial=True)
@pytest.mark.parametrize("kind", WAYS)
def test_the_daemon_cuts_off_who_slipped_in_says_so_and_leaves_everybody_else(
    scene: Yard, kind: str, tmp_path: Path
) -> None:
    """By ``nft flush ruleset``, and the operator's own rules again by their own program."""
    host, door = scene.gateway.host, Door(scene.gateway.host, "::", 22)
    server = settled(Server(host, tmp_path), **WAYS[kind])
    hidden = {"HIDDEN_SERVICES": "tcp/22", "HIDDEN_EXCEPT": ", ".join(map(str, INSIDE))}
    server.settings |= {} if kind == "ipset" else hidden
    with entered(host), contextlib.ExitStack() as stack:
        stack.callback(door.close)
        stack.callback(clear, host, kind)
        furnish(host, kind)
        befriend(scene, kind)
        if kind == "jump":
            nft("add", "rule", "inet", "filter", "input", "udp", "dport", "62201", "accept")
        rules = saved(kind)
        server.start()
        stack.callback(server.stop)
        if kind == "ipset":  # told by a reload
            server.settings |= hidden
            server.write()
            server.send(signal.SIGHUP)
            server.wait_for("Re-starting fwknopd")
        for who in (scene.caller.four, scene.caller.six):
            knock(scene.outside, who)
        server.wait_for_judgements(2)
        right = [door.enter(scene.caller, here, 22) for *_, here in ends(scene)]
        for pid in server.pids:
            os.kill(pid, signal.SIGSTOP)
        clear(host, kind) if kind == "ipset" else nft("flush", "ruleset")
        wrong = [door.enter(scene.stranger, here, 22) for *_, here in ends(scene)]
        right += [door.enter(scene.inside, here, 22) for *_, here in ends(scene)]
        load(rules)
        for pid in server.pids:
            os.kill(pid, signal.SIGCONT)
        server.wait_for("Restored 2 grants: other hands had changed the firewall")
        for _, stranger, *_ in ends(scene):
            server.wait_for(f"Cut off {stranger} from tcp/22: who slipped in while other hands")
        for each in right:
            each.near.sendall(b"first")
            assert each.far.recv(5) == b"first"
            assert each.goes_on()
        assert all(each.is_cut() for each in wrong)
        assert server.log.count("Cut off") == 2
        assert server.stop() == 0
        for each in (*right, *wrong):
            each.close()
