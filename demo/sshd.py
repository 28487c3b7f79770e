"""An OpenSSH server on the server host, and a user who may log in, for as long as the demo runs.

In here: its files, its process, the ssh command line that gets in.
Not in here: who can reach it (that is what the demo is about).

The user exists in this sshd's private view of /etc only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from demo import checks
from demo.waiting import StageError, wait_for
from watchword.lab.hosts import Host
from watchword.lab.trio import Station

USER, UID = "alice", 60001

_PASSWD = f"""\
root:x:0:0:root:/root:/bin/sh
sshd:x:60002:60002::/run/sshd:/usr/sbin/nologin
{USER}:x:{UID}:{UID}::{{folder}}/home:/bin/sh
"""
_SHADOW = f"root:*:1::::::\nsshd:*:1::::::\n{USER}:*:1::::::\n"
_GROUP = f"root:x:0:\nsshd:x:60002:\n{USER}:x:{UID}:\n"

# Runs in a mount namespace of its own, which `ip netns exec` makes.
_START = """\
set -eu
for file in passwd shadow group; do mount --bind "$1/$file" "/etc/$file"; done
mount -t tmpfs tmpfs /run
mkdir -m 755 /run/sshd
exec /usr/sbin/sshd -D -e -f "$1/sshd_config"
"""

_CONFIG = """\
Port 22
HostKey "{folder}/host_key"
AuthorizedKeysFile "{folder}/authorized_keys"
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
LogLevel ERROR
Subsystem sftp internal-sftp
"""


class Sshd:
    """The server's ssh, and the key that opens it."""

    def __init__(self, host: Host, folder: Path) -> None:
        """Start it, and wait until it answers. Raises StageError."""
        self._folder = folder
        self._write_files()
        with (folder / "sshd.log").open("wb") as log:
            host.start("sh", "-c", _START, "sshd", str(folder), stderr=log)
        if not wait_for(lambda: checks.answers(host, "127.0.0.1", 0.25), 60):
            said = (folder / "sshd.log").read_text("utf-8", "replace")
            raise StageError(f"sshd does not start: {said.strip()}")

    def _write_files(self) -> None:
        folder = self._folder
        for name in ("host_key", "user_key"):
            keygen = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demo")
            subprocess.run([*keygen, "-f", str(folder / name)], check=True)
        (folder / "home").mkdir(mode=0o700)
        os.chown(folder / "home", UID, UID)
        shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
        texts = {
            "passwd": _PASSWD.format(folder=folder),
            "shadow": _SHADOW,
            "group": _GROUP,
            "sshd_config": _CONFIG.format(folder=folder),
        }
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")

    def command(self, address: str) -> list[str]:
        """An ssh command line for the user, which asks nobody anything."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "3",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
        }
        flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        key = str(self._folder / "user_key")
        return ["ssh", "-F", "none", "-i", key, *flags, f"{USER}@{address}"]

    def ask(self, who: Station, address: str, command: str) -> str:
        """Run a command on the server; what it printed, ssh's complaints included."""
        done = who.host.run(*self.command(address), command, check=False)
        return (done.stdout + done.stderr).strip()

    def session(self, who: Station, address: str) -> checks.Session:
        """A login that stays."""
        return checks.Session(who.host, self.command(address))
