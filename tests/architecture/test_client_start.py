"""What a plain knock loads. A knock is sent in a hurry: a new line here is a decision.

Imports are most of the time between Enter and the packet. What only some runs need
is imported by them, inside the function that needs it. ``make bench`` measures what
comes of it; the figures are in docs/benchmarks.md.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

STANDARD = {
    "binascii", "collections", "contextlib", "copyreg", "enum", "functools",
    "ipaddress", "itertools", "keyword", "math", "operator", "re", "reprlib", "struct", "types",
    "typing", "warnings",  # values, text and digests
    "os", "resource", "ctypes",
    "pwd", "select", "selectors", "array", "socket", "encodings",
    "__future__", "errno", "gc",
}  # fmt: skip
"""Of the standard library, beyond what every Python loads; private modules follow these."""
CRYPTOGRAPHY = {
    "", "__about__", "exceptions", "hazmat", "hazmat.bindings", "hazmat.bindings._rust",
    "hazmat.primitives", "hazmat.primitives._cipheralgorithm", "hazmat.primitives._modes",
    "hazmat.primitives.ciphers", "hazmat.primitives.hashes", "hazmat.primitives.hmac", "utils",
    "hazmat.decrepit",  # old ciphers, which the module of the ciphers loads by itself
}  # fmt: skip
OURS = {
    "", "errors", "record",
    "programs", "programs.fwknop",
    "service", "service.client", "service.client.command", "service.client.console",
    "service.client.files",
    "service.client.kept", "service.client.manner", "service.client.seal", "service.client.send",
    "edges", "edges.core_dumps", "edges.file_rights", "edges.files", "edges.login",
    "edges.portable",
    "edges.randomness", "edges.send", "edges.send.datagram", "edges.send.names",
    "edges.send.sent", "edges.send_file", "edges.streams",
    "dialects", "dialects.fwknop", "dialects.fwknop.client_keys", "dialects.fwknop.client_last",
    "dialects.fwknop.client_nat", "dialects.fwknop.client_notes",
    "dialects.fwknop.client_option_table", "dialects.fwknop.client_options",
    "dialects.fwknop.client_perl", "dialects.fwknop.client_request",
    "dialects.fwknop.client_routes", "dialects.fwknop.client_settings",
    "dialects.fwknop.client_values", "dialects.fwknop.client_verify",
    "dialects.fwknop.client_words",
    "dialects.fwknop.key_strength", "dialects.fwknop.rcfile", "dialects.fwknop.rcfile_read",
    "wire", "wire.spa", "wire.spa.base64text", "wire.spa.composing", "wire.spa.digests",
    "wire.spa.errors", "wire.spa.fields", "wire.spa.grammar", "wire.spa.lengths",
    "wire.spa.mac", "wire.spa.message", "wire.spa.rijndael", "wire.spa.sealing",
    "model", "model.addresses", "model.crypto", "model.routes",
    "model.services",
    "model.undisclosed",
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
import json, sys
before = set(sys.modules)
from watchword.programs.fwknop import main
sys.argv[1:] = {argv!r}
status = main()
print(json.dumps([status, sorted(set(sys.modules) - before)]))
"""


PORT_KNOCK = """
import json, sys
before = set(sys.modules)
from watchword.programs.knock import main
status = main(["-u", "127.0.0.1", "9"])
print(json.dumps([status, sorted(set(sys.modules) - before)]))
"""
OF_PORT_KNOCK = {
    "", "errors", "record", "programs", "programs.knock", "service", "service.knock",
    "service.knock.client", "dialects", "dialects.knockd", "dialects.knockd.client_options",
    "dialects.knockd.words", "edges", "edges.send", "edges.send.knocks", "edges.send.names",
    "edges.send.sent", "edges.streams", "model", "model.crypto", "model.routes",
    "model.undisclosed",
}  # fmt: skip


def loaded_by(program: str, home: Path) -> list[str]:
    """Names of the modules that are there after a program, and not in a bare interpreter."""
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": ""}
    said = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=True
    ).stdout
    status, names = json.loads(said)
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


def test_a_knock_loads_only_ciphers_and_hashes_of_cryptography(loaded: list[str]) -> None:
    found = {
        name
        for name in of("cryptography", loaded)
        if not name.startswith(("hazmat.primitives.ciphers.", "hazmat.decrepit."))
        and not name.startswith("hazmat.bindings._rust.")
    }
    assert found - CRYPTOGRAPHY == set()


def test_the_lists_name_nothing_that_is_not_loaded(loaded: list[str]) -> None:
    assert OURS - of("watchword", loaded) == set()


@pytest.mark.parametrize(
    "heavy",
    ["dataclasses", "inspect", "asyncio", "argparse", "ssl", "hashlib", "pathlib", "urllib"],
)
def test_what_would_cost_most_is_on_no_list(heavy: str) -> None:
    assert heavy not in STANDARD


def test_a_port_knock_loads_these_modules_and_nothing_of_cryptography(tmp_path: Path) -> None:
    names = loaded_by(PORT_KNOCK, tmp_path)
    assert of("watchword", names) == OF_PORT_KNOCK
    assert of("cryptography", names) == set()
    tops = {name.partition(".")[0] for name in names} - {"watchword"}
    assert {top for top in tops if not top.startswith("_")} - STANDARD <= {"getopt", "gettext"}
