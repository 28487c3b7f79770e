"""firewalld is reloaded when its rules are gone from the kernel, if that was asked for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.firewalld_emulator import EmulatedFirewalld
from tests.fwknopd_files import configure, remarks
from watchword.edges.clock import FakeClock
from watchword.edges.firewall.firewalld import mending
from watchword.edges.firewall.firewalld.backend import FirewalldFirewall
from watchword.edges.firewall.firewalld.kernel import KernelRules
from watchword.edges.firewall.firewalld.mending import Mending, Source, merged
from watchword.edges.firewall.firewalld.talk import News, RefusedError
from watchword.edges.programs import MemoryPrograms
from watchword.errors import HostError
from watchword.model.firewalls import FirewalldSettings, FirewallSettings


class Kernel(KernelRules):
    """Has firewalld's rules, or has not."""

    def __init__(self) -> None:
        super().__init__(MemoryPrograms())
        self.whole = True
        self.tables = 0

    def stands(self, zones: object) -> bool:
        return self.whole

    def make_table(self) -> None:
        self.tables += 1


class Reloaded(EmulatedFirewalld):
    """Makes the kernel whole when it is reloaded; may refuse that so many times."""

    def __init__(self, kernel: Kernel, clock: FakeClock) -> None:
        super().__init__(clock, {"public": ()})
        self.reloads = 0
        self.refusals = 0
        self._kernel = kernel

    def reload(self) -> None:
        self.reloads += 1
        if self.refusals:
            self.refusals -= 1
            raise RefusedError("firewalld refuses: COMMAND_FAILED")
        super().reload()
        self._kernel.whole = True


class Scene:
    def __init__(self) -> None:
        self.clock, self.kernel = FakeClock(), Kernel()
        self.firewalld = Reloaded(self.kernel, self.clock)
        self.mending = Mending(self.firewalld, self.kernel, self.clock)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_what_stands_is_left_alone(scene: Scene) -> None:
    assert not scene.mending.mend()
    assert (scene.firewalld.reloads, scene.kernel.tables) == (0, 0)


@pytest.mark.parametrize("refusals", [0, 1])
def test_a_table_is_made_and_firewalld_reloaded_once_more_if_it_fails(
    scene: Scene, refusals: int
) -> None:
    for count in (1, 2):
        scene.kernel.whole, scene.firewalld.refusals = False, refusals
        assert scene.mending.mend()
        assert scene.kernel.whole
        assert scene.firewalld.reloads == count * (1 + refusals)
        assert scene.kernel.tables == count


def test_what_a_reload_does_not_mend_is_not_reloaded_every_second(scene: Scene) -> None:
    scene.kernel.whole, scene.firewalld.refusals = False, 2
    with pytest.raises(RefusedError):
        scene.mending.mend()
    for _ in range(29):
        scene.clock.advance(1.0)
        assert not scene.mending.mend()
    assert scene.firewalld.reloads == 2
    scene.clock.advance(1.0)
    assert scene.mending.mend()


@pytest.mark.parametrize("reloads", [False, True])
def test_the_backend_has_it_done_only_where_it_is_told_to(scene: Scene, reloads: bool) -> None:
    settings = FirewallSettings(backend="firewalld", firewalld=FirewalldSettings(reloads=reloads))
    backend = FirewalldFirewall(
        settings, scene.firewalld, scene.kernel, clock=scene.clock,
        heir=lambda _: StillHeir(), claim=lambda *_: NoClaim(),  # type: ignore[arg-type]
    )  # fmt: skip
    backend.prepare()
    scene.kernel.whole = False
    with pytest.raises(HostError, match="the kernel has none of its rules") as told:
        backend.intact()
    assert ("FIREWALLD_RELOAD_IF_FLUSHED Y" in told.value.hint) is not reloads
    assert ("is reloaded" in told.value.hint) is reloads
    if reloads:
        backend.prepare()
        assert scene.firewalld.reloads == 1
    else:
        with pytest.raises(HostError, match="the kernel has none of its rules"):
            backend.prepare()
        assert scene.firewalld.reloads == 0


class StillHeir:
    alive = True

    def tell(self, *_: object, **__: object) -> None:
        """Nothing has to be ended."""


class NoClaim:
    def close(self) -> None:
        """There was none."""


def test_news_of_several_sources_are_one_stream_and_so_are_their_ends() -> None:
    async def some(*what: News) -> AsyncIterator[News]:
        for each in what:
            yield each
        await asyncio.sleep(3600)

    async def broken() -> AsyncIterator[News]:
        if not asyncio.current_task():
            yield None
        raise HostError("no bus")

    async def heard(sources: list[Source], count: int) -> list[News]:
        async with asyncio.timeout(30), contextlib.aclosing(merged(*sources)) as stream:
            found = [await anext(stream) for _ in range(count)]
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), 30)
        return found

    sources: list[Source] = [lambda: some(["a"], None), lambda: some(["b"])]
    found = asyncio.run(heard(sources, 3))
    assert sorted(map(str, found)) == ["None", "['a']", "['b']"]
    with pytest.raises(HostError, match="no bus"):
        asyncio.run(heard([*sources, broken], 4))


def test_where_the_kernel_tells_nothing_other_news_are_heard_all_the_same(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise HostError("cannot listen for changes of the ruleset")

    monkeypatch.setattr(mending, "Watch", refused)

    async def signals() -> AsyncIterator[News]:
        await asyncio.sleep(0)
        yield ["a"]

    async def heard() -> News:
        both = merged(scene.mending.flushes, signals)
        async with asyncio.timeout(30), contextlib.aclosing(both) as stream:
            return await anext(stream)

    assert asyncio.run(heard()) == ["a"]


def test_it_is_off_unless_the_file_says_so_and_rich_rules_alone_have_it() -> None:
    told = "FIREWALL_BACKEND firewalld\n"
    line = "FIREWALLD_RELOAD_IF_FLUSHED Y\n"
    assert not configure(told).settings.firewall.firewalld.reloads
    assert configure(told + line).settings.firewall.firewalld.reloads
    direct = f"{told}FIREWALLD_RULES direct\n{line}"
    assert any("has no effect with FIREWALLD_RULES direct" in each for each in remarks(direct))
    assert any("it is for FIREWALL_BACKEND firewalld" in each for each in remarks(line))
