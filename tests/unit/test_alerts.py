"""Alerts by mail: which, in which words, to whom, how many, and that nobody waits for them."""

from __future__ import annotations

import asyncio
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any

import pytest

from tests.fwknopd_files import CONFIG, STANZA, complaints, configure
from tests.unit.test_reporters import listener
from tests.unit.test_voice import IP, NASTY, grant, refused
from tests.values import NOW, packet, request
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.server_options import parse
from watchword.dialects.fwknop.translate import Configuration, load
from watchword.dialects.fwknop.voice_mail import alert
from watchword.edges import mail
from watchword.edges.clock import FakeClock, SystemClock
from watchword.edges.programs import MemoryPrograms, SystemPrograms
from watchword.edges.report.lines import MemoryReporter, SyslogSink
from watchword.errors import HostError, OperatorError
from watchword.model.commands import Cycle
from watchword.model.daemon_events import HostTrouble, Starting, Stopped
from watchword.model.openings import Ending
from watchword.model.outcomes import (
    CommandStarted,
    CycleNotClosed,
    CycleOpening,
    Event,
    GrantEnded,
    Judged,
    Refusal,
)
from watchword.model.reasons import Reason
from watchword.model.requests import Sighting
from watchword.model.settings import MailSettings, Settings
from watchword.ports import Completed
from watchword.service.daemon import alerts, logbook, repetition
from watchword.service.daemon.alerts import Alerts

SENDMAIL = {"/usr/sbin/sendmail": ""}
SIGHTING = Sighting(17, "192.0.2.9", 1, "203.0.113.1", 62201, NOW.wall)


def told(event: Event) -> str | None:
    return alert(event, "watchword", "door")


# --- which events, in which words ---


