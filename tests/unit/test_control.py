"""The control socket: who may ask, who may change, and what nonsense does to it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from watchword.dialects.fwknop import server_files, translate
from watchword.dialects.fwknop.server_options import parse
from watchword.edges.peers import Peer, peer_of
from watchword.errors import HostError, OperatorError
from watchword.model.settings import ControlSettings
from watchword.service import asking
from watchword.service.daemon import control as module
from watchword.service.daemon.control import Control, Handler, Question, Rights

GROUP = 4711
ROOT = Peer(1, 0, frozenset({0}))
OWNER = Peer(2, 100, frozenset({100}))
MEMBER = Peer(3, 1000, frozenset({1000, GROUP}))
OTHER = Peer(4, 1001, frozenset({1001}))


def able(rights: Rights) -> list[tuple[bool, bool]]:
    return [
        (rights.may_ask(each), rights.may_change(each)) for each in (ROOT, OWNER, MEMBER, OTHER)
    ]


def test_only_root_and_the_daemons_own_user_may_ask_and_change_unless_a_group_is_named() -> None:
    assert able(Rights(100)) == [(True, True), (True, True), (False, False), (False, False)]


def test_members_of_the_group_may_ask_and_change_only_if_that_is_said() -> None:
    asks = [(True, True), (True, True), (True, False), (False, False)]
    assert able(Rights(100, GROUP)) == asks
    changes = [(True, True), (True, True), (True, True), (False, False)]
    assert able(Rights(100, GROUP, group_changes=True)) == changes


def test_a_right_to_change_without_a_group_is_nobodys() -> None:
    assert not Rights(100, None, group_changes=True).may_change(OTHER)


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    one, other = socket.socketpair()
    with one, other:
        found = peer_of(one)
    assert (found.pid, found.uid) == (os.getpid(), os.geteuid())
    assert found.groups == {os.getegid(), *os.getgroups()}


class Office:
    """A control socket with two questions and two changes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "run" / asking.NAME
        self.done: list[str] = []
        self.go_on = asyncio.Event()
        answers: Mapping[str, Handler] = {"status": self.status, "trouble": self.trouble}
        changes: Mapping[str, Handler] = {"open": self.open, "wait": self.wait}
        self.control = Control(self.path, Rights(os.geteuid()), answers, changes)

    async def status(self, question: Question) -> dict[str, object]:
        return {"said": question.fields.get("word"), "uid": question.peer.uid}

    async def trouble(self, question: Question) -> dict[str, object]:
        raise HostError("the disk is full", hint="make room")

    async def open(self, question: Question) -> dict[str, object]:
        raise OperatorError("no such grant", hint="see watchword grants")

    async def wait(self, question: Question) -> dict[str, object]:
        await self.go_on.wait()
        self.done.append("wait")
        return {}


def play(folder: Path, scene: Callable[[Office], Awaitable[None]]) -> Office:
    async def run() -> Office:
        office = Office(folder)
        await office.control.open()
        try:
            await scene(office)
        finally:
            office.go_on.set()
            await office.control.close()
        return office

    return asyncio.run(run())


async def raw(office: Office, line: bytes) -> dict[str, Any] | None:
    reader, writer = await asyncio.open_unix_connection(office.path)
    writer.write(line)
    try:
        answer = await reader.read()
    except ConnectionResetError:
        return None
    finally:
        writer.close()
    return json.loads(answer) if answer else None


def test_a_question_is_answered_and_the_socket_is_its_owners_alone(tmp_path: Path) -> None:
    async def scene(office: Office) -> None:
        told = await asyncio.to_thread(asking.ask, office.path, "status", word="hello")
        assert told == {"version": 1, "said": "hello", "uid": os.geteuid()}
        assert stat.S_IMODE(office.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(office.path.parent.stat().st_mode) == 0o700

    assert not play(tmp_path, scene).path.exists()


def test_the_folder_may_have_a_longer_path_than_the_kernel_takes_for_a_socket(
    tmp_path: Path,
) -> None:
    async def scene(office: Office) -> None:
        told = await asyncio.to_thread(asking.ask, office.path, "status", word="hello")
        assert told["said"] == "hello"

    far = play(tmp_path / ("f" * 100) / ("g" * 100), scene).path
    assert not far.exists()
    with pytest.raises(asking.NobodyAnswersError):
        asking.ask(far, "status")


@pytest.mark.parametrize(
    "line",
    [
        b"\n", b"{}\n", b"[1]\n", b"3\n", b"\xff\xfe\n", b'{"version":9,"ask":"status"}\n',
        b'{"version":1}\n', b'{"version":1,"ask":"open"}\n', b'{"version":1,"do":"status"}\n',
        b'{"version":1,"ask":["status"]}\n', b'{"version":1,"ask":"status","do":"open"}\n',
        b"[" * 4000 + b"\n",
    ],
)  # fmt: skip
def test_what_is_no_question_gets_an_error_and_harms_nobody(tmp_path: Path, line: bytes) -> None:
    async def scene(office: Office) -> None:
        answer = await raw(office, line)
        assert answer is not None
        assert "does not know this question" in answer["error"]
        assert (await raw(office, b'{"version":1,"ask":"status"}\n') or {})["version"] == 1

    play(tmp_path, scene)


def test_a_question_without_an_end_is_not_read_to_it(tmp_path: Path) -> None:
    async def scene(office: Office) -> None:
        assert await raw(office, b"x" * (2 * module.LONGEST)) is None

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [("trouble", HostError, "the disk is full"), ("open", OperatorError, "no such grant")],
)
def test_errors_come_back_as_what_they_are_with_their_remedy(
    tmp_path: Path, what: str, kind: type[Exception], words: str
) -> None:
    async def scene(office: Office) -> None:
        call = asking.ask if kind is HostError else asking.change
        with pytest.raises(kind, match=words) as caught:
            await asyncio.to_thread(call, office.path, what)
        told = caught.value
        hint = told.hint if isinstance(told, HostError) else told.complaints[0].hint  # type: ignore[attr-defined]
        assert hint in ("make room", "see watchword grants")

    play(tmp_path, scene)


