"""How a server does what one needs rights for.

In here: the means of a server that does it all itself.
Not in here: those of one that has another process do it (service.apart.far).
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Protocol, TypeAlias

from watchword.edges import children, mail
from watchword.edges.capture.door_log import joined
from watchword.edges.capture.openers import Openers
from watchword.edges.firewall.nft.one_door import group
from watchword.edges.gpg import Gpg, gpg_programs
from watchword.edges.scrapes import Scrapes
from watchword.model.commands import Closing
from watchword.model.door_events import DoorEvent
from watchword.model.doors import Door
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import Grant
from watchword.model.policy import Policy
from watchword.model.settings import Settings
from watchword.ports import Clock, Completed, ConnectionTable, FirewallBackend, OpenPgp
from watchword.record import record
from watchword.service.daemon import assembly
from watchword.service.daemon.alerts import Send
from watchword.service.daemon.control import Control
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.firewall_news import Told
from watchword.service.daemon.hand import Blocked, Hand, command_programs
from watchword.service.daemon.hand import close as close_by_command
from watchword.service.daemon.process import PidFile
from watchword.service.knock.one_time_doors import used_up
from watchword.service.knock.runs import Errand

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


Tell: TypeAlias = Callable[[DoorEvent], None]


async def command_of_a_door(errand: Errand) -> int:
    return await children.run(errand.argv)


def use_up(door: Door, tell: Tell) -> tuple[bool, Door]:
    return used_up(door, door.one_time or "", tell)


def door_log(firewall: FirewallSettings) -> socket.socket:
    return joined(group(firewall))


class Ends(Protocol):
    """Something that runs programs, and whose programs can be ended."""

    def end(self) -> None: ...


@record
class Programs:
    """What runs programs, and is ended at its time, whatever runs then."""

    gpg: Ends
    commands: Ends
    closing: Ends
    """For what closes: it outlives the others at the end."""


def _nothing() -> None:
    pass


@record
class Means:
    """One function for each thing. See ``ourselves`` for what each of them does."""

    programs: Programs
    openpgp: OpenPgp
    hand: Callable[[Policy, Blocked], Hand]
    close: Callable[[Closing], Completed]
    """Runs a command that closes, to its end."""
    catch: Callable[[Callable[[signal.Signals], None]], None]
    """Has a function called for each signal of the operator's; before anything else."""
    firewall: Callable[[Settings, Clock, Told], FirewallBackend] = assembly.firewall_for
    openers: Openers | None = None
    """None: sockets and files are opened by this process."""
    digests: Callable[[Settings], str | None] = assembly.digests_of
    lock: Callable[[Settings], PidFile | None] = assembly.keep_to_ourselves
    """The lock on the state directory, if it is this process that has to hold it."""
    control: Callable[[Control], Control] = lambda control: control
    """The control socket that stands for one that was made."""
    connections: Callable[[Settings], ConnectionTable] = assembly.connections_for
    scrapes: Callable[..., Scrapes] = Scrapes
    """Makes what serves metrics."""
    send: Send = mail.send
    end_mails: Callable[[], None] = _nothing
    enforce: Callable[[Enforcer], None] = lambda enforcer: None
    """Told who keeps grants and firewall in step, before grants of an earlier run are resumed."""
    prolonged: Callable[[Grant], None] = lambda grant: None
    """Told of a grant by commands that will be closed later than was said."""
    taken: Callable[[], None] = _nothing
    """Told that from now on packets are decided by what the files say now. Raises HostError."""
    refused: Callable[[], None] = _nothing
    """Told that they are not."""
    door_command: Callable[[Errand], Awaitable[int]] = command_of_a_door
    """Runs a command of a door's to its end; its status. Raises HostError."""
    use_up: Callable[[Door, Tell], tuple[bool, Door]] = use_up
    """Marks the sequence of a one-time door: whether it may open, and as it waits now."""
    door_log: Callable[[FirewallSettings], socket.socket] = door_log
    """What hears of the doors that the kernel follows. Raises HostError."""
    policy: Callable[[], int] = lambda: 0
    """Which policy is gone by, counted from the start; only who has another process act asks."""
    awaiting: Callable[[Sequence[str]], None] = lambda what: None
    """Told where packets are to be looked at and cannot be yet, each time that this changes."""


def ourselves() -> Means:
    """Everything is done by this process."""
    commands, closing, gpg = command_programs(), command_programs(), gpg_programs()
    return Means(
        programs=Programs(gpg, commands, closing),
        openpgp=Gpg(gpg),
        hand=lambda policy, blocked: Hand(policy, commands, blocked),
        close=partial(close_by_command, closing),
        catch=_catch,
    )


def _catch(signalled: Callable[[signal.Signals], None]) -> None:
    loop = asyncio.get_running_loop()
    for each in SIGNALS:
        loop.add_signal_handler(each, signalled, each)
    for each in (signal.SIGUSR1, signal.SIGUSR2):
        loop.add_signal_handler(each, lambda: None)
