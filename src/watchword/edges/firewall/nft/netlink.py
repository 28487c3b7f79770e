"""The netlink socket to the kernel: to its packet filter, or to its sockets.

In here: sending, waiting for the answer, collecting errors, starting a dump
again that was disturbed. Not in here: what is sent (elements, objects).

The kernel answers before the send returns, so nothing here waits in earnest;
the limit is for kernels that are ill. Everything refused becomes
KernelError, with the kernel's words.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from watchword.edges.firewall.nft.attributes import (
    NLM_F_DUMP_INTR,
    NLMSG_DONE,
    NLMSG_ERROR,
    NLMSG_MIN_TYPE,
    Message,
    Request,
    batch,
    decode,
    encode,
    fields,
    read_text,
)
from watchword.errors import HostError

NETLINK_NETFILTER = 12
SOL_NETLINK = 270
NETLINK_CAP_ACK = 10  # errors come without the message that caused them
NETLINK_EXT_ACK = 11  # ... and with the kernel's words
_NLM_F_CAPPED, _NLM_F_ACK_TLVS = 0x100, 0x200
_WORDS = 1
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33

_RECEIVE_BUFFER = 4 << 20
_SMALLEST_SEND_BUFFER = 256 << 10
_DATAGRAM = 1 << 17  # the kernel fills 32 KiB at the most
_SECONDS = 5.0
_TRIES = 20
_QUESTIONS = 128
"""Questions in one datagram: their answers stay within the receive buffer."""


class KernelError(HostError):
    """The kernel said no."""

    def __init__(self, doing: str, number: int, words: str = "") -> None:
        said = words or os.strerror(number)
        hint = "run this with CAP_NET_ADMIN" if number == errno.EPERM else ""
        super().__init__(f"the kernel refused {doing}: {said}", hint=hint)
        self.number = number
        """errno."""


class Fault(NamedTuple):
    """What was wrong with one request of a transaction."""

    request: int
    """Which request; -1: the transaction as a whole."""
    number: int
    words: str


class Netlink:
    """One socket. Not for several threads at once."""

    def __init__(self, family: int = NETLINK_NETFILTER) -> None:
        """``family``: which part of the kernel it talks to. Raises HostError."""
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
            self._socket.bind((0, 0))
        except OSError as error:
            raise HostError(f"no netlink socket to the kernel: {error}") from error
        self._socket.setblocking(False)
        for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK):
            self._socket.setsockopt(SOL_NETLINK, option, 1)
        enlarge(self._socket, _SO_RCVBUFFORCE, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self._room = 0
        self._sequence = 0

    @property
    def port(self) -> int:
        """The number the kernel knows this socket by; events that we cause carry it."""
        name: tuple[int, int] = self._socket.getsockname()
        return name[0]

    def close(self) -> None:
        self._socket.close()

    def transact(self, requests: Sequence[Request]) -> list[Fault]:
        """Send one transaction: all of it happens, or nothing and the faults say why.

        At least one request. Raises KernelError if the transaction could not
        be sent or was not answered.
        """
        first = self._number(len(requests) + 2)
        self._send(batch(requests, first))
        last = first + len(requests)
        faults = []
        for message in self._answers():
            if message.kind != NLMSG_ERROR or not first <= message.sequence <= last:
                continue
            number, words = _verdict(message)
            if number:
                faults.append(Fault(message.sequence - first - 1, number, words))
            if message.sequence == last or (number and message.sequence == first):
                return faults
        raise KernelError("a transaction", errno.ETIMEDOUT)

    def ask(self, requests: Sequence[Request]) -> list[Message | None]:
        """The answer to each question, which has to ask for an acknowledgement; None: ENOENT."""
        answers: list[Message | None] = []
        for at in range(0, len(requests), _QUESTIONS):
            answers += self._ask(requests[at : at + _QUESTIONS])
        return answers

    def _ask(self, requests: Sequence[Request]) -> list[Message | None]:
        first = self._number(len(requests))
        self._send(b"".join(encode(each, first + i) for i, each in enumerate(requests)))
        answers: list[Message | None] = [None] * len(requests)
        for message in self._answers():
            index = message.sequence - first
            if not 0 <= index < len(requests):
                continue
            if message.kind >= NLMSG_MIN_TYPE:
                answers[index] = message
            elif message.kind == NLMSG_ERROR:
                number, words = _verdict(message)
                if number not in (0, errno.ENOENT):
                    raise KernelError("a question", number, words)
                if index == len(requests) - 1:
                    return answers
        raise KernelError("a question", errno.ETIMEDOUT)

    def tell(self, request: Request) -> None:
        """Have something carried out, which has to ask for an acknowledgement.

        Raises KernelError, ENOENT included.
        """
        sequence = self._number(1)
        self._send(encode(request, sequence))
        for message in self._answers():
            if message.sequence == sequence and message.kind == NLMSG_ERROR:
                number, words = _verdict(message)
                if number:
                    raise KernelError("a change", number, words)
                return
        raise KernelError("a change", errno.ETIMEDOUT)

    def dump(self, request: Request) -> list[Message]:
        """Everything of a kind. Raises KernelError, ENOENT included."""
        for _ in range(_TRIES):
            messages = self._dump(request)
            if messages is not None:
                return messages
        raise KernelError("a listing", errno.EINTR, "the ruleset changes all the time")

    def _dump(self, request: Request) -> list[Message] | None:
        """None: something changed under way, the answer is no consistent whole."""
        sequence = self._number(1)
        self._send(encode(request, sequence))
        found: list[Message] = []
        whole = True
        for message in self._answers():
            if message.sequence != sequence:
                continue
            whole = whole and not message.flags & NLM_F_DUMP_INTR
            if message.kind >= NLMSG_MIN_TYPE:
                found.append(message)
            elif message.kind in (NLMSG_DONE, NLMSG_ERROR):
                number, words = _verdict(message)
                if number == errno.EINTR:
                    return None
                if number:
                    raise KernelError("a listing", number, words)
                return found if whole else None
        raise KernelError("a listing", errno.ETIMEDOUT)

    def _number(self, count: int) -> int:
        """The first of so many fresh sequence numbers, never 0."""
        if self._sequence + count >= 1 << 31:
            self._sequence = 0
        first = self._sequence + 1
        self._sequence += count
        return first

    def _send(self, data: bytes) -> None:
        if len(data) + 1024 > self._room:  # the kernel counts some bytes of its own
            self._room = max(_SMALLEST_SEND_BUFFER, 2 * len(data))
            enlarge(self._socket, _SO_SNDBUFFORCE, socket.SO_SNDBUF, self._room)
        self._forget_old_answers()
        try:
            self._socket.sendto(data, (0, 0))
        except OSError as error:
            raise KernelError(f"{len(data)} bytes", error.errno or 0) from error

    def _forget_old_answers(self) -> None:
        """What an abandoned exchange left in the queue is nobody's any more."""
        while True:
            try:
                self._socket.recv(_DATAGRAM)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise KernelError("a question", error.errno or 0) from error

    def _answers(self) -> Iterator[Message]:
        """Messages as they come; ends when nothing came for a while."""
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        while True:
            try:
                data = self._socket.recv(_DATAGRAM)
            except BlockingIOError:
                if not waiting.poll(_SECONDS * 1000):
                    return
                continue
            except OSError as error:  # ENOBUFS: answers were lost
                raise KernelError("a question", error.errno or 0) from error
            yield from decode(data)


def enlarge(channel: socket.socket, force: int, polite: int, size: int) -> None:
    """Ask for a socket buffer beyond the system's limit, or for what the limit allows."""
    try:
        channel.setsockopt(socket.SOL_SOCKET, force, size)
    except OSError:
        channel.setsockopt(socket.SOL_SOCKET, polite, size)


def _verdict(message: Message) -> tuple[int, str]:
    """errno, 0 for none, and what the kernel says about it."""
    if len(message.body) < 4:
        return 0, ""
    number = -struct.unpack_from("=i", message.body)[0]
    words = ""
    if message.kind == NLMSG_ERROR and message.flags & _NLM_F_ACK_TLVS:
        skip = 20 if message.flags & _NLM_F_CAPPED else 4 + _inner_length(message.body)
        words = read_text(fields(message.body[skip:]).get(_WORDS, b""))
    return number, words


def _inner_length(body: bytes) -> int:
    return int(struct.unpack_from("=I", body, 4)[0]) if len(body) >= 8 else 0
