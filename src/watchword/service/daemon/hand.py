"""The only place that starts a program for a caller.

In here: a stanza's number and plain, validated values in; what the stanza says
is looked up and worked out here, whatever the asker believes.
Not in here: when (commands), how a program is run (edges.programs).

It is narrow on purpose: a process with more rights than the one that reads
packets can take it over as it is. Methods block, and are called from several
threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from watchword.edges import patterns
from watchword.edges.programs import SystemPrograms
from watchword.errors import HostError
from watchword.grant import actions, commands, cycles
from watchword.grant.cycles import Values
from watchword.model.commands import Check, Closing, Job
from watchword.model.policy import Policy, Terms
from watchword.ports import Completed, NotStartedError, ProgramRunner

OUTPUT = 64 << 10  # bytes of what a command says that are kept
_SAID = 200  # characters of its complaint that are told


def command_programs() -> SystemPrograms:
    """A runner for commands: what they say is kept up to a limit, and files are as usual."""
    return SystemPrograms(output_limit=OUTPUT, chatter=True, umask=0o022)


def close(programs: ProgramRunner, closing: Closing) -> Completed:
    """Run a command that closes, as it was spelled out when its stanza opened.

    The stanza may be gone by now. Raises NotStartedError, HostError.
    """
    return programs.run(closing.argv, seconds=closing.seconds)


def complaint(done: Completed) -> str:
    """The first line of it; empty: there is none."""
    text = done.stderr[: _SAID * 4].decode("utf-8", "replace").strip()
    return text.splitlines()[0][:_SAID] if text else ""


def failure(done: Completed) -> str:
    """How a command has failed."""
    said = complaint(done)
    return f"exit status {done.status}: {said}" if said else f"exit status {done.status}"


class NotAllowedError(Exception):
    """The stanza does not let this command be run. The message is empty, or the name of the
    argument of an action that does not match."""


class UncheckedError(Exception):
    """Whether the stanza lets it be run could not be found out, and so it is not run."""


class BlockedError(Exception):
    """The key was blocked after it was decided, so nothing is run for it."""


Blocked: TypeAlias = Callable[[str], bool]
"""Whether a key is blocked now, given as in ``Grant.key``. Called from several threads."""


def nothing_blocked(key: str) -> bool:
    """For who has no kill switches."""
    return False


class Hand:
    """Carries out what one policy says, unless the key has been blocked since."""

    def __init__(
        self, policy: Policy, programs: ProgramRunner, blocked: Blocked = nothing_blocked
    ) -> None:
        self._policy = policy
        self._programs = programs
        self._blocked = blocked

    def command(self, stanza: int, command: str, started: Callable[[], None]) -> Completed:
        """Run a caller's command to its end; ``started`` is called when nothing speaks against it.

        Raises NotAllowedError, UncheckedError, BlockedError: it was not run.
        Raises NotStartedError, HostError as the runner does.
        """
        terms = self._policy.terms(stanza)
        job = _job(terms, command)
        for check in job.checks:
            self._hold_against(check)
        self._ask_again(terms)
        started()
        return self._programs.run(job.argv, seconds=job.seconds, account=job.account)

    def open(self, stanza: int, values: Values) -> Completed:
        """Run the command of a stanza's that opens.

        Raises NotStartedError, BlockedError: it was not run. Raises HostError.
        """
        terms = self._policy.terms(stanza)
        if terms.cycle is None or not terms.offers(values.service):
            raise NotStartedError(f"stanza #{stanza} opens no {values.service} by a command")
        if not 0 < values.seconds <= terms.max_seconds:
            raise NotStartedError(f"stanza #{stanza} opens nothing for {values.seconds} s")
        run = cycles.opening(terms.cycle, values)
        self._ask_again(terms)
        return self._programs.run(run.argv, seconds=terms.cycle.seconds)

    def _ask_again(self, terms: Terms) -> None:
        """A command may have waited since it was decided."""
        if self._blocked("+".join(terms.key_names)):
            raise BlockedError

    def _hold_against(self, check: Check) -> None:
        try:
            allowed = patterns.fits(self._programs, check.pattern, check.text)
        except HostError as error:
            raise UncheckedError(str(error)) from error
        if not allowed:
            raise NotAllowedError(check.argument)


def _job(terms: Terms, command: str) -> Job:
    """What a command comes to, by the stanza alone. Raises NotAllowedError."""
    action = actions.named(terms.actions, command)
    try:
        if action is not None:
            return actions.job(action, command)
        if terms.commands is not None:
            return commands.job(terms.commands, command)
    except ValueError:
        raise NotAllowedError from None
    raise NotAllowedError
