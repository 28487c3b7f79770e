"""fwknop_serv beside an fwknopd that sniffs, and knoptm with a daemon and after its death."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server, base64, stanza, until
from tests.sealing import sealed
from tests.values import KEY, MAC_KEY
from watchword.lab.hosts import Lab
from watchword.lab.sockets import gets_through, inside, listen, reaches, send_datagram
from watchword.lab.trio import Trio, trio
from watchword.wire.spa.message import MessageType

pytestmark = pytest.mark.system
SERV, KNOPTM = str(PROGRAMS / "fwknop_serv"), str(PROGRAMS / "knoptm")


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture
def server(scene: Trio, tmp_path: Path) -> Iterator[Server]:
    server = Server(scene.server.host, tmp_path)
    server.settings |= {"ACCESS_FILE": str(tmp_path / "access.conf")}
    yield server
    if server.process is not None and not server.ended:
        server.stop()


def settings_of(server: Server) -> list[str]:
    return ["-c", str(server.folder / "fwknopd.conf")]


@pytest.mark.requirement("6.16")
@pytest.mark.requirement("8.24", partial=True)
@pytest.mark.peer("fwknop")
def test_packets_over_connections_to_fwknop_serv_are_seen_by_who_sniffs(
    scene: Trio, server: Server
) -> None:
    del server.settings["ENABLE_UDP_SERVER"]
    server.settings |= {
        "PCAP_INTF": "eth0", "PCAP_FILTER": "tcp port 62201", "FIREWALL_BACKEND": "memory",
    }  # fmt: skip
    server.start()
    started = server.host.run(SERV, *settings_of(server))  # goes into the background
    assert started.stdout == ""
    pid = int((server.folder / "run" / "fwknop_serv.pid").read_text())
    status = Path(f"/proc/{pid}/status").read_text()
    assert f"Uid:\t{pwd.getpwnam('nobody').pw_uid}\t" in status
    assert "CapEff:\t0000000000000000" in status

    for number, client in enumerate(("/usr/bin/fwknop", str(PROGRAMS / "fwknop")), start=1):
        scene.caller.host.run(
            client, "--no-rc-file", "-D", scene.server.four, "-P", "tcp", "-A", "tcp/22", "-s",
            "--key-base64-rijndael", base64(KEY), "--key-base64-hmac", base64(MAC_KEY),
            "--use-hmac", env={**os.environ, "HOME": str(server.folder)},
        )  # fmt: skip
        told = server.wait_for_judgements(number)[number - 1]
        assert (told["verdict"], told["carrier"]) == ("granted", "tcp"), told

    stranger = inside(scene.stranger.host, lambda: socket.socket(socket.AF_INET))
    with closing(stranger):
        stranger.settimeout(60)
        stranger.connect((scene.server.four, 62201))
        stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert stranger.recv(100) == b""  # never a word, and closed after a second

    again = server.host.run(SERV, *settings_of(server), check=False)
    assert again.returncode == 1
    assert "cannot listen on TCP port 62201" in again.stderr
    ended = server.host.run(SERV, *settings_of(server), "-K")
    assert ended.stdout == f"Killed fwknop_serv (pid={pid}) via SIGTERM\n"
    with pytest.raises(ConnectionRefusedError):
        gets_through(scene.caller.host, scene.server.four, 62201)


def test_where_fwknopd_has_the_port_itself_fwknop_serv_says_so(server: Server) -> None:
    server.settings |= {"ENABLE_TCP_SERVER": "Y", "FIREWALL_BACKEND": "memory"}
    server.start()
    said = server.host.run(SERV, *settings_of(server))
    assert said.stdout == (
        f"fwknopd is running (pid={server.pid}) and listens on TCP port 62201 itself.\n"
    )


@pytest.mark.requirement("8.24", "7.17", partial=True)
def test_knoptm_speaks_for_the_daemon_and_after_its_death_shuts_what_nobody_knows(
    scene: Trio, server: Server
) -> None:
    service = listen(server.host, scene.server.four, 22)
    server.access = stanza(FW_ACCESS_TIMEOUT="300")
    server.start()
    packet = sealed(sent_at=int(time.time()))
    send_datagram(scene.caller.host, packet, scene.server.four, 62201)
    assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
    said = server.host.run(KNOPTM, *settings_of(server)).stdout
    assert said.startswith(
        f"fwknopd is running (pid={server.pid}) and ends grants itself.\n1 grant"
    )
    assert said.endswith("; 0 are overdue.\n")
    assert reaches(scene.caller.host, scene.server.four, 22, seconds=30.0)

    assert server.kill() == -signal.SIGKILL
    said = server.host.run(KNOPTM, *settings_of(server)).stdout
    assert "0 openings were overdue" in said
    assert "1 grants are in force" in said
    assert reaches(scene.caller.host, scene.server.four, 22, seconds=30.0)

    shutil.rmtree(server.folder / "state")  # nobody knows of it any more
    said = server.host.run(KNOPTM, *settings_of(server)).stdout
    assert "1 openings were overdue and are shut" in said
    until(lambda: not reaches(scene.caller.host, scene.server.four, 22))
    service.close()


@pytest.mark.requirement("7.17")
def test_the_end_of_a_grant_is_a_line_of_the_log_and_knoptm_counts_what_is_left(
    scene: Trio, server: Server
) -> None:
    server.access = stanza(OPEN_PORTS="tcp/22,tcp/80", FW_ACCESS_TIMEOUT="1", MAX_FW_TIMEOUT="600")
    server.start()
    for who, seconds in (("198.51.100.2", 0), ("198.51.100.3", 300)):
        text = f"{who},tcp/22"
        kind = MessageType.TIMEOUT_ACCESS if seconds else MessageType.ACCESS
        packet = sealed(text, sent_at=int(time.time()), type=kind, seconds=seconds)
        send_datagram(scene.caller.host, packet, scene.server.four, 62201)
    log = server.wait_for("Removed rule 1 from ")
    assert "with expire time of " in log[log.index("Removed rule 1 from ") :].splitlines()[0]
    said = server.host.run(KNOPTM, *settings_of(server), check=False)
    assert "\n1 grants are in force" in said.stdout, said