def test_a_change_that_was_begun_is_carried_through_though_the_asker_hangs_up(
    tmp_path: Path,
) -> None:
    async def scene(office: Office) -> None:
        _, writer = await asyncio.open_unix_connection(office.path)
        writer.write(b'{"version":1,"do":"wait"}\n')
        await writer.drain()
        writer.transport.abort()
        assert await raw(office, b'{"version":1,"ask":"status"}\n') is not None
        closing = asyncio.ensure_future(office.control.close())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not closing.done()
        office.go_on.set()
        await closing
        assert office.done == ["wait"]

    play(tmp_path, scene)


def test_no_more_than_eight_are_heard_at_once(tmp_path: Path) -> None:
    async def scene(office: Office) -> None:
        idle = [await asyncio.open_unix_connection(office.path) for _ in range(module.AT_ONCE)]
        assert await raw(office, b'{"version":1,"ask":"status"}\n') is None
        for _, writer in idle:
            writer.close()
        for _ in range(100):
            if await raw(office, b'{"version":1,"ask":"status"}\n') is not None:
                return
        raise AssertionError("nobody is heard any more")

    play(tmp_path, scene)


def test_who_has_no_right_is_told_what_would_give_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "peer_of", lambda _: OTHER)

    async def scene(office: Office) -> None:
        for call, what in ((asking.ask, "status"), (asking.change, "open")):
            with pytest.raises(OperatorError, match="user id 1001 may not do that") as caught:
                await asyncio.to_thread(call, office.path, what)
            assert "CONTROL_GROUP" in caught.value.complaints[0].hint

    play(tmp_path, scene)


def test_where_nobody_answers_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(asking.NobodyAnswersError) as caught:
        asking.ask(tmp_path / "nothing.sock", "status")
    assert "is fwknopd running" in caught.value.hint


def configured(text: str) -> ControlSettings:
    sources = server_files.Sources.of(
        {
            "/f": f"ENABLE_UDP_SERVER Y\n{text}",
            "/a": "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY thekeythekey\n",
        }
    )
    return translate.load(sources, parse(["-c", "/f", "-a", "/a"])).settings.control


def test_the_configuration_names_the_group_and_what_it_may_do() -> None:
    assert configured("") == ControlSettings(None)
    assert configured("CONTROL_GROUP nogroup\n") == ControlSettings(65534)
    both = configured("CONTROL_GROUP nogroup\nCONTROL_GROUP_CHANGES Y\n")
    assert both == ControlSettings(65534, group_changes=True)
    assert configured("CONTROL_GROUP_CHANGES Y\n") == ControlSettings()


def test_a_group_that_is_not_there_is_refused_with_its_line() -> None:
    with pytest.raises(OperatorError, match="/f:2: CONTROL_GROUP has 'wheels'"):
        configured("CONTROL_GROUP wheels\n")


def test_others_who_ask_all_the_time_do_not_keep_root_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = MEMBER
    monkeypatch.setattr(module, "peer_of", lambda _: who)

    async def scene(office: Office) -> None:
        nonlocal who
        idle = [await asyncio.open_unix_connection(office.path) for _ in range(module.AT_ONCE)]
        while office.control._busy[False] < module.AT_ONCE:
            await asyncio.sleep(0)
        assert await raw(office, b'{"version":1,"ask":"status"}\n') is None
        who = ROOT
        assert (await raw(office, b'{"version":1,"ask":"status"}\n') or {})["version"] == 1
        for _, writer in idle:
            writer.close()

    play(tmp_path, scene)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another group")
@pytest.mark.parametrize("group", [GROUP, 0])
@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (0o2770, 0o2710, True), (0o775, 0o715, True), (0o730, 0o710, True),
        (0o700, 0o710, False), (0o755, 0o755, False),
    ],
)  # fmt: skip
def test_no_group_may_write_into_the_folder_whatever_it_might_before(
    tmp_path: Path, group: int, before: int, after: int, said: bool
) -> None:
    async def scene(office: Office) -> None:
        os.chown(office.path.parent, -1, group)
        office.path.parent.chmod(before)
        told = office.control.admit(Rights(os.geteuid(), GROUP))
        status = office.path.parent.stat()
        assert stat.S_IMODE(status.st_mode) == after
        assert status.st_gid == GROUP or after == 0o755
        assert [f"group {group} could write in" in each.message for each in told] == [True] * said

    play(tmp_path, scene)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another group")
def test_where_everybody_may_write_no_group_is_let_in(tmp_path: Path) -> None:
    async def scene(office: Office) -> None:
        office.path.parent.chmod(0o1777)
        with pytest.raises(HostError, match="everybody may write in"):
            office.control.admit(Rights(os.geteuid(), GROUP))
        assert stat.S_IMODE(office.path.stat().st_mode) == 0o600

    play(tmp_path, scene)
