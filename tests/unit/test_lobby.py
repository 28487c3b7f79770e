"""Who is served first when more packets arrive than can be tried, and what is kept of them."""

from __future__ import annotations

from tests.values import packet
from watchword.model.packets import Packet
from watchword.service.daemon.lobby import (
    FAMILIARS,
    KNOWN,
    KNOWN_SECONDS,
    MANY_PLACES,
    PLACES,
    STRANGERS,
    Line,
    Lobby,
)


def of(source: str, number: int = 0) -> Packet:
    return packet(b"%d" % number, source=source)


def served(line: Line[Packet] | Lobby, most: int = 10_000) -> list[tuple[str, int]]:
    packets = [line.take() for _ in range(min(most, line.count))]
    return [(each.peer, int(each.payload)) for each in packets]


def test_sources_take_turns() -> None:
    line = Line[Packet](100)
    for number in range(3):
        line.join(of("loud", number))
    line.join(of("quiet"))
    assert served(line) == [("loud", 0), ("quiet", 0), ("loud", 1), ("loud", 2)]
    assert line.count == 0


def test_a_source_has_its_few_places_and_no_more() -> None:
    line = Line[Packet](100)
    for number in range(PLACES + 5):
        line.join(of("loud", number))
    assert served(line) == [("loud", number) for number in range(PLACES)]
    assert line.dropped == 5


def test_when_all_places_are_taken_the_oldest_goes() -> None:
    line = Line[Packet](3)
    for name in "abcd":
        line.join(of(name))
    assert [source for source, _ in served(line)] == ["b", "c", "d"]
    assert line.dropped == 1


def test_what_is_taken_is_bounded_and_the_rest_waits() -> None:
    line = Line[Packet](100)
    for name in "abcd":
        line.join(of(name))
    assert [source for source, _ in served(line, 3)] == ["a", "b", "c"]
    assert [source for source, _ in served(line, 3)] == ["d"]


def test_a_hundred_thousand_forged_sources_leave_no_more_behind_than_there_are_places() -> None:
    lobby = Lobby()
    lobby.arrive([of(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(100_000)], 0.0)
    assert lobby.count == STRANGERS
    assert lobby.strangers.dropped == 100_000 - STRANGERS
    assert len(lobby.strangers._waiting) == STRANGERS


def test_whoever_was_recognised_does_not_wait_behind_strangers() -> None:
    lobby = Lobby()
    lobby.recognised("friend", 0.0)
    lobby.arrive([of(f"stranger {n}") for n in range(50)] + [of("friend", 7)], 1.0)
    assert served(lobby, 2) == [("friend", 7), ("stranger 0", 0)]


def test_being_known_ends_after_its_time() -> None:
    lobby = Lobby()
    lobby.recognised("friend", 0.0)
    lobby.arrive([of("friend")], KNOWN_SECONDS - 1)
    lobby.arrive([of("friend")], KNOWN_SECONDS)
    assert (lobby.familiars.count, lobby.strangers.count) == (1, 1)


def test_known_addresses_are_bounded_and_the_longest_unseen_goes_first() -> None:
    lobby = Lobby()
    lobby.recognised("first", 0.0)
    lobby.recognised("second", 0.0)
    lobby.recognised("first", 1.0)
    for number in range(KNOWN - 1):
        lobby.recognised(f"other {number}", 1.0)
    assert lobby.known == KNOWN
    lobby.arrive([of("first"), of("second")], 2.0)
    assert served(lobby.familiars) == [("first", 0)]


def test_a_forged_known_address_fills_its_own_places_only() -> None:
    lobby = Lobby()
    lobby.recognised("victim", 0.0)
    lobby.recognised("friend", 0.0)
    lobby.arrive([of("victim", n) for n in range(FAMILIARS)] + [of("friend")], 1.0)
    assert lobby.familiars.count == MANY_PLACES + 1
    assert ("friend", 0) in served(lobby.familiars, 2)
