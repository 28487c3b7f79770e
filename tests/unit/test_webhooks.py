"""Webhooks: what is posted, how it is signed, and that nobody waits for it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import certificate
from tests.fwknopd_files import complaints, configure, fatal, remarks
from tests.unit.test_voice import NASTY, grant, refused
from tests.values import NOW, packet, request
from watchword.dialects.fwknop.dump import dump_config
from watchword.dialects.fwknop.explain_words import policy_in_words
from watchword.dialects.fwknop.voice_webhook import body, notice
from watchword.edges import webhook
from watchword.edges.clock import FakeClock
from watchword.edges.report.lines import MemoryReporter
from watchword.errors import HostError
from watchword.model.crypto import Secret
from watchword.model.daemon_events import HostTrouble, Starting
from watchword.model.openings import Ending
from watchword.model.outcomes import (
    CommandStarted,
    CycleOpening,
    Event,
    GrantEnded,
    Judged,
    Refusal,
)
from watchword.model.reasons import Reason
from watchword.model.settings import Settings, Webhook, WebhookKind, WebhookSettings
from watchword.service.daemon import webhooks
from watchword.service.daemon.webhooks import Webhooks

KEY = Secret(b"a key of enough characters")
TROUBLE = HostTrouble("firewall", "refused")


class Receiver(ThreadingHTTPServer):
    """A web server of the test's, with a list of what was posted to it."""

    daemon_threads = True

    def __init__(
        self, *statuses: int, tls: Path | None = None, listener: socket.socket | None = None
    ) -> None:
        """``listener``: a socket that listens already, perhaps in another namespace."""
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=listener is None)
        if listener is not None:
            self.socket.close()
            self.socket = listener
            self.server_address = listener.getsockname()
        self.posted: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses = list(statuses)
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def place(self, path: str = "/hook?token=secret", *, tls: bool = False) -> Webhook:
        return Webhook("127.0.0.1", self.server_address[1], path, tls)

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.path, dict(self.headers), content))
        status = self.server.statuses.pop(0) if self.server.statuses else 204
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def told(event: Event) -> dict[str, Any] | None:
    found = notice(event, "watchword", "door", NOW.wall)
    return None if found is None else json.loads(body("0123456789abcdef", found))


