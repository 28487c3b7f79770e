"""A running daemon watched from outside: its metrics, its audit journal."""

from __future__ import annotations

import hmac
import json
import signal
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Server, stanza, until
from tests.sealing import sealed
from tests.unit.test_metrics import value
from tests.unit.test_openmetrics import Read, read
from tests.unit.test_webhooks import Receiver
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import connect, listen, reaches, send_datagram
from watchword.lab.trio import Trio, trio
from watchword.wire.spa.message import MessageType

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture
def server(scene: Trio, tmp_path: Path) -> Iterator[Server]:
    yield Server(scene.server.host, tmp_path)
    scene.server.host.end_processes()
    scene.server.host.run("nft", "flush", "ruleset")


def scraped(sock: socket.socket) -> Read:
    with sock:
        sock.settimeout(30)
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n")
        head, _, body = b"".join(iter(lambda: sock.recv(65536), b"")).partition(b"\r\n\r\n")
    assert b"Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8" in head
    assert head.endswith(b"Connection: close")
    return read(body.decode())


def serves(host: Host, address: str) -> bool:
    try:
        return reaches(host, address, 9621)
    except ConnectionRefusedError:
        return False


def at(server: Server, address: str) -> Read:
    sock = connect(server.host, address, 9621)
    assert sock is not None
    return scraped(sock)


def test_it_is_off_unless_a_place_is_named_and_a_reload_moves_it(
    scene: Trio, server: Server
) -> None:
    server.start()
    assert not serves(server.host, "127.0.0.1")
    server.settings["METRICS_LISTEN"] = "[::1]:9621"
    server.write()
    server.send(signal.SIGHUP)
    until(lambda: serves(server.host, "::1"))
    assert not serves(scene.caller.host, scene.server.four)
    now = int(time.time())
    payload = sealed("0.0.0.0,tcp/22", sent_at=now)
    for each in (payload, payload, b"8" * 200, sealed("0.0.0.0,tcp/80", sent_at=now)):
        send_datagram(scene.caller.host, each, scene.server.four, 62201)
    server.wait_for_judgements(4)
    found = at(server, "::1")
    for reason in ("replayed", "hmac-mismatch", "port-not-offered"):
        assert value(found, "watchword_packets_total", reason=reason) == 1
    assert value(found, "watchword_packets_total", verdict="granted") == 1
    assert value(found, "watchword_grants", by="firewall") == 1
    assert value(found, "watchword_replay_claims_total") == 3
    assert value(found, "watchword_step_duration_seconds_count", step="claim") >= 1
    assert value(found, "watchword_reloads_total", outcome="taken") == 1

    server.settings["METRICS_LISTEN"] = "0.0.0.0:9621"
    server.write()
    server.send(signal.SIGHUP)
    server.wait_for("to this host only")
    found = at(server, "::1")
    assert value(found, "watchword_last_reload_successful") == 0
    assert "THE LAST RELOAD WAS REFUSED" in server.tool("status").stdout

    path = server.folder / "metrics.sock"
    server.settings |= {"METRICS_LISTEN": f"unix:{path}", "AUDIT_LOG": "Y"}
    server.write()
    server.send(signal.SIGHUP)
    until(lambda: not serves(server.host, "::1"))
    server.wait_for("AUDIT_LOG was changed; that is taken up at the next start only")
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(path))
    found = scraped(sock)
    assert value(found, "watchword_last_reload_successful") == 1
    assert value(found, "watchword_reloads_total", outcome="taken") == 2
    server.stop()
    assert not path.exists()


def test_a_place_that_is_taken_ends_the_start_and_says_so(server: Server) -> None:
    server.settings["METRICS_LISTEN"] = f"unix:{server.folder}/run/nowhere/metrics.sock"
    server.launch()
    until(lambda: server.ended)
    assert "cannot serve metrics at unix:" in server.log
    assert "Kicking off" not in server.log


