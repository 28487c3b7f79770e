"""watchword connect: a hidden port, as if it were open."""

from __future__ import annotations

import hashlib
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, until
from tests.system.connect_scene import (
    ConnectScene,
    accept,
    answering,
    connect_scene,
    name_hosts,
    section,
)
from watchword.lab.sockets import listen

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConnectScene]:
    with connect_scene(tmp_path_factory.mktemp("connect")) as made:
        server = made.net.server
        made.write_rc(
            section("home", server.four),
            section("six", server.six),
            section("named", "both.example"),
            section("narrow", server.four, ACCESS="tcp/59"),
            section("lost", "192.0.2.99"),
        )
        names = name_hosts(
            made.net.caller.host,
            f"{server.six} both.example\n{server.four} both.example\n",
        )
        yield made
        shutil.rmtree(names)


@pytest.mark.requirement("1.3", partial=True)
@pytest.mark.parametrize(("host", "port"), [("home", 21), ("203.0.113.1", 22)])
def test_a_stanza_is_found_by_its_name_and_by_its_server(
    scene: ConnectScene, host: str, port: int
) -> None:
    answering(scene.listen(port), b"SSH-2.0-hidden\n")
    done = scene.watchword("connect", host, str(port), input="")
    assert (done.stdout, done.stderr, done.returncode) == ("SSH-2.0-hidden\n", "", 0)
    assert scene.knocked_for(port)


@pytest.mark.parametrize(
    ("option", "port"), [("-4", 23), ("-6", 24), ("", 25)], ids=["IPv4", "IPv6", "either"]
)
def test_knock_and_connection_take_the_same_family(
    scene: ConnectScene, option: str, port: int
) -> None:
    four, six = scene.listen(port), scene.listen(port, scene.net.server.six)
    expected = scene.net.caller.four if option == "-4" else scene.net.caller.six
    for listener in (four, six):
        answering(listener, b"here")
    options = [option] if option else []
    done = scene.watchword("connect", "both.example", str(port), "-v", *options, input="")
    assert done.stdout == "here"
    assert scene.knocked_for(port)
    [judged] = [each for each in scene.server.judged if f"tcp/{port}" in str(each)]
    assert judged["source"] == expected
    used = scene.net.server.four if option == "-4" else scene.net.server.six
    assert f"connected to {used} port {port}" in done.stderr


def test_where_one_family_does_not_answer_the_other_is_knocked_at_and_taken(
    scene: ConnectScene,
) -> None:
    answering(scene.listen(26), b"by IPv4")  # nothing listens at the IPv6 address
    done = scene.watchword("connect", "both.example", "26", input="")
    assert done.stdout == "by IPv4", done.stderr
    assert scene.knocked_for(26, 2)


def test_a_server_on_the_same_link_is_reached_by_its_interface(scene: ConnectScene) -> None:
    router = scene.net.internet
    shown = router.run("ip", "-6", "address", "show", "dev", "caller", "scope", "link").stdout
    local = shown.partition("inet6 ")[2].partition("/")[0]
    with listen(router, "::", 61) as listener:
        answering(listener, b"next door")
        rc_file = scene.folder / "link"
        rc_file.touch(mode=0o600)
        rc_file.write_text(section("link", f"{local}%eth0", ACCESS="tcp/61"), "utf-8")
        options = ("--rc-file", str(rc_file))
        done = scene.watchword("connect", *options, "--try-first", "link", "61", input="")
        assert (done.stdout, done.stderr) == ("next door", "")
        told = scene.watchword("doctor", *options, "link").stdout
    assert f"name       link: {local}%eth0; " in told
    assert f"nobody listens, says {local}\n" in told


