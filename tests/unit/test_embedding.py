"""The page for those who embed the library: its programs run, given nothing but the wheel."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shutil
import socket
import subprocess
import sys
import time
import venv
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.bare import lend_cryptography
from tests.unit.client_scene import KEYS, KNOCK, opened
from watchword import spa

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "embedding.md").read_text("utf-8")
CLIENT, JUDGE, LOOK = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
CREDENTIAL = spa.Credential(
    spa.Secret(b"key of thirty-two bytes, no more"), mac_key=spa.Secret(b"MAC key")
)
NOW = 1_700_000_000.0


def sealed(**more: Any) -> bytes:
    ssh = spa.Service.parse("tcp/22")
    sending: dict[str, Any] = {"user": "alice", "now": NOW, "random": bytes} | more
    message = spa.access(spa.ANY_SOURCE, [ssh], **sending)
    return spa.seal(message, CREDENTIAL, salt=b"saltsalt")


def python_of(home: Path) -> Path:
    return home / "bin" / "python"


def offer_only_cryptography(home: Path, folder: Path) -> None:
    """Let an environment see ``cryptography`` and what it needs, and nothing else of ours."""
    lend_cryptography(folder)
    [packages] = home.glob("lib/python*/site-packages")
    (packages / "lent.pth").write_text(f"{folder}\n", "utf-8")


def wheel_of_this_tree(folder: Path) -> Path:
    """Build it without the network, from a copy, so that nothing is left in the tree."""
    for needed in ("setuptools", "pip"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"building a wheel without the network needs {needed} here")
    tree = folder / "tree"
    shutil.copytree(ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=tree, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter whose environment has the wheel and ``cryptography``, and nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    wheel = wheel_of_this_tree(folder)
    home = folder / "home"
    venv.create(home, with_pip=False, symlinks=True)
    offer_only_cryptography(home, folder / "lent")
    install = [sys.executable, "-m", "pip", "--python", str(python_of(home)), "install"]
    subprocess.run(
        [*install, "-q", "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True
    )
    return python_of(home)


def run(python: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """With no variable of ours, and nothing of the directory it runs in."""
    return subprocess.run(
        [python, "-I", *argv], capture_output=True, text=True, check=False, env={}, cwd="/"
    )


def test_the_bare_environment_has_the_wheel_and_no_more(bare_python: Path) -> None:
    found = run(bare_python, "-c", "import watchword; print(watchword.__file__)")
    assert Path(found.stdout.strip()).is_relative_to(bare_python.parents[1]), found.stderr
    for absent in ("pytest", "hypothesis", "setuptools", "pip"):
        missing = run(bare_python, "-c", f"import {absent}")
        assert f"No module named '{absent}'" in missing.stderr


@pytest.mark.requirement("4.1", "4.8", partial=True)
@pytest.mark.parametrize("server", ["127.0.0.1", "::1"])
def test_the_client_of_the_page_sends_a_packet_that_opens(
    bare_python: Path, tmp_path: Path, server: str
) -> None:
    (tmp_path / "knock.py").write_text(CLIENT, "utf-8")
    made = run(bare_python, str(bare_python.parent / "fwknop"), "--no-rc-file", "-k").stdout
    (tmp_path / "keys").write_text(made, "ascii")
    key, mac_key = (spa.Secret(b64decode(line.split()[1])) for line in made.splitlines())
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.bind((server, 0))
        receiver.settimeout(30)
        port = receiver.getsockname()[1]
        ran = run(
            bare_python, str(tmp_path / "knock.py"), str(tmp_path / "keys"), server, str(port)
        )
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
        payload = receiver.recv(2000)

    lock = spa.Lock(spa.Credential(key, mac_key=mac_key))
    message = spa.unseal(payload, lock).message
    assert (message.user, message.text) == ("alice", "0.0.0.0,tcp/22")
    assert abs(message.sent_at - time.time()) < 120


@pytest.mark.parametrize("program", ["fwknop", "watchword"])
def test_the_client_runs_where_there_is_nothing_but_the_wheel(
    bare_python: Path, tmp_path: Path, program: str
) -> None:
    """From keys to a packet: the commands that pip installed, in an empty home."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.create_server(("127.0.0.1", 0)) as service,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(30)
        port, hidden = str(receiver.getsockname()[1]), str(service.getsockname()[1])
        knock = [*KNOCK, *KEYS, "-D", "127.0.0.1", "-p", port, "-n", "home", "--save-rc-stanza"]
        again = ["-n", "home"]
        if program == "watchword":
            again = ["connect", "--check", "-n", "home", "-o", f"-A tcp/{hidden}"]
            again += ["127.0.0.1", hidden]
        for name, argv in (("fwknop", knock), (program, again)):
            ran = subprocess.run(
                [bare_python.parent / name, *argv], capture_output=True, text=True, check=False,
                env={"HOME": str(tmp_path)}, cwd="/",
            )  # fmt: skip
            assert ran.returncode == 0, ran.stderr
            assert opened(receiver.recv(2000)).text.startswith("192.0.2.10,tcp/")