# --- what is posted -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "kind", "fields"),
    [
        (
            Judged(packet(), NOW.wall, (), request(), grant()),
            "granted",
            {"event": "packet", "verdict": "granted", "who": "192.0.2.7", "services": ["tcp/22"]},
        ),
        (
            refused(Refusal(Reason.REPLAYED)),
            "refused",
            {"verdict": "refused", "reason": "replayed"},
        ),
        (
            GrantEnded(grant(), Ending.CLOSED, NOW.wall),
            "ended",
            {"event": "ended", "ending": "closed by its owner"},
        ),
        (
            CommandStarted(request(), "swordfish", None),
            "command",
            {"event": "command", "stanza": 1},
        ),
        (CycleOpening(request(), "swordfish"), "command", {"event": "open-command", "stanza": 1}),
        (TROUBLE, "trouble", {"event": "trouble", "part": "firewall", "message": "refused"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_alert_is_versioned_json_with_its_kind_a_line_and_the_fields_of_the_event(
    event: Event, kind: str, fields: dict[str, object]
) -> None:
    found = told(event)
    assert found is not None
    assert list(found) == ["version", "id", "time", "host", "kind", "text", "event"]
    assert (found["version"], found["host"], found["kind"]) == (1, "door", kind)
    assert found["time"] == "2026-09-21T14:13:20.000Z"
    assert fields.items() <= found["event"].items()
    assert "fwknopd" not in found["text"]


def test_no_command_is_posted_and_nothing_that_is_no_alert() -> None:
    found = json.dumps(told(CommandStarted(request(), "swordfish", None)))
    assert "swordfish" not in found
    for none in (Starting("1"), refused(Refusal(Reason.MAC_MISMATCH, (1,)))):
        assert told(none) is None


def test_a_body_is_bounded_ascii_whatever_a_packet_says() -> None:
    for text in (NASTY, "\u2028" * 5000, "x" * 50_000):
        found = notice(refused(Refusal(Reason.WRONG_USER, (1,), text)), "t", "door", 0.0)
        assert found is not None
        octets = body("0" * 16, found)
        assert octets.isascii()
        assert len(octets) < 8000


# --- one request --------------------------------------------------------------------------


def post(place: Webhook, key: Secret | None = KEY, seconds: float = 5.0, **more: Any) -> None:
    webhook.post(place, b'{"version":1}', key=key, tls=more.get("tls"), seconds=seconds)


def test_the_body_is_signed_with_the_key_and_sent_as_json() -> None:
    with Receiver() as server:
        post(server.place())
        post(server.place(), key=None)
    [(path, headers, content), (_, unsigned, _)] = server.posted
    assert (path, content) == ("/hook?token=secret", b'{"version":1}')
    expected = hmac.new(KEY.reveal(), content, hashlib.sha256).hexdigest()
    assert headers["X-Watchword-Signature"] == f"sha256={expected}"
    assert headers["Content-Type"] == "application/json"
    assert "X-Watchword-Signature" not in unsigned


def test_over_tls_the_certificate_has_to_be_of_an_authority_that_counts(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "hook.example", "127.0.0.1")
    with Receiver(tls=pem) as server:
        post(server.place(tls=True), tls=webhook.context(str(pem)))
        assert len(server.posted) == 1
        with pytest.raises(webhook.RefusedError, match="certificate of https"):
            post(server.place(tls=True), tls=webhook.context(""))
    assert len(server.posted) == 1


@pytest.mark.parametrize(
    ("status", "again"), [(302, False), (400, False), (404, False), (429, True), (503, True)]
)
def test_what_is_not_taken_is_told_apart_by_whether_it_may_pass(status: int, again: bool) -> None:
    with Receiver(status) as server, pytest.raises(HostError, match=f"status {status}") as caught:
        post(server.place())
    assert isinstance(caught.value, webhook.RefusedError) is not again
    assert len(server.posted) == 1
    assert "token" not in str(caught.value)


@pytest.mark.parametrize("drip", [b"", b"H", b"x" * 1000])
def test_a_server_that_never_answers_is_left_in_time(drip: bytes) -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            connection, _ = listener.accept()
            with connection:
                while not stop.wait(0.02):
                    try:
                        connection.sendall(drip)
                    except OSError:
                        return

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        place = Webhook("127.0.0.1", listener.getsockname()[1], "/", False)
        began = time.monotonic()
        with pytest.raises(HostError):
            post(place, seconds=0.3)
        assert time.monotonic() - began < 30
        stop.set()
        thread.join(60)


def test_a_port_where_nobody_listens_is_told_without_the_path() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(HostError, match="cannot be reached") as caught:
        post(Webhook("127.0.0.1", port, "/token", False))
    assert "token" not in str(caught.value)


# --- many ---------------------------------------------------------------------------------


def play(
    scene: Callable[[Webhooks, FakeClock], Coroutine[Any, Any, None]], *places: Webhook, **more: Any
) -> list[Event]:
    """Let a scene happen; returns what was reported."""
    reporter, clock = MemoryReporter(), FakeClock()

    async def live() -> None:
        hooks = WebhookSettings(places, host="door", key=KEY, **more)
        sender = Webhooks(Settings(webhooks=hooks), reporter, clock)
        sender.open()
        await scene(sender, clock)
        await sender.aclose()

    asyncio.run(live())
    return list(reporter.events)


async def settled(what: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.002)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "AGAIN", (0.01, 0.01))
    monkeypatch.setattr(webhooks, "PAUSE", 0.01)
    monkeypatch.setattr(webhooks, "LAST", 0.05)


@pytest.mark.usefixtures("soon")
def test_what_failed_is_tried_again_a_little_with_the_same_id() -> None:
    with Receiver(503, 500, 204) as server:

        async def scene(sender: Webhooks, clock: FakeClock) -> None:
            sender.hear(TROUBLE)
            await settled(lambda: len(server.posted) == 3)

        assert play(scene, server.place()) == []
    assert len({content for _, _, content in server.posted}) == 1


@pytest.mark.usefixtures("soon")
def test_a_place_that_stays_away_is_told_once_without_a_notice_of_its_own() -> None:
    with Receiver(*[503] * 50) as server:

        async def scene(sender: Webhooks, clock: FakeClock) -> None:
            for _ in range(3):
                sender.hear(TROUBLE)
            await settled(lambda: len(server.posted) == 5)  # three tries, then one for each

        [said] = play(scene, server.place())
    assert isinstance(said, HostTrouble)
    assert (said.part, "HTTP status 503" in said.message) == ("webhook", True)

    async def deaf(sender: Webhooks, clock: FakeClock) -> None:
        sender.hear(said)
        assert not any(line.busy for line in sender._lines.values())

    play(deaf, server.place())


@pytest.mark.usefixtures("soon")
def test_a_place_that_hangs_holds_up_neither_events_nor_other_places_nor_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging, Receiver() as server:
        hangs = Webhook("127.0.0.1", hanging.getsockname()[1], "/", False)

        async def scene(sender: Webhooks, clock: FakeClock) -> None:
            for _ in range(50):
                sender.hear(TROUBLE)
            await settled(lambda: len(server.posted) == 50)

        began = time.monotonic()
        assert play(scene, hangs, server.place(), seconds=60.0) == []
        assert time.monotonic() - began < 30


@pytest.mark.usefixtures("soon")
def test_what_an_overheard_packet_brings_about_takes_no_room_from_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhooks, "AT_ONCE", 6)
    monkeypatch.setattr(webhooks, "OVERHEARD_PAUSE", 0.02)
    with Receiver() as server:

        async def scene(sender: Webhooks, clock: FakeClock) -> None:
            for _ in range(50):
                sender.hear(refused(Refusal(Reason.REPLAYED)))
            for _ in range(3):
                sender.hear(TROUBLE)
            await settled(lambda: len(server.posted) == 6)
            clock.advance(1)
            await settled(lambda: len(server.posted) == 7)

        play(scene, server.place())
    kinds = [json.loads(content)["kind"] for _, _, content in server.posted]
    assert kinds == ["refused"] * 3 + ["trouble"] * 3 + ["more"]
    assert json.loads(server.posted[-1][2])["event"] == {"count": 47}


@pytest.mark.usefixtures("soon")
def test_beyond_a_number_notices_are_counted_and_told_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhooks, "AT_ONCE", 3)
    with Receiver() as server:

        async def scene(sender: Webhooks, clock: FakeClock) -> None:
            for _ in range(10):
                sender.hear(TROUBLE)
            await settled(lambda: len(server.posted) == 3)
            clock.advance(1)
            await settled(lambda: len(server.posted) == 4)

        play(scene, server.place())
    kinds = [json.loads(content)["kind"] for _, _, content in server.posted]
    assert kinds == ["trouble"] * 3 + ["more"]
    assert json.loads(server.posted[-1][2])["event"] == {"count": 7}


