"""Opening the ways by which packets come, at the start and at a reload."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from watchword.edges.capture.openers import Openers
from watchword.errors import OperatorError
from watchword.model.settings import CaptureFile, CaptureFilter
from watchword.service.daemon.sources import Sources
from watchword.wire.bpf import Program

PUZZLE = CaptureFilter("ip[6:2] & 0x1fff = 0", puzzle="ip[6:2]")


def test_the_loop_goes_on_while_a_program_makes_a_filter(
    tmp_path: Path,
) -> None:
    asked, may_end = threading.Event(), threading.Event()

    def slowly(_text: str, _why: str) -> Program:
        asked.set()
        assert may_end.wait(60), "the loop waited for tcpdump"
        raise OperatorError("tcpdump does not understand this")

    wanted = CaptureFile(tmp_path / "capture", PUZZLE)

    async def scene() -> None:
        opened = Sources(None, lambda event: None, Openers(compiled=slowly))
        opening = asyncio.ensure_future(opened.open([wanted]))
        while not asked.is_set():
            await asyncio.sleep(0.001)
        may_end.set()
        with pytest.raises(OperatorError, match="does not understand"):
            await opening

    asyncio.run(scene())
