"""The client in one file: it knocks, and in front of it stands a launcher for Windows."""

from __future__ import annotations

import io
import runpy
import socket
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bare import lend_cryptography
from tests.unit.client_scene import KEYS, KNOCK, opened
from tools import zipapp
from watchword.wire.spa import libcrypto

MACHINES = {"amd64": 0x8664, "arm64": 0xAA64, "x86": 0x14C}
CONSOLE = 3


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with fwknop.pyz, the same as fwknop1.pyz, fwknop.exe, and what it may import."""
    folder = tmp_path_factory.mktemp("built")
    assert zipapp.main([str(folder)]) == 0
    try:
        assert zipapp.main(["--exe", "amd64", str(folder)]) == 0
    except zipapp.NoLauncherError as error:
        pytest.skip(str(error))
    (folder / "fwknop1.pyz").symlink_to("fwknop.pyz")
    lend_cryptography(folder / "lent")
    return folder


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))
        channel.settimeout(30)
        yield channel


def run(file: Path, home: Path, *argv: str, lent: bool = True) -> subprocess.CompletedProcess[str]:
    """With no package but ``cryptography``, and without site-packages."""
    path = str(file.parent / "lent") if lent else ""
    return subprocess.run(
        [sys.executable, "-S", file, *argv], capture_output=True, text=True, check=False, cwd="/",
        env={"HOME": str(home), "PYTHONPATH": path},
    )  # fmt: skip


@pytest.mark.requirement("4.30")
@pytest.mark.parametrize("name", ["fwknop.pyz", "fwknop.exe"])
def test_the_file_makes_a_stanza_and_knocks_with_it(
    built: Path, tmp_path: Path, server: socket.socket, name: str
) -> None:
    port = str(server.getsockname()[1])
    saved = [*KNOCK, *KEYS, "-D", "127.0.0.1", "-p", port, "-n", "home", "--save-rc-stanza"]
    for argv in (saved, ["-n", "home", "-T", "-v"], ["-n", "home"], ["--help"], ["-k"]):
        done = run(built / name, tmp_path, *argv)
        assert done.returncode == 0, done.stderr
    for _ in range(2):
        assert opened(server.recv(2000)).text == "192.0.2.10,tcp/22"
    assert done.stdout.startswith("KEY_BASE64: ")


def test_the_file_starts_by_itself_where_files_can(built: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [built / "fwknop.pyz", "--version"], capture_output=True, text=True, check=False,
        env={"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
    )  # fmt: skip
    assert (done.returncode, done.stdout[:14]) == (0, "fwknop client ")


def test_under_the_name_of_fwknop1_the_file_is_that(built: Path, tmp_path: Path) -> None:
    assert run(built / "fwknop1.pyz", tmp_path, "--help").stdout.startswith("fwknop1 client ")
    assert run(built / "fwknop.pyz", tmp_path, "--help").stdout.startswith("fwknop client ")


def test_without_cryptography_it_says_what_to_install(built: Path, tmp_path: Path) -> None:
    only_there = ("-M", "CTR")
    knock = (*KNOCK, *KEYS, "-D", "127.0.0.1", *only_there)
    done = run(built / "fwknop.pyz", tmp_path, *knock, lent=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "fwknop: error: this needs the package cryptography, which is not there",
        "fwknop: hint: python -m pip install cryptography",
    ]


def test_a_plain_packet_needs_nothing_but_a_python_with_openssl(
    built: Path, tmp_path: Path, server: socket.socket
) -> None:
    if libcrypto.encrypt_cbc(bytes(32), bytes(16), bytes(16)) is None:
        pytest.skip("this Python has an OpenSSL that cannot be called")
    knock = (*KNOCK, *KEYS, "-D", "127.0.0.1", "-p", str(server.getsockname()[1]))
    done = run(built / "fwknop.pyz", tmp_path, *knock, lent=False)
    assert done.returncode == 0, done.stderr
    assert opened(server.recv(2000)).text == "192.0.2.10,tcp/22"


def test_an_older_python_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "main.py").write_text(zipapp.MAIN, "utf-8")
    monkeypatch.setattr(sys, "version_info", (3, 10, 12))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(tmp_path / "main.py"))
    assert "needs Python 3.11 or later" in str(ended.value)


def test_what_is_inside_is_the_client_and_not_the_server(built: Path) -> None:
    with zipfile.ZipFile(built / "fwknop.pyz") as file:
        names = set(file.namelist())
        assert file.testzip() is None
    assert {"__main__.py", "LICENSE", "LAUNCHER.txt", "watchword/service/client/send.py"} <= names
    assert not [name for name in names if "/daemon/" in name or "firewall" in name]
    assert not [name for name in names if name.startswith(("watchword/lab", "watchword/grant"))]


def test_the_same_source_gives_the_same_bytes(built: Path) -> None:
    assert zipapp.application() == (built / "fwknop.pyz").read_bytes()


@pytest.mark.requirement("4.30")
@pytest.mark.parametrize("machine", MACHINES)
def test_the_launcher_is_a_program_for_the_console_of_windows(machine: str) -> None:
    """Field by field, as the format of portable executables has them."""
    whole = zipapp.program(machine)
    stub = zipapp.launcher(machine)
    assert whole.startswith(stub)
    assert 90_000 < len(stub) < 200_000
    assert whole[:2] == b"MZ"
    (header,) = struct.unpack_from("<I", whole, 0x3C)
    assert whole[header : header + 4] == b"PE\0\0"
    kind, sections, _, _, _, optional, traits = struct.unpack_from("<HHIIIHH", whole, header + 4)
    assert kind == MACHINES[machine]
    assert traits & 0x0002, "it is an executable image"
    assert not traits & 0x2000, "it is no library"
    start = header + 24
    wide = machine != "x86"
    (magic,) = struct.unpack_from("<H", whole, start)
    assert magic == (0x20B if wide else 0x10B)
    (entry,) = struct.unpack_from("<I", whole, start + 16)
    (subsystem,) = struct.unpack_from("<H", whole, start + 68)
    assert subsystem == CONSOLE
    assert optional == (240 if wide else 224)
    found = {}
    for number in range(sections):
        at = start + optional + 40 * number
        name, size, address, raw, offset = struct.unpack_from("<8sIIII", whole, at)
        assert offset + raw <= len(stub), "every section lies in the stub, before what we add"
        found[name.rstrip(b"\0").decode("ascii")] = (address, size)
    assert {".text", ".rdata", ".data", ".rsrc"} <= found.keys()
    begins, size = found[".text"]
    assert begins <= entry < begins + size


def test_behind_the_launcher_stand_the_line_that_it_reads_and_the_archive() -> None:
    whole, stub = zipapp.program(), zipapp.launcher()
    line, _, rest = whole[len(stub) :].partition(b"\n")
    assert line == b"#!/usr/bin/env python.exe\r"
    assert rest == zipapp.archive()
    assert zipfile.ZipFile(io.BytesIO(whole)).testzip() is None


def test_without_a_launcher_the_tool_says_where_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(zipapp.STUBS, "amd64", "no such stub.exe")
    assert zipapp.main(["--exe", "amd64", str(tmp_path)]) == 1
    assert "hint: pip install distlib" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
