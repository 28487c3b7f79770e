"""Who gets in while other hands have the operator's rules is cut off when they are back.

With the guard, which hides by itself, it is shown elsewhere (test_nft_heal).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import pytest

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
from tests.system.nat_scene import Door, Yard, yard
from tests.system.nft_scene import SSH, add, entered, nft, opening, remove
from tests.system.tables_scene import six
from watchword.edges.firewall import slipped
from watchword.lab.hosts import Lab
from watchword.model.daemon_events import SlippedIn
from watchword.model.openings import Feature, Opening

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
        grants = [opening(caller, seconds=60) for caller, *_ in ends(scene)]
        earlier, over = ([opening(each[1], seconds=60) for each in ends(scene)] for _ in range(2))
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
            assert each.is_cut()
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
