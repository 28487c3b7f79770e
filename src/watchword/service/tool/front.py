"""The command watchword front: stands in front of a service, and lets through who proves himself.

In here: its options, and its life.
Not in here: what it does with connections (service.front), the daemon's part
(service.daemon.proofs).
"""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
from collections.abc import Coroutine
from typing import Any, Final

from watchword.errors import HostError, OperatorError

_DAEMON: Final = "/run/fwknop/control.sock"
_PLACE: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})")
_DESCRIPTORS: Final = 7  # for each connection that goes through
_SPARE: Final = 64


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    from watchword.service.tool import knock_options

    parser = commands.add_parser(
        "front",
        help="stand in front of a service, and let connections through that prove whose they are",
        description="Stand in front of a TCP service, and let connections through whose first "
        "bytes prove that they belong to a packet that was granted the port (PROVE Y in "
        "access.conf; watchword connect makes them). Others are closed and hear nothing. Runs "
        "until it is ended, as a user of its own that may ask fwknopd (CONTROL_GROUP).",
    )
    parser.add_argument("port", metavar="PORT", type=knock_options.port, help="where to listen")
    parser.add_argument(
        "service", metavar="ADDRESS:PORT", type=_endpoint, help="the service, such as 127.0.0.1:22"
    )
    parser.add_argument(
        "--listen", metavar="ADDRESS", action="append", help="listen only there; may be repeated"
    )
    parser.add_argument("--socket", metavar="FILE", default=_DAEMON, help=f"fwknopd's ({_DAEMON})")
    parser.add_argument(
        "--seconds", metavar="SECONDS", type=knock_options.seconds, default=3.0,
        help="how long the first bytes may take (3)",
    )  # fmt: skip
    parser.add_argument(
        "--most", metavar="N", type=knock_options.whole(10_000), default=256,
        help="connections at a time (256)",
    )  # fmt: skip
    parser.add_argument(
        "--proxy-protocol", action="store_true",
        help="tell the service who called, by the header of PROXY protocol version 2",
    )  # fmt: skip
    parser.set_defaults(answer=_front)


def _endpoint(text: str) -> tuple[str, int]:
    """Raises argparse.ArgumentTypeError."""
    found = _PLACE.fullmatch(text)
    if found is None or not 1 <= int(found[3]) <= 65535:
        raise argparse.ArgumentTypeError("write an address and a port: 127.0.0.1:22 or [::1]:22")
    return found[1] or found[2], int(found[3])


def _front(arguments: argparse.Namespace) -> int:
    import asyncio
    from pathlib import Path

    from watchword.service.front.asking import WHOLE_LINE
    from watchword.service.front.front import Front, Place, listeners
    from watchword.service.front.waiting import ALL_WAITING

    if arguments.service[1] == arguments.port:
        raise OperatorError(
            "the service and its front cannot have one port: grants for it would let in to both",
            hint="have the service listen on another one, at 127.0.0.1",
        )
    anywhere = ("0.0.0.0", "::")  # noqa: S104  (who may come is the firewall's business)
    place = Place(
        listening=tuple((each, arguments.port) for each in arguments.listen or anywhere),
        service=arguments.service,
        daemon=Path(arguments.socket),
        seconds=arguments.seconds,
        most=arguments.most,
        tells=arguments.proxy_protocol,
    )
    _make_room(_DESCRIPTORS * place.most + ALL_WAITING + WHOLE_LINE + _SPARE)
    try:
        doors = listeners(place)
    except OSError as error:
        raise HostError(
            f"cannot listen on port {arguments.port}: {error.strerror}",
            hint="is something else there? Ports below 1024 are for root",
        ) from error

    ready = f"ready on port {arguments.port}, in front of {':'.join(map(str, place.service))}"
    asyncio.run(_until_signalled(Front(place, _say).serve(doors), ready))
    return 0


async def _until_signalled(work: Coroutine[Any, Any, None], ready: str) -> None:
    import asyncio
    import signal

    task = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    _say(ready)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _make_room(files: int) -> None:
    """As many open files as are needed, or as many as may be."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files if hard == resource.RLIM_INFINITY else min(files, hard)
    if wanted > soft:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _say(text: str) -> None:
    print(f"watchword front: {text}", file=sys.stderr, flush=True)