@pytest.mark.usefixtures("soon")
def test_only_the_kinds_that_were_chosen_are_posted_and_a_reload_counts_at_once() -> None:
    with Receiver() as server:

        async def scene(sender: Webhooks, clock: FakeClock) -> None:
            sender.hear(TROUBLE)
            sender.hear(Judged(packet(), NOW.wall, (), request(), grant()))
            await settled(lambda: len(server.posted) == 1)
            settings = WebhookSettings((server.place("/other"),), host="door")
            sender.take_over(Settings(webhooks=settings))
            sender.hear(TROUBLE)
            await settled(lambda: len(server.posted) == 2)
            sender.take_over(Settings())
            sender.hear(TROUBLE)
            await asyncio.sleep(0.02)

        play(scene, server.place(), kinds=frozenset({WebhookKind.GRANTED}))
    assert [path for path, _, _ in server.posted] == ["/hook?token=secret", "/other"]
    assert json.loads(server.posted[0][2])["kind"] == "granted"


def test_nothing_is_posted_in_a_test_run() -> None:
    async def live() -> None:
        hooks = WebhookSettings((Webhook("127.0.0.1", 9, "/", False),))
        sender = Webhooks(Settings(webhooks=hooks, dry_run=True), MemoryReporter(), FakeClock())
        sender.open()
        sender.hear(TROUBLE)
        assert not sender._lines
        await sender.aclose()

    asyncio.run(live())


# --- what the configuration says ----------------------------------------------------------


def hooks(config: str, **files: str) -> WebhookSettings:
    found = configure(config, **files).settings.webhooks
    assert found is not None
    return found


