"""docs/gpg.md, followed word for word: keys made on the spot, and a knock with them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server
from watchword.conformance.keyrings import end_agents
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import gets_through, listen, reaches
from watchword.lab.trio import Trio, trio

pytestmark = [pytest.mark.system, pytest.mark.peer("gpg")]

DOCUMENT = (Path(__file__).parents[2] / "docs" / "gpg.md").read_text("utf-8")
PASSPHRASE = "two words"
NOBODY_TO_ANSWER = 'gpg() { command gpg --batch --pinentry-mode loopback $WORD "$@"; }\n'
"""What a person types into gpg's own dialogue comes from the test."""


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


class Walk:
    """Both machines of the document, each with a home; files are carried between them."""

    def __init__(self, scene: Trio, folder: Path) -> None:
        self.scene = scene
        self.folder = folder
        self.homes = {"server": folder / "server", "client": folder / "client"}
        for home in self.homes.values():
            home.mkdir(mode=0o700)
        (self.homes["client"] / ".gnupg").mkdir(mode=0o700)
        self.server = Server(scene.server.host, folder / "server")
        self.server.write()
        (self.homes["server"] / "access.conf").write_text("", "utf-8")
        self.said: list[str] = []

    def follow(self) -> None:
        """Run every block up to the knock, in order, each on its machine."""
        kept = {"server": "", "client": ""}
        blocks = re.findall(r"```sh\n# on the (server|client)\n(.*?)```", DOCUMENT, re.DOTALL)
        assert len(blocks) == 6
        for machine, text in blocks[:-1]:
            kept[machine] += "".join(re.findall(r"^[A-Z]+=.*\n", text, re.MULTILINE))
            self.run(machine, text if machine == "client" else kept[machine] + text)

    def run(self, machine: str, text: str, answers: str = "") -> None:
        host: Host = getattr(self.scene, "caller" if machine == "client" else machine).host
        text = text.replace("/etc/fwknop", str(self.homes["server"]))
        text = text.replace("watchword check", " ".join(["watchword check", *self.server.files]))
        word = "" if machine == "server" else f"--passphrase-file={self.folder}/word"
        (self.folder / "word").write_text(PASSPHRASE, "ascii")
        ran = host.run(
            "sh", "-euc", NOBODY_TO_ANSWER + text, cwd=self.folder, check=False,
            env={
                **os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "WORD": word,
                "HOME": str(self.homes[machine]),
            },
            input=answers,
        )  # fmt: skip
        self.said.append(ran.stdout + ran.stderr)
        assert ran.returncode == 0, self.said[-1]

    def write_rc(self) -> None:
        [block] = re.findall(r"((?:^    .*\n)+)", DOCUMENT, re.MULTILINE)
        access = (self.homes["server"] / "access.conf").read_text("utf-8")
        [key] = re.findall(r"HMAC_KEY_BASE64\s+(\S+)", access)
        text = re.sub(r"^    ", "", block, flags=re.MULTILINE)
        text = text.replace("gateway.example.net", self.scene.server.four)
        path = self.homes["client"] / ".fwknoprc"
        path.touch(mode=0o600)
        path.write_text(text.replace("(the server's)", key), "utf-8")

    def close(self) -> None:
        for home in (self.homes["server"] / "gnupg", self.homes["client"] / ".gnupg"):
            end_agents(home)


@pytest.fixture(scope="module")
def walk(scene: Trio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    walk = Walk(scene, tmp_path_factory.mktemp("walk"))
    try:
        walk.follow()
        walk.write_rc()
        yield walk
    finally:
        walk.close()


@pytest.mark.requirement("2.4", partial=True)
@pytest.mark.requirement("10.4", "8.10")
def test_the_document_leads_to_a_knock_that_opens_what_it_asks_for(walk: Walk) -> None:
    server, scene = walk.server, walk.scene
    assert any("signed by" in text and "can be used" in text for text in walk.said)
    server.access = (walk.homes["server"] / "access.conf").read_text("utf-8")
    server.start()
    with listen(scene.server.host, scene.server.four, 22):
        assert not reaches(scene.caller.host, scene.server.four, 22)
        walk.run("client", "fwknop -n gateway --stdin", answers=f"{PASSPHRASE}\n")
        [judged] = server.wait_for_judgements(1)
        assert judged["verdict"] == "granted", server.log
        assert judged["services"] == ["tcp/22", "udp/53"]
        assert gets_through(scene.caller.host, scene.server.four, 22)
        assert not reaches(scene.stranger.host, scene.server.four, 22)
    assert "Incoming SPA data signed by" in server.log
    assert PASSPHRASE not in server.log + "".join(walk.said)
    assert server.stop() == 0


def test_with_a_wrong_passphrase_nothing_is_sent(walk: Walk) -> None:
    end_agents(walk.homes["client"] / ".gnupg")  # which remembers the right one
    with pytest.raises(AssertionError, match="Error 122"):
        walk.run("client", "fwknop -n gateway --stdin", answers="other words\n")


def test_a_signer_whom_the_server_has_not_signed_is_refused_and_explain_says_what_to_do(
    walk: Walk,
) -> None:
    walk.run("client", "gpg --quick-generate-key bob ed25519 sign never\n")
    walk.run("client", "gpg --export bob > bob.gpg\n")
    walk.run("server", "gpg --homedir /etc/fwknop/gnupg --import bob.gpg\n")
    walk.server.access = (walk.homes["server"] / "access.conf").read_text("utf-8")
    walk.server.start()
    knock = "fwknop -n gateway --gpg-signer-key bob --stdin -B packet"
    walk.run("client", knock, answers=f"{PASSPHRASE}\n")
    [judged] = walk.server.wait_for_judgements(1)
    assert judged["reason"] == "signature-refused"
    walk.server.stop()
    explained = walk.server.tool(
        "explain", "--file", str(walk.folder / "packet"), "-s", "198.51.100.2"
    )
    assert explained.returncode == 1
    assert "its key is not trusted in the key ring" in explained.stdout
    assert "remedy: import the client's public key" in explained.stdout
