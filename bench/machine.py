"""What the benchmark ran on: processor, kernel, versions of everything that matters."""

from __future__ import annotations

import os
import platform
import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import cryptography
from cryptography.hazmat.backends.openssl import backend

from bench.servers import Packaged
from watchword import __version__


def describe(disk: Path) -> dict[str, str]:
    """Facts by name, in the order in which they are printed; ``disk`` is where state is kept."""
    memory = _field("/proc/meminfo", "MemTotal").removesuffix(" kB")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
        "memory": f"{int(memory or 0) / 1024**2:.1f} GiB",
        "load before": " ".join(f"{each:.2f}" for each in os.getloadavg()),
        "kernel": platform.release(),
        "disk": _said("stat", "-f", "-c", "%T", str(disk)),
        "python": platform.python_version(),
        "openssl": f"{ssl.OPENSSL_VERSION} (hashes); {backend.openssl_version_text()} "
        f"(cryptography {cryptography.__version__})",
        "nft": _said("nft", "--version"),
        "iptables": _said("iptables", "--version"),
        "fwknopd": _said(Packaged.PROGRAM, "--version"),
        "watchword": f"{__version__} {_revision()}",
    }


def _field(file: str, name: str) -> str:
    for line in Path(file).read_text("utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _said(*command: str) -> str:
    """The first line that a program prints; what is wrong if it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError as error:
        return f"not there ({error.strerror})"
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0].strip() if lines else "says nothing"


def _revision() -> str:
    """The commit that is checked out, and whether the source differs from it."""
    root = str(Path(__file__).parents[1])
    commit = _said("git", "-C", root, "rev-parse", "--short", "HEAD")
    changed = _said("git", "-C", root, "status", "--porcelain", "--", "src")
    return f"({commit}{', changed since' if changed != 'says nothing' else ''})"
