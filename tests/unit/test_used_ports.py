"""Which secret ports were somebody's a moment ago."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from watchword.grant import used_ports
from watchword.grant.used_ports import UsedPorts
from watchword.model.services import Proto, Service

OFFICE, ELSEWHERE = ip_address("198.51.100.2"), ip_address("2001:db8::2")


def port(number: int) -> Service:
    return Service(Proto.TCP, 40000 + number)


def test_a_port_is_used_at_its_address_until_its_time_is_over() -> None:
    ports = UsedPorts()
    ports.note(OFFICE, port(1), "alice", 100.0)
    assert ports.is_used(OFFICE, port(1), 99.9)
    assert not ports.is_used(OFFICE, port(1), 100.0)
    assert not ports.is_used(ELSEWHERE, port(1), 50.0)


def test_whose_a_port_is_now_has_it_and_nobody_else() -> None:
    ports = UsedPorts()
    for who in (OFFICE, ELSEWHERE):
        ports.note(who, port(1), "alice", 100.0)
        ports.note(who, port(2), "alice", 100.0)
        ports.note(who, port(1), "bob", 200.0)
    assert (ports.own(OFFICE, "alice", 50.0), ports.own(OFFICE, "bob", 50.0)) == (1, 1)
    assert (ports.own(OFFICE, "alice", 100.0), ports.own(OFFICE, "bob", 100.0)) == (0, 1)
    assert ports.is_used(OFFICE, port(1), 150.0)
    assert ports.own(ELSEWHERE, "bob", 200.0) == len(ports) == 0


def test_there_is_a_most_of_ports_and_of_ends_however_often_one_is_renewed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(used_ports, "MOST", 10)
    ports = UsedPorts()
    for number in range(100):
        ports.note(OFFICE, port(0), "alice", 1000.0 + number)
        ports.note(OFFICE, port(number), "bob", float(number))
    assert len(ports) == 10
    assert len(ports._ends) <= 20
    assert ports.is_used(OFFICE, port(0), 1098.0)
    assert [n for n in range(1, 100) if ports.is_used(OFFICE, port(n), 0.5)] == [*range(91, 100)]
    assert ports.own(OFFICE, "alice", 0.0) + ports.own(OFFICE, "bob", 0.0) == 10