@pytest.mark.requirement("8.15", partial=True)
@pytest.mark.parametrize(
    ("event", "subject"),
    [
        (
            Judged(packet(), NOW.wall, (), request(), grant()),
            "[+] door fwknopd: add watchword 192.0.2.7 -> 0.0.0.0/0(tcp/22) ACCEPT rule 30 sec",
        ),
        (
            GrantEnded(grant(), Ending.EXPIRED, NOW.wall),
            "[+] door fwknopd: removed watchword ACCEPT rule for 192.0.2.7 -> 0.0.0.0/0(tcp/22), "
            "30 sec timeout exceeded",
        ),
        (
            GrantEnded(grant(), Ending.REVOKED, NOW.wall),
            "[+] door fwknopd: removed watchword ACCEPT rule for 192.0.2.7 -> 0.0.0.0/0(tcp/22), "
            "revoked",
        ),
        (
            refused(Refusal(Reason.REPLAYED, original=SIGHTING)),
            f"[-] door fwknopd: attempted SPA packet replay from: {IP} "
            "(original SPA src: 192.0.2.9)",
        ),
        (
            refused(Refusal(Reason.WRONG_USER, (1,), "eve", "root")),
            f"[-] door fwknopd: username mismatch from {IP}, expecting root, got eve",
        ),
        (
            refused(Refusal(Reason.SOURCE_REQUIRED, (2,))),
            f"[-] door fwknopd: IP: {IP} sent SPA packet that contained 0.0.0.0 (-s on the client "
            "side) but REQUIRE_SOURCE_ADDRESS is enabled (stanza #2)",
        ),
        (
            refused(Refusal(Reason.TOO_OLD, (1,), "500")),
            "[-] door fwknopd: remote time stamp age difference is too large (500 sec), "
            f"from: {IP}",
        ),
        (
            CommandStarted(request(), "secret", None),
            f"[+] door fwknopd: executing command for {IP}",
        ),
        (
            CycleOpening(request(), "ipset add x"),
            f'[+] door fwknopd: executing external open command "ipset add x" for {IP}',
        ),
        (
            CycleNotClosed(grant(), "x", "exit status 1"),
            "[-] door fwknopd: external close command failed for 192.0.2.7: exit status 1",
        ),
        (HostTrouble("firewall", "refused"), "[-] door fwknopd: firewall: refused"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_alert_has_its_words(event: Event, subject: str) -> None:
    assert told(event) == subject


@pytest.mark.parametrize(
    "event",
    [
        refused(Refusal(Reason.MAC_MISMATCH, (1,))),
        refused(Refusal(Reason.NO_STANZA)),
        refused(Refusal(Reason.PORT_NOT_OFFERED, (1,), "tcp/443")),
        Starting("1"),
        Stopped(),
    ],
)
def test_what_anybody_can_bring_about_and_what_is_nobody_s_fault_is_none(event: Event) -> None:
    assert told(event) is None


def test_a_subject_is_one_bounded_line_whatever_the_packet_says() -> None:
    for text in (NASTY, "a\nBcc: everybody@example.org", "x" * 5000, "\r\n\r\nbody"):
        subject = told(refused(Refusal(Reason.WRONG_USER, (1,), text, "root")))
        assert subject is not None
        assert subject.isprintable()
        assert len(subject) <= 300


# --- what the configuration says ---


def mailing(config: str, **programs: str) -> MailSettings | None:
    texts = {"f": CONFIG + config, "a": STANZA, **{f"/{n}": t for n, t in programs.items()}}
    return loaded(texts | SENDMAIL).settings.mail


def loaded(texts: dict[str, str]) -> Configuration:
    return load(Sources.of(texts), parse(["-c", "f", "-a", "a"]))


@pytest.mark.requirement("8.17")
@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("root@localhost", ("root@localhost",)),
        ("a@b.example, c+d@e.example", ("a@b.example", "c+d@e.example")),
        ("a@b.example c@d.example;", ("a@b.example", "c@d.example")),
        ("root, root", ("root",)),
    ],
)
def test_several_addresses_are_separated_by_commas_or_blanks(
    text: str, addresses: tuple[str, ...]
) -> None:
    found = mailing(f"EMAIL_ADDRESSES {text}\n")
    assert found is not None
    assert found.addresses == addresses
    programs = MemoryPrograms()
    mail.send(found, "[+] x", programs)
    assert programs.runs[0].argv[2:] == addresses


@pytest.mark.parametrize(
    "config",
    ["", "EMAIL_ADDRESSES NONE\n", "EMAIL_ADDRESSES root\nALERTING_METHODS noemail\n"],
)
def test_no_mail_is_sent_unless_somebody_is_named_and_it_is_not_switched_off(config: str) -> None:
    assert mailing(config) is None


@pytest.mark.parametrize("wrong", ["-oQ/tmp", "a b@", "a@b,-x", "a@-b", "'a'@b", "a|b", "ä@b"])
def test_what_is_no_address_is_refused(wrong: str) -> None:
    with pytest.raises(OperatorError, match="which is no address"):
        mailing(f"EMAIL_ADDRESSES {wrong}\n")


@pytest.mark.requirement("6.4")
@pytest.mark.requirement("7.10", partial=True)
def test_sendmail_is_preferred_to_mail_and_without_both_it_is_said() -> None:
    texts = {"f": f"{CONFIG}EMAIL_ADDRESSES root\n", "a": STANZA, "/usr/bin/mail": ""}
    both = loaded(texts | SENDMAIL).settings.mail
    one = loaded(texts).settings.mail
    assert both is not None
    assert one is not None
    assert (both.program, both.takes_message) == ("/usr/sbin/sendmail", True)
    assert (one.program, one.takes_message) == ("/usr/bin/mail", False)
    del texts["/usr/bin/mail"]
    none = loaded(texts)
    assert none.settings.mail is None
    assert "neither sendmail nor mail" in none.complaints[0].message
    texts["f"] += "sendmailCmd /opt/mta\nHOSTNAME front-door\n"
    own = loaded(texts | {"/opt/mta": ""}).settings.mail
    assert own is not None
    assert (own.program, own.host) == ("/opt/mta", "front-door")


@pytest.mark.requirement("8.15", partial=True)
def test_alerting_methods_switch_the_log_off_and_up() -> None:
    assert configure("").settings.log.syslog
    assert configure("ALERTING_METHODS ALL\n").settings.log.syslog
    quiet = configure("ALERTING_METHODS nosyslog, verbose;\n")
    assert not quiet.settings.log.syslog
    assert quiet.settings.log.verbosity == 1
    assert "nothing is told to the system's log" in quiet.complaints[0].message
    [unknown] = complaints("ALERTING_METHODS pager\n")
    assert "'PAGER', which is not known" in unknown.message


# --- sending ---


TO = MailSettings(("a@b.example", "root"), "/usr/sbin/sendmail", takes_message=True, host="door")


def test_sendmail_gets_a_message_of_headers_alone_and_no_shell() -> None:
    programs = MemoryPrograms()
    mail.send(TO, "[-] häßlich; rm -rf $(x)", programs)
    [run] = programs.runs
    assert run.argv == ("/usr/sbin/sendmail", "-oi", "a@b.example", "root")
    message = message_from_bytes(run.stdin, policy=policy.default)
    assert message["Subject"] == "[-] häßlich; rm -rf $(x)"
    assert message["To"] == "a@b.example, root"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().strip() == ""
    assert run.stdin.isascii()


def test_mail_gets_the_subject_as_an_argument() -> None:
    programs = MemoryPrograms()
    mail.send(MailSettings(("root",), "/usr/bin/mail", takes_message=False), "[+] x", programs)
    assert programs.runs[0].argv == ("/usr/bin/mail", "-s", "[+] x", "root")


def test_a_mail_that_is_not_taken_is_told_with_the_status() -> None:
    with pytest.raises(HostError, match="status 75"):
        mail.send(TO, "x", MemoryPrograms([Completed(75, b"", b"")]))


def play(
    scene: Callable[[Alerts, FakeClock], Any], programs: MemoryPrograms, **more: Any
) -> Sequence[Event]:
    """Let a scene happen; returns what was reported."""
    reporter, clock = MemoryReporter(), FakeClock()

    async def live() -> None:
        settings = Settings(mail=TO, **more)
        sender = Alerts(settings, reporter, clock, programs)
        sender.open()
        await scene(sender, clock)
        await sender.aclose()

    asyncio.run(live())
    return reporter.events


def subjects(programs: MemoryPrograms) -> list[str]:
    return [str(message_from_bytes(run.stdin, policy=policy.default)["Subject"])
            for run in programs.runs]  # fmt: skip


TROUBLE = HostTrouble("firewall", "refused")


async def settled(what: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.001)


def test_beyond_a_number_alerts_are_counted_and_told_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alerts, "PAUSE", 0.01)
    monkeypatch.setattr(alerts, "AT_ONCE", 3)
    programs = MemoryPrograms()

    async def scene(sender: Alerts, clock: FakeClock) -> None:
        for _ in range(10):
            sender.hear(TROUBLE)
        await settled(lambda: len(programs.runs) == 3)
        await asyncio.sleep(0.03)
        assert len(programs.runs) == 3
        clock.advance(1)
        await settled(lambda: len(programs.runs) == 4)

    play(scene, programs)
    assert subjects(programs) == ["[-] door fwknopd: firewall: refused"] * 3 + [
        "[+] door fwknopd: 7 more alerts, which are in the log"
    ]


