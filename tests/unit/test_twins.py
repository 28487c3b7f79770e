"""A packet that was seen twice is one packet; one that was sent twice is not."""

from __future__ import annotations

from watchword.model.packets import Packet
from watchword.service.daemon.twins import MOST, SECONDS, Twins

HERE = Packet(b"p" * 200, "192.0.2.1", 40000, "192.0.2.2", 62201, 17, "eth0")


def test_what_was_seen_elsewhere_a_moment_ago_is_left_out_and_counted() -> None:
    twins = Twins()
    assert twins.without([HERE], 1, 0.0) == [HERE]
    assert twins.without([HERE._replace(interface="eth1")], 1, 0.1) == []
    assert twins.without([HERE._replace(interface="")], 2, 0.2) == []
    assert twins.count == 2


def test_what_comes_again_where_it_came_before_is_left_to_the_replay_store() -> None:
    twins = Twins()
    assert twins.without([HERE, HERE], 1, 0.0) == [HERE, HERE]
    assert twins.without([HERE], 1, 0.1) == [HERE]


def test_later_or_from_another_port_it_is_another_packet() -> None:
    twins = Twins()
    twins.without([HERE], 1, 0.0)
    elsewhere = HERE._replace(interface="eth1")
    assert twins.without([elsewhere._replace(peer_port=5)], 1, 0.1) != []
    assert twins.without([elsewhere], 1, SECONDS) == [elsewhere]
    assert twins.count == 0


def test_no_more_is_remembered_than_a_flood_is_worth() -> None:
    twins = Twins()
    flood = [HERE._replace(payload=number.to_bytes(4, "big")) for number in range(2 * MOST)]
    assert len(twins.without(flood, 1, 0.0)) == 2 * MOST
    assert len(twins._seen) == MOST
