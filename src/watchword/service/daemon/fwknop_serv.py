"""fwknop_serv: in fwknop 1.9 the TCP server that senders connect to, as the user nobody.

In here: a port on which connections are completed and what comes is dropped, for an fwknopd that
sniffs what passes (AUTH_MODE PCAP, PCAP_FILTER with tcp).
Not in here: connections that are read (edges.capture.tcp): an fwknopd with ENABLE_TCP_SERVER Y has
the port itself, and this one has nothing to do then.

Nothing is ever answered, and connections are bounded as fwknopd's own are. It holds no key, and
gives up every right before it takes the first connection.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from watchword.dialects.fwknop.companion_options import CompanionOptions
from watchword.dialects.fwknop.server_options import ServerOptions
from watchword.edges import sandbox, users
from watchword.edges.capture.tcp import TcpSource
from watchword.errors import HostError, WatchwordError
from watchword.model.commands import Account
from watchword.model.settings import Settings, TcpPort
from watchword.service.complain import complain
from watchword.service.daemon import companions, process
from watchword.service.daemon.own_configuration import configured

PROGRAM: Final = "fwknop_serv"
USER: Final = "nobody"


def run(argv: Sequence[str], *, own_process: bool = False) -> int:
    """Do what the command line says; return the exit status."""
    return companions.run(PROGRAM, argv, _serve, own_process=own_process)


def _serve(options: CompanionOptions, files: ServerOptions) -> int:
    configuration = configured(files)
    settings = configuration.settings
    pid_file = settings.run_dir / f"{PROGRAM}.pid"
    if options.kill:
        return _kill(pid_file)
    port = int(configuration.values["TCPSERV_PORT"] or 0)
    if (pid := _daemon_with_port(settings)) is not None:
        print(f"fwknopd is running (pid={pid}) and listens on TCP port {port} itself.")
        return 0
    source = TcpSource(port)
    if options.foreground:
        said = f"Completing connections to TCP port {port}."
        return _listen(source, pid_file, lambda: print(said, flush=True))
    return process.into_background(lambda ready: _apart(source, pid_file, ready))


def _apart(source: TcpSource, pid_file: Path, ready: Callable[[], None]) -> int:
    try:
        return _listen(source, pid_file, ready)
    except WatchwordError as error:
        complain(PROGRAM, error)
        return 1


def _daemon_with_port(settings: Settings) -> int | None:
    """The running fwknopd, if its files give it the port."""
    if not any(isinstance(each, TcpPort) for each in settings.sources):
        return None
    return process.holder(settings.pid_file)


def _kill(pid_file: Path) -> int:
    ended = process.stop(pid_file, program=PROGRAM)
    if ended is None:
        print(f"No running {PROGRAM} detected.")
        return 1
    print(f"Killed {PROGRAM} (pid={ended[0]}) via {ended[1]}")
    return 0


def _listen(source: TcpSource, pid_file: Path, ready: Callable[[], None]) -> int:
    """Until a signal ends it. The lock ends with the process."""
    found = users.user(USER)
    if found is None:
        raise HostError(f"there is no user {USER} to go on as", hint=f"add one: adduser {USER}")
    process.PidFile(pid_file, program=PROGRAM)
    ready()
    sandbox.confine(Account(USER, USER, *found), readable=[Path("/")], writable=[])
    asyncio.run(_until_told(source))
    return 0


async def _until_told(source: TcpSource) -> None:
    task = asyncio.ensure_future(_drop(source))
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, task.cancel)
    await asyncio.gather(task, return_exceptions=True)
    await source.aclose()


async def _drop(source: TcpSource) -> None:
    async for _ in source.batches():
        pass  # whoever sniffs has seen it