def test_a_packet_that_was_lost_is_followed_by_a_new_one(scene: ConnectScene) -> None:
    answering(scene.listen(27), b"at last")
    router = scene.net.internet
    router.run("nft", "add table inet lossy")
    router.run("nft", "add chain inet lossy on { type filter hook forward priority 0; }")
    router.run("nft", "add rule inet lossy on udp dport 62201 counter drop")
    waiting = scene.start("connect", "home", "27", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    until(lambda: "packets 1 " in router.run("nft", "list table inet lossy").stdout)
    router.run("nft", "delete table inet lossy")
    answer, _ = waiting.communicate(timeout=60)
    assert (answer, waiting.returncode) == (b"at last", 0)
    assert scene.granted(27) >= 1


@pytest.mark.parametrize(
    ("host", "port", "said", "hint"),
    [
        ("lost", "22", "did not answer within 0.4 seconds", "watchword doctor lost 22"),
        ("home", "28", "refuses connections", "nothing listens there"),
    ],
)
def test_where_no_connection_comes_about_it_is_said_why_and_what_to_do(
    scene: ConnectScene, host: str, port: str, said: str, hint: str
) -> None:
    patience = "0.4" if host == "lost" else "9"
    done = scene.watchword("connect", host, port, "--timeout", patience, input="")
    assert (done.stdout, done.returncode) == ("", 1)
    assert said in done.stderr
    assert hint in done.stderr


@pytest.mark.requirement("2.7", partial=True)
@pytest.mark.parametrize(
    ("argv", "said", "hint"),
    [
        (("hoem", "22"), "no stanza for 'hoem'", "did you mean home?"),
        (("203.0.113.2", "22"), "no stanza for '203.0.113.2'", "did you mean 203.0.113.1?"),
        (("narrow", "22"), "asks for tcp/59, and the connection is to tcp/22", "add tcp/22"),
        (("home", "22", "-o=-k"), "--key-gen is not for a knock", "fwknop itself"),
        (("home", "22", "-o='"), "--options cannot be read", ""),
        (("home", "22", "-o=-P carrier-pigeon"), "Unrecognized protocol", ""),
        (("home", "22", "--rc-file", "/nonexistent"), "there is no rc file", "--rc-file"),
    ],
)
def test_nothing_is_sent_where_something_is_wrong(
    scene: ConnectScene, argv: tuple[str, ...], said: str, hint: str
) -> None:
    before = scene.so_far()
    done = scene.watchword("connect", *argv, input="")
    assert (done.stdout, done.returncode) == ("", 2)
    assert said in done.stderr
    assert hint in done.stderr
    assert scene.so_far() == before


def test_two_stanzas_for_one_server_and_port_have_to_be_told_apart(scene: ConnectScene) -> None:
    other = scene.folder / "two"
    other.touch(mode=0o600)
    other.write_text(section("one", "198.51.100.9") + section("two", "198.51.100.9"))
    done = scene.watchword("connect", "198.51.100.9", "22", "--rc-file", str(other), input="")
    assert done.returncode == 2
    assert "server of several stanzas: one, two" in done.stderr
    assert "-n NAME" in done.stderr


def test_both_directions_carry_whatever_goes_over_them_and_end_by_themselves(
    scene: ConnectScene,
) -> None:
    listener = scene.listen(29)
    sent = random.Random(5).randbytes(24 << 20)

    def serve() -> None:
        connection = accept(scene.net.caller.host, listener)
        up = hashlib.sha256()
        down = threading.Thread(target=connection.sendall, args=(sent,))
        down.start()
        while octets := connection.recv(1 << 16):
            up.update(octets)
        down.join()
        connection.sendall(up.digest())
        connection.close()

    server = threading.Thread(target=serve)
    server.start()
    client = scene.start("connect", "home", "29", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    answer, _ = client.communicate(sent, timeout=60)
    server.join(60)
    assert client.returncode == 0
    assert answer == sent + hashlib.sha256(sent).digest()


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_an_idle_connection_costs_nothing_and_a_signal_ends_it(scene: ConnectScene) -> None:
    listener = scene.listen(30)
    client = scene.start("connect", "home", "30", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    connection = accept(scene.net.caller.host, listener)
    with connection:
        connection.sendall(b"x")
        assert client.stdout is not None
        assert client.stdout.read(1) == b"x"
        before = processor_seconds(client.pid)
        time.sleep(0.5)  # the span that is measured
        assert processor_seconds(client.pid) - before < 0.1
        client.send_signal(signal.SIGTERM)
        assert client.wait(60) == -signal.SIGTERM
        assert connection.recv(1) == b""


def test_it_ends_when_nobody_takes_what_comes(scene: ConnectScene) -> None:
    listener = scene.listen(31)
    client = scene.start("connect", "home", "31", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    connection = accept(scene.net.caller.host, listener)
    assert client.stdout is not None
    client.stdout.close()
    with connection:
        connection.sendall(b"into the void")
        assert client.wait(60) == 0
        assert connection.recv(1) == b""


def test_what_the_server_says_after_our_end_still_arrives(scene: ConnectScene) -> None:
    listener = scene.listen(32)
    client = scene.start("connect", "home", "32", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    connection = accept(scene.net.caller.host, listener)
    assert client.stdin is not None
    client.stdin.write(b"question")
    client.stdin.close()
    with connection:
        asked = b""
        while octets := connection.recv(100):
            asked += octets
        connection.sendall(b"answer")
    assert client.stdout is not None
    assert (asked, client.stdout.read(), client.wait(60)) == (b"question", b"answer", 0)


def test_what_we_say_after_the_server_s_end_still_gets_there(scene: ConnectScene) -> None:
    listener = scene.listen(44)
    client = scene.start("connect", "home", "44", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    connection = accept(scene.net.caller.host, listener)
    assert client.stdin is not None
    assert client.stdout is not None
    with connection:
        connection.sendall(b"goodbye")
        connection.shutdown(socket.SHUT_WR)
        assert client.stdout.read() == b"goodbye"  # to its end, while the process goes on
        assert client.poll() is None
        client.stdin.write(b"wait")
        client.stdin.close()
        said = b""
        while octets := connection.recv(100):
            said += octets
    assert (said, client.wait(60)) == (b"wait", 0)


def test_a_connection_that_is_reset_is_an_error(scene: ConnectScene) -> None:
    listener = scene.listen(33)
    client = scene.start(
        "connect",
        "home",
        "33",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    connection = accept(scene.net.caller.host, listener)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()
    assert client.wait(60) == 1
    assert client.stderr is not None
    assert b"the connection broke" in client.stderr.read()


@pytest.mark.parametrize(("port", "status"), [(34, 0), (35, 1)])
def test_check_only_says_whether_the_port_answers(
    scene: ConnectScene, port: int, status: int
) -> None:
    if status == 0:
        scene.listen(port)
    done = scene.watchword("connect", "--check", "home", str(port), input="unread")
    assert (done.stdout, done.returncode) == ("", status)
    assert scene.knocked_for(port)


def test_asked_to_try_first_it_knocks_only_where_that_is_needed(scene: ConnectScene) -> None:
    for port in (8080, 36):
        answering(scene.listen(port), b"open")
    before = scene.so_far()
    for port, knocks in ((8080, 0), (36, 1), (36, 0)):
        done = scene.watchword("connect", "--try-first", "home", str(port), input="")
        assert done.stdout == "open", done.stderr
        assert before + knocks <= scene.so_far() <= before + knocks * (1 + scene.took // 2)
        before = scene.so_far()


def test_the_connection_itself_is_handed_over_when_asked(scene: ConnectScene) -> None:
    listener = scene.listen(37)
    ours, theirs = socket.socketpair()
    client = scene.start("connect", "--fdpass", "home", "37", stdout=theirs, stdin=theirs)
    theirs.close()
    _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    accepted = accept(scene.net.caller.host, listener)
    with socket.socket(fileno=descriptors[0]) as handed, accepted:
        handed.sendall(b"directly")
        assert accepted.recv(100) == b"directly"
    assert client.wait(60) == 0


def test_a_pipe_takes_no_connection_and_that_is_said(scene: ConnectScene) -> None:
    scene.listen(38)
    done = scene.watchword("connect", "--fdpass", "home", "38", input="")
    assert done.returncode == 2
    assert "ProxyUseFdpass" in done.stderr


def test_the_connection_may_go_elsewhere_than_the_knock(scene: ConnectScene) -> None:
    answering(scene.listen(39), b"there")
    done = scene.watchword(
        "connect", "--to", scene.net.server.four, "-n", "home", "nowhere.example", "39", input=""
    )
    assert done.stdout == "there", done.stderr


def test_asked_to_it_renews_the_grant_while_the_connection_lives(scene: ConnectScene) -> None:
    listener = scene.listen(40)
    client = scene.start("connect", "--renew-every", "0.2", "home", "40", stdin=subprocess.PIPE)
    connection = accept(scene.net.caller.host, listener)
    with connection:
        until(lambda: scene.granted(40) >= 3)
    assert client.stdin is not None
    client.stdin.close()
    assert client.wait(60) == 0


def test_interrupted_while_it_waits_it_ends_quietly(scene: ConnectScene) -> None:
    client = scene.start(
        "connect", "-v", "lost", "22", stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert client.stderr is not None
    said = b""
    while b"knocked; trying" not in said:
        said += client.stderr.readline()
    client.send_signal(signal.SIGINT)
    assert client.wait(60) == 130
    assert client.stderr.read() == b""


def test_a_closed_input_is_an_empty_one(scene: ConnectScene) -> None:
    answering(scene.listen(41), b"hello")
    shut = f"exec {shlex.quote(str(PROGRAMS))}/watchword connect home 41 <&-"
    done = scene.net.caller.host.run("sh", "-c", shut, check=False, env=scene.environment)
    assert (done.stdout, done.returncode) == ("hello", 0), done.stderr


def test_the_packet_travels_as_the_options_say(scene: ConnectScene) -> None:
    answering(scene.listen(42), b"by TCP")
    done = scene.watchword("connect", "-v", "-o", "-P tcp -f 7", "home", "42", input="")
    assert done.stdout == "by TCP", done.stderr
    assert "protocol: tcp" in done.stderr
    assert "Client Timeout: 7" in done.stderr
    assert scene.knocked_for(42)


def test_a_firewall_that_resets_what_it_does_not_let_through_gets_time(
    scene: ConnectScene,
) -> None:
    answering(scene.listen(8043), b"let through")
    host = scene.net.server.host
    host.run("nft", "add table inet resets")
    host.run("nft", "add chain inet resets in { type filter hook input priority 0; }")
    host.run("nft", "add rule inet resets in tcp dport 8043 counter reject with tcp reset")
    waiting = scene.start(
        "connect", "home", "8043", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    until(lambda: "packets 0 " not in host.run("nft", "list table inet resets").stdout)
    host.run("nft", "delete table inet resets")
    assert waiting.communicate(timeout=60)[0] == b"let through"
