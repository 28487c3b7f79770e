"""The client on Windows, macOS and Android, as far as a Linux machine can show it."""

from __future__ import annotations

import getpass
import os
import socket
import stat
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import elsewhere
from tests.unit.client_scene import KEYS, KNOCK, opened
from watchword.edges import files, portable, terminal_windows
from watchword.edges.prompt import InterruptedAskingError
from watchword.errors import OperatorError

SYSTEMS = ["win32", "darwin", "android"]
PROFILE = {"win32": "USERPROFILE", "darwin": "HOME", "android": "HOME"}
SRC = Path(__file__).parents[2] / "src"
MAIN = "from watchword.programs.fwknop import main\n"


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))
        channel.settimeout(60)
        yield channel


def run(
    system: str, program: str, home: Path, typed: str | None = None
) -> subprocess.CompletedProcess[str]:
    """A program on another system; its user's folder is ``home``."""
    return subprocess.run(
        [sys.executable, elsewhere.__file__, system, program],
        capture_output=True, text=True, check=False, cwd=home, input=typed, start_new_session=True,
        env={PROFILE[system]: str(home), "PATH": os.defpath, "PYTHONPATH": str(SRC)},
    )  # fmt: skip


def client_modules() -> Iterator[str]:
    """Everything that the client and the commands of watchword that knock can load."""
    rooms = ("service/client/*.py", "service/tool/*.py",
             "edges/send/*.py", "edges/whereabouts/*.py", "programs/fwknop.py",
             "programs/fwknop1.py", "programs/watchword.py")  # fmt: skip
    edges = ("files", "login", "portable", "prompt", "randomness", "send_file", "splice", "dial",
             "terminal_windows")  # fmt: skip
    for room in rooms:
        found = sorted((SRC / "watchword").glob(room))
        assert found, room
        for path in found:
            name = ".".join(path.relative_to(SRC).with_suffix("").parts)
            yield name.removesuffix(".__init__")
    yield from (f"watchword.edges.{name}" for name in edges)


