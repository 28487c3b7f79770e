"""Connects from a port that was chosen before, to one that is about to open for just that.

In here: a port of this machine's, and connections from it, one attempt after the other.
Not in here: ports that open for whoever comes from here (dial), knocking (service).

Only one attempt can be under way at a time: all have the same two ends. What has been sent is not
given up early, because a server that has answered it would take the next one for a mistake: the
first attempt after the packet gives way soon, in case the packet took longer than it, and the
second stays, for the kernel to try again by itself.

``announce`` sends a first attempt before the packet goes out. It is dropped; but translators on the
way have from then on a port of theirs for it, which they give to nobody else.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from contextlib import suppress
from typing import Final

from watchword.edges.dial import Answer, Heard, place
from watchword.errors import HostError

_PAUSES: Final = (0.006, 0.15)
"""Seconds after the packet at which the first two attempts begin: the packet and the attempt take
the same way, and a server needs about a millisecond in between."""
_AGAIN: Final = 0.3  # seconds after a refusal that does not count
_UNDER_WAY: Final = {errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY, 10035}  # 10035: Windows
_REFUSED: Final = {errno.ECONNREFUSED, 10061}
_NO_ROUTE: Final = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL}


class OwnPort:
    """One port of this machine's, and the address that is connected to from it."""

    def __init__(self, address: str, port: int) -> None:
        """``port``: of the service at ``address``. Raises HostError: no port can be had."""
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._endpoint = place(address, port)
        self._begun = False
        self.number = 0
        try:
            self._attempt = self._bound()
        except OSError as error:
            raise HostError(f"no port to connect from: {error.strerror}") from error
        self.number = int(self._attempt.getsockname()[1])

    def announce(self) -> Answer | None:
        """Begin to connect, before anything is open; an answer if it is settled at once."""
        code = self._attempt.connect_ex(self._endpoint)
        self._begun = code in _UNDER_WAY
        return None if self._begun else self._settled(code)

    def dial(self, seconds: float, *, stubborn: float = 0.0) -> Answer:
        """Connect within a time. ``stubborn``: for so many seconds refusals do not count."""
        begun = time.monotonic()
        end = begun + seconds
        due = [begun + pause for pause in _PAUSES]
        last = Answer(Heard.SILENCE)
        while (now := time.monotonic()) < end:
            answer = self._wait(min([*due[:1], end]) - now)
            if answer is None and due and time.monotonic() >= due[0]:
                due.pop(0)
                answer = self._again()
            if answer is None:
                continue
            if answer.connection is not None:
                return answer
            last = answer
            if answer.heard is Heard.NO_WAY or time.monotonic() - begun >= stubborn:
                break
            due = [time.monotonic() + _AGAIN, *due[1:]]
        self.close()
        return last

    def close(self) -> None:
        self._attempt.close()

    def _again(self) -> Answer | None:
        """Give the attempt up for a new one from the same port, which nobody gets in between."""
        try:
            following = self._bound()
        except OSError as error:
            return Answer(Heard.NO_WAY, reason=error.strerror or "")
        self._attempt.close()
        self._attempt = following
        return self.announce()

    def _bound(self) -> socket.socket:
        made = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.setblocking(False)
            made.bind(("", self.number))
        except OSError:
            made.close()
            raise
        return made

    def _wait(self, seconds: float) -> Answer | None:
        """What is heard of the attempt within a time; None: nothing."""
        if not self._begun:  # a socket that does nothing would be ready at once
            time.sleep(max(0.0, seconds))
            return None
        _, ready, _ = select.select([], [self._attempt], [], max(0.0, seconds))
        if not ready:
            return None
        self._begun = False
        return self._settled(self._attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _settled(self, code: int) -> Answer:
        if code:
            name = errno.errorcode.get(code, str(code))
            heard = Heard.REFUSAL if code in _REFUSED else Heard.PROHIBITED
            heard = Heard.SILENCE if code == errno.ETIMEDOUT else heard
            return Answer(Heard.NO_WAY if code in _NO_ROUTE else heard, reason=name)
        connection = self._attempt
        connection.setblocking(True)
        with suppress(OSError):  # comforts; a connection without them is one too
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return Answer(Heard.ANSWER, connection)
