"""The control socket of a real daemon, asked by people with and without the right to."""

from __future__ import annotations

import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server
from tests.within_reach import within_reach
from watchword.lab.hosts import Lab

pytestmark = pytest.mark.system
NOBODY = 65534
GROUP, GROUP_ID = "adm", 4  # on every Debian


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """A folder that anybody can reach, as /run is."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder / "run"
    shutil.rmtree(folder)


@pytest.fixture
def server(tmp_path: Path, run_dir: Path) -> Iterator[Server]:
    with Lab() as lab:
        server = Server(lab.host("door"), tmp_path)
        server.settings["FWKNOP_RUN_DIR"] = str(run_dir)
        yield server


def asked(server: Server, *groups: int) -> subprocess.CompletedProcess[str]:
    """``watchword status``, asked by nobody with these groups."""
    listed = [f"--groups={','.join(map(str, groups))}"] if groups else ["--clear-groups"]
    path = Path(server.settings["FWKNOP_RUN_DIR"]) / "control.sock"
    return server.host.run(
        *within_reach(),
        *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", *listed),
        *(str(PROGRAMS / "watchword"), "status", "--socket", str(path)),
        check=False,
    )


def test_the_group_that_is_named_may_ask_and_a_reload_takes_that_back(
    server: Server, run_dir: Path
) -> None:
    server.settings["CONTROL_GROUP"] = GROUP
    server.start()
    status = (run_dir / "control.sock").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o660, GROUP_ID)
    assert stat.S_IMODE(run_dir.stat().st_mode) == 0o710

    member, stranger = asked(server, GROUP_ID), asked(server)
    assert member.returncode == 0, member.stderr
    assert "running since" in member.stdout
    assert (stranger.returncode, stranger.stdout) == (1, "")
    assert "you may not ask the daemon" in stranger.stderr

    run_dir.chmod(0o755)  # mistakes of somebody's
    (run_dir / "control.sock").chmod(0o666)
    assert "user id 65534 may not do that" in asked(server).stderr

    del server.settings["CONTROL_GROUP"]
    server.write()
    assert server.program("-R").returncode == 0
    server.wait_for("Re-starting fwknopd")
    assert "you may not ask the daemon" in asked(server, GROUP_ID).stderr
    assert server.tool("status").returncode == 0


def test_without_a_group_only_root_may_ask(server: Server) -> None:
    server.start()
    refused = asked(server, GROUP_ID)
    assert refused.returncode == 1
    assert "you may not ask the daemon" in refused.stderr