def test_the_audit_journal_tells_what_was_granted_refused_run_and_reloaded(
    scene: Trio, server: Server
) -> None:
    server.settings["AUDIT_LOG"] = "Y"
    server.access = stanza(FW_ACCESS_TIMEOUT="1", ENABLE_CMD_EXEC="Y")
    server.start()
    now = int(time.time())
    payload = sealed("0.0.0.0,tcp/22", sent_at=now)
    command = sealed("0.0.0.0,true", type=MessageType.COMMAND, sent_at=now)
    for each in (payload, payload, b"8" * 200, command):
        send_datagram(scene.caller.host, each, scene.server.four, 62201)
    server.wait_for_judgements(4)
    server.send(signal.SIGHUP)
    server.wait_for("Re-starting fwknopd")
    server.wait_for("Removed rule")
    until(lambda: "ended" in server.tool("audit", "show").stdout)
    server.stop(signal.SIGKILL)
    told = [json.loads(line) for line in server.tool("audit", "show", "--json").stdout.splitlines()]
    events = [each["event"] for each in told]
    assert events[0] == "started"
    assert {"packet", "command", "signal", "reloaded", "ended"} <= set(events)
    verdicts = sorted(each["verdict"] for each in told if each["event"] == "packet")
    assert verdicts == ["granted", "ran", "refused"]
    verified = server.tool("audit", "verify")
    assert (verified.returncode, verified.stderr) == (0, "")

    server.start()
    server.stop()
    anchored = server.tool("audit", "verify", "--anchors", str(server.log_file))
    assert anchored.returncode == 0
    assert "anchors in the log that it agrees with: 1" in anchored.stdout
    path = server.folder / "state" / "audit.log"
    path.write_bytes(path.read_bytes().replace(b'"refused"', b'"granted"'))
    changed = server.tool("audit", "verify")
    assert changed.returncode == 1
    assert "was changed: its hash does not fit" in changed.stdout
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_killed_at_any_moment_the_journal_stays_whole(scene: Trio, server: Server) -> None:
    server.settings["AUDIT_LOG"] = "Y"
    for life in range(3):
        server.start()
        now = int(time.time())
        for port in range(1, 6):
            send_datagram(
                scene.caller.host,
                sealed(f"0.0.0.0,tcp/{port}", sent_at=now - life),
                scene.server.four,
                62201,
            )
        server.wait_for_judgements(life + 1)
        server.stop(signal.SIGKILL)
        verified = server.tool("audit", "verify")
        assert verified.returncode == 0, verified.stdout


@pytest.mark.requirement("8.15", partial=True)
@pytest.mark.requirement("8.17", partial=True)
@pytest.mark.requirement("7.10", partial=True)
def test_alerts_are_mailed_and_a_mailer_that_hangs_holds_up_no_packet(
    scene: Trio, server: Server
) -> None:
    box = server.folder / "box"
    sendmail = server.folder / "sendmail"
    sendmail.write_text(
        f'#!/bin/sh\n(echo "argv: $*"; cat) >>{box}\ntest ! -e {box}.hang || sleep 60\n'
    )
    sendmail.chmod(0o700)
    server.settings |= {
        "EMAIL_ADDRESSES": "root@localhost, alice@example.org",
        "ALERTING_METHODS": "ALL",
        "HOSTNAME": "front-door",
        "sendmailCmd": str(sendmail),
    }
    server.access = stanza(FW_ACCESS_TIMEOUT="1")
    server.start()
    payload = sealed("0.0.0.0,tcp/22", sent_at=int(time.time()))
    for each in (payload, payload, b"8" * 200):
        send_datagram(scene.caller.host, each, scene.server.four, 62201)
    until(lambda: box.exists() and box.read_text().count("Subject") == 3)
    mailed = box.read_text()
    assert mailed.count("argv: -oi root@localhost alice@example.org\n") == 3
    unfolded = mailed.replace("\n ", " ")
    caller = scene.caller.four
    for subject in (
        f"[+] front-door fwknopd: add watchword {caller} -> 0.0.0.0/0(tcp/22) ACCEPT rule 1 sec",
        f"[-] front-door fwknopd: attempted SPA packet replay from: {caller}",
        f"[+] front-door fwknopd: removed watchword ACCEPT rule for {caller} -> 0.0.0.0/0(tcp/22)",
    ):
        assert f"Subject: {subject}" in unfolded

    Path(f"{box}.hang").touch()
    for port in range(5):
        send_datagram(
            scene.caller.host,
            sealed("0.0.0.0,tcp/22", sent_at=int(time.time()) - port),
            scene.server.four,
            62201,
        )
    server.wait_for_judgements(8)
    assert [each["verdict"] for each in server.judged[3:]] == ["granted"] * 5
    assert server.stop() == 0


def test_alerts_are_posted_and_a_receiver_that_hangs_holds_up_no_packet(
    scene: Trio, server: Server
) -> None:
    key = server.folder / "key"
    key.touch(mode=0o600)
    key.write_text("a key of enough characters\n")
    hanging = listen(scene.server.host, "127.0.0.1", 8081)
    with hanging, Receiver(listener=listen(scene.server.host, "127.0.0.1", 8080)) as receiver:
        server.settings |= {
            "WEBHOOK_URL": "http://127.0.0.1:8081/, http://127.0.0.1:8080/swordfish",
            "WEBHOOK_KEY_FILE": str(key),
            "WEBHOOK_TIMEOUT": "300",
        }
        server.access = stanza(FW_ACCESS_TIMEOUT="1")
        server.start()
        payload = sealed("0.0.0.0,tcp/22", sent_at=int(time.time()))
        for each in (payload, payload):
            send_datagram(scene.caller.host, each, scene.server.four, 62201)
        until(lambda: len(receiver.posted) == 3)
        kinds = [json.loads(content)["kind"] for _, _, content in receiver.posted]
        assert sorted(kinds) == ["ended", "granted", "refused"]
        for path, headers, content in receiver.posted:
            mac = hmac.digest(b"a key of enough characters", content, "sha256").hex()
            assert (path, headers["X-Watchword-Signature"]) == ("/swordfish", f"sha256={mac}")
        assert server.stop() == 0  # which takes no five minutes
    assert "swordfish" not in server.log
