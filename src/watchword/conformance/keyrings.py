"""GnuPG homes with the throw-away keys of the vectors.

In here: making them, and ending the agents that gpg starts for them.
Not in here: what is done with the keys.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from watchword.conformance.golden import HERE

KEYS = HERE / "gpg"
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}
_SECONDS = 30.0  # an import takes less than one


@contextmanager
def home(folder: Path, *, secret: Sequence[str] = (), public: Sequence[str] = ()) -> Iterator[Path]:
    """A new home with these keys, named as the vectors' files are; its agent ends with it.

    The vectors' owner trust is in force: every key but ``cli-untrusted`` is trusted.
    """
    folder.mkdir(mode=0o700, parents=True)
    files = [KEYS / f"{name}.sec.asc" for name in secret]
    files += [KEYS / f"{name}.pub.asc" for name in public]
    try:
        gpg(folder, "--import", *map(str, files))
        gpg(folder, "--import-ownertrust", str(KEYS / "ownertrust.txt"))
        yield folder
    finally:
        end_agents(folder)


def gpg(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run gpg on a home, with nobody to answer. Raises CalledProcessError if it fails."""
    return subprocess.run(
        ["gpg", "--homedir", str(folder), "--batch", "--no-tty", "--quiet", *arguments],
        check=True,
        capture_output=True,
        timeout=_SECONDS,
        env=_ENVIRONMENT,
    )


def end_agents(folder: Path) -> None:
    """End what gpg has left running for a home, and with it what it remembers."""
    with suppress(FileNotFoundError, subprocess.TimeoutExpired):
        subprocess.run(
            ["gpgconf", "--homedir", str(folder), "--kill", "all"],
            check=False,
            capture_output=True,
            timeout=_SECONDS,
            env=_ENVIRONMENT,
        )
