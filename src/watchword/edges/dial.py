"""Connects to a port that is about to open.

In here: names to addresses, TCP connections tried again and again with growing
pauses until one is answered, and what was heard instead.
Not in here: knocking (service), what goes over the connection (edges.splice).

A firewall that drops says nothing, so a single attempt would wait for the
kernel's next try, a second later. Attempts are started 3, 9, 27 ... milliseconds
apart instead and all wait for an answer; the first to have one is taken.
"""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from typing import Any, Final

from watchword.edges import doubtful
from watchword.errors import HostError
from watchword.record import record

_FIRST_PAUSE: Final = 0.003  # seconds; a grant takes a server about one
_GROWTH: Final = 3  # of the pauses: few attempts, for a slow caller may find two answered
_LONGEST_PAUSE: Final = 1.0  # after which the kernel tries again by itself
_WAITING: Final = 6  # attempts at a time; the oldest gives way
_UNDER_WAY: Final = {errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY, 10035}  # 10035: Windows
_REFUSED: Final = {errno.ECONNREFUSED, 10061}
_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6, None: socket.AF_UNSPEC}


class Heard(Enum):
    """What came back from a port."""

    ANSWER = "answer"
    SILENCE = "silence"
    REFUSAL = "refusal"
    """A reset: the host is reached, and nobody listens there or a firewall says so."""
    PROHIBITED = "prohibited"
    """A message of some router or firewall: not there, or not for you."""
    NO_WAY = "no way"
    """This machine has no route or no address of that family."""


@record
class Answer:
    heard: Heard
    connection: socket.socket | None = None
    """Blocking and without delay for small writes; set if there was an answer."""
    reason: str = ""
    """In the system's words, where it gave any."""


def addresses(host: str, family: int | None = None) -> Sequence[str]:
    """The addresses of a host in the system's order, each once.

    Args:
        host: A name, or an address of either family.
        family: 4 or 6 for only such addresses; None: both.

    Raises HostError: there are none.
    """
    if "\0" in host:  # the system would look up what stands before it
        raise _unknown(host, family, "not a host name")
    if doubtful.is_doubtful(host):
        raise HostError(f"{host!r} has no address: {doubtful.REASON}", hint=doubtful.REMEDY)
    try:
        found = socket.getaddrinfo(host, None, _FAMILIES[family], socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise _unknown(host, family, str(error.strerror)) from error
    except (OSError, ValueError) as error:  # ValueError: a name that IDNA cannot encode
        raise _unknown(host, family, "not a host name") from error
    texts = [_zoned(endpoint) for *_, endpoint in found if isinstance(endpoint[0], str)]
    return list(dict.fromkeys(texts))


def _zoned(endpoint: tuple[Any, ...]) -> str:
    """The address, and the interface behind which it is, where it is such a one."""
    text, scope = str(endpoint[0]), endpoint[3] if len(endpoint) > 3 else 0
    if not scope or "%" in text:
        return text
    try:
        return f"{text}%{socket.if_indextoname(scope)}"
    except OSError:
        return f"{text}%{scope}"


def place(address: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """What a socket connects to, for an address as ``addresses`` gives it."""
    text, percent, zone = address.partition("%")
    if not percent:
        return address, port
    with suppress(OSError):  # an interface that has gone has no number
        return text, port, 0, int(zone) if zone.isdecimal() else socket.if_nametoindex(zone)
    return text, port


def _unknown(host: str, family: int | None, reason: str) -> HostError:
    hint = f"only IPv{family} addresses were looked for" if family else "see that the name is right"
    return HostError(f"{host!r} has no address: {reason}", hint=hint)


def dial(address: str, port: int, seconds: float, *, stubborn: float = 0.0) -> Answer:
    """Connect within a time, trying again and again.

    Args:
        address: Of either family, as ``addresses`` gives it.
        seconds: How long to try.
        stubborn: For so many seconds refusals do not count: a firewall that resets what
            it does not let through is about to change its mind.
    """
    with _Attempts(address, port) as attempts:
        return _try(attempts, seconds, stubborn)


def _try(attempts: _Attempts, seconds: float, stubborn: float) -> Answer:
    begun = now = time.monotonic()
    due, pause = begun, _FIRST_PAUSE
    last = Answer(Heard.SILENCE)
    while now < begun + seconds:
        if now >= due:
            due, pause = now + pause, min(_GROWTH * pause, _LONGEST_PAUSE)
            if answer := attempts.begin():
                return answer
        for answer in attempts.wait(min(due, begun + seconds) - now):
            last = answer
            refused = answer.heard is Heard.REFUSAL and now - begun >= stubborn
            if answer.connection is not None or refused:
                return answer
        now = time.monotonic()
    return last


class _Attempts:
    """Connections to one port that are not answered yet."""

    def __init__(self, address: str, port: int) -> None:
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._endpoint = place(address, port)
        self._selector = selectors.DefaultSelector()
        self._waiting: list[socket.socket] = []

    def __enter__(self) -> _Attempts:
        return self

    def __exit__(self, *_: object) -> None:
        while self._waiting:
            self._drop(self._waiting[0])
        self._selector.close()

    def begin(self) -> Answer | None:
        """Start one more; an answer if it is settled at once."""
        try:
            attempt = socket.socket(self._family, socket.SOCK_STREAM)
        except OSError as error:
            return Answer(Heard.NO_WAY, reason=error.strerror or "")
        attempt.setblocking(False)
        code = attempt.connect_ex(self._endpoint)
        if code in _UNDER_WAY:
            if len(self._waiting) == _WAITING:
                self._drop(self._waiting[0])
            self._waiting.append(attempt)
            self._selector.register(attempt, selectors.EVENT_WRITE)
            return None
        answer = _answer(attempt, code)
        if answer.heard is Heard.PROHIBITED:  # said by this machine itself
            return Answer(Heard.NO_WAY, reason=answer.reason)
        return answer if answer.connection else None

    def wait(self, seconds: float) -> Sequence[Answer]:
        """What is heard within a time of the attempts under way; at once if there is anything."""
        answers = []
        for key, _ in self._selector.select(max(0.0, seconds)):
            attempt = key.fileobj
            assert isinstance(attempt, socket.socket)  # noqa: S101  (nothing else is registered)
            self._forget(attempt)
            answers.append(_answer(attempt, attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))
        answers.sort(key=lambda each: each.connection is None)
        for spare in [each.connection for each in answers[1:] if each.connection]:
            spare.close()
        return answers

    def _forget(self, attempt: socket.socket) -> None:
        self._selector.unregister(attempt)
        self._waiting.remove(attempt)

    def _drop(self, attempt: socket.socket) -> None:
        self._forget(attempt)
        attempt.close()


def _answer(attempt: socket.socket, code: int) -> Answer:
    if code == 0:
        attempt.setblocking(True)
        with suppress(OSError):  # comforts; a connection without them is one too
            attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return Answer(Heard.ANSWER, attempt)
    attempt.close()
    heard = Heard.REFUSAL if code in _REFUSED else Heard.PROHIBITED
    if code == errno.ETIMEDOUT:
        heard = Heard.SILENCE
    return Answer(heard, reason=errno.errorcode.get(code, str(code)))