def test_the_configuration_names_places_kinds_a_key_and_a_time() -> None:
    assert configure().settings.webhooks is None
    found = hooks(
        "WEBHOOK_URL https://hook.example/a?b=c, http://[::1]:8080/x;\n"
        "WEBHOOK_EVENTS granted ended;\nWEBHOOK_KEY_FILE /key;\nWEBHOOK_TIMEOUT 3\n"
        "HOSTNAME front-door\n",
        **{"/key": "a key of enough characters\n"},
    )
    assert found.places == (
        Webhook("hook.example", 443, "/a?b=c", True),
        Webhook("::1", 8080, "/x", False),
    )
    assert found.kinds == {WebhookKind.GRANTED, WebhookKind.ENDED, WebhookKind.MORE}
    assert (found.key, found.seconds, found.host) == (KEY, 3.0, "front-door")
    every = hooks("WEBHOOK_URL https://hook.example\n")
    assert (every.kinds, every.key) == (frozenset(WebhookKind), None)
    assert every.places[0].path == "/"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("WEBHOOK_URL ftp://hook.example/\n", "does not begin with https://"),
        ("WEBHOOK_URL https:///x\n", "does not begin with https://"),
        ("WEBHOOK_URL https://user:swordfish@hook.example/\n", "a name and a password"),
        ("WEBHOOK_URL https://hook.example:0x50/\n", "no place"),
        ("WEBHOOK_URL https://hook.example:99999/\n", "its port is none"),
        ("WEBHOOK_URL https://hook.example/\u00e4\n", "written as %XX"),
        ("WEBHOOK_URL https://hook_.example-/\n", "its host is none"),
        ("WEBHOOK_URL https://[::1/\n", "no place"),
        ("WEBHOOK_URL https://a.example/" + "x" * 2000 + "\n", "does not begin with"),
        ("WEBHOOK_URL " + ",".join(f"https://h/{n}" for n in range(6)) + "\n", "has 6 places"),
        ("WEBHOOK_URL https://h\nWEBHOOK_EVENTS granted,al\n", "'al', which is no kind"),
        ("WEBHOOK_URL https://h\nWEBHOOK_EVENTS more\n", "'more', which is no kind"),
        ("WEBHOOK_URL https://h\nWEBHOOK_KEY_FILE /key\n", "cannot be read"),
        ("WEBHOOK_URL https://h\nWEBHOOK_KEY_FILE key\n", "is not absolute"),
        ("WEBHOOK_URL https://h\nWEBHOOK_TIMEOUT 0\n", "not in the range 1-300"),
    ],
)
def test_what_is_no_webhook_keeps_the_daemon_from_starting(config: str, said: str) -> None:
    found = fatal(config)
    assert any(said in each for each in found), found
    assert "swordfish" not in str(found)


def test_a_short_key_is_refused_and_a_way_without_tls_is_remarked_on() -> None:
    config = "WEBHOOK_URL https://h\nWEBHOOK_KEY_FILE /key\n"
    [short] = [each for each in complaints(config, **{"/key": "short\n"}) if each.fatal]
    assert "less than 16 characters" in short.message
    assert "can be read, and changed, on the way" in remarks("WEBHOOK_URL http://h/token\n")[0]
    assert "token" not in str(remarks("WEBHOOK_URL http://h/token\n"))
    assert remarks("WEBHOOK_URL http://localhost:1/x\n") == []


def test_no_path_of_a_webhook_is_dumped_or_shown() -> None:
    found = configure(
        "WEBHOOK_URL https://hook.example/swordfish https://b.example:444/swordfish\n"
    )
    text = dump_config(found)
    assert "'https://hook.example/..., https://b.example:444/...'" in text
    assert "swordfish" not in text + repr(found.settings)
    assert replace(found.settings, webhooks=None).webhooks is None


def test_check_says_where_alerts_go_and_whether_they_are_signed() -> None:
    found = configure("WEBHOOK_URL https://hook.example/swordfish\n")
    said = list(policy_in_words(found.settings, found.policy))
    assert "alerts are posted to https://hook.example, NOT signed" in said
    config = "WEBHOOK_URL https://hook.example/swordfish\nWEBHOOK_KEY_FILE /key\n"
    signed = configure(config, **{"/key": "a key of enough characters\n"})
    said = list(policy_in_words(signed.settings, signed.policy))
    assert "alerts are posted to https://hook.example, signed" in said
