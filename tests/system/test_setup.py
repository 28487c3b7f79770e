"""tools/setup.sh: installs what is missing and nothing else, says so, starts no service.

Each test runs it in a copy of the project, in a mount namespace whose /usr/sbin
is a copy without fwknopd, with stand-ins for apt-get and its kin in front of
PATH. Nothing of this machine is changed.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.system,
    pytest.mark.peer("nmap", "sshd", "fwknop", "tcpdump", "conntrack"),
]
ROOT = Path(__file__).parents[2]

APT_GET = """\
echo "apt-get $*" >>"$CALLS"
case "$*" in *update*) exit "${UPDATE:-0}" ;; esac
sh /usr/sbin/policy-rc.d >/dev/null; echo "may start: $?" >>"$CALLS"
touch "$CALLS.installed"
"""
DPKG_QUERY = """\
echo 'ii  bash'
if [ -e "$CALLS.installed" ]; then echo 'ii  fwknop-server'; fi
"""
DPKG = """\
echo /etc/init.d/fwknop-server
echo /usr/lib/systemd/system/fwknop-server.service
echo /usr/share/doc/fwknop-server
"""
PYTHON = """\
case "$*" in *pip*) echo "pip for ${*##* }" >>"$CALLS"; exit "${PIP:-0}" ;; esac
"""
ID = """\
echo "${USER_NUMBER:-0}"
"""
RECORD = """\
echo "${0##*/} $*" >>"$CALLS"
"""
WORLD = """\
set -e
mount -t tmpfs tmpfs "$1"
cp -a /usr/sbin "$1/sbin"
rm -f "$1/sbin/fwknopd" "$1/sbin/policy-rc.d"
if [ -n "$POLICY" ]; then echo "$POLICY" >"$1/sbin/policy-rc.d"; fi
mount --bind "$1/sbin" /usr/sbin
shift
"$@" || echo "status $?"
if [ -e /usr/sbin/policy-rc.d ]; then echo "policy: $(cat /usr/sbin/policy-rc.d)"; fi
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A copy of the project, and a machine for it that has everything but fwknopd."""

    folder: Path

    @property
    def project(self) -> Path:
        return self.folder / "a place"

    def calls(self) -> list[str]:
        """What the stand-ins were asked for since the last time."""
        record = self.folder / "calls"
        text = record.read_text("utf-8") if record.exists() else ""
        record.unlink(missing_ok=True)
        return text.splitlines()

    def setup(self, target: str, *prefix: str, **environment: str) -> str:
        """Run it; what it printed, on either stream, and its status if that is not 0."""
        path = f"{self.folder / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        command = [*prefix, "sh", "tools/setup.sh", target]
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", WORLD, "sh", str(self.folder / "world"), *command],
            cwd=self.project,
            env={"PATH": path, "CALLS": str(self.folder / "calls"), "POLICY": "", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
        return done.stdout


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}", "utf-8")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    (tmp_path / "world").mkdir()
    (machine.project / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", machine.project)
    shutil.copy(ROOT / "tools" / "setup.sh", machine.project / "tools")
    program(machine.project / ".venv/bin/python", PYTHON)
    stand_ins = {"apt-get": APT_GET, "dpkg-query": DPKG_QUERY, "dpkg": DPKG, "id": ID}
    for name, text in {**stand_ins, "systemctl": RECORD, "update-rc.d": RECORD}.items():
        program(tmp_path / "bin" / name, text)
    return machine


APT = "apt-get -qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3"


def test_a_missing_program_is_installed_and_its_service_neither_started_nor_enabled(
    machine: Machine,
) -> None:
    said = machine.setup("test")
    assert said == (
        "setup: installing the Debian packages fwknop-server\n"
        "setup: (no service that comes with them is started or enabled)\n"
        "setup: installing .[dev] into .venv\n"
    )
    assert machine.calls() == [
        f"{APT} update",
        f"{APT} install -y --no-install-recommends fwknop-server",
        "may start: 101",
        "update-rc.d fwknop-server disable",
        "systemctl disable fwknop-server.service",
        "pip for .[dev]",
    ]


def test_a_policy_that_was_there_before_stays_as_it_was(machine: Machine) -> None:
    assert machine.setup("test", POLICY="exit 104").endswith("policy: exit 104\n")
    assert "may start: 104" in machine.calls()


def test_the_policy_goes_also_when_the_installation_fails(machine: Machine) -> None:
    said = machine.setup("test", UPDATE="100")
    assert said.endswith("setup: error: apt-get update failed; is there a network?\nstatus 1\n")


def test_the_demo_does_not_install_what_only_tests_need(machine: Machine) -> None:
    assert machine.setup("demo") == "setup: installing . into .venv\n"
    assert machine.calls() == ["pip for ."]


def test_a_second_run_does_nothing_and_needs_no_network(machine: Machine) -> None:
    machine.setup("check")
    machine.calls()
    for target in ("check", "demo"):
        assert machine.setup(target, "unshare", "--net") == ""
    assert machine.calls() == []


def test_an_environment_for_use_is_no_environment_for_work(machine: Machine) -> None:
    machine.setup("demo")
    machine.setup("check")
    assert machine.calls() == ["pip for .", "pip for .[dev]"]


@pytest.mark.parametrize("changed", ["pyproject.toml", "tools/setup.sh"])
def test_a_change_of_what_is_needed_is_taken_up(machine: Machine, changed: str) -> None:
    machine.setup("check")
    with (machine.project / changed).open("a") as file:
        file.write("\n# more\n")
    machine.setup("check")
    assert machine.calls() == ["pip for .[dev]"] * 2


def test_an_environment_that_failed_is_made_again(machine: Machine) -> None:
    assert "pip could not install .[dev]; is there a network?" in machine.setup("check", PIP="1")
    machine.setup("check")
    assert machine.calls() == ["pip for .[dev]"] * 2


def test_without_root_tests_go_on_and_say_what_they_miss(machine: Machine) -> None:
    machine.setup("check")
    machine.calls()
    said = machine.setup("test", USER_NUMBER="65534")
    assert said == "setup: not installed: fwknop-server; tests that need them are skipped\n"
    assert machine.calls() == []


def test_fuzzing_needs_the_library_of_fwknop_and_its_own_tool(machine: Machine) -> None:
    machine.setup("check")
    machine.calls()
    said = machine.setup("fuzz")
    assert said.startswith("setup: installing the Debian packages fwknop-server\n")
    assert said.endswith("setup: installing .[fuzz] into .venv\n")
    assert machine.calls()[-1] == "pip for .[fuzz]"
    assert "setup: installing .[" not in machine.setup("fuzz")


def test_fuzzing_goes_on_where_its_tool_cannot_be_had(machine: Machine) -> None:
    machine.setup("check")
    machine.calls()
    said = machine.setup("fuzz", PIP="1")
    assert "setup: not installed: atheris; inputs are mutated without looking" in said
    assert "status" not in said


def test_without_root_there_is_no_demo_and_no_trace(machine: Machine) -> None:
    said = machine.setup("demo", USER_NUMBER="65534")
    assert said.startswith("setup: error: the demo makes network namespaces, which needs root")
    assert said.endswith("status 1\n")
    assert machine.calls() == []


def test_an_unknown_target_is_refused(machine: Machine) -> None:
    assert machine.setup("lunch").endswith(
        "setup: error: usage: sh tools/setup.sh check|demo|test|bench|fuzz\nstatus 1\n"
    )
