"""docs/quickstart.md, followed word for word: keys made on the spot, and a knock with them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server, until
from watchword.lab.hosts import Lab
from watchword.lab.sockets import gets_through, listen, reaches
from watchword.lab.trio import Trio, trio

pytestmark = pytest.mark.system

DOCUMENT = (Path(__file__).parents[2] / "docs" / "quickstart.md").read_text("utf-8")


def block_after(words: str) -> str:
    """The first indented block behind these words."""
    found = re.search(r"(?:^    .*\n)+", DOCUMENT[DOCUMENT.index(words) :], re.MULTILINE)
    assert found, words
    return re.sub(r"^    ", "", found[0], flags=re.MULTILINE)


@pytest.fixture
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


class Walk:
    """What the reader types on either machine; the server's files are below one directory."""

    def __init__(self, scene: Trio, folder: Path) -> None:
        self.scene = scene
        self.home = folder / "home"
        self.home.mkdir(mode=0o700)
        self.server = Server(scene.server.host, folder)

    def client(self, text: str) -> subprocess.CompletedProcess[str]:
        return self._run("caller", text.replace("server.example", self.scene.server.four))

    def on_server(self, text: str) -> subprocess.CompletedProcess[str]:
        files = " ".join(self.server.files)
        return self._run("server", re.sub(r"^(fwknopd|watchword check)", rf"\1 {files}", text))

    def _run(self, machine: str, text: str) -> subprocess.CompletedProcess[str]:
        ran: subprocess.CompletedProcess[str] = getattr(self.scene, machine).host.run(
            "sh", "-euc", text, check=False, cwd=self.home,
            env={**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "HOME": str(self.home)},
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran

    def write_server_files(self) -> None:
        stanza = (self.home / ".fwknoprc").read_text("utf-8")
        access = block_after("`/etc/fwknop/access.conf`, owned by root")
        for name in ("KEY_BASE64", "HMAC_KEY_BASE64"):
            [key] = re.findall(rf"^{name}\s+(\S+)$", stanza, re.MULTILINE)
            access = re.sub(rf"^({name}\s+)\(.*\)$", rf"\g<1>{key}", access, flags=re.MULTILINE)
        conf = block_after("`/etc/fwknop/fwknopd.conf`:")
        here = f"STATE_DIR {self.server.folder}/state;\nFWKNOP_RUN_DIR {self.server.folder}/run;\n"
        for name, text in (("access.conf", access), ("fwknopd.conf", conf + here)):
            path = self.server.folder / name
            path.touch(mode=0o600)
            path.write_text(text, "utf-8")


@pytest.mark.requirement("2.4")  # with test_gpg_document, which walks the other way
def test_the_document_leads_from_nothing_to_a_port_that_opens_for_its_reader(
    scene: Trio, tmp_path: Path
) -> None:
    walk = Walk(scene, tmp_path)
    server, caller = scene.server, scene.caller
    walk.client(block_after("## Client: make keys"))
    walk.write_server_files()
    assert (
        "the configuration can be used" in walk.on_server(block_after("check, then start")).stdout
    )
    start, is_it_running = block_after("When it says what you mean").splitlines()
    with listen(server.host, server.four, 22), listen(server.host, server.four, 80):
        assert reaches(caller.host, server.four, 22, seconds=30.0)
        walk.on_server(start)
        try:
            assert "is running" in walk.on_server(is_it_running).stdout
            assert not reaches(caller.host, server.four, 22)
            assert reaches(scene.stranger.host, server.four, 80, seconds=30.0)  # GUARD_PUBLIC
            assert walk.client(block_after("## Client: come in").splitlines()[0]).stdout == ""
            until(lambda: reaches(caller.host, server.four, 22))
            assert gets_through(caller.host, server.four, 22)
            assert not reaches(scene.stranger.host, server.four, 22)
            assert caller.four in walk.on_server("fwknopd --fw-list").stdout
        finally:
            walk.on_server("fwknopd -K")
