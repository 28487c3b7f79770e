"""Where lines go: streams, the system's log, and what happens when it does not take them."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from pathlib import Path

from watchword.edges.report.lines import LineReporter, MemoryReporter, StreamSink, SyslogSink
from watchword.model.daemon_events import Starting, Stopping
from watchword.model.outcomes import Event


def voice(event: Event, debug: bool) -> Iterator[tuple[int, str]]:
    yield 3, f"error of {type(event).__name__}"
    yield 6, "information"
    if debug:
        yield 7, "debugging"


def test_bare_lines_go_to_a_stream_debugging_only_when_asked_for() -> None:
    shown = io.StringIO()
    reporter = LineReporter(voice, [StreamSink(shown)])
    reporter.report(Starting("1"))
    assert shown.getvalue() == "error of Starting\ninformation\n"
    reporter.verbosity = 1
    reporter.report(Stopping("SIGTERM"))
    assert shown.getvalue().endswith("error of Stopping\ninformation\ndebugging\n")


def test_a_stream_that_is_closed_harms_nobody() -> None:
    shown = io.StringIO()
    reporter = LineReporter(voice, [StreamSink(shown)])
    shown.close()
    reporter.report(Starting("1"))
    reporter.close()


def listener(path: Path) -> socket.socket:
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind(str(path))
    log.settimeout(60)
    return log


def test_the_system_s_log_gets_facility_priority_identity_and_process(tmp_path: Path) -> None:
    with listener(tmp_path / "log") as log:
        sink = SyslogSink("front-door", "LOG_LOCAL3", str(tmp_path / "log"))
        LineReporter(voice, [sink]).report(Starting("1"))
        first, second = log.recv(1000).decode(), log.recv(1000).decode()
    assert first.startswith(f"<{19 * 8 + 3}>")
    assert second.startswith(f"<{19 * 8 + 6}>")
    assert " front-door[" in first
    assert first.endswith("]: error of Starting")


def test_a_log_that_is_gone_holds_nobody_up_and_the_loss_is_told_when_it_is_back(
    tmp_path: Path,
) -> None:
    sink = SyslogSink("fwknopd", "LOG_DAEMON", str(tmp_path / "log"))
    reporter = LineReporter(voice, [sink])
    for _ in range(5):
        reporter.report(Starting("1"))
    assert sink.lost == 10
    with listener(tmp_path / "log") as log:
        reporter.report(Starting("1"))
        assert log.recv(1000).decode().endswith("10 lines were lost: the log did not take them")
        assert log.recv(1000).decode().endswith("error of Starting")
    assert sink.lost == 0
    reporter.close()


def test_a_log_that_does_not_read_fills_up_and_is_not_waited_for(tmp_path: Path) -> None:
    with listener(tmp_path / "log"):
        sink = SyslogSink("fwknopd", "LOG_DAEMON", str(tmp_path / "log"))
        reporter = LineReporter(voice, [sink])
        for _ in range(2000):
            reporter.report(Starting("1"))
        assert sink.lost > 0
        reporter.close()


def test_the_reporter_in_memory_keeps_events_as_they_are() -> None:
    reporter = MemoryReporter()
    reporter.report(Starting("1"))
    reporter.close()
    assert reporter.events == [Starting("1")]
