"""The commands as processes: streams, the process list, hostile surroundings."""

from __future__ import annotations

import io
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.terminals import Terminal
from tests.unit.client_scene import KNOCK, opened
from watchword.edges import streams
from watchword.service.tool import command as tool

BIN = Path(sys.executable).parent
KEY, MAC_KEY = "a key that is long enough".replace(" ", "-"), "another-that-is-long-too"
SECRET = "process-list-key"
MAC = "process-list-mac"
LONG = "a" * 120_000


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))
        channel.settimeout(60)
        yield channel


@pytest.fixture
def home(tmp_path: Path, server: socket.socket) -> Path:
    lines = ("[home]", "SPA_SERVER 127.0.0.1", f"SPA_SERVER_PORT {server.getsockname()[1]}",
             "ACCESS tcp/22", "ALLOW_IP 192.0.2.10", f"KEY {KEY}",
             f"HMAC_KEY {MAC_KEY}", "NO_SAVE_ARGS Y", "")  # fmt: skip
    (tmp_path / ".fwknoprc").write_text("\n".join(lines), "ascii")
    (tmp_path / ".fwknoprc").chmod(0o600)
    return tmp_path


def shell(home: Path, line: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A line of sh, with our commands first in the PATH."""
    environment = {"HOME": str(home), "PATH": f"{BIN}:{os.defpath}", **more}
    return subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, check=False, timeout=120,
        env=environment, errors="replace",
    )  # fmt: skip


def heard(server: socket.socket) -> str:
    """What the packet asked for."""
    return opened(server.recv(2000), KEY.encode(), MAC_KEY.encode()).text


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_knock_does_not_need_the_standard_streams(
    home: Path, server: socket.socket, closed: str
) -> None:
    done = shell(home, f"fwknop -n home -v {closed}")
    assert (done.returncode, done.stderr) == (0, "")
    assert heard(server) == "192.0.2.10,tcp/22"


@pytest.mark.parametrize("command", ["fwknop -k", "watchword completion bash", "fwknop --help"])
def test_a_closed_output_is_no_error(home: Path, command: str) -> None:
    done = shell(home, f"{command} >&-")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "command",
    [
        "fwknop -k",
        "watchword completion bash",
        "fwknop --help",
        "fwknopd --key-gen",
        "knockd --help",
        "knoptm --help",
        "knopwatchd --help",
    ],
)
def test_output_that_cannot_be_written_is_a_plain_error(
    home: Path, command: str, unbuffered: str
) -> None:
    done = shell(home, f"{command} >/dev/full", PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.endswith("standard output cannot be written: No space left on device")


@pytest.mark.parametrize("command", ["watchword completion bash", "fwknopd --help", "knockd -V"])
def test_a_reader_that_has_gone_ends_the_command_without_a_word(home: Path, command: str) -> None:
    done = shell(home, f"{{ {command}; echo $? >&2; }} | true", PYTHONUNBUFFERED="1")
    assert done.stderr in ("0\n", "1\n")


def test_a_descriptor_that_was_closed_is_not_taken_by_the_socket(home: Path) -> None:
    """What is said afterwards would go to the server."""
    program = (
        "import os, socket, sys; from watchword.edges import streams; streams.open_closed(); "
        "assert socket.socket().fileno() > 2; print('said'); os.fstat(1)"
    )
    done = shell(home, f"{shlex.quote(sys.executable)} -c {program!r} <&- >&- 2>&-")
    assert done.returncode == 0


def arguments_of(process: int) -> bytes:
    return Path(f"/proc/{process}/cmdline").read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process do it")
@pytest.mark.parametrize(
    "keys",
    [
        ["--key-rijndael", SECRET, "--use-hmac"],
        [f"--key-rijndael={SECRET}", "--use-hmac"],
        ["--key-rij", SECRET, "--use-hmac"],
        ["--key-hmac", SECRET],
        ["--key-rijndael", SECRET, "--use-hmac", "-P", "http", "-H", f"http://u:{MAC}@127.0.0.1"],
    ],
)
def test_a_key_on_the_command_line_is_taken_out_of_the_process_list(
    tmp_path: Path, keys: list[str]
) -> None:
    argv = [
        str(BIN / "fwknop"),
        *KNOCK,
        "-D",
        "127.0.0.1",
        "--no-rc-file",
        "--no-save-args",
        "--stdin",
    ]
    with subprocess.Popen(
        [*argv, *keys], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={"HOME": str(tmp_path), "PATH": os.defpath},
    ) as client:  # fmt: skip
        limit = time.monotonic() + 60  # it waits for the other key
        while b"**" not in arguments_of(client.pid) and time.monotonic() < limit:
            time.sleep(0.01)
        shown = arguments_of(client.pid)
        client.kill()
    assert SECRET.encode() not in shown
    assert MAC.encode() not in shown
    assert b"--no-rc-file" in shown
    assert shown.count(b"*") >= len(SECRET)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process do it")
@pytest.mark.parametrize("keys", [[f"--key-rijndael={SECRET}"], ["--key-rijndael", SECRET]])
def test_a_key_that_is_all_there_is_on_the_command_line_is_taken_out_too(
    tmp_path: Path, keys: list[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        lines = ("[default]", f"SPA_SERVER 127.0.0.1:{mute.getsockname()[1]}", "ACCESS tcp/22",
                 "ALLOW_IP 192.0.2.10", "SPA_SERVER_PROTO https", "")  # fmt: skip
        (tmp_path / ".fwknoprc").write_text("\n".join(lines), "ascii")
        with subprocess.Popen(
            [str(BIN / "fwknop"), *keys], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={"HOME": str(tmp_path), "PATH": os.defpath},
        ) as client:  # fmt: skip
            mute.settimeout(60)
            mute.accept()  # it has got so far, and waits
            shown = arguments_of(client.pid)
            client.kill()
    assert SECRET.encode() not in shown
    assert b"*" * len(SECRET) in shown


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process do it")
def test_options_of_a_knock_that_hold_a_key_are_taken_out_as_a_whole(
    home: Path, server: socket.socket
) -> None:
    """The port never answers, so the command is there to be looked at."""
    options = ["-o", f"--key-rijndael '{KEY}' -v", "-o", "-f 60"]
    argv = [str(BIN / "watchword"), "connect", "-n", "home", *options, "127.0.0.1", "22"]
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        subprocess.Popen(
            [*argv, "--to", "127.0.0.9", "--timeout", "60"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={"HOME": str(home), "PATH": os.defpath},
        ) as client,
    ):  # fmt: skip
        assert mute
        assert heard(server) == "192.0.2.10,tcp/22"
        shown = arguments_of(client.pid).split(b"\0")
        client.kill()
    assert shown[5:9] == [b"-o", b"*" * len(options[1]), b"-o", b"-f 60"]


def test_what_is_imported_is_taken_out_and_plain_options_are_not() -> None:
    class Given:
        uri = "spa:with-keys"
        options = ("-f 60", "--key-hmac=secret", "an open ' quote --key-hmac x")

    assert list(tool._with_keys(Given())) == ["spa:with-keys", "--key-hmac=secret"]  # type: ignore[arg-type]


def test_whoever_types_a_key_into_the_command_line_is_told_on_the_terminal(
    tmp_path: Path, server: socket.socket
) -> None:
    keys = ["--key-rijndael", KEY, "--key-hmac", MAC_KEY, "--no-rc-file", "--no-save-args"]
    argv = ["fwknop", *KNOCK, *keys, "-D", "127.0.0.1", "-p", str(server.getsockname()[1])]
    environment = {"HOME": str(tmp_path), "PATH": f"{BIN}:{os.defpath}"}
    with Terminal(argv, environment, tmp_path) as terminal:
        said = terminal.type("", "--stdin or --fd")
        assert "WARNING: a key on the command line can be seen by other users." in said
        assert heard(server) == "192.0.2.10,tcp/22"
    done = shell(tmp_path, " ".join(argv))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "scripts see no change"


@pytest.mark.parametrize(
    "argv",
    [
        f"-n {LONG}", f"--{LONG}", f"--rc-file {LONG} -n home", f"-D {LONG}.{LONG[:9]} {LONG[:9]}",
        f"-n home -D {LONG}", f"-n home -A {LONG}", f"-n home -a {LONG}", f"-n home -p {LONG}",
        f"-n home -C {LONG}", f"-n home -m {LONG}", f"-n home -P {LONG}",
    ],
    ids=lambda argv: argv[:12].partition("aaa")[0],
)  # fmt: skip
def test_an_argument_that_is_too_long_is_refused_in_a_few_words(
    home: Path, server: socket.socket, argv: str
) -> None:
    done = shell(home, f"fwknop {argv}")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert 0 < len(done.stderr) < 8000
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(2000)


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "no_SUCH.locale"},
        {"LANG": "C"},
        {"PYTHONIOENCODING": "ascii"},
        {"COLUMNS": "1", "LINES": "1"},
        {"COLUMNS": "wide", "TERM": "no-such-terminal"},
    ],
    ids=" ".join,
)
def test_a_broken_locale_or_terminal_is_no_hindrance(
    home: Path, server: socket.socket, locale: dict[str, str]
) -> None:
    for line in ("fwknop -n home -v", "fwknop --help", "watchword --help", "fwknop --stanza-list"):
        done = shell(home, line, **locale)
        assert (done.returncode, done.stderr) == (0, ""), line
    assert heard(server) == "192.0.2.10,tcp/22"
    done = shell(home, "fwknop -n münchen", **locale)
    assert done.returncode == 1
    assert done.stderr.startswith("Named configuration stanza: [m")
    assert "Traceback" not in done.stderr


class Screen(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("terminal", "variables", "coloured"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
        (False, {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour_is_for_terminals_and_never_against_no_color(
    terminal: bool, variables: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert streams.colours(Screen(terminal=terminal)) == coloured


def test_nothing_else_decides_about_colour() -> None:
    """Whoever writes a colour asks ``streams.colours``, or is told."""
    source = Path(streams.__file__).parents[1]
    asking = [
        path.name
        for path in source.rglob("*.py")
        if "NO_COLOR" in path.read_text("utf-8") and path.name != "streams.py"
    ]
    assert asking == []


def test_an_error_that_is_not_one_of_output_is_let_through() -> None:
    assert streams.output_lost(FileNotFoundError(2, "No such file", "name")) is None
    assert streams.output_lost(OSError(28, "No space left on device", "a file")) is None
    assert streams.output_lost(ConnectionResetError(104, "reset")) is None
