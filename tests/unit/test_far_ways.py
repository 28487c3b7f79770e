"""What the gate makes of the files that the hand opened for it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from watchword.errors import OperatorError
from watchword.service.apart.far_ways import FarWays


def digests(path: Path) -> str | None:
    """The memory of fwknopd, where the hand has opened this for it."""
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    line: Any = SimpleNamespace(ask_for_files=lambda order: (None, [opened]))
    settings: Any = SimpleNamespace(digest_file=path)
    try:
        return FarWays(line).digests(settings)
    finally:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(opened)  # whatever it was, it is closed


def test_what_the_hand_opened_is_read(tmp_path: Path) -> None:
    (tmp_path / "digest.cache").write_text("text", "ascii")
    assert digests(tmp_path / "digest.cache") == "text"


def test_a_folder_or_a_pipe_in_place_of_the_memory_of_fwknopd_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(OperatorError, match="is not a regular file"):
            digests(path)
