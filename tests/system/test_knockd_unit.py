"""The unit of knockd under a real systemd: it starts the daemon, or fails and says so."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, until
from tests.knockd_scene import CALLER, Street, street

pytestmark = pytest.mark.system
UNIT = Path(__file__).parents[2] / "packaging" / "systemd" / "knockd.service"
# None of the host's own units can be started, whatever is asked for: one of them empties /tmp.
_BOOT = """set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 none /sys/fs/cgroup
for of_the_host in /etc/systemd/system /usr/lib/systemd/system; do
    mount -t tmpfs tmpfs $of_the_host
done
mount --bind /bin/true "$(readlink -f "$(command -v systemd-tmpfiles)")"
mkdir -p /run/systemd/system
cp "$1/knockd.service" "$1/nothing.target" /run/systemd/system
( sh "$1/boot" "$1" > "$1/said" 2>&1; touch "$1/over" ) &
exec env -i container=1 PATH="$PATH" "$2" --system --unit=nothing.target --log-target=null
"""
_ASKED = """cd "$1"
for _ in $(seq 1200); do systemctl is-active --quiet nothing.target && break; sleep 0.05; done
echo START_KNOCKD=0 > default
systemctl start knockd; echo "first start $?"
systemctl is-active knockd
echo START_KNOCKD=1 > default
echo "KNOCKD_OPTS=-i eth0 -c $1/knockd.conf" >> default
systemctl start knockd; echo "second start $?"
systemctl show knockd -p ActiveState -p SubState -p MainPID
touch started
for _ in $(seq 1200); do [ -e knocked ] && break; sleep 0.05; done
systemctl stop knockd; echo "stop $?"
systemctl show knockd -p ActiveState -p Result
"""


@pytest.fixture
def place() -> Iterator[Street]:
    with street() as found:
        yield found


@pytest.mark.requirement("3.8")
def test_systemctl_starts_the_daemon_or_fails_and_never_is_it_active_without_one(
    place: Street, tmp_path: Path
) -> None:
    manager = shutil.which("systemd", path="/lib/systemd:/usr/lib/systemd")
    if manager is None:
        pytest.skip("needs systemd")
    text = UNIT.read_text("utf-8").replace("exec knockd", f"exec {PROGRAMS}/knockd")
    text = text.replace("=-/etc/default/knockd", f"=-{tmp_path}/default")
    text = re.sub("^(After|Wants)=.*\n", "", text, flags=re.MULTILINE)  # the rest of the system
    text = text.replace("[Unit]\n", "[Unit]\nDefaultDependencies=no\n")
    (tmp_path / "knockd.service").write_text(text, "utf-8")
    (tmp_path / "nothing.target").write_text("[Unit]\nDefaultDependencies=no\n", "ascii")
    (tmp_path / "boot").write_text(_ASKED, "ascii")
    conf = tmp_path / "knockd.conf"
    conf.touch(mode=0o600)
    conf.write_text(f"[options]\nLogFile = {tmp_path}/log\n[d]\nsequence = 7000\n", "ascii")
    parts = ("--mount", "--pid", "--fork", "--mount-proc", "--cgroup", "--kill-child")
    with (tmp_path / "console").open("wb") as console:
        booted = place.inside.start(
            "unshare", *parts, "bash", "-c", _BOOT, "boot", str(tmp_path), manager,
            stdout=console, stderr=console,
        )  # fmt: skip
    try:
        until(lambda: (tmp_path / "started").exists() or booted.poll() is not None)
        place.knock(7000)
        until(lambda: f"{CALLER}: d: OPEN SESAME" in (tmp_path / "log").read_text("utf-8"))
        (tmp_path / "knocked").touch()
        until((tmp_path / "over").exists)
    finally:
        booted.send_signal(signal.SIGKILL)
        booted.wait(60)
    said = (tmp_path / "said").read_text("utf-8")
    first, _, rest = said.partition("second start")
    assert re.search(r"^first start [1-9]", first, re.MULTILINE), said
    assert "failed" in first.splitlines(), said
    assert rest.startswith(" 0\n"), said
    assert {"ActiveState=active", "SubState=running"} <= set(rest.splitlines()), said
    assert re.search(r"MainPID=[1-9]", rest), said
    assert rest.partition("stop ")[2].splitlines()[:1] == ["0"], said
    assert {"ActiveState=inactive", "Result=success"} <= set(rest.splitlines()), said
