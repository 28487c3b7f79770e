"""A packet that ends its own grant: whose grants it ends, and whose it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.fwknopd_files import configure, stanza
from tests.sealing import sealed
from tests.unit.test_gate import House, play
from tests.unit.test_gate import verdict as judged_as
from tests.values import NOW, credential, packet, policy, request, terms
from watchword.dialects.fwknop.explain_words import terms_in_words
from watchword.dialects.fwknop.voice import lines
from watchword.dialects.fwknop.voice_json import fields_of
from watchword.grant.closing import ClosePermit
from watchword.grant.decide import authorise
from watchword.grant.permits import CommandPermit
from watchword.model.actions import Action
from watchword.model.commands import CommandTerms
from watchword.model.crypto import Secret
from watchword.model.openings import Ending, Grant
from watchword.model.outcomes import GrantEnded, Judged, Refusal
from watchword.model.policy import Terms
from watchword.model.requests import CommandWish
from watchword.model.services import Service
from watchword.wire.spa.message import MessageType

OTHER_KEY = Secret(b"the key of another stanza")
HERE, NEAR, SIX = "198.51.100.2", "198.51.100.3", "2001:db8:2::2"


def owner(number: int = 1, **more: Any) -> Terms:
    return terms(number, owner_closes=True, **more)


def close(what: str = "", who: str = "0.0.0.0", **more: Any) -> bytes:
    return sealed(f"{who},close {what}".strip(), type=MessageType.COMMAND, **more)


class Scene(House):
    def ended(self) -> list[tuple[str, Ending]]:
        return [
            (f"{each.grant.user} {each.grant.who}", each.ending)
            for each in self.reporter.events
            if isinstance(each, GrantEnded)
        ]

    async def ask(self, *payloads: bytes, source: str = HERE) -> list[str]:
        before = len(self.reporter.events)
        self.gate.receive([packet(each, source=source) for each in payloads])
        await self.gate.finish()
        await self.enforcer.written()
        found = [each for each in self.reporter.events[before:] if isinstance(each, Judged)]
        return ["closed" if each.closed else judged_as(each) for each in found]


def scene_of(*stanzas: Terms) -> Scene:
    return Scene(policy(*stanzas or (owner(),)))


@pytest.mark.parametrize("source", [HERE, SIX])
def test_a_close_ends_the_grant_of_its_sender_at_once(source: str) -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        assert await house.ask(sealed("0.0.0.0,tcp/22"), source=source) == ["granted"]
        assert house.open == {f"{source} tcp/22"}
        assert await house.ask(close("tcp/22"), source=source) == ["closed"]
        assert house.open == set()
        assert house.ended() == [(f"alice {source}", Ending.CLOSED)]
        assert list(await house.journal.unfinished(NOW)) == []

    play(scene, scene_of())


def test_a_close_counts_once_and_a_replay_of_it_closes_nothing_new() -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        payload = close()
        assert await house.ask(sealed("0.0.0.0,tcp/22"), payload) == ["granted", "closed"]
        assert await house.ask(sealed("0.0.0.0,tcp/22")) == ["granted"]
        assert await house.ask(payload) == ["replayed"]
        assert await house.ask(payload, source=NEAR) == ["replayed"]
        assert house.open == {f"{HERE} tcp/22"}

    play(scene, scene_of())


def test_the_packets_of_one_batch_open_and_close_in_their_order() -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        one, two = sealed("0.0.0.0,tcp/22"), sealed("0.0.0.0,tcp/80")
        assert await house.ask(one, close(), two) == ["granted", "closed", "granted"]
        assert house.open == {f"{HERE} tcp/80"}

    play(scene, scene_of())


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ("", set()),
        ("tcp/22", {"tcp/80", "udp/53"}),
        ("tcp/80", {"tcp/22", "tcp/80", "udp/53"}),
        ("tcp/80,udp/53", {"tcp/22"}),
        ("TCP/22 udp/53  tcp/80", set()),
    ],
)
def test_a_grant_ends_as_a_whole_and_only_if_all_of_it_is_named(what: str, left: set[str]) -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        await house.ask(sealed("0.0.0.0,tcp/22"), sealed("0.0.0.0,tcp/80,udp/53"))
        await house.ask(close(what))
        assert house.open == {f"{HERE} {each}" for each in left}

    play(scene, scene_of())


@pytest.mark.parametrize("what", ["ssh", "tcp/0", "22", "tcp/22;reboot", "tcp/22 --all"])
def test_what_is_no_list_of_services_closes_nothing(what: str) -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        await house.ask(sealed("0.0.0.0,tcp/22"))
        assert await house.ask(close(what)) == ["action-arguments-unfit"]
        assert house.open == {f"{HERE} tcp/22"}

    play(scene, scene_of())


def test_nobody_closes_the_grants_of_another_stanza_user_or_address() -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        await house.ask(sealed("0.0.0.0,tcp/22"))
        assert await house.ask(close(user="bob")) == ["nothing-to-close"]
        assert await house.ask(close(sealed_with=credential(OTHER_KEY))) == ["nothing-to-close"]
        assert await house.ask(close(), source=NEAR) == ["nothing-to-close"]
        assert await house.ask(close(who=NEAR)) == ["nothing-to-close"]
        assert house.open == {f"{HERE} tcp/22"}
        assert await house.ask(close(who=HERE), source=NEAR) == ["closed"]

    play(scene, scene_of(owner(), owner(2, credential=credential(OTHER_KEY))))


def test_two_callers_behind_one_address_do_not_cut_each_other_off() -> None:
    """Their grants share one opening, which lasts as long as one of them needs it."""

    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        for user in ("alice", "bob"):
            await house.ask(sealed("0.0.0.0,tcp/22", user=user))
        assert await house.ask(close(user="alice")) == ["closed"]
        assert house.open == {f"{HERE} tcp/22"}
        assert house.ended() == [(f"alice {HERE}", Ending.CLOSED)]
        assert await house.ask(close(user="alice")) == ["nothing-to-close"]
        assert await house.ask(close(user="bob")) == ["closed"]
        assert house.open == set()

    play(scene, scene_of())


def test_a_stanza_with_another_number_after_a_reload_is_the_same_by_its_key() -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Scene)
        await house.ask(sealed("0.0.0.0,tcp/22"))
        [grant] = house.enforcer.ledger.grants()
        assert (grant.stanza, grant.key) == (1, "k1")
        moved = (
            terms(1, credential=credential(OTHER_KEY), key_names=("k2",)),
            owner(2, key_names=("k1",)),
        )
        house.policy = policy(*moved)
        enforcer = house.enforcer
        house.start()
        house.gate._enforcer = house.enforcer = enforcer
        assert await house.ask(close()) == ["closed"]
        assert house.open == set()

    play(scene, scene_of(owner(key_names=("k1",))))


def test_a_close_means_the_grants_of_its_user_and_address_alone() -> None:
    wish = replace(request(), wish=CommandWish("close"))
    permit = authorise(policy(owner()), wish, NOW)
    assert isinstance(permit, ClosePermit)
    mine = Grant("1", 1, "alice", wish.packet.source, permit.who, (), None, 0.0, 0.0, 0.0)
    assert permit.covers(mine)
    assert not permit.covers(replace(mine, user="bob"))
    assert not permit.covers(replace(mine, who=packet(source=NEAR).source))


# --- policy -------------------------------------------------------------------------------


def answer_to(command: str, **more: Any) -> object:
    wish = replace(request(), wish=CommandWish(command))
    found = authorise(policy(terms(**more)), wish, NOW)
    return found.reason.word if isinstance(found, Refusal) else type(found)


def test_it_takes_a_line_in_the_stanza() -> None:
    assert answer_to("close tcp/22") == "commands-not-enabled"
    assert answer_to("close tcp/22", owner_closes=True) is ClosePermit
    assert answer_to("closet", owner_closes=True) == "commands-not-enabled"


def test_where_it_is_allowed_it_is_never_run_as_a_command_or_an_action() -> None:
    runs = {"commands": CommandTerms(), "actions": (Action("close", (("/bin/close",),)),)}
    assert answer_to("close now", owner_closes=True, **runs) == "action-arguments-unfit"
    assert answer_to("close", owner_closes=True, **runs) is ClosePermit
    assert answer_to("id", owner_closes=True, **runs) is CommandPermit


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"users": frozenset({"bob"})}, "wrong-user"),
        ({"blocked": True}, "key-blocked"),
    ],
)
def test_the_rules_of_the_stanza_hold_for_it(more: dict[str, Any], reason: str) -> None:
    assert answer_to("close", owner_closes=True, **more) == reason


def test_the_line_is_read_and_told() -> None:
    [found] = configure("", stanza("ENABLE_OWNER_CLOSE Y\n")).policy.stanzas
    assert found.owner_closes
    said = "its callers may close what they have opened (ENABLE_OWNER_CLOSE)"
    assert said in list(terms_in_words(found))
    [other] = configure("", stanza("")).policy.stanzas
    assert not other.owner_closes


def test_what_was_closed_is_told_in_the_log_and_in_the_event() -> None:
    grant = Grant(
        "0011223344", 1, "alice", packet().source, packet().source,
        (Service.parse("tcp/22"),), None, NOW.wall, NOW.wall + 30, NOW.steady + 30,
    )  # fmt: skip
    asked = replace(request(), wish=CommandWish("close"))
    judged = Judged(packet(b"x"), NOW.wall, (), asked, closed=(grant.id,))
    said = [text for _, text in lines(judged)]
    assert said[1] == "[198.51.100.2] (stanza #1) Closed 1 grant of the sender's own."
    fields = fields_of(judged)
    assert (fields["verdict"], fields["grants"]) == ("closed", ["0011223344"])
    assert (fields["stanzas_tried"], "reason" in fields) == (1, False)
    ended, *_ = [text for _, text in lines(GrantEnded(grant, Ending.CLOSED, NOW.wall))]
    assert ended.endswith("closed by its owner")
