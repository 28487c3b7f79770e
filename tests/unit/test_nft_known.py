"""Who was there, and who slipped in: the judgement, and the sockets it rests on."""

from __future__ import annotations

import sys
from ipaddress import ip_address
from pathlib import Path

import pytest

from watchword.edges.firewall import live
from watchword.edges.firewall.nft import connections
from watchword.edges.firewall.nft.arrivals import Arrivals
from watchword.edges.firewall.nft.connections import Connection, Sockets, read_sockets
from watchword.edges.firewall.nft.known import MOST_ENDED, Known
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import Extent, Hole
from watchword.model.services import Service

SSH, WEB = Service.parse("tcp/22"), Service.parse("tcp/80")
NOBODY: frozenset[Connection] = frozenset()


def line(remote: str = "192.0.2.7", port: int = 4000, service: Service = SSH) -> Connection:
    return Connection(ip_address(remote), port, ip_address("203.0.113.1"), service)


def known(**more: object) -> Known:
    return Known(FirewallSettings(guarded=(SSH,), **more))  # type: ignore[arg-type]


def judged(
    memory: Known,
    *live: Connection,
    holes: tuple[Hole, ...] = (),
    listening: tuple[Service, ...] = (),
) -> tuple[set[Connection], set[Connection]]:
    mine, slipped = memory.judge(
        Sockets(frozenset(live), frozenset(listening)), NOBODY, frozenset(holes)
    )
    return set(mine), set(slipped)


def test_who_was_on_the_list_belongs_and_who_was_not_slipped_in() -> None:
    memory = known()
    memory.listed([line()])
    assert judged(memory, line(), line(port=4001)) == ({line()}, {line(port=4001)})


def test_services_that_are_not_guarded_are_nobodys_business() -> None:
    assert judged(known(), line(service=WEB)) == (set(), set())


@pytest.mark.parametrize("destination", [None, "203.0.113.1"])
def test_who_has_an_opening_belongs(destination: str | None) -> None:
    to = None if destination is None else ip_address(destination)
    hole = Hole(ip_address("192.0.2.7"), SSH, to)
    assert judged(known(), line(), holes=(hole,)) == ({line()}, set())


PARTS = [
    Hole(ip_address("192.0.2.7"), SSH, extent=Extent(port=4000)),
    Hole(ip_address("192.0.2.7"), SSH, ip_address("203.0.113.1"), extent=Extent(port=4000)),
    Hole(ip_address("192.0.2.0"), SSH, extent=Extent(bits=24)),
    Hole(ip_address("192.0.2.0"), SSH, extent=Extent(bits=24, first=True)),
]


@pytest.mark.parametrize("hole", PARTS)
def test_who_has_an_opening_for_his_port_or_his_network_belongs_while_it_lasts_and_after(
    hole: Hole,
) -> None:
    memory = known(prefixes=((4, 24),), firsts=((4, 24),))
    stranger = line("192.0.3.7", 4001)
    assert judged(memory, line(), stranger, holes=(hole,)) == ({line()}, {stranger})
    memory.ended([hole])
    assert judged(memory, line(), stranger) == ({line()}, {stranger})


@pytest.mark.parametrize("hole", PARTS)
def test_who_came_in_by_his_port_or_his_network_is_found_to_be_cut_and_nobody_else(
    hole: Hole,
) -> None:
    others = {line("192.0.3.7", 4001), line(service=WEB)}
    if hole.extent and hole.extent.port:
        others.add(line(port=4001))
    found = Arrivals(Sockets(frozenset({line(), *others}), frozenset()), {}, NOBODY)
    assert found.through([hole]) == {line()}
    assert live._let_in(list(found.here), [hole]) == [hole]
    assert live._let_in(list(others), [hole]) == []