def test_the_client_of_the_page_is_short() -> None:
    statements = [
        line for line in CLIENT.splitlines() if line and not line.startswith(('"""', " "))
    ]
    assert len(statements) <= 16


def judge_of_the_page() -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(JUDGE, "embedding.md", "exec"), names)  # noqa: S102  (the page is ours)
    return names


def test_the_receiver_of_the_page_takes_a_packet_once() -> None:
    judge, lock, payload = judge_of_the_page()["judge"], spa.Lock(CREDENTIAL), sealed()
    assert judge(payload, lock, NOW + 5).user == "alice"
    assert judge(payload, lock, NOW + 6) is None
    assert judge(sealed(random=lambda count: b"\1" * count), lock, NOW + 7).user == "alice"


def test_the_receiver_of_the_page_refuses_what_is_old_or_early_and_remembers_it() -> None:
    names, lock, payload = judge_of_the_page(), spa.Lock(CREDENTIAL), sealed()
    assert names["judge"](payload, lock, NOW + 121) is None
    assert names["judge"](payload, lock, NOW + 120) is None
    assert len(names["seen"]) == 2
    early = sealed(now=NOW + 121)
    assert names["judge"](early, lock, NOW) is None


@pytest.mark.parametrize(
    "payload", [b"", b"A" * 204, sealed()[:-1] + b"!", b"U2FsdGVkX1" + sealed(), sealed() + b"="]
)
def test_the_receiver_of_the_page_refuses_everything_else(payload: bytes) -> None:
    names = judge_of_the_page()
    assert names["judge"](payload, spa.Lock(CREDENTIAL), NOW) is None
    assert names["seen"] == set()


def test_the_receiver_of_the_page_can_have_a_lenient_lock() -> None:
    without_mac = replace(CREDENTIAL, mac_key=None)
    message = spa.unseal(sealed(), spa.Lock(CREDENTIAL)).message
    payload = spa.seal(message, without_mac, salt=b"saltsalt")
    assert payload[:1] == b"9"
    respelled = b"5" + payload[1:]  # another bit of the prefix that nobody compares
    judge, lock = judge_of_the_page()["judge"], spa.LenientLock(without_mac)
    assert judge(respelled, lock, NOW) == message
    assert judge(payload, lock, NOW) is None


def test_the_look_at_a_packet_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(LOOK, "embedding.md", "exec"), {})  # noqa: S102  (the page is ours)
    assert "message: 0.0.0.0,uptime" in capsys.readouterr().out


def test_everything_that_the_library_exports_says_what_it_is() -> None:
    exported = [getattr(spa, name) for name in spa.__all__]
    of_ours = [each for each in exported if inspect.isclass(each) or inspect.isfunction(each)]
    parts = [
        part
        for each in of_ours
        if inspect.isclass(each)
        for name, part in vars(each).items()
        if not name.startswith("_") and (inspect.isfunction(part) or isinstance(part, property))
    ]
    assert [each for each in (*of_ours, *parts) if not each.__doc__] == []


def test_every_name_on_the_page_is_in_the_library() -> None:
    named = set(re.findall(r"\bspa\.(\w+)", PAGE)) - {"py"}
    assert len(named) > 15
    assert named <= set(spa.__all__)
