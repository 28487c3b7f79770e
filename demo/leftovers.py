"""Takes away what a demo made: processes, hosts, files. Also after it was killed.

In here: the folder of a run, whose name says which hosts are its; finding and
removing such folders.
Not in here: making the hosts (lab).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

PREFIX = "wwdemo"
"""Begins the names of the hosts' namespaces and of the folder."""
_FOLDER = re.compile(rf"{PREFIX}(\d+)-\w+")
KEPT = "kept"
"""A file of this name in the folder: its hosts stay after the demo has ended."""


def new_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))


def namespaces(folder: Path) -> list[str]:
    """The hosts of the run that has this folder."""
    stem = f"{folder.name.partition('-')[0]}-"
    listed = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True)
    names = [line.split()[0] for line in listed.stdout.splitlines() if line]
    return [name for name in names if name.startswith(stem)]


def end_processes(namespace: str) -> None:
    """Kill what runs there, whoever started it; logins outlive the sshd that let them in."""
    listed = subprocess.run(
        ["ip", "netns", "pids", namespace], check=False, capture_output=True, text=True
    )
    for pid in map(int, listed.stdout.split()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def remove(folder: Path) -> None:
    """Take away the hosts of a run, what runs on them, and its folder."""
    hosts = namespaces(folder)
    for namespace in hosts:
        end_processes(namespace)
    for namespace in hosts:
        subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)


def left() -> list[Path]:
    """Folders of runs that were told to keep their hosts, or that no longer run."""
    folders = []
    for folder in sorted(Path(tempfile.gettempdir()).iterdir()):
        match = _FOLDER.fullmatch(folder.name)
        if match is None or folder.is_symlink() or folder.lstat().st_uid != os.geteuid():
            continue
        if (folder / KEPT).exists() or not Path("/proc", match[1]).exists():
            folders.append(folder)
    return folders
