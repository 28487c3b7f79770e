"""GnuPG homes with the throw-away keys of the vectors.

In here: making them, and ending the agents that gpg starts for them.
Not in here: what is done with the keys.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from watchword.conformance.golden import HERE, gpg_keys

KEYS = HERE / "gpg"
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}
_SECONDS = 30.0  # an import takes less than one
_QUICK = "s2k-count 65536\n"
"""Rounds that an agent makes of a passphrase, else as many as take a third of a second, and
nobody else is served meanwhile. The passphrases are published."""


@contextmanager
def home(folder: Path, *, secret: Sequence[str] = (), public: Sequence[str] = ()) -> Iterator[Path]:
    """A new home with these keys, named as the vectors' files are; its agent ends with it.

    The vectors' owner trust is in force: every key but ``cli-untrusted`` is trusted.
    """
    folder.mkdir(mode=0o700, parents=True)
    (folder / "gpg-agent.conf").write_text(_QUICK, "ascii")
    files = [KEYS / f"{name}.sec.asc" for name in secret]
    files += [KEYS / f"{name}.pub.asc" for name in public]
    try:
        gpg(folder, "--import", *map(str, files))
        gpg(folder, "--import-ownertrust", str(KEYS / "ownertrust.txt"))
        yield folder
    finally:
        end_agents(folder)


@contextmanager
def servers(folder: Path) -> Iterator[Path]:
    """A home with the secret keys of all recipients and the public ones of all signers."""
    with home(folder, secret=_names("srv-"), public=_names("cli-")) as made:
        yield made


@contextmanager
def clients(folder: Path) -> Iterator[Path]:
    """A home with the secret keys of all signers and the public ones of all recipients."""
    with home(folder, secret=_names("cli-"), public=_names("srv-")) as made:
        yield made


def hand_over_passphrases(folder: Path) -> None:
    """fwknop 2.6 gives them to gpg by gpgme, which needs this of whoever owns the home."""
    (folder / "gpg.conf").write_text("pinentry-mode loopback\n", "ascii")


def obstacle() -> str:
    """Why there can be no home on this machine; empty if there can."""
    return "" if shutil.which("gpg", path=_ENVIRONMENT["PATH"]) else "there is no gpg"


def _names(prefix: str) -> list[str]:
    return [name for name in gpg_keys() if name.startswith(prefix)]


def gpg(folder: Path, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run gpg on a home, with this to read. Raises CalledProcessError if it fails."""
    return subprocess.run(
        ["gpg", "--homedir", str(folder), "--batch", "--no-tty", "--quiet", *arguments],
        check=True,
        input=given,
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
