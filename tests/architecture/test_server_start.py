"""What fwknopd loads to look at a PID file, which monitors do all day, and does not load to serve.

A new line here is a decision. What only some commands need is imported by them, inside the
function that needs it; CONTRIBUTING.md says how.
"""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

OURS = {
    "", "errors", "record", "programs", "programs.fwknopd",
    "service", "service.complain", "service.daemon", "service.daemon.named_paths",
    "service.daemon.own_files",
    "service.daemon.process", "service.daemon.server", "service.daemon.server_commands",
    "edges", "edges.core_dumps", "edges.files", "edges.portable", "edges.streams", "edges.users",
    "dialects", "dialects.fwknop", "dialects.fwknop.firewall_backends",
    "dialects.fwknop.fwknopd_conf", "dialects.fwknop.fwknopd_conf_perl",
    "dialects.fwknop.fwknopd_conf_table", "dialects.fwknop.fwknopd_conf_verify",
    "dialects.fwknop.lines", "dialects.fwknop.server_complaints",
    "dialects.fwknop.server_files", "dialects.fwknop.server_options",
    "dialects.fwknop.server_perl_options", "dialects.fwknop.server_places",
    "dialects.fwknop.server_values", "dialects.fwknop.suggest",
}  # fmt: skip
HEAVY = {
    "asyncio", "concurrent", "cryptography", "dataclasses", "email", "hashlib", "inspect", "json",
    "logging", "shutil", "socket", "sqlite3", "ssl", "subprocess", "threading",
}  # fmt: skip
PROBE = """
import sys
before = set(sys.modules)
from watchword.programs.fwknopd import main
status = main({argv!r})
print()
print([status, *sorted(set(sys.modules) - before)])
"""

BACKENDS = {f"edges.firewall.{each}.backend" for each in ("nft", "tables", "ipset", "dated")} | {
    "edges.firewall.firewalld.assembling"
}
CHOICE = """
import sys
from watchword.dialects.fwknop import server_options, translate
from watchword.dialects.fwknop.server_files import Sources
from watchword.edges.clock import SystemClock
from watchword.service.daemon import assembly, serving
told = Sources.of({{"/c": "FIREWALL_BACKEND {backend}\\n", "/a": ""}})
options = server_options.parse(["-c", "/c", "-a", "/a"])
assembly.firewall_for(translate.settings_only(told, options), SystemClock())
print([0, *sorted(sys.modules)])
"""
NOT_TO_SERVE = {"email", "smtplib", "platform", "urllib.request", "http"}
OURS_NOT_TO_SERVE = {
    "conformance", "simulation", "lab", "service.tool", "service.client", "service.doctor",
    "service.daemon.server_questions", "service.daemon.listing", "dialects.knockd.conf",
}  # fmt: skip

BY_THE_HAND_ONLY = {
    # to read the configuration
    "dialects.fwknop.suggest", "dialects.fwknop.translate_doors", "service.daemon.own_files",
    # to act
    "service.daemon.assembly", "edges.mail", "edges.capture.libpcap",
    # commands, clients: no server's business
    "service.daemon.server_commands", "edges.files", "wire.spa.rijndael",
}  # fmt: skip
"""Modules that import something when they work, which the gate never has them do."""


def loaded_by(*argv: str) -> tuple[int, set[str]]:
    """Exit status of fwknopd, and the names of the modules that it loaded."""
    program = PROBE.format(argv=list(argv))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    status, *names = ast.literal_eval(done.stdout.decode("ascii").splitlines()[-1])
    return status, set(names)


def loaded_to_serve_with(backend: str) -> set[str]:
    """The names of all modules of a server, up to where its firewall would be touched."""
    program = CHOICE.format(backend=backend)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return set(ast.literal_eval(done.stdout.decode("ascii"))[1:])


def of_ours(names: set[str]) -> set[str]:
    return {each.partition(".")[2] for each in names if each.split(".")[0] == "watchword"}


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Options that name files of a daemon that does not run."""
    config = tmp_path / "fwknopd.conf"
    config.write_text(f"FWKNOP_RUN_DIR {tmp_path / 'run'}\n", "ascii")
    return ["-c", str(config), "-a", str(tmp_path / "none")]


@pytest.mark.parametrize(
    ("option", "status"), [("-S", 1), ("-K", 1), ("-R", 1), ("-V", 0), ("--help", 0)]
)
def test_looking_for_a_daemon_loads_nothing_of_it(
    option: str, status: int, files: list[str]
) -> None:
    ended, names = loaded_by(*files, option)
    assert ended == status
    assert of_ours(names) == OURS
    assert {each.split(".")[0] for each in names} & HEAVY == set()


@pytest.mark.parametrize(
    ("backend", "module"),
    [
        ("memory", ""),
        ("nftables", "nft.backend"),
        ("iptables", "tables.backend"),
        ("ipset", "ipset.backend"),
        ("ipfw", "dated.backend"),
        ("firewalld", "firewalld.assembling"),
    ],
)
def test_of_the_firewalls_the_one_that_is_configured_is_loaded(backend: str, module: str) -> None:
    loaded = of_ours(loaded_to_serve_with(backend))
    assert loaded & BACKENDS == ({f"edges.firewall.{module}"} if module else set())


def test_serving_loads_nothing_that_prints_or_that_few_configurations_have() -> None:
    names = loaded_to_serve_with("nftables")
    assert names & NOT_TO_SERVE == set()
    assert of_ours(names) & OURS_NOT_TO_SERVE == set()


def late_imports(module: str) -> set[str]:
    """What functions of a module import, by the names of modules."""
    source = Path(str(importlib.import_module(module).__file__)).read_text("utf-8")
    functions = [each for each in ast.walk(ast.parse(source)) if isinstance(each, ast.FunctionDef)]
    found: set[str] = set()
    for node in (node for each in functions for node in ast.walk(each)):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{each.name}" for each in node.names}
            found |= {each for each in inside if importable(each)} or {node.module}
    return found


def importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def test_all_that_the_gate_imports_late_is_loaded_before_it_is_confined() -> None:
    """Where its modules lie it may not be able to read. The decrypting of packets was such."""
    names = loaded_to_serve_with("memory")
    late = {each: late_imports(f"watchword.{each}") - names for each in of_ours(names) if each}
    assert {each for each, missing in late.items() if missing} == BY_THE_HAND_ONLY