def replay(source: str, reason: Reason = Reason.REPLAYED) -> Judged:
    event = refused(Refusal(reason, (1,), original=SIGHTING))
    return replace(event, packet=event.packet._replace(peer=source))


def test_one_overheard_packet_brings_about_two_mails_an_hour_however_often_it_is_sent() -> None:
    found = repetition.Repetition()
    alone, sums = 0, []
    for minute in range(3 * 60 + 1):
        sums += [str(each) for each in found.expire(minute * 60.0)]
        alone += sum(found.tells(replay("192.0.2.66"), minute * 60.0) for _ in range(4))
    assert alone == 4
    assert sums == [
        "239 more packets refused (replayed) in the last hour, from 1 address, the last one "
        "192.0.2.66; the log has them"
    ] * 3  # fmt: skip
    assert found.tells(TROUBLE, 0.0)
    assert found.tells(replay("192.0.2.66", Reason.WRONG_USER), 0.0)  # that takes a key


def test_a_replay_from_many_addresses_takes_no_mail_from_what_matters() -> None:
    programs = MemoryPrograms()

    async def scene(sender: Alerts, clock: FakeClock) -> None:
        for n in range(5000):
            sender.hear(replay(f"2001:db8::{n:x}"))
            sender.hear(replay(f"2001:db8::{n:x}", Reason.KEY_BLOCKED))
        for _ in range(3):
            sender.hear(TROUBLE)
        await settled(lambda: len(programs.runs) == 5 + 5 + 3)
        clock.advance(3601)
        sender.hear(TROUBLE)
        await settled(lambda: len(programs.runs) == 5 + 5 + 3 + 2 + 1)

    play(scene, programs)
    assert subjects(programs)[10:13] == ["[-] door fwknopd: firewall: refused"] * 3
    assert [each for each in subjects(programs) if "more packets" in each] == [
        f"[-] door fwknopd: 4995 more packets refused ({word}) in the last hour, from "
        "1000 addresses, the last one 2001:db8::1387; the log has them"
        for word in ("replayed", "key-blocked")
    ]


def test_the_sum_of_an_hour_is_sent_though_nothing_happens_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repetition, "HOUR", 0.05)
    programs, reporter = MemoryPrograms(), MemoryReporter()

    async def live() -> None:
        sender = Alerts(Settings(mail=TO), reporter, SystemClock(), programs)
        sender.open()
        for _ in range(3):
            sender.hear(replay("192.0.2.66"))
        await settled(lambda: len(programs.runs) == 2)
        await sender.aclose()

    asyncio.run(live())
    assert "2 more packets refused (replayed)" in subjects(programs)[1]


