"""ipfw, pf, ipf and netsh when something goes wrong half way: nothing opens that must not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests import firewall_emulators, ipfw_emulator
from tests.contract.firewall import World, tags
from tests.unit.dated_scene import StillHeir, world_of
from watchword.edges.firewall.dated import lock
from watchword.edges.firewall.dated.backend import DatedFirewall
from watchword.edges.programs import MemoryPrograms
from watchword.errors import HostError
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import ChangeSet, Tag
from watchword.ports import Completed, NotStartedError

EMULATORS: dict[str, Callable[[], Any]] = {
    "ipfw": ipfw_emulator.Ipfw,
    "pf": firewall_emulators.Pf,
    "ipf": firewall_emulators.Ipf,
    "netsh": firewall_emulators.Netsh,
}
REFUSED: dict[str, type[Exception]] = {
    "ipfw": ipfw_emulator.RefusedError,
    "pf": firewall_emulators.RefusedError,
    "ipf": firewall_emulators.RefusedError,
    "netsh": firewall_emulators.RefusedError,
}
STEPS = 20
"""More commands than any change here has."""


class KilledError(BaseException):
    """What ``kill -9`` looks like from inside: nobody catches it."""


class Late:
    """Runs programs by an emulator; one of them is done, and then takes too long to end."""

    def __init__(self, emulator: Any) -> None:
        self.left = -1
        self._emulator = emulator

    def run(self, argv: Sequence[str], **others: Any) -> Completed:
        done: Completed = self._emulator.run(argv, **others)
        self.left -= 1
        if self.left == -1:
            raise HostError("took longer than 10 s and was ended")
        return done


def scene(name: str, path: Path) -> tuple[Any, World]:
    emulator = EMULATORS[name]()
    world = world_of(FirewallSettings(backend=name, exe=name), emulator, path, lambda: None)
    world.backend.prepare()
    return emulator, world


class Trouble:
    """With one command, the first being 0, and with none after it."""

    def __init__(self, step: int, error: BaseException) -> None:
        self._left = step
        self._error = error

    def __call__(self, command: str) -> None:
        self._left -= 1
        if self._left == -1:
            raise self._error


def changed(world: World) -> tuple[ChangeSet, frozenset[Tag], frozenset[Tag]]:
    """A change that takes out and puts in several; what is open before it, and after."""
    old = [world.opening(), world.opening(service="tcp/80"), world.opening("2001:db8::7")]
    new = [world.opening("192.0.2.8"), world.opening("192.0.2.9"), world.opening(seconds=90)]
    world.add(*old)
    change = ChangeSet(add=tuple(new), remove=tags(old[0], old[2]))
    return change, tags(*old), tags(old[1], *new)


@pytest.mark.parametrize("name", EMULATORS)
def test_a_command_that_fails_at_any_step_leaves_all_as_it_was(tmp_path: Path, name: str) -> None:
    failed = 0
    for step in range(STEPS):
        emulator, world = scene(name, tmp_path)
        change, before, after = changed(world)
        emulator.trouble = Trouble(step, REFUSED[name]("Device busy"))
        wanted = after
        try:
            world.backend.apply(change)
        except HostError:
            failed += 1
            wanted = before
        emulator.trouble = lambda _: None
        assert world.backend.installed() == wanted
        assert world.backend.intact()
    assert 0 < failed < STEPS


@pytest.mark.parametrize("name", ["ipfw", "ipf", "netsh"])
def test_a_program_that_was_ended_after_it_had_done_its_work_is_undone_too(
    tmp_path: Path, name: str
) -> None:
    for step in range(STEPS):
        emulator = EMULATORS[name]()
        late = Late(emulator)
        settings = FirewallSettings(backend=name, exe=name)
        world = world_of(settings, late, tmp_path, lambda: None)
        world.backend.prepare()
        change, before, after = changed(world)
        late.left = step
        wanted = after
        try:
            world.backend.apply(change)
        except HostError:
            wanted = before
        late.left = -1
        assert world.backend.installed() == wanted
        assert world.backend.intact()


@pytest.mark.parametrize("name", EMULATORS)
def test_who_is_killed_at_any_step_leaves_nothing_that_the_next_start_does_not_put_right(
    tmp_path: Path, name: str
) -> None:
    killed = 0
    for step in range(STEPS):
        emulator, world = scene(name, tmp_path)
        kept = world.opening(service="tcp/80")
        change, _, _ = changed(world)
        emulator.trouble = Trouble(step, KilledError())
        try:
            world.backend.apply(change)
        except KilledError:
            killed += 1
        emulator.trouble = lambda _: None
        later = DatedFirewall(
            FirewallSettings(backend=name, exe=name),
            tmp_path / "lock",
            programs=emulator,
            clock=world.clock,
            heir=StillHeir,
        )
        later.prepare()
        strays = later.recognise([kept]) - {kept.tag}
        later.apply(ChangeSet(add=(kept,), remove=strays))
        assert later.installed() == tags(kept)
        assert later.intact()
    assert 0 < killed < STEPS


@pytest.mark.parametrize("name", EMULATORS)
def test_a_program_that_is_missing_or_hangs_is_told_at_the_first_use(
    tmp_path: Path, name: str
) -> None:
    for error in (NotStartedError(f"{name}: not found"), HostError(f"{name}: took too long")):
        programs = MemoryPrograms([error, error])
        settings = FirewallSettings(backend=name, exe=name)
        backend = world_of(settings, programs, tmp_path, lambda: None).backend
        for use in (backend.probe, backend.prepare):
            with pytest.raises(HostError, match=name):
                use()


def test_a_lock_that_is_never_given_back_is_told_and_one_that_is_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LONGEST_WAIT", 0.05)
    mine, other = lock.Lock(tmp_path / "lock"), lock.Lock(tmp_path / "lock")
    with mine.held(), pytest.raises(HostError, match="held by another process"), other.held():
        raise AssertionError("both have it")
    with other.held():
        assert oct((tmp_path / "lock").stat().st_mode)[-3:] == "600"


def test_a_link_in_place_of_the_lock_is_refused_and_no_directory_is_no_lock(
    tmp_path: Path,
) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HostError), lock.Lock(tmp_path / "lock").held():
        raise AssertionError("it was followed")
    assert not (tmp_path / "elsewhere").exists()
    with lock.Lock(tmp_path / "missing" / "lock").held():
        assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("name", EMULATORS)
def test_what_openings_would_change_is_shown_and_nothing_is_changed(
    name: str, tmp_path: Path
) -> None:
    emulator, world = scene(name, tmp_path)
    world.add(world.opening(), world.opening("192.0.2.8"))
    backend = world.backend
    assert isinstance(backend, DatedFirewall)
    standing = backend.installed()
    emulator.transcript.clear()
    before, after = backend.rehearsed([world.opening(seconds=90), world.opening("2001:db8::7")])
    assert not emulator.told()
    assert (len(before), len(after)) == (2, 3)
    [stays] = set(before) & set(after)
    assert "192.0.2.8" in stays
    new = " ".join(set(after) - set(before))
    assert "2001:db8::7" in new
    assert f"_exp_{1_700_000_090}" in new
    assert backend.installed() == standing
    assert backend.intact()
