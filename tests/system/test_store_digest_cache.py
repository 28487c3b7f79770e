"""What the packaged fwknopd makes of a replay memory that we exported."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.replay import key, run
from watchword.edges.files import create_private
from watchword.edges.replay.reading import export_digest_cache
from watchword.edges.replay.sqlite import SqliteStore

STANZA = b"SOURCE ANY\nKEY not-a-real-key\nHMAC_KEY not-a-real-one-either\n"


@pytest.mark.peer("fwknopd")
@pytest.mark.requirement("4.26")
def test_fwknopd_reads_every_line_that_we_write(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "state", boot_id="one")
    plain = key("plain")
    six = replace(key("six"), sighting=plain.sighting._replace(source="2001:db8::7"))
    blind = replace(key("blind"), sighting=plain.sighting._replace(destination=""))
    run(store.keys.claim([plain, six, blind]))
    run(store.aclose())
    text = "".join(export_digest_cache(tmp_path / "state"))
    for name, content in (("fwknopd.conf", b""), ("access.conf", STANZA)):
        create_private(tmp_path / name, content)
    create_private(tmp_path / "digest.cache", text.encode("ascii"))

    said = fwknopd(tmp_path, "-f", "-v", "--exit-parse-digest-cache")

    assert f"Using Digest Cache: '{tmp_path}/digest.cache' (entry count = 3)" in said
    assert "Skipping invalid" not in said


def fwknopd(folder: Path, *switches: str) -> str:
    files = {"-c": "fwknopd.conf", "-a": "access.conf", "-d": "digest.cache", "-p": "pid"}
    paths = [word for switch, name in files.items() for word in (switch, str(folder / name))]
    argv = ["fwknopd", *switches, *paths, "--run-dir", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout + done.stderr
