"""Metrics over a reload: served somewhere else, to others, or as before."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.unit.test_scrapes import GET, told
from tests.unit.test_udp_source import free_port
from watchword.errors import HostError
from watchword.model.settings import ControlSettings, LoopbackPort, Settings, UnixSocket
from watchword.service.daemon.watching import Watching

GROUP = 4711


def test_where_a_new_place_is_taken_in_the_last_moment_the_old_one_goes_on(tmp_path: Path) -> None:
    old, new = UnixSocket(tmp_path / "m.sock"), LoopbackPort(ip_address("127.0.0.1"), free_port())

    async def scene() -> None:
        watching = Watching(dict)
        await watching.prepare(Settings(metrics=old))
        await watching.take_over()
        await watching.prepare(Settings(metrics=new))
        with socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            thief.bind((str(new.address), new.port))
            thief.listen()
            with pytest.raises(HostError, match="cannot serve metrics"):
                await watching.take_over()
        assert await told(old, GET.replace("/metrics", "/nothing").encode("ascii"))
        await watching.prepare(Settings(metrics=new))
        await watching.take_over()
        assert not old.path.exists()
        await watching.aclose()

    asyncio.run(scene())


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a socket to another group")
def test_a_reload_lets_the_group_that_is_named_now_ask_and_no_other(tmp_path: Path) -> None:
    place = UnixSocket(tmp_path / "m.sock")

    async def scene() -> list[tuple[int, int]]:
        watching, found = Watching(dict), []
        for group in (None, GROUP, None):
            await watching.prepare(Settings(metrics=place, control=ControlSettings(group=group)))
            await watching.take_over()
            status = place.path.stat()
            found.append((stat.S_IMODE(status.st_mode), status.st_gid if group else 0))
        await watching.aclose()
        return found

    assert asyncio.run(scene()) == [(0o600, 0), (0o660, GROUP), (0o600, 0)]
