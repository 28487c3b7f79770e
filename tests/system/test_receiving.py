"""Packets over TCP and in HTTP requests, from the packaged client, to an open port."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server, base64, stanza, until
from tests.values import KEY, MAC_KEY
from watchword.conformance.golden import load
from watchword.lab.hosts import Lab
from watchword.lab.sockets import connect, reaches
from watchword.lab.trio import Trio, trio

pytestmark = pytest.mark.system
CLIENTS = ("/usr/bin/fwknop", str(PROGRAMS / "fwknop"))
_ports = count(3000)


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture(scope="module")
def server(scene: Trio, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """Everything is hidden but its own two ports."""
    server = Server(scene.server.host, tmp_path_factory.mktemp("server"))
    server.settings |= {
        "GUARD_SERVICES": "ALL",
        "ENABLE_TCP_SERVER": "Y",
        "TCPSERV_PORT": "62202",
        "ENABLE_SPA_OVER_HTTP": "N",
    }
    server.access = stanza(OPEN_PORTS="")
    return server.start()


def fwknop(
    scene: Trio, server: Server, folder: Path, *options: str, program: str = "/usr/bin/fwknop"
) -> dict[str, object]:
    """Ask for a port that nobody asked for before; what the server says of it."""
    before = len(server.judged)
    scene.caller.host.run(
        program, "--rc-file", str(folder / "rc"), "--no-save-args",
        "-A", f"tcp/{next(_ports)}", "-D", scene.server.four,
        "--key-base64-rijndael", base64(KEY), "--key-base64-hmac", base64(MAC_KEY), *options,
    )  # fmt: skip
    return server.wait_for_judgements(before + 1)[before]


@pytest.mark.requirement("1.2", partial=True)
@pytest.mark.peer("fwknop")
@pytest.mark.parametrize("program", CLIENTS, ids=["packaged", "ours"])
def test_both_clients_open_a_port_over_tcp(
    scene: Trio, server: Server, tmp_path: Path, program: str
) -> None:
    assert "Kicking off TCP server to listen on port 62202." in server.log
    told = fwknop(scene, server, tmp_path, "-P", "tcp", "-p", "62202", "-s", program=program)
    assert (told["verdict"], told["source"]) == ("granted", scene.caller.four)
    service = str(told["services"][0]).partition("/")[2]  # type: ignore[index]
    assert f"{scene.caller.four} . tcp . {service} " in server.ruleset()


@pytest.mark.requirement("1.2", partial=True)
def test_the_port_answers_no_data_to_a_stranger_and_is_closed_after_a_second(
    scene: Trio, server: Server
) -> None:
    for target in (scene.server.four, scene.server.six):
        talk = connect(scene.stranger.host, target, 62202, 30)
        assert talk is not None
        talk.settimeout(30)
        talk.sendall(b"SSH-2.0-probe\r\n")
        assert talk.recv(100) == b""
        talk.close()


@pytest.mark.requirement("2.14", "6.1", partial=True)
@pytest.mark.peer("fwknop")
def test_over_http_it_is_ignored_unless_asked_for_and_a_reload_keeps_the_sockets(
    scene: Trio, server: Server, tmp_path: Path
) -> None:
    http = ("-P", "http", "-p", "62202", "-a", scene.caller.four)
    scene.caller.host.run(
        "/usr/bin/fwknop", "--rc-file", str(tmp_path / "rc"), "--no-save-args",
        "-A", "tcp/22", "-D", scene.server.four,
        "--key-base64-rijndael", base64(KEY), "--key-base64-hmac", base64(MAC_KEY), *http,
    )  # fmt: skip
    told = fwknop(scene, server, tmp_path, "-s")
    assert told["services"] != ["tcp/22"]  # the one that came after it

    sockets = _sockets(server)
    server.settings["ENABLE_SPA_OVER_HTTP"] = "Y"
    server.write()
    server.send(signal.SIGHUP)
    server.wait_for("Re-starting fwknopd")
    for program in CLIENTS:
        told = fwknop(scene, server, tmp_path, *http, program=program)
        assert (told["verdict"], told["who"]) == ("granted", scene.caller.four)
    assert len(sockets) == 4
    assert sockets <= _sockets(server)
    assert server.log.count("Kicking off TCP server") == 1


def _sockets(server: Server) -> set[str]:
    """Inodes of the sockets that are bound to our ports."""
    reader = server.pids[-1]
    own = {str(each.readlink()) for each in Path(f"/proc/{reader}/fd").iterdir()}
    bound = server.host.run("ss", "-Hlntue").stdout
    ours = [line.split("ino:")[1].split()[0] for line in bound.splitlines() if ":6220" in line]
    return {each for each in ours if f"socket:[{each}]" in own}


def test_a_reload_closes_the_port_that_is_not_wanted_any_more(scene: Trio, server: Server) -> None:
    assert reaches(scene.stranger.host, scene.server.four, 62202, seconds=30.0)
    before = server.log.count("Re-starting")
    server.settings["ENABLE_TCP_SERVER"] = "N"
    server.write()
    server.send(signal.SIGHUP)
    server.wait_for("Re-starting fwknopd", before + 1)
    server.wait_for("Attached to the firewall", 2)
    assert not reaches(scene.stranger.host, scene.server.four, 62202)
    assert ":62202" not in server.host.run("ss", "-Hlnt").stdout
    assert server.tool("status").returncode == 0


@pytest.mark.peer("nginx", "fwknop")
def test_behind_a_reverse_proxy_the_caller_gets_in_and_not_the_proxy(
    scene: Trio, tmp_path: Path
) -> None:
    """With -s, so whom to let in is for the proxy to say, and for nobody else."""
    host, target = scene.stranger.host, scene.stranger.four
    kept = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = " ".join(f"{each}_temp_path {tmp_path}/{each};" for each in kept)
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; user root; master_process off; pid {tmp_path}/nginx.pid;\n"
        f"error_log {tmp_path}/error.log; events {{}} http {{ access_log off; {folders}\n"
        "server { listen 80; location / { proxy_pass http://127.0.0.1:62203;\n"
        "proxy_ignore_client_abort on; proxy_set_header X-Forwarded-For $remote_addr; } } }\n"
    )
    web = host.start("nginx", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path))
    server = Server(host, tmp_path)
    server.settings |= {
        "PACKET_SOURCES": "tcp", "TCPSERV_PORT": "62203", "ENABLE_SPA_OVER_HTTP": "Y",
        "ENABLE_X_FORWARDED_FOR": "Y", "TRUSTED_PROXIES": "127.0.0.1", "GUARD_SERVICES": "ALL",
        "FIREWALL_BACKEND": "memory",
    }  # fmt: skip
    server.access = stanza(OPEN_PORTS="")
    server.start()
    until(lambda: ":80 " in host.run("ss", "-Hlnt").stdout)
    for number, (port, who) in enumerate((("80", scene.caller.four), ("62203", scene.caller.four))):
        scene.caller.host.run(
            "/usr/bin/fwknop", "--rc-file", str(tmp_path / "rc"), "--no-save-args",
            "-A", "tcp/22", "-s", "-D", target, "-P", "http", "-p", port,
            "--key-base64-rijndael", base64(KEY), "--key-base64-hmac", base64(MAC_KEY),
        )  # fmt: skip
        told = server.wait_for_judgements(number + 1)[number]
        assert (told["verdict"], told["who"]) == ("granted", who)
        assert told["source"] == ("127.0.0.1" if port == "80" else scene.caller.four)
    server.stop()
    web.terminate()
    web.wait(60)


@pytest.mark.requirement("1.2")
@pytest.mark.requirement("6.1", partial=True)
@pytest.mark.peer("fwknop")
def test_what_the_perl_client_sent_over_tcp_and_http_opens_a_port(
    scene: Trio, tmp_path: Path
) -> None:
    """Its recorded packets, so of any age, in three pieces; the packaged client; a scanner."""
    server = Server(scene.stranger.host, tmp_path)
    server.settings |= {
        "ENABLE_TCP_SERVER": "Y", "ENABLE_SPA_OVER_HTTP": "Y", "FIREWALL_BACKEND": "memory",
        "ENABLE_SPA_PACKET_AGING": "N", "GUARD_SERVICES": "ALL",
    }  # fmt: skip
    server.access = "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY fwknoptest\nENCRYPTION_MODE legacy\n"
    server.start()
    recorded = {each["id"]: each for each in load("perl19")}
    plain = recorded["perl-access"]["packet"].encode("ascii")
    path = recorded["perl-http"]["wire_text"]
    asked = f"GET {path} HTTP/1.0\r\nUser-Agent: Fwknop/1.9.12\r\n\r\n".encode("ascii")
    for number, octets in enumerate((plain, asked)):
        talk = connect(scene.caller.host, scene.stranger.four, 62201, 30)
        assert talk is not None
        talk.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (octets[:50], octets[50:100], octets[100:]):
            talk.sendall(piece)
            time.sleep(0.02)
        talk.close()
        told = server.wait_for_judgements(number + 1)[number]
        assert (told["verdict"], told["user"]) == ("granted", "mbr"), told
    scene.caller.host.run(
        "/usr/bin/fwknop", "--rc-file", str(tmp_path / "rc"), "--no-save-args", "-P", "tcp",
        "-A", "tcp/22", "-s", "-D", scene.stranger.four, "-M", "legacy",
        "--key-rijndael", "fwknoptest",
    )  # fmt: skip
    told = server.wait_for_judgements(3)[2]
    assert (told["verdict"], told["who"]) == ("granted", scene.caller.four)
    began = time.monotonic()
    idle = connect(scene.caller.host, scene.stranger.four, 62201, 30)
    assert idle is not None
    idle.settimeout(30)
    assert idle.recv(1) == b""
    assert time.monotonic() - began > 0.9
    idle.close()
    server.stop()