def test_trouble_with_the_mail_is_told_once_in_a_while_and_makes_no_mail_itself() -> None:
    programs = MemoryPrograms([HostError("no such program")] * 3)

    async def scene(sender: Alerts, clock: FakeClock) -> None:
        for _ in range(3):
            sender.hear(TROUBLE)
        await settled(lambda: len(programs.runs) == 3)

    reported = play(scene, programs)
    assert reported == [HostTrouble("mail", "no such program")]
    sender = Alerts(Settings(mail=TO), MemoryReporter(), FakeClock(), programs)
    sender.hear(reported[0])
    assert not sender._waiting


def test_nothing_is_sent_in_a_test_run() -> None:
    programs = MemoryPrograms()

    async def scene(sender: Alerts, clock: FakeClock) -> None:
        sender.hear(TROUBLE)
        await asyncio.sleep(0.01)

    play(scene, programs, dry_run=True)
    assert programs.runs == []


def test_a_program_that_hangs_holds_up_neither_events_nor_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "LAST", 0.05)
    hanging = tmp_path / "sendmail"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o700)
    programs = SystemPrograms()
    reporter = MemoryReporter()

    async def live() -> None:
        to = MailSettings(("root",), str(hanging), takes_message=True)
        sender = Alerts(Settings(mail=to), reporter, FakeClock(), programs)
        sender.open()
        for _ in range(200):
            sender.hear(TROUBLE)
        await asyncio.sleep(0.05)
        await sender.aclose()
        programs.end()

    asyncio.run(live())
    assert reporter.events == []


def test_a_cycle_s_grant_is_told_by_its_command_alone() -> None:
    by_command = replace(grant(), cycle=Cycle())
    assert told(Judged(packet(), NOW.wall, (), request(), by_command)) is None
    assert told(GrantEnded(by_command, Ending.EXPIRED, NOW.wall)) is None


@pytest.mark.requirement("8.15")
@pytest.mark.parametrize(
    ("said", "log", "mailed"),
    [
        ("ALL", True, True),
        ("nosyslog", False, True),
        ("noemail", True, False),
        ("noemail nosyslog", False, False),
        ("verbose", True, True),
    ],
)
def test_a_replay_goes_to_the_log_and_to_the_mail_unless_one_is_switched_off(
    said: str, log: bool, mailed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = f"EMAIL_ADDRESSES root\nALERTING_METHODS {said};\n"
    settings = loaded({"f": CONFIG + config, "a": STANZA} | SENDMAIL).settings
    path = str(tmp_path / "log")
    monkeypatch.setattr(logbook, "SyslogSink", lambda name, to: SyslogSink(name, to, path))
    reporter = logbook.Logbook(settings.log, foreground=False, syslog=False)
    programs = MemoryPrograms()
    replay = refused(Refusal(Reason.REPLAYED, original=SIGHTING))
    verbose = Judged(packet(), NOW.wall, (), request(), grant())

    async def live() -> None:
        sender = Alerts(settings, reporter, FakeClock(), programs)
        reporter.also.append(sender.hear)
        sender.open()
        reporter.report(replay)
        reporter.report(verbose)
        await sender.aclose()

    with listener(tmp_path / "log") as heard:
        asyncio.run(live())
        reporter.close()
        heard.setblocking(False)
        lines = []
        with suppress(BlockingIOError):
            while True:
                lines.append(heard.recv(5000).decode())
    assert any(f"Replay detected from source IP: {IP}" in line for line in lines) is log
    assert any("SPA Decode" in line for line in lines) is (said == "verbose")
    replays = [
        subject for subject in subjects(programs) if "attempted SPA packet replay" in subject
    ]
    assert len(replays) == mailed


def test_mails_are_sent_again_once_the_system_lets_a_thread_begin_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs = MemoryPrograms()

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def scene(sender: Alerts, clock: FakeClock) -> None:
        with monkeypatch.context() as short:
            short.setattr(threading.Thread, "start", refuse)
            sender.hear(TROUBLE)
            for _ in range(10):
                await asyncio.sleep(0)
        sender.hear(HostTrouble("journal", "refused"))
        await settled(lambda: "[-] door fwknopd: journal: refused" in subjects(programs))

    [told] = [each for each in play(scene, programs) if isinstance(each, HostTrouble)]
    assert (told.part, told.message) == ("mail", "can't start new thread")


# --- by SMTP ---


class Exchange(socketserver.BaseRequestHandler):
    """A mail server, as far as a client of the standard library needs one."""

    def handle(self) -> None:
        server: Any = self.server
        stream = self.request.makefile("rwb", buffering=0)
        stream.write(b"220 here\r\n")
        for line in stream:
            word = line[:4].upper()
            server.heard.append(line.decode().strip())
            if word == b"DATA":
                stream.write(b"354 go on\r\n")
                server.heard += [each.decode().strip() for each in iter(stream.readline, b".\r\n")]
            if word == b"QUIT":
                return
            stream.write(server.refusal if word == b"RCPT" and server.refusal else b"250 well\r\n")


@contextmanager
def exchange(refusal: bytes = b"") -> Iterator[Any]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Exchange) as server:
        here: Any = server
        here.heard, here.refusal, here.daemon_threads = [], refusal, True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield here
        server.shutdown()


