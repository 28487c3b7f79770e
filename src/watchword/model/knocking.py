"""How the knock daemon is set up: where it listens, what it writes, how it ends."""

from __future__ import annotations

from typing import Final

from watchword.errors import Complaint
from watchword.model.doors import Door
from watchword.model.firewalls import ChainUse, FirewallSettings
from watchword.record import record

EVERY_INTERFACE: Final = "any"
_UNTOUCHED: Final = FirewallSettings(
    table="watchword_knockd", input=ChainUse("INPUT", "KNOCKD_INPUT"), needed=False
)


@record
class KnockSettings:
    """Everything of knockd.conf that is not about one door."""

    interfaces: tuple[str, ...] = ()
    """Empty: none was named."""
    log_file: str | None = None
    pid_file: str | None = None
    """None: where the command line or the original has it."""
    syslog: bool = False
    facility: str = "LOG_DAEMON"
    state_dir: str = "/var/lib/knockd"
    """Commands to be run are in it: not below that of fwknopd, which what reads packets writes."""
    run_dir: str = "/run/knockd"
    """Where the control socket is."""
    close_at_exit: bool = False
    """True: what waits to be closed is closed at once when the daemon ends."""
    firewall: FirewallSettings = _UNTOUCHED


@record
class Knocking:
    """One knockd.conf, read and found right."""

    settings: KnockSettings
    doors: tuple[Door, ...]
    complaints: tuple[Complaint, ...] = ()
    """None of them fatal."""
