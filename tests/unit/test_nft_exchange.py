"""What the netlink socket makes of answers, the odd ones included."""

from __future__ import annotations

import errno
import select
import struct
from collections.abc import Callable

import pytest

from watchword.edges.firewall.nft.attributes import Request, decode
from watchword.edges.firewall.nft.netlink import Fault, KernelError, Netlink
from watchword.errors import HostError

ELEMENT = Request(0x0A0D, 1, b"", 0x300)
DUMP_INTR = 0x10
CAPPED_WITH_WORDS = 0x300


def message(kind: int, sequence: int, body: bytes = b"", flags: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body


def done(sequence: int) -> bytes:
    return message(3, sequence, struct.pack("=i", 0))


def refusal(sequence: int, number: int, words: str = "") -> bytes:
    said = words.encode() + b"\0"
    told = struct.pack("=HH", 4 + len(said), 1) + said if words else b""
    body = struct.pack("=iIHHII", -number, 20, 0, 0, sequence, 0) + told
    return message(2, sequence, body, CAPPED_WITH_WORDS)


class Scripted:
    """Stands for the socket: answers each datagram from a list, by its first number."""

    def __init__(self, *answers: Callable[[int], list[bytes] | OSError]) -> None:
        self.answers = list(answers)
        self.waiting: list[bytes | OSError] = []
        self.sent: list[bytes] = []

    def setsockopt(self, *_: object) -> None: ...

    def fileno(self) -> int:
        return 0

    def sendto(self, data: bytes, _: object) -> None:
        self.sent.append(data)
        answer = self.answers.pop(0)(next(iter(decode(data))).sequence)
        self.waiting = [answer] if isinstance(answer, OSError) else list(answer)

    def recv(self, _: int) -> bytes:
        if not self.waiting:
            raise BlockingIOError
        first = self.waiting.pop(0)
        if isinstance(first, OSError):
            raise first
        return first


def talking(*answers: Callable[[int], list[bytes] | OSError]) -> tuple[Netlink, Scripted]:
    scripted, channel = Scripted(*answers), Netlink.__new__(Netlink)
    channel._socket = scripted  # type: ignore[assignment]
    channel._room = channel._sequence = 0
    return channel, scripted


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    class Never:
        def register(self, *_: object) -> None: ...

        def poll(self, _: float) -> list[object]:
            return []

    monkeypatch.setattr(select, "poll", Never)


def one(sequence: int) -> list[bytes]:
    return [message(0x0A0C, sequence, b"\1\0\0\0"), done(sequence)]


def interrupted(sequence: int) -> list[bytes]:
    return [message(0x0A0C, sequence, b"\1\0\0\0", DUMP_INTR), done(sequence)]


@pytest.mark.parametrize(
    "disturbed", [interrupted, lambda s: [refusal(s, errno.EINTR)]], ids=["flag", "EINTR"]
)
def test_a_listing_that_was_disturbed_is_asked_for_again(
    disturbed: Callable[[int], list[bytes]],
) -> None:
    channel, scripted = talking(disturbed, disturbed, one)
    assert len(channel.dump(ELEMENT)) == 1
    assert len(scripted.sent) == 3


def test_a_listing_that_is_always_disturbed_is_given_up() -> None:
    channel, _ = talking(*[interrupted] * 20)
    with pytest.raises(KernelError, match="changes all the time"):
        channel.dump(ELEMENT)


def test_answers_to_somebody_elses_question_are_passed_over() -> None:
    channel, _ = talking(lambda s: [*one(s + 77), *one(s)])
    assert len(channel.dump(ELEMENT)) == 1


def test_answers_that_were_lost_are_an_error_and_not_a_short_answer() -> None:
    channel, _ = talking(lambda _: OSError(errno.ENOBUFS, "No buffer space available"))
    with pytest.raises(HostError, match="No buffer space"):
        channel.dump(ELEMENT)


@pytest.mark.parametrize(
    "ask", [Netlink.dump, lambda n, r: n.ask([r]), lambda n, r: n.transact([r])]
)
def test_a_kernel_that_says_nothing_is_not_waited_for_without_end(
    ask: Callable[[Netlink, Request], object],
) -> None:
    channel, _ = talking(lambda _: [])
    with pytest.raises(KernelError, match="timed out"):
        ask(channel, ELEMENT)


def test_every_fault_of_a_transaction_is_told_with_the_kernels_words() -> None:
    channel, _ = talking(
        lambda s: [
            refusal(s + 1, errno.ENOENT),
            refusal(s + 2, 0),
            refusal(s + 3, 28, "set is full"),
        ]
    )
    assert channel.transact([ELEMENT] * 3) == [
        Fault(0, errno.ENOENT, ""),
        Fault(2, 28, "set is full"),
    ]


def test_a_transaction_that_is_refused_as_a_whole_says_so() -> None:
    channel, _ = talking(lambda s: [refusal(s, errno.EPERM)])
    assert channel.transact([ELEMENT]) == [Fault(-1, errno.EPERM, "")]


def test_questions_are_answered_one_by_one_and_what_is_not_there_is_none() -> None:
    channel, _ = talking(
        lambda s: [
            refusal(s, errno.ENOENT) + message(0x0A0C, s + 1, b"\1\0\0\0there") + refusal(s + 1, 0),
            refusal(s + 2, errno.ENOENT),
        ]
    )
    first, second, third = channel.ask([ELEMENT] * 3)
    assert (first, third) == (None, None)
    assert second is not None
    assert second.attributes == b"there"


def test_numbers_start_again_before_they_run_out() -> None:
    channel, _ = talking(one, one)
    channel._sequence = (1 << 31) - 2
    for _ in range(2):
        assert len(channel.dump(ELEMENT)) == 1
    assert channel._sequence < 10


def test_only_a_lack_of_privilege_has_that_remedy() -> None:
    assert "CAP_NET_ADMIN" in KernelError("it", errno.EPERM).hint
    assert KernelError("it", errno.ENOENT).hint == ""
    assert (
        str(KernelError("it", errno.ENOENT)) == "the kernel refused it: No such file or directory"
    )