def by_smtp(server: Any) -> MailSettings:
    found = mailing(
        f"EMAIL_ADDRESSES root, a@b.example\nHOSTNAME door\n"
        f"SMTP_SERVER 127.0.0.1:{server.server_address[1]}\n"
    )
    assert found is not None
    return found


@pytest.mark.requirement("7.10", partial=True)
def test_a_server_takes_the_mails_where_one_is_named() -> None:
    with exchange() as server:
        mail.send(by_smtp(server), "[-] door fwknopd: häßlich", SystemPrograms())
    assert "mail FROM:<fwknopd@door>" in [each.partition(" size=")[0] for each in server.heard]
    assert [each for each in server.heard if each.startswith("rcpt")] == [
        "rcpt TO:<root>",
        "rcpt TO:<a@b.example>",
    ]
    subject = next(each for each in server.heard if each.startswith("Subject: "))
    assert "häßlich" in str(make_header(decode_header(subject)))


@pytest.mark.requirement("7.10")
def test_a_mail_goes_by_sendmail_or_else_by_mail_or_to_the_server_that_is_named(
    tmp_path: Path,
) -> None:
    """By programs that run: a sendmail that passes its message on to a server, as an MTA does."""
    sendmail, mailx, box = tmp_path / "sendmail", tmp_path / "mail", tmp_path / "box"
    mailx.write_text(f'#!/bin/sh\necho "mail: $*" >{box}\n', "ascii")
    both = {"f": f"{CONFIG}EMAIL_ADDRESSES root\nsendmailCmd {sendmail}\nmailCmd {mailx}\n"}
    with exchange() as server:
        port = server.server_address[1]
        passing_on = (
            f"#!{sys.executable} -I\nimport smtplib, sys\n"
            f"with smtplib.SMTP('127.0.0.1', {port}) as server:\n"
            "    server.sendmail('x@door', sys.argv[2:], sys.stdin.buffer.read())\n"
        )
        sendmail.write_text(passing_on, "utf-8")
        for program in (sendmail, mailx):
            program.chmod(0o700)
        there = {str(sendmail): "", str(mailx): ""}
        for programs, subject in ((there, "one"), ({str(mailx): ""}, "two")):
            found = loaded(both | {"a": STANZA} | programs).settings.mail
            assert found is not None
            mail.send(found, subject, SystemPrograms())
        mail.send(by_smtp(server), "three", SystemPrograms())
    assert [each for each in server.heard if each.startswith("Subject: ")] == [
        "Subject: one",
        "Subject: three",
    ]
    assert box.read_text("ascii") == "mail: -s two root\n"


def test_a_server_that_takes_no_mail_or_is_not_there_is_told_with_its_words() -> None:
    with exchange(b"550 nobody of that name\r\n") as server:
        with pytest.raises(HostError, match=r"took no mail: .*nobody of that name"):
            mail.send(by_smtp(server), "x", SystemPrograms())
        gone = by_smtp(server)
    with pytest.raises(HostError, match=r"took no mail: .*refused"):
        mail.send(gone, "x", SystemPrograms())


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("mx.example", ("mx.example", 25)),
        ("mx.example:587", ("mx.example", 587)),
        ("[2001:db8::1]:2525", ("2001:db8::1", 2525)),
        ("NONE", None),
        ("mx.example:0", "refused"),
        ("mx.example:99999", "refused"),
        ("-oQ/tmp", "refused"),
        ("smtp://mx.example", "refused"),
        ("a b", "refused"),
    ],
)
def test_a_server_is_a_host_with_a_port(text: str, place: object) -> None:
    config = f"EMAIL_ADDRESSES root\nSMTP_SERVER {text}\n"
    if place == "refused":
        with pytest.raises(OperatorError, match="which is no host with a port"):
            mailing(config)
        return
    found = mailing(config)
    assert found is not None
    assert found.server == place
    assert bool(found.program) is (place is None)
