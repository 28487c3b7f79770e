"""What the gate is given over the counter, and what not: openings by name, ends of connections."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.values import NOW, policy, terms
from watchword.edges.capture.openers import Openers
from watchword.edges.clock import FakeClock
from watchword.edges.firewall.memory import MemoryFirewall
from watchword.errors import HostError
from watchword.grant import approvals
from watchword.model.openings import Hole, Lead, Opening, Tag
from watchword.model.orders import Apply, Cut, OpenWay, Order, Recognise, Wanted, Way
from watchword.model.services import Proto, Service
from watchword.model.settings import KnockGroup, KnockLog, Settings
from watchword.ports import ForbiddenError, UnwarrantedError
from watchword.service.apart.counter import Counter
from watchword.service.apart.rulebook import Rulebook
from watchword.service.apart.ways import Ways

SSH, OTHER = Service(Proto.TCP, 22), Service(Proto.TCP, 23)
CALLER, NEXT = ip_address("198.51.100.2"), ip_address("198.51.100.3")
T = NOW.steady


class Desk:
    """A counter before a firewall in memory."""

    def __init__(self) -> None:
        self.clock = FakeClock(*NOW)
        self.firewall = MemoryFirewall(self.clock)
        self.firewall.prepare()
        found = policy(terms(open_services=frozenset({SSH}), max_seconds=60))
        self.book = SimpleNamespace(
            now=SimpleNamespace(policy=found, firewall=self.firewall), coming=None
        )
        self.start()

    def start(self) -> None:
        self.counter = Counter(cast("Rulebook", self.book), self.clock)

    def serve(self, order: Order) -> Any:
        return self.counter.serve(order)[0]

    def apply(self, *openings: Opening, remove: frozenset[Tag] = frozenset()) -> None:
        """Each for a grant that is called like whom it is for."""
        wanted = (Wanted(o, 1, o.hole.who, grant=str(o.hole.who)) for o in openings)
        self.serve(Apply(tuple(wanted), remove))


def opening(service: Service = SSH, seconds: float = 30, who: Any = CALLER) -> Opening:
    return Opening(Hole(who, service), T + seconds)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_name_that_two_openings_have_approves_of_the_one_that_was_made(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Opening, "tag", property(lambda self: Tag("c0111de5c0111de5")))
    desk.apply(opening())
    desk.serve(Recognise((opening(OTHER, 9e9), opening())))
    desk.serve(Recognise((opening(OTHER, 9e9),)))
    with pytest.raises(UnwarrantedError, match="are more than the 60"):
        desk.apply(opening(OTHER, 9e9))
    desk.start()  # the same, of an earlier run: which of the two it was, nobody knows
    desk.serve(Recognise((opening(OTHER, 9e9), opening())))
    with pytest.raises(UnwarrantedError, match="are more than the 60"):
        desk.apply(opening(OTHER, 9e9))


def test_while_there_are_two_firewalls_no_name_becomes_free(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Opening, "tag", property(lambda self: Tag("c0111de5c0111de5")))
    desk.apply(opening())
    other = MemoryFirewall(desk.clock)
    other.prepare()
    desk.book.coming = replace_namespace(desk.book.now, firewall=other)
    desk.serve(Apply((), frozenset({opening().tag}), coming=True))
    desk.serve(Recognise((opening(OTHER, 9e9),)))
    with pytest.raises(UnwarrantedError):
        desk.apply(opening(OTHER, 9e9))


def replace_namespace(found: SimpleNamespace, **more: Any) -> SimpleNamespace:
    return SimpleNamespace(**{**vars(found), **more})


def test_a_hole_that_gets_ever_new_ends_fills_no_memory(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals, "MOST", 50)
    for number in range(50):
        desk.apply(opening(seconds=10 + number / 100))
    with pytest.raises(HostError, match="more is open already than can be remembered"):
        desk.apply(opening(seconds=20))
    assert len(desk.counter._approved._openings) == 50
    desk.apply(opening(seconds=10.49))  # which is there, and may be put back
    desk.clock.advance(11)
    desk.apply(opening(seconds=20))
    assert len(desk.counter._approved._openings) == 1


def test_what_an_earlier_run_opened_may_be_put_back(desk: Desk) -> None:
    desk.apply(opening())
    desk.start()
    desk.book.now.policy = policy(terms(open_services=frozenset({OTHER})))
    desk.serve(Recognise((opening(),)))
    desk.firewall.disturb()
    desk.firewall.prepare()
    desk.apply(opening())
    assert desk.firewall.openings == {opening()}


def test_an_opening_that_is_over_lets_nothing_be_cut_that_was_never_open(desk: Desk) -> None:
    desk.firewall.connections.update([opening().hole, opening(OTHER).hole])
    desk.apply(opening(OTHER, -1), opening(OTHER, 0, NEXT))  # no offence
    assert not desk.firewall.openings
    with pytest.raises(ForbiddenError, match=r"tcp/23 for 198\.51\.100\.2 was never open"):
        desk.serve(Cut((opening(OTHER).hole,)))
    desk.apply(opening(seconds=-1))  # it came too late: its end is carried through all the same
    assert desk.serve(Cut((opening().hole,))) == 1


def test_only_connections_that_were_let_in_are_cut(desk: Desk) -> None:
    desk.firewall.connections.update([opening().hole, opening(OTHER).hole])
    desk.apply(opening())
    with pytest.raises(ForbiddenError, match=r"tcp/23 for 198\.51\.100\.2 was never open"):
        desk.serve(Cut((opening().hole, opening(OTHER).hole)))
    desk.apply(remove=frozenset({opening().tag}))
    assert desk.serve(Cut((opening().hole,))) == 1
    assert desk.serve(Cut(())) == 0
    assert desk.firewall.connections.total() == 1


def test_a_cut_that_may_start_a_program_is_left_to_a_thread(desk: Desk) -> None:
    through = opening().hole._replace(lead=Lead(None, 0, everything=True))
    assert desk.counter.may_take_long(Cut((opening().hole, through)))
    assert not desk.counter.may_take_long(Cut((opening().hole,)))


def test_roots_word_lets_one_grant_last_longer_and_no_other(desk: Desk) -> None:
    desk.apply(opening(), opening(who=NEXT))
    desk.counter.licences.give(str(CALLER), 600, 25)
    for _ in range(2):  # as where the firewall fails first
        desk.apply(opening(seconds=630), remove=frozenset({opening().tag}))
    with pytest.raises(UnwarrantedError, match="more than the 60"):
        desk.apply(opening(seconds=630, who=NEXT))
    with pytest.raises(UnwarrantedError, match="more than the 60"):
        desk.apply(opening(seconds=1230))


def test_a_gate_that_calls_one_grant_by_the_name_of_another_has_nothing_of_roots_word(
    desk: Desk,
) -> None:
    desk.apply(opening(), opening(who=NEXT))
    desk.counter.licences.give(str(CALLER), 600, 25)
    longer = opening(seconds=630, who=NEXT)
    for source in (NEXT, CALLER):
        with pytest.raises(UnwarrantedError, match="more than the 60"):
            desk.serve(Apply((Wanted(longer, 1, source, grant=str(CALLER)),)))
    desk.serve(Apply((Wanted(opening(seconds=31, who=NEXT), 1, NEXT, grant=str(CALLER)),)))
    with pytest.raises(UnwarrantedError, match="more than the 60"):  # nor by saying so beforehand
        desk.serve(Apply((Wanted(longer, 1, NEXT, grant=str(CALLER)),)))
    desk.apply(opening(seconds=630))


@pytest.mark.parametrize(
    ("order", "opened"),
    [
        (OpenWay(Way.KERNEL_LOG, path="/var/log/kern.log"), "log /var/log/kern.log"),
        (OpenWay(Way.KERNEL_LOG, path="/etc/shadow"), ""),
        (OpenWay(Way.KERNEL_PIPE, path="/var/log/kern.log"), ""),
        (OpenWay(Way.KERNEL_PIPE, path="/run/fifo"), "pipe /run/fifo"),
        (OpenWay(Way.KERNEL_LOG, path="/run/fifo"), ""),
        (OpenWay(Way.GROUP, port=5), "group 5"),
        (OpenWay(Way.GROUP, port=6), ""),
    ],
)
def test_only_the_logs_of_knocks_that_are_configured_are_opened(
    order: OpenWay, opened: str, desk: Desk
) -> None:
    asked: list[str] = []

    def log(path: Path, pipe: bool) -> int:
        asked.append(f"{'pipe' if pipe else 'log'} {path}")
        return 7

    def group(number: int) -> Any:
        asked.append(f"group {number}")
        return SimpleNamespace(detach=lambda: 8)

    logs = (KnockLog(Path("/var/log/kern.log")), KnockLog(Path("/run/fifo"), True))
    desk.book.now.settings = Settings(sources=(*logs, KnockGroup(5)))
    ways = Ways(cast("Rulebook", desk.book), Openers(log=log, group=group))
    if opened:
        ways.opened(order)
    else:
        with pytest.raises(ForbiddenError, match="is configured"):
            ways.opened(order)
    assert asked == [opened] * bool(opened)
