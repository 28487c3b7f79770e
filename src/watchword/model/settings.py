"""How the daemon is set up: sockets, files, attachment to the firewall."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from watchword.model.services import Service


class Attach(StrEnum):
    """How the firewall backend hangs into the host's packet path (design, section 5)."""

    GUARD = "guard"
    JUMP = "jump"


@dataclass(frozen=True, slots=True)
class JumpFrom:
    """A chain of the operator's own, from which we are called."""

    family: str
    """``inet``, ``ip`` or ``ip6``."""
    table: str
    chain: str


@dataclass(frozen=True, slots=True)
class FirewallSettings:
    backend: str = "nftables"
    attach: Attach = Attach.GUARD
    table: str = "watchword"
    """Name of our own table, family inet (attachment ``guard``)."""
    guard_all: bool = False
    """Everything new from outside is dropped except ``public``."""
    guarded: tuple[Service, ...] = ()
    """What is hidden until granted (attachment ``guard``, unless ``guard_all``)."""
    public: tuple[Service, ...] = ()
    """What stays reachable for everybody with ``guard_all``."""
    jump_from: tuple[JumpFrom, ...] = ()
    flush_at_start: bool = False
    """True: grants of an earlier run end at start (FLUSH_*_AT_INIT Y)."""
    flush_at_exit: bool = False
    """True: grants end when the daemon stops on request (FLUSH_*_AT_EXIT Y).

    The guard itself stays either way: stopping the daemon must not open what it hides.
    """


@dataclass(frozen=True, slots=True)
class LogSettings:
    identity: str = "fwknopd"
    facility: str = "LOG_DAEMON"
    verbosity: int = 0
    """0 info and worse, 1 debug as well."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything of fwknopd.conf that is not about who may do what."""

    udp_port: int = 62201
    udp_asked_for: bool = True
    """False: the configuration asks for sniffing, and the UDP port is used all the same."""
    firewall: FirewallSettings = FirewallSettings()
    log: LogSettings = LogSettings()
    run_dir: Path = Path("/run/fwknop")
    state_dir: Path = Path("/var/lib/watchword")
    pid_file: Path = Path("/run/fwknop/fwknopd.pid")
    digest_file: Path = Path("/run/fwknop/digest.cache")
    """fwknop's own replay memory, imported at start where it exists."""
    dry_run: bool = False
    """True: packets are judged and nothing is changed (``--test``)."""
