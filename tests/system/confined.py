"""Gives up all rights and prints what it can still do: ``confined.py INSIDE OUTSIDE UID``."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # here: later it cannot be read any more
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from pathlib import Path

from watchword.edges.sandbox import confine
from watchword.model.commands import Account


async def a_server() -> None:
    """What the gate does all the time."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: None)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    with concurrent.futures.thread.ThreadPoolExecutor(1) as threads:
        await loop.run_in_executor(threads, lambda: None)
    await reader.read()
    writer.close()
    server.close()


def main(inside: Path, outside: Path, uid: int) -> None:
    account = Account("somebody", "somebody", uid, uid) if uid else None
    places = [Path(each) for each in (*sys.path, "/usr", "/proc")]
    given_up = confine(account, readable=places, writable=[inside])
    told: dict[str, object] = {
        "seccomp": given_up.without_calls,
        "landlock": given_up.without_files,
    }

    pipe, _ = os.pipe()

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
    tried("own", lambda: fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid()))
    tried("type", lambda: fcntl.ioctl(pipe, termios.TIOCSTI, b"x"))
    tried("loop", lambda: asyncio.run(a_server()))
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
