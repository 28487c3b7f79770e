"""docs/why-ignored.md, as an operator walks through it: every command, and every answer."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.daemon import PROGRAMS, Server, base64
from tests.values import KEY, MAC_KEY
from watchword.lab.hosts import Host, Lab
from watchword.lab.trio import Trio, trio

pytestmark = pytest.mark.system
DOCUMENT = (Path(__file__).parents[2] / "docs" / "why-ignored.md").read_text("utf-8")
SECRETS = {"KEY_BASE64": base64(KEY), "HMAC_KEY_BASE64": base64(MAC_KEY)}
RC = {
    "SPA_SERVER": "203.0.113.1", "ACCESS": "tcp/22", "ALLOW_IP": "198.51.100.2",
    "SPOOF_USER": "alice", **SECRETS, "USE_HMAC": "Y",
}  # fmt: skip


class Step(NamedTuple):
    """One section: what the caller types, what the operator types, what he reads."""

    title: str
    knock: str
    questions: tuple[tuple[str, str], ...]


def blocks(section: str) -> list[str]:
    """Indented blocks; an empty line parts them."""
    found = re.findall(r"(?:^    .*\n)+", section, re.MULTILINE)
    return [re.sub(r"^    ", "", each, flags=re.MULTILINE) for each in found]


def steps() -> list[Step]:
    found = []
    for section in DOCUMENT.split("\n## ")[1:]:
        knock, *rest = blocks(section)
        questions = tuple(zip(rest[::2], rest[1::2], strict=True))
        found.append(Step(section.partition("\n")[0], knock, questions))
    return found


def written(text: str) -> re.Pattern[str]:
    """The lines of an answer in that order, whatever the numbers of times and ports are."""
    lines = [re.sub(r"\d+", r"\\d+", re.escape(line.rstrip())) for line in text.splitlines()]
    return re.compile(r"(?:.*\n)*?".join(f"{line}\n" for line in lines))


class Walk:
    def __init__(self, scene: Trio, folder: Path) -> None:
        self.scene = scene
        self.folder = folder
        self.server = Server(scene.server.host, folder)
        stanza, *_ = (each for each in blocks(DOCUMENT) if each.startswith("SOURCE"))
        for name, key in SECRETS.items():
            stanza = re.sub(rf"^({name}\s+)\(.*\)$", rf"\g<1>{key}", stanza, flags=re.MULTILINE)
        self.server.access = stanza
        rc = folder / ".fwknoprc"
        rc.touch(0o600)
        rc.write_text("[home]\n" + "".join(f"{name} {value}\n" for name, value in RC.items()))

    def typed(self, host: Host, text: str) -> subprocess.CompletedProcess[str]:
        path = f"{PROGRAMS}:{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "HOME": str(self.folder), "COLUMNS": "200"}
        return host.run("bash", "-c", text, check=False, cwd=self.folder, env=env)

    def knock(self, step: Step) -> None:
        who = self.scene.stranger if "192.0.2.66" in str(step.questions) else self.scene.caller
        done = self.typed(who.host, step.knock.replace("server.example", self.scene.server.four))
        assert done.returncode == 0, done.stderr

    def answer(self, question: str) -> str:
        command, space, rest = question.strip().partition(" --live")
        files = " ".join(self.server.files)
        return self.typed(self.server.host, f"{command}{space} {files} {rest}").stdout


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with Lab() as lab:
        found = Walk(trio(lab), tmp_path_factory.mktemp("why"))
        found.server.start()
        yield found
        found.server.stop()


def test_the_document_has_more_than_five_packets_that_are_broken_differently() -> None:
    reasons = set(re.findall(r"refused \((\w+: [\w-]+)", DOCUMENT))
    assert len(reasons) >= 9
    assert len(steps()) == 11


@pytest.mark.parametrize("step", steps(), ids=lambda step: step.title.lower().replace(" ", "-"))
def test_the_operator_reads_what_the_document_says(walk: Walk, step: Step) -> None:
    before = len(walk.server.judged)
    walk.knock(step)
    if "--live" in str(step.questions) and "no packet" not in str(step.questions):
        walk.server.wait_for_judgements(before + 1 + ("-B packet" in step.knock))
    for question, expected in step.questions:
        found = walk.answer(question)
        assert written(expected).search(found), f"{question}{expected}\nwas not read:\n{found}"