@pytest.mark.parametrize(
    "hole",
    [
        Hole(ip_address("192.0.2.8"), SSH),
        Hole(ip_address("192.0.2.7"), WEB),
        Hole(ip_address("192.0.2.7"), SSH, ip_address("203.0.113.2")),
    ],
)
def test_an_opening_for_something_else_helps_nobody(hole: Hole) -> None:
    assert judged(known(), line(), holes=(hole,)) == (set(), {line()})


def test_who_came_in_through_an_opening_that_ended_belongs_until_and_after_the_next_list() -> None:
    memory = known()
    memory.ended([Hole(ip_address("192.0.2.7"), SSH)])
    assert memory.stale
    assert judged(memory, line()) == ({line()}, set())
    memory.listed([line()])
    assert not memory.stale
    assert judged(memory, line(), line(port=4001)) == ({line()}, {line(port=4001)})


def test_the_memory_of_ended_openings_asks_for_a_list_before_it_grows() -> None:
    memory = known()
    memory.ended(Hole(ip_address("10.0.0.0") + n, SSH) for n in range(MOST_ENDED - 1))
    assert not memory.due
    memory.ended([Hole(ip_address("192.0.2.7"), SSH)])
    assert memory.due


def test_with_everything_guarded_who_came_to_a_listener_slipped_in_and_the_rest_began_here() -> (
    None
):
    memory = known(guard_all=True, public=(WEB,))
    came, began, public = line(), line(service=Service.parse("tcp/40000")), line(service=WEB)
    assert judged(memory, came, began, public, listening=(SSH,)) == ({began}, {came})


def test_who_is_led_on_to_a_container_is_judged_alike() -> None:
    memory = known(guard_all=True)
    led = line(service=Service.parse("tcp/8022"))
    mine, slipped = memory.judge(Sockets(NOBODY, frozenset()), frozenset([led]), frozenset())
    assert (mine, slipped) == (NOBODY, frozenset({led}))


TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 017100CB:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 017100CB:0016 070200C0:0FA0 01 00000000:00000000 00:00000000 00000000     0        0 2
   2: 0100007F:0016 0100007F:0FA1 01 00000000:00000000 00:00000000 00000000     0        0 3
   3: 017100CB:0016 070200C0:0FA2 06 00000000:00000000 00:00000000 00000000     0        0 4
   4: 017100CB:0016 070200C0:0FA3 03 00000000:00000000 00:00000000 00000000     0        0 5
   5: 017100CB:0016 070200C0:0FA4 08 00000000:00000000 00:00000000 00000000     0        0 6
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue
   0: 0000000000000000FFFF0000017100CB:0016 0000000000000000FFFF0000070200C0:0FAA 01 0:0
   1: B80D0120000000000000000001000000:0016 B80D0120000000000000000007000000:0FAB 01 0:0
"""
UDP = """\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 7
   1: 017100CB:0035 070200C0:14E9 01 00000000:00000000 00:00000000 00000000     0        0 8
"""


@pytest.mark.skipif(sys.byteorder != "little", reason="the tables of this test are little-endian")
def test_the_socket_tables_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("tcp", TCP), ("tcp6", TCP6), ("udp", UDP)):  # udp6 is not there
        (tmp_path / name).write_text(text, "ascii")
    monkeypatch.setattr(connections, "_PROC", tmp_path)
    six = Connection(ip_address("2001:db8::7"), 4011, ip_address("2001:db8::1"), SSH)
    dns = Service.parse("udp/53")
    assert read_sockets() == Sockets(
        frozenset(
            {
                *(line(port=port) for port in (4000, 4003, 4004, 4010)),
                six,
                line(port=5353, service=dns),
            }
        ),
        frozenset({SSH, dns}),
    )


def test_a_connections_key_is_in_the_order_of_our_sets() -> None:
    assert line().key.hex(" ", 4) == "c0000207 0fa00000 cb007101 00160000 06000000"


@pytest.mark.parametrize("key", [b"", b"k" * 20, b"\0" * 44, line().key[:-4] + b"\x11\0\0"])
def test_a_foreign_key_is_no_connection(key: bytes) -> None:
    assert Connection.of_key(key) is None
