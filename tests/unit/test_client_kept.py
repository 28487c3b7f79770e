"""Options that are kept for the next time: the last run, what was saved, and each server's."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit import client_scene
from tests.unit.client_scene import KEYS, KNOCK, mode_of, opened
from watchword.dialects.fwknop import client_last
from watchword.edges import files, turns
from watchword.errors import HostError
from watchword.model.crypto import CipherMode, Credential, Secret
from watchword.programs import fwknop, fwknop1
from watchword.wire.spa.opening import Lock, unseal

home = client_scene.home
server = client_scene.server
pytestmark = pytest.mark.usefixtures("home")

RUN, SAVE, HOSTS = ".fwknop.run", ".fwknop.save", ".fwknop.hosts"
RC_KEYS = "[default]\nKEY client-key-1\nHMAC_KEY client-hmac-1\n"


@pytest.fixture
def keys(home: Path) -> list[str]:
    """An option that survives being kept, with the keys of our test servers."""
    path = home / "keys"
    path.write_text("127.0.0.1: fwknoptest\nlocalhost: fwknoptest\n", "utf-8")
    path.chmod(0o600)
    return ["--get-key", str(path)]


def target(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


def content(payload: bytes) -> str:
    lock = Lock(Credential(Secret(b"fwknoptest"), CipherMode.LEGACY))
    return unseal(payload, lock).message.text


def nothing_came(server: socket.socket) -> bool:
    server.setblocking(False)
    try:
        server.recv(2000)
    except BlockingIOError:
        return True
    return False


# What is written.


@pytest.mark.requirement("9.52")
@pytest.mark.requirement("9.20", partial=True)
def test_fwknop1_keeps_its_lines_as_perl_did_without_the_programs_name(
    server: socket.socket, home: Path, keys: list[str]
) -> None:
    argv = ["-q", *KNOCK, "-D", target(server), *keys]
    assert fwknop1.main([*argv, "--Save-dst"]) == 0
    line = f"{' '.join(argv)} --Save-dst \n"
    for name in (RUN, SAVE, HOSTS):
        assert (home / name).read_text("utf-8") == line
        assert mode_of(home / name) == 0o600


@pytest.mark.requirement("9.52")
def test_fwknop_keeps_its_lines_with_the_programs_name(server: socket.socket, home: Path) -> None:
    assert fwknop.main([*KNOCK, *KEYS, "-D", target(server)]) == 0
    line = f"fwknop {' '.join(KNOCK)} --use-hmac -D {target(server)} \n"
    assert (home / RUN).read_text("utf-8") == (home / HOSTS).read_text("utf-8") == line
    assert not (home / SAVE).exists()


@pytest.mark.requirement("9.52", partial=True)
def test_the_file_of_hosts_has_one_line_for_each_server(
    server: socket.socket, home: Path, keys: list[str]
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = str(other.getsockname()[1])
        by_name = ["-q", *KNOCK, "-D", f"localhost:{port}", "-4", *keys]
        assert fwknop1.main(by_name) == 0
        assert fwknop1.main(["-q", *KNOCK, "-k", target(server), *keys]) == 0
        assert fwknop1.main(["-q", "-A", "tcp/80", "-s", "-D", "localhost", "--Server-port", port,
                             "-4", *keys]) == 0  # fmt: skip
    lines = (home / HOSTS).read_text("utf-8").splitlines()
    assert [client_last.server_of(line) for line in lines] == ["127.0.0.1", "localhost"]
    assert "tcp/80" in lines[1]


def test_no_packet_waits_for_the_disk(
    server: socket.socket, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited_after: list[bool] = []

    def slow(_: int) -> None:
        waited_after.append(bool(waited_after) or not nothing_came(server))

    (home / ".fwknoprc").write_text(RC_KEYS, "utf-8")
    (home / ".fwknoprc").chmod(0o600)
    monkeypatch.setattr(os, "fsync", slow)
    assert fwknop.main([*KNOCK, "-D", target(server)]) == 0
    assert (home / RUN).read_text("utf-8").startswith("fwknop ")
    assert waited_after  # for the file of hosts, which holds more than this run
    assert all(waited_after)


def test_a_run_whose_packet_does_not_go_out_is_no_last_run_for_its_server(home: Path) -> None:
    assert fwknop.main([*KNOCK, *KEYS, "-D", "no-such-host.invalid"]) == 1
    assert (home / RUN).exists()
    assert not (home / HOSTS).exists()


@pytest.mark.parametrize("how", ["--no-save-args", "-E"])
def test_where_no_options_are_kept_at_home_no_servers_are_either(
    how: str, server: socket.socket, home: Path
) -> None:
    more = [how] if how != "-E" else ["-E", str(home / "elsewhere")]
    assert fwknop.main([*KNOCK, *KEYS, "-D", target(server), *more]) == 0
    assert not (home / HOSTS).exists()
    assert not (home / RUN).exists()


def test_the_file_of_hosts_does_not_grow_without_end() -> None:
    text = "".join(f"fwknop -D host{number} \n" for number in range(1200))
    lines = client_last.with_host(text, "fwknop -D host5 ").splitlines()
    assert len(lines) == 1000
    assert lines[0] == "fwknop -D host201 "
    assert lines[-1] == "fwknop -D host5 "


# What is run again.


@pytest.mark.requirement("9.20")
@pytest.mark.parametrize("again", ["-l", "--last-cmd", "--last"])
def test_the_last_run_can_be_run_again_by_both_commands(
    again: str, server: socket.socket, home: Path, keys: list[str]
) -> None:
    assert fwknop1.main(["-q", *KNOCK, "-D", target(server), *keys]) == 0
    first = server.recv(2000)
    before = (home / RUN).read_bytes()
    for main in (fwknop.main, fwknop1.main):
        assert main([again]) == 0
        payload = server.recv(2000)
        assert content(payload) == content(first)
        assert payload != first
    assert (home / RUN).read_bytes() == before


def test_a_command_of_several_lines_is_run_again_as_it_was(
    server: socket.socket, home: Path
) -> None:
    (home / ".fwknoprc").write_text(RC_KEYS, "utf-8")
    command = "echo 'a  b'\nid\n"
    assert fwknop.main(["-C", command, "-s", "-D", target(server)]) == 0
    assert fwknop.main(["-l"]) == 0
    assert [opened(server.recv(2000)).text for _ in range(2)] == [f"0.0.0.0,{command}"] * 2
    assert not (home / HOSTS).exists()


@pytest.mark.requirement("9.20", partial=True)
def test_a_line_of_the_perl_client_means_what_it_meant_there(
    server: socket.socket, home: Path, keys: list[str]
) -> None:
    line = f"-A TCP/22 -s -k {target(server)} -u /no/rc --gpg-no-options {' '.join(keys)}\n"
    (home / RUN).write_text(line, "utf-8")
    assert fwknop.main(["-l"]) == 0
    assert content(server.recv(2000)) == "0.0.0.0,tcp/22"


@pytest.mark.requirement("9.20", partial=True)
def test_a_line_of_fwknop_2_6_means_what_it_means_there_also_to_fwknop1(
    server: socket.socket, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".fwknoprc").write_text(RC_KEYS, "utf-8")
    (home / RUN).write_text(f"fwknop -A tcp/22 -s -D {target(server)} -T\n", "utf-8")
    assert fwknop1.main(["-l"]) == 0
    assert "test mode enabled" in capsys.readouterr().out
    assert nothing_came(server)


@pytest.mark.requirement("9.52", partial=True)
@pytest.mark.parametrize("main", [fwknop.main, fwknop1.main])
def test_what_was_saved_on_purpose_goes_before_the_last_run(
    main: object, server: socket.socket, home: Path, keys: list[str]
) -> None:
    argv = ["-q", "-a", "192.0.2.10", "-D", target(server), *keys]
    assert fwknop1.main([*argv, "-A", "tcp/1", "--Save-dst"]) == 0
    assert fwknop1.main([*argv, "-A", "tcp/2"]) == 0
    assert callable(main)
    assert main(["-l"]) == 0
    assert [content(server.recv(2000)) for _ in range(3)] == [
        "192.0.2.10,tcp/1", "192.0.2.10,tcp/2", "192.0.2.10,tcp/1",
    ]  # fmt: skip


@pytest.mark.requirement("9.21")
@pytest.mark.parametrize("main", [fwknop.main, fwknop1.main])
@pytest.mark.parametrize("option", ["--Last-host", "--Last", "--L-host"])
def test_the_last_run_for_a_server_can_be_run_again(
    option: str, main: object, server: socket.socket, home: Path, keys: list[str]
) -> None:
    assert fwknop1.main(["-q", *KNOCK, "-D", target(server), *keys]) == 0
    server.recv(2000)
    assert fwknop1.main(["-q", *KNOCK, "-D", "127.0.0.2", *keys, "--Test-mode",
                         "--get-key", "/dev/null"]) == 1  # fmt: skip
    assert callable(main)
    assert main([option, "127.0.0.1"]) == 0
    assert content(server.recv(2000)) == "192.0.2.10,tcp/22"


def test_the_lines_of_the_perl_client_for_each_server_are_read(
    server: socket.socket, home: Path, keys: list[str]
) -> None:
    lines = [
        "-A tcp/99 -s -D other.example",
        f"-A tcp/22 -s -D {target(server)} {' '.join(keys)}",
        "-A tcp/98 --Destination another.example",
        "not understood at all -D",
        "",
    ]
    (home / HOSTS).write_text("\n".join(lines), "utf-8")
    assert fwknop.main(["--Last-host", "127.0.0.1"]) == 0
    assert content(server.recv(2000)) == "0.0.0.0,tcp/22"


def test_a_server_that_was_never_called_has_no_last_run(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fwknop.main(["--Last-host", "gate.example"]) == 1
    assert capsys.readouterr().err == (
        "No options are kept for host: gate.example\n"
        f"fwknop: hint: {home / HOSTS} has a line for each server that was called by its name\n"
    )


@pytest.mark.parametrize(
    "line", ["fwknop -l", "-l", "fwknop --Last-host x", "--Last-host 127.0.0.1 -D 127.0.0.1"]
)
def test_kept_lines_that_ask_for_kept_lines_end(
    line: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / RUN).write_text(f"{line}\n", "utf-8")
    assert fwknop.main(["-l"]) == 1
    assert "ask for the last options again" in capsys.readouterr().err


# What is shown.


@pytest.mark.requirement("9.30")
@pytest.mark.parametrize("main", [fwknop.main, fwknop1.main])
def test_the_last_run_can_be_shown_in_perls_words(
    main: object, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / RUN).write_text("-A tcp/22 -s -D h\x1b[2J \n", "utf-8")
    assert callable(main)
    for option in ("--Show-last", "--Show-last-cmd"):
        assert main([option]) == 0
        assert capsys.readouterr().out == (
            "[+] Last fwknop client command line: -A tcp/22 -s -D h\\x1b[2J \n"
        )


@pytest.mark.requirement("9.31")
@pytest.mark.parametrize("main", [fwknop.main, fwknop1.main])
def test_the_last_run_for_a_server_can_be_shown(
    main: object, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / HOSTS).write_text("-A tcp/22 -s -D h \nfwknop -D g \n", "utf-8")
    assert callable(main)
    assert main(["--Show-host-cmd", "h"]) == 0
    assert capsys.readouterr().out == "[+] Last command run for host: h\n    -A tcp/22 -s -D h\n"
    assert main(["--Show-host", "g"]) == 0
    assert capsys.readouterr().out == "[+] Last command run for host: g\n    fwknop -D g\n"
    assert main(["--Show-host", "i"]) == 1


# Several at once, and files that are in the way.


@pytest.mark.requirement("9.52", partial=True)
def test_clients_that_run_at_once_lose_no_line_and_leave_no_half_a_line(home: Path) -> None:
    program = (
        "import sys\n"
        "from watchword.programs.fwknop import main\n"
        "for each in range(5):\n"
        "    options = ['-A', 'tcp/22', '-s', '-T', '-D', f'host{sys.argv[1]}-{each}']\n"
        "    assert main([*options, '--key-rijndael', 'client-key-1']) == 0\n"
    )
    environment = {**os.environ, "HOME": str(home)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(number)],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        for number in range(4)
    ]  # fmt: skip
    for each in running:
        _, said = each.communicate(timeout=60)
        assert each.returncode == 0
        assert said == b""
    hosts = {client_last.server_of(line) for line in (home / HOSTS).read_text("utf-8").splitlines()}
    assert hosts == {f"host{number}-{each}" for number in range(4) for each in range(5)}
    [line] = (home / RUN).read_text("utf-8").splitlines()
    assert line.startswith("fwknop -A tcp/22 -s -T -D host")
    assert sorted(each.name for each in home.iterdir()) == [HOSTS, RUN, ".fwknoprc"]


def test_a_change_that_cannot_have_its_turn_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl  # noqa: PLC0415

    monkeypatch.setattr(turns, "PATIENCE", 0.05)
    held = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        with pytest.raises(HostError, match="cannot be written"):
            files.change_private(tmp_path / "f", lambda before: before + b"x", 100)
    finally:
        os.close(held)
    assert not (tmp_path / "f").exists()
    files.change_private(tmp_path / "f", lambda before: before + b"x", 100)
    assert (tmp_path / "f").read_bytes() == b"x"


@pytest.mark.parametrize("reason", [errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP])
def test_options_are_kept_on_a_network_file_system_that_locks_no_folder(
    reason: int, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl  # noqa: PLC0415

    def refuse(*_: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert fwknop.main(["-A", "tcp/22", "-s", "-T", "-D", "far", *KEYS]) == 0
    assert capsys.readouterr().err == ""
    assert "-D far" in (home / HOSTS).read_text("utf-8")


@pytest.mark.parametrize("name", [RUN, HOSTS])
@pytest.mark.parametrize("kind", ["folder", "fifo", "huge"])
def test_what_cannot_be_kept_is_said_and_the_packet_is_sent(
    kind: str, name: str, server: socket.socket, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / name
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.write_bytes(b"x" * (2 << 20))
        path.chmod(0o600)
    assert fwknop.main([*KNOCK, *KEYS, "-D", target(server)]) == 0
    assert opened(server.recv(2000))
    said = capsys.readouterr().err
    assert ("Could not save the options of this run: " in said) is (name == HOSTS or kind != "huge")


def test_options_are_kept_whatever_became_of_the_packet(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fwknop.main([*KNOCK, *KEYS, "-D", "no-such-host.invalid"]) == 1
    assert "packet not sent" in capsys.readouterr().err
    assert "-D no-such-host.invalid" in (home / RUN).read_text("utf-8")
    assert not (home / HOSTS).exists()


@pytest.mark.parametrize("file", ["", "/", "."])
@pytest.mark.parametrize("option", ["-l", "--show-last", "--Last-host=h", "--Show-host-cmd=h"])
def test_a_folder_is_no_file_of_kept_options(
    option: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fwknop.main([option, "-E", file]) == 1
    assert capsys.readouterr().err


@pytest.mark.parametrize("option", ["-l", "--show-last", "--Show-last-cmd"])
@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"", "Could not read line from file: "),
        (b"\n\n", "Could not read line from file: "),
        (b"x" * (2 << 20), "is larger than 1048576 bytes"),
        (None, "is not a regular file"),
    ],
)
def test_kept_lines_that_are_none_are_refused(
    octets: bytes | None, said: str, option: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if octets is None:
        os.mkfifo(home / RUN)
    else:
        (home / RUN).write_bytes(octets)
        (home / RUN).chmod(0o600)
    assert fwknop.main([option]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe\x00\x80 -A tcp/22\n",
        b"fwknop --rc-file \x00 -D h\n",
        b"fwknop -A tcp/22 -s -D \x00 --key-rijndael client-key-1\n",
        b"fwknop -G \x00 -A tcp/22 -s -D 127.0.0.1\n",
        b"--Home-dir \x00 -n x\n",
        b"fwknop -n \x1b[2J\n",
        b"fwknop 'unbalanced -D h\n",
        b"fwknop " + b"-v " * 20000 + b"\n",
    ],
)
def test_any_bytes_in_a_kept_line_end_in_a_plain_error(
    line: bytes, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (home / RUN).write_bytes(line)
    (home / RUN).chmod(0o600)
    assert fwknop.main(["-l"]) == 1
    said = capfd.readouterr().err
    assert said
    assert "\x1b" not in said
