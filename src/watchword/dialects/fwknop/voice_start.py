"""What the server says while it starts, before packets are looked at.

In here: the words for the files and the surroundings that it finds.
Not in here: where packets come from, and what is hidden (voice).

Source: fwknopd server, sections 1, 3.2, 4 and 11; ours where fwknopd says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.dialects.fwknop.voice_words import Line, Priority
from watchword.model.daemon_events import (
    Attached,
    KeyFile,
    LocaleSet,
    Rotated,
    RunDirectory,
    Starting,
)


def starting(event: Starting) -> Iterator[Line]:
    """The first line as fwknopd has it, alone; filters wait for that. Then who speaks."""
    yield Priority.INFO, "Re-starting fwknopd" if event.again else "Starting fwknopd"
    if not event.again:
        yield Priority.INFO, f"This is fwknopd of Watchword, version {event.version}"


def jumps(event: Attached) -> Iterator[Line]:
    """The chains of iptables, and that rules can carry their end in a comment."""
    for caller, own in event.jumps:
        yield Priority.INFO, f"Added jump rule from chain: {caller} to chain: {own}"
    if event.jumps and event.backend in ("iptables", "firewalld"):
        yield Priority.INFO, f"{event.backend} 'comment' match is available"


def said(event: LocaleSet | KeyFile | RunDirectory | Rotated) -> Iterator[Line]:
    match event:
        case KeyFile(path):
            yield Priority.INFO, f"Including key file: '{path}'"
        case LocaleSet(name, True):
            yield Priority.INFO, f"Locale set to '{name}'."
        case LocaleSet(name):
            yield Priority.WARNING, f"WARNING: Unable to set locale to '{name}'."
        case RunDirectory(path, True):
            yield Priority.INFO, f"Successfully created Run directory: {path}"
        case RunDirectory(path):
            missing = "does not exist. Attempting to create it."
            yield Priority.WARNING, f"Run directory: {path} {missing}"
        case Rotated(old, written, dropped):
            yield Priority.INFO, "Rotating digest cache file."
            kept = written - dropped
            yield (
                Priority.INFO,
                f"{written} packets are written to {old}; {dropped} of them may be forgotten, "
                f"{kept} are remembered on.",
            )
