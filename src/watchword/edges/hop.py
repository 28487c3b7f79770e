"""Sends packets, and goes on, from another host: by ssh.

In here: one packet over UDP or TCP from there, the command line that connects from there.
Not in here: which packet (service), what its host is called in ssh_config.

The other host needs nothing of ours: TCP goes by ssh -W, UDP by bash or nc. It sees a
sealed packet and no key. The packet goes by standard input and is on no command line.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Sequence
from typing import Final

from watchword.edges.send.sent import Sent
from watchword.errors import HostError, OperatorError
from watchword.model.routes import Carrier, Route, endpoint

_HOST: Final = re.compile(r"[A-Za-z0-9:][A-Za-z0-9.:_-]*(?:%[A-Za-z0-9._-]+)?")
_NO_OUTPUT: Final = ("-T", "-o", "ClearAllForwardings=yes")
_CLOSING: Final = 10.0  # seconds that a server may take to hang up on us
_UDP: Final = """\
IFS= read -r packet || exit 1
if command -v bash >/dev/null 2>&1; then
    printf %s "$packet" | bash -c 'IFS= read -r packet; printf %s "$packet" >/dev/udp/$0/$1' H P
elif command -v nc >/dev/null 2>&1; then
    printf %s "$packet" | nc -u -w 1 H P >/dev/null
else
    echo "there is neither bash nor nc to send a packet with" >&2
    exit 1
fi"""


class Hop:
    """A host that ssh gets to."""

    def __init__(self, name: str, ssh: str = "ssh") -> None:
        """``ssh`` is the command with its options, split as a shell does. Raises OperatorError."""
        if not name or name.startswith("-"):
            raise OperatorError(f"{name!r} is no host for ssh", hint="name it as ssh_config does")
        try:
            self._ssh = shlex.split(ssh)
        except ValueError as error:
            raise OperatorError(
                f"the ssh command cannot be read: {error}",
                hint="write it as for a shell, with every quote closed: --ssh 'ssh -F file'",
            ) from None
        if not self._ssh:
            raise OperatorError("the ssh command is empty", hint="leave --ssh out, or name one")
        self.name = name

    def carry(self, payload: bytes, route: Route, *, confirm: bool = False) -> Sent:
        """Send a packet from there; names are looked up there. Raises HostError, OperatorError."""
        _check(route.host)
        if route.carrier is Carrier.TCP and route.relay is None:
            self._run(self.onwards(route.host, route.port), payload, hangs=True)
        elif route.carrier is Carrier.UDP:
            self._run([*self._ssh, *_NO_OUTPUT, "--", self.name, _by_udp(route)], payload + b"\n")
        else:
            raise OperatorError(
                f"a packet over {route.carrier} cannot be sent through {self.name}",
                hint="only -P udp and -P tcp can",
            )
        return Sent(f"{route.host} (through {self.name})", route.port, len(payload))

    def onwards(self, host: str, port: int) -> Sequence[str]:
        """The command that joins its input and output to a port, from there."""
        _check(host)
        return [*self._ssh, "-W", endpoint(host, port), "--", self.name]

    def _run(self, argv: Sequence[str], given: bytes, *, hangs: bool = False) -> None:
        try:
            done = subprocess.run(
                argv,
                input=given,
                stdout=subprocess.DEVNULL,
                check=False,
                timeout=_CLOSING if hangs else None,
            )
        except subprocess.TimeoutExpired:  # it has the packet, and does not close
            return
        except OSError as error:
            raise HostError(
                f"{argv[0]!r} cannot be run: {error.strerror}",
                hint="install ssh, or name another one with --ssh",
            ) from error
        if done.returncode:
            raise HostError(
                f"the packet could not be sent through {self.name}",
                hint=f"see that {shlex.join([*self._ssh, self.name])} works by itself",
            )


def _by_udp(route: Route) -> str:
    """A command for any shell there."""
    script = re.sub(r"\bH P\b", f"{shlex.quote(route.host)} {route.port}", _UDP)
    return f"exec sh -c {shlex.quote(script)}"


def _check(host: str) -> None:
    if not _HOST.fullmatch(host):
        raise OperatorError(
            f"{host!r} is no name or address of a host",
            hint="it is looked up elsewhere: write it as it is in DNS",
        )
