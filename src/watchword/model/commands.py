"""Commands: as whom they run, what a stanza says about them, how one ended.

In here: values. Not in here: who may have what run (grant.decide), splitting
and substituting (grant.commands), running (edges.programs).
"""

from __future__ import annotations

from watchword.model.templates import Template
from watchword.record import record

DEFAULT_SECONDS = 30.0
AT_ONCE = 32  # commands under way, unless the operator says otherwise


@record
class Account:
    """Whom a program runs as. It gets no other groups than this one."""

    user: str
    group: str
    uid: int
    gid: int


@record
class CommandTerms:
    """What a stanza says about command messages."""

    account: Account | None = None
    """None: whoever the daemon runs as."""
    prefix: tuple[str, ...] = ()
    """Words that stand before the caller's: sudo and its options."""
    pattern: str | None = None
    """Regular expression that the whole text has to match; None: any text will do."""
    shell: bool = False
    """True: the text is given to a shell, as fwknop 1.9 did."""
    seconds: float = DEFAULT_SECONDS
    """How long a command may take."""


@record
class CycleTerms:
    """A pair of the operator's own commands that stand in for the firewall."""

    opening: Template
    """The command that opens."""
    closing: Template | None
    """The one that closes; None: what was opened ends by itself."""
    shell: bool = False
    """True: the text is given to a shell."""
    first_only: bool = False
    """True: one run, for the first service asked for; else one for each."""
    renews: bool = False
    """True: asking again while it is open prolongs it, and runs nothing."""
    seconds: float = DEFAULT_SECONDS
    """How long each command may take."""


@record
class Closing:
    """The command that ends what a caller got, spelled out when it was opened."""

    text: str
    """As it is told in the log."""
    argv: tuple[str, ...]
    seconds: float = DEFAULT_SECONDS


@record
class Cycle:
    """What makes a grant one of commands."""

    closings: tuple[Closing, ...] = ()
    """To be run in this order at its end; empty: nothing is."""
    renewal: bool = False
    """True: an earlier grant goes on under a new name, and nothing was run for it."""


@record
class Check:
    """A text of a caller's that an expression of the operator's has to match, whole."""

    pattern: str
    text: str
    argument: str = ""
    """Whose value it is, of an action's; empty: it is a whole command (CMD_REGEX)."""


@record
class Job:
    """One run of a program, spelled out."""

    argv: tuple[str, ...]
    account: Account | None = None
    seconds: float = DEFAULT_SECONDS
    checks: tuple[Check, ...] = ()
    """What has to match before it is run; that cannot be found out without a limit in time."""


@record
class Ran:
    """How a command that was started came to its end."""

    status: int | None
    """Exit status; negative: the signal that ended it; None: it was ended, ``trouble`` says why."""
    seconds: float
    """How long it took."""
    trouble: str = ""
    said: str = ""
    """The first line of its complaints, shortened."""