def test_every_module_of_the_client_can_be_loaded(system: str, tmp_path: Path) -> None:
    program = "import importlib\n" + "".join(
        f"importlib.import_module({name!r})\n" for name in client_modules()
    )
    done = run(system, program, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.requirement("4.31", partial=True)
def test_keys_are_made_and_saved_and_a_knock_with_them_arrives(
    system: str, tmp_path: Path, server: socket.socket
) -> None:
    port = str(server.getsockname()[1])
    saved = [*KNOCK, "-D", "127.0.0.1", "-p", port, *KEYS, "-n", "home", "--save-rc-stanza"]
    for argv in (saved, ["-n", "home"], ["-l"]):
        done = run(system, f"{MAIN}raise SystemExit(main({argv}))", tmp_path)
        assert done.returncode == 0, done.stderr
        assert opened(server.recv(2000)).text == "192.0.2.10,tcp/22"
    for name in (".fwknoprc", ".fwknop.run", ".fwknop.hosts"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {name, ".fwknop.run", ".fwknoprc"}


def test_permissions_are_complained_about_where_they_mean_something(
    system: str, tmp_path: Path
) -> None:
    (tmp_path / ".fwknoprc").write_text("[one]\n", "ascii")
    (tmp_path / ".fwknoprc").chmod(0o644)
    done = run(system, f"{MAIN}raise SystemExit(main(['--stanza-list']))", tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == " - one"
    assert ("permissions" in done.stderr) == (system != "win32")


def test_a_file_with_the_line_ends_of_windows_is_read(
    system: str, tmp_path: Path, server: socket.socket
) -> None:
    port = server.getsockname()[1]
    lines = ["[home]", "SPA_SERVER 127.0.0.1", f"SPA_SERVER_PORT {port}", "ACCESS tcp/22",
             "ALLOW_IP 192.0.2.10", "KEY client-key-1", "HMAC_KEY client-hmac-1", ""]  # fmt: skip
    (tmp_path / ".fwknoprc").write_bytes("\r\n".join(lines).encode())
    (tmp_path / ".fwknoprc").chmod(0o600)
    done = run(system, f"{MAIN}raise SystemExit(main(['-n', 'home']))", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert opened(server.recv(2000)).text == "192.0.2.10,tcp/22"


@pytest.mark.parametrize("carrier", ["tcp", "http"])
def test_a_packet_goes_over_a_connection(system: str, tmp_path: Path, carrier: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        port = str(listener.getsockname()[1])
        argv = [*KNOCK, "-D", "127.0.0.1", "-p", port, *KEYS, "-P", carrier]
        argv += ["--no-save-args", "--no-rc-file"]
        program = f"{MAIN}raise SystemExit(main({argv}))"
        with subprocess.Popen(
            [sys.executable, elsewhere.__file__, system, program], stderr=subprocess.PIPE,
            env={PROFILE[system]: str(tmp_path), "PATH": os.defpath, "PYTHONPATH": str(SRC)},
        ) as client:  # fmt: skip
            connection, _ = listener.accept()
            connection.settimeout(60)
            with connection:
                said = connection.recv(4000)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" if carrier == "http" else b"")
            assert client.stderr is not None
            assert (client.wait(60), client.stderr.read()) == (0, b"")
    assert len(said) > 150
    assert (carrier == "http") == said.startswith(b"GET /")


def test_watchword_connect_knocks_and_joins_the_port(
    system: str, tmp_path: Path, server: socket.socket
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, knocked = listener.getsockname()[1], server.getsockname()[1]
        (tmp_path / ".fwknoprc").write_text(
            f"[home]\nSPA_SERVER 127.0.0.1\nSPA_SERVER_PORT {knocked}\nALLOW_IP 192.0.2.10\n"
            "KEY client-key-1\nHMAC_KEY client-hmac-1\n", "ascii",
        )  # fmt: skip
        (tmp_path / ".fwknoprc").chmod(0o600)
        argv = ["connect", "--check", "-n", "home", "127.0.0.1", str(port)]
        program = f"from watchword.programs.watchword import main\nraise SystemExit(main({argv}))"
        done = run(system, program, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert opened(server.recv(2000)).text == f"192.0.2.10,tcp/{port}"


@pytest.mark.parametrize("reason", ["nobody there", "Ctrl-C"])
def test_the_console_of_windows_is_asked_by_getpass(
    reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def answer(question: str) -> str:
        asked.append(question)
        return "clé"

    def fail(_question: str) -> str:
        raise KeyboardInterrupt if reason == "Ctrl-C" else EOFError

    monkeypatch.setattr(getpass, "getpass", answer)
    assert terminal_windows.ask("Key: ") == "clé".encode()
    assert asked == ["Key: "]
    monkeypatch.setattr(getpass, "getpass", fail)
    kind = InterruptedAskingError if reason == "Ctrl-C" else OperatorError
    with pytest.raises(kind):
        terminal_windows.ask("Key: ")


def test_a_key_is_never_asked_for_where_it_would_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def shows(_question: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        return "a key that stood on the screen"

    monkeypatch.setattr(getpass, "getpass", shows)
    with pytest.raises(OperatorError) as refused:
        terminal_windows.ask("Key: ")
    assert "--stdin" in refused.value.complaints[0].hint


def test_a_knock_from_windows_with_no_console_says_how_to_give_the_key(tmp_path: Path) -> None:
    argv = [*KNOCK, "-D", "127.0.0.1", "--no-save-args", "--no-rc-file"]
    done = run("win32", f"{MAIN}raise SystemExit(main({argv}))", tmp_path, typed="")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("fwknop: hint: there is no console to ask on")


def test_gpg_on_windows_is_refused_in_words(tmp_path: Path) -> None:
    argv = [*KNOCK, "-D", "127.0.0.1", "-g", "--gpg-recipient-key", "ABCD1234",
            "--gpg-exe", sys.executable, "--no-save-args"]  # fmt: skip
    done = run("win32", f"{MAIN}raise SystemExit(main({argv}))", tmp_path, typed="")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "other programs are not run on this kind of system" in done.stderr


def test_a_name_is_given_once_where_hard_links_are_forbidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "link", forbidden)
    assert files.create_private(tmp_path / "rc", b"first")
    assert not files.create_private(tmp_path / "rc", b"second")
    assert (tmp_path / "rc").read_bytes() == b"first"
    assert stat.S_IMODE((tmp_path / "rc").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["rc"]


def test_bytes_are_written_as_they_are_where_text_is_something_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "O_BINARY", 0x8000, raising=False)
    assert portable.flags("RDONLY") == os.O_RDONLY | 0x8000
    assert portable.flags("WRONLY", "NO_SUCH_FLAG") == os.O_WRONLY | 0x8000
