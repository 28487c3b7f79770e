"""What a plain knock loads. A knock is sent in a hurry: a new line here is a decision.

Imports are most of the time between Enter and the packet. What only some runs need
is imported by them, inside the function that needs it. ``make bench`` measures what
comes of it; the figures are in docs/benchmarks.md.
"""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from watchword.wire.spa.libcrypto import encrypt_cbc

STANDARD = {
    "__future__", "collections", "enum", "functools", "itertools", "keyword",
    "operator", "reprlib", "types",  # what enumerations are made of
    "binascii", "ctypes", "hashlib", "struct",  # keys, digests, enciphering
    "errno", "gc", "pwd", "resource",
}  # fmt: skip
"""Of the standard library, beyond what every Python loads; private modules follow these."""
OURS = {
    "", "errors", "record",
    "programs", "programs.fwknop",
    "service", "service.client", "service.client.command", "service.client.console",
    "service.client.files",
    "service.client.kept", "service.client.manner", "service.client.seal", "service.client.send",
    "edges", "edges.core_dumps", "edges.file_rights", "edges.files", "edges.login",
    "edges.portable",
    "edges.randomness", "edges.send", "edges.send.datagram", "edges.send.names",
    "edges.send.sent", "edges.send.sockets", "edges.send_file", "edges.streams",
    "dialects", "dialects.fwknop", "dialects.fwknop.client_keys", "dialects.fwknop.client_last",
    "dialects.fwknop.client_nat", "dialects.fwknop.client_notes",
    "dialects.fwknop.client_option_table", "dialects.fwknop.client_options",
    "dialects.fwknop.client_perl", "dialects.fwknop.client_request",
    "dialects.fwknop.client_routes", "dialects.fwknop.client_settings",
    "dialects.fwknop.client_values", "dialects.fwknop.client_verify",
    "dialects.fwknop.client_words",
    "dialects.fwknop.key_strength", "dialects.fwknop.rcfile", "dialects.fwknop.rcfile_read",
    "wire", "wire.spa", "wire.spa.base64text", "wire.spa.checks", "wire.spa.composing",
    "wire.spa.digests", "wire.spa.errors", "wire.spa.lengths", "wire.spa.libcrypto",
    "wire.spa.mac", "wire.spa.message", "wire.spa.rijndael", "wire.spa.sealing",
    "model", "model.crypto", "model.routes", "model.undisclosed",
}  # fmt: skip
RC_FILE = """\
[home]
SPA_SERVER 127.0.0.1
SPA_SERVER_PORT {port}
ACCESS tcp/22
ALLOW_IP 192.0.2.1
KEY_BASE64 GFsBsyQpFFe3wOfTzTBdqNFlV+xX9dWmhqnpiKNjrlU=
HMAC_KEY_BASE64 dF4SNJQO46PZBLCoZQYX0Q9J69QBi0ZuHCALZxItUgnhREX21WgBo+S+KhWw4iI7
"""
PROBE = """
import sys
before = set(sys.modules)
from watchword.programs.fwknop import main
sys.argv[1:] = {argv!r}
status = main()
print([status, *sorted(set(sys.modules) - before)])
"""


PORT_KNOCK = """
import sys
before = set(sys.modules)
from watchword.programs.knock import main
status = main(["-u", "127.0.0.1", "9"])
print([status, *sorted(set(sys.modules) - before)])
"""
OF_PORT_KNOCK = {
    "", "errors", "record", "programs", "programs.knock", "service", "service.knock",
    "service.knock.client", "dialects", "dialects.knockd", "dialects.knockd.client_options",
    "dialects.knockd.words", "edges", "edges.send", "edges.send.knocks", "edges.send.names",
    "edges.send.sent", "edges.send.sockets", "edges.streams", "model", "model.routes",
}  # fmt: skip
WITH_PORT_KNOCK = {
    "getopt", "gettext", "typing", "re", "copyreg", "contextlib", "socket", "selectors", "select",
    "array", "math", "warnings",
}  # fmt: skip


def loaded_by(program: str, home: Path) -> list[str]:
    """Names of the modules that are there after a program, and not in a bare interpreter."""
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": ""}
    said = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=True
    ).stdout
    status, *names = ast.literal_eval(said.decode("ascii"))
    assert status == 0
    return [str(each) for each in names]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What one knock with a stanza loaded; it was sent."""
    home = tmp_path_factory.mktemp("home")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(30)
        (home / ".fwknoprc").write_text(RC_FILE.format(port=server.getsockname()[1]), "ascii")
        (home / ".fwknoprc").chmod(0o600)
        names = loaded_by(PROBE.format(argv=["-n", "home"]), home)
        assert len(server.recv(2000)) > 150
    return names


def of(package: str, names: list[str]) -> set[str]:
    """The modules of a package, by their names inside it."""
    return {
        name.partition(".")[2]
        for name in names
        if name == package or name.startswith(f"{package}.")
    }


def test_a_knock_loads_these_modules_of_ours_and_no_others(loaded: list[str]) -> None:
    assert of("watchword", loaded) - OURS == set()


def test_a_knock_loads_no_heavy_part_of_the_standard_library(loaded: list[str]) -> None:
    tops = {name.partition(".")[0] for name in loaded} - {"watchword", "cryptography"}
    assert {top for top in tops if not top.startswith("_")} - STANDARD == set()


def test_a_knock_loads_nothing_of_cryptography(loaded: list[str]) -> None:
    """Where this Python's OpenSSL can be reached, which ``libcrypto`` says."""
    if encrypt_cbc(bytes(32), bytes(16), bytes(16)) is None:
        pytest.skip("this Python's OpenSSL cannot be reached: cryptography is what seals here")
    assert of("cryptography", loaded) == set()


def test_the_lists_name_nothing_that_is_not_loaded(loaded: list[str]) -> None:
    assert OURS - of("watchword", loaded) == set()
    assert STANDARD - set(loaded) == set()


@pytest.mark.parametrize(
    "heavy",
    [
        "dataclasses",
        "inspect",
        "asyncio",
        "argparse",
        "ssl",
        "pathlib",
        "urllib",
        "typing",
        "re",
        "socket",
        "selectors",
        "ipaddress",
        "contextlib",
        "datetime",
        "locale",
        "signal",
        "logging",
        "json",
        "shlex",
        "threading",
    ],
)
def test_what_would_cost_most_is_on_no_list(heavy: str) -> None:
    assert heavy not in STANDARD


def test_a_port_knock_loads_these_modules_and_nothing_of_cryptography(tmp_path: Path) -> None:
    names = loaded_by(PORT_KNOCK, tmp_path)
    assert of("watchword", names) == OF_PORT_KNOCK
    assert of("cryptography", names) == set()
    tops = {name.partition(".")[0] for name in names} - {"watchword"}
    assert {top for top in tops if not top.startswith("_")} - STANDARD <= WITH_PORT_KNOCK
