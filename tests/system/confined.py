"""Gives up all rights and prints what it can still do: ``confined.py INSIDE OUTSIDE UID``."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from watchword.edges.sandbox import confine
from watchword.model.commands import Account


def main(inside: Path, outside: Path, uid: int) -> None:
    account = Account("somebody", "somebody", uid, uid) if uid else None
    places = [Path(each) for each in (*sys.path, "/usr", "/proc")]
    given_up = confine(account, readable=places, writable=[inside])
    told: dict[str, object] = {
        "seccomp": given_up.without_calls,
        "landlock": given_up.without_files,
    }

    def tried(name: str, what: Callable[[], object]) -> None:
        try:
            what()
            told[name] = "done"
        except (OSError, subprocess.SubprocessError) as error:
            told[name] = type(error).__name__

    tried("exec", lambda: subprocess.run(["/bin/true"], check=True))
    tried("fork", os.fork)
    tried("kill", lambda: os.kill(os.getppid(), 0))
    tried("sniff", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
    tried("talk", lambda: socket.socket(socket.AF_UNIX))
    tried("chmod", lambda: Path("/usr/bin/env").chmod(0o755))
    tried("inside", lambda: (inside / "new").write_text("x"))
    tried("outside", outside.read_text)
    thread = threading.Thread(
        target=lambda: tried("exec in a thread", lambda: subprocess.run(["/bin/true"], check=True))
    )
    thread.start()
    thread.join()
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    told["status"] = dict(line.split(":", 1) for line in lines)
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
