"""The kill switches of keys: names that give nothing away, a file that is not lost, no way past."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.sealing import sealed
from tests.unit.test_gate import House
from tests.unit.test_grant_changes import MEMBER, never
from tests.values import KEY, MAC_KEY, NOW, credential, packet, policy, request, terms
from watchword.errors import HostError, OperatorError
from watchword.grant.decide import authorise
from watchword.model.crypto import Secret
from watchword.model.openpgp import Keyring, OpenPgpCredential, Signers
from watchword.model.outcomes import Changed
from watchword.model.policy import Policy, Terms
from watchword.model.reasons import Reason
from watchword.service.daemon.block_changes import BlockChanges
from watchword.service.daemon.blocks import KEY_NAMES, NAME, Block, Blocks
from watchword.service.daemon.changes import GrantChanges
from watchword.service.daemon.control import Question
from watchword.service.daemon.cycles import Cycles
from watchword.service.daemon.figures import Figures
from watchword.service.daemon.restraint import RARE

OTHER = credential(key=Secret(b"another key"), mac_key=Secret(b"another HMAC key"))
SAME_KEY_OTHER_MAC = credential(key=KEY, mac_key=Secret(b"another HMAC key"))
BLOCK = Block(NOW.wall, 1000, "#1 (access.conf:1)")


def blocks(folder: Path) -> Blocks:
    return Blocks.for_daemon(folder, dry_run=False)


def test_a_block_outlives_the_daemon_and_its_file_is_private(tmp_path: Path) -> None:
    first = blocks(tmp_path)
    [name] = first.names(terms())
    first.block((name,), BLOCK)
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    second = blocks(tmp_path)
    assert second.names(terms()) == (name,)
    assert second.blocked == {name: BLOCK}
    assert [each.blocked for each in second.applied(policy(terms())).stanzas] == [True]
    second.unblock((name,))
    assert blocks(tmp_path).blocked == {}
    assert Blocks.noted(tmp_path).blocked == {}


def test_a_key_of_two_names_is_blocked_by_either(tmp_path: Path) -> None:
    found = blocks(tmp_path)
    found.block(("one",), BLOCK)
    assert [found.has(key) for key in ("one", "one+two", "two+one", "two", "")] == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_a_name_says_nothing_of_the_key_without_the_secret_of_the_installation(
    tmp_path: Path,
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    one, other = blocks(tmp_path), blocks(elsewhere)
    assert one.names(terms()) != other.names(terms())
    one.block(one.names(terms()), BLOCK)
    written = (tmp_path / NAME).read_bytes()
    for secret in (KEY, MAC_KEY):
        assert secret.reveal() not in written
        assert secret.reveal().hex().encode() not in written


def test_a_block_is_of_the_key_whatever_stanza_has_it(tmp_path: Path) -> None:
    found = blocks(tmp_path)
    found.block(found.names(terms()), BLOCK)
    marked = found.applied(
        policy(
            terms(),
            terms(number=2, credential=SAME_KEY_OTHER_MAC),
            terms(number=3, credential=OTHER),
        )
    )
    assert [each.blocked for each in marked.stanzas] == [True, True, False]


def test_keys_keep_their_names_if_somebody_removes_the_blocks(tmp_path: Path) -> None:
    first = blocks(tmp_path)
    names = first.names(terms())
    first.block(names, BLOCK)
    (tmp_path / NAME).unlink()
    assert Blocks.noted(tmp_path).names(terms()) == names
    second = blocks(tmp_path)
    assert (second.names(terms()), second.blocked) == (names, {})
    assert (tmp_path / KEY_NAMES).stat().st_mode & 0o777 == 0o600

    (tmp_path / KEY_NAMES).unlink()
    assert blocks(tmp_path).names(terms()) == names
    (tmp_path / KEY_NAMES).write_text("0" * 64 + "\n")
    for read in (blocks, Blocks.noted):
        with pytest.raises(HostError, match="of two installations"):
            read(tmp_path)
    (tmp_path / KEY_NAMES).write_text("0" * 63)
    with pytest.raises(HostError, match="nobody knows which keys are blocked"):
        blocks(tmp_path)


A, B, C = "A" * 40, "B" * 40, "C" * 40


def of_signers(*fingerprints: str, **more: Any) -> Terms:
    credential = OpenPgpCredential(signers=Signers(fingerprints=frozenset(fingerprints)), **more)
    return terms(credential=None, openpgp=credential)


@pytest.mark.parametrize(
    ("changed", "blocked"),
    [
        (of_signers(A, B), True),
        (of_signers(A, B, C), True),  # one more signer takes no block away
        (of_signers(A), True),
        (of_signers(A, keyring=Keyring("/other")), True),
        (of_signers(A, keyring=Keyring(passphrase=Secret(b"new"), program="gpg2")), True),
        (of_signers(C), False),  # who was blocked is not on the list any more
    ],
)
def test_a_blocked_signer_stays_blocked_however_his_stanza_is_edited(
    tmp_path: Path, changed: Terms, blocked: bool
) -> None:
    found = blocks(tmp_path)
    found.block(found.names(of_signers(A, B)), BLOCK)
    [applied] = found.applied(policy(changed)).stanzas
    assert applied.blocked is blocked


@pytest.mark.parametrize("more", [{}, {"required": False, "fingerprints": frozenset({A})}])
def test_where_no_signer_has_to_be_one_of_a_list_the_ring_is_blocked(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    found = blocks(tmp_path)

    def ring(home: str, **keyring: Any) -> Terms:
        credential = OpenPgpCredential(Keyring(home, **keyring), Signers(**more))
        return terms(credential=None, openpgp=credential)

    found.block(found.names(ring("/one")), BLOCK)
    asked = [ring("/one", passphrase=Secret(b"new")), ring("/two")]
    assert [each.blocked for each in found.applied(policy(*asked)).stanzas] == [True, False]


def test_openpgp_goes_by_the_hmac_key_or_by_signers_or_by_the_ring(tmp_path: Path) -> None:
    found = blocks(tmp_path)

    def named(**more: Any) -> tuple[str, ...]:
        return found.names(terms(credential=None, openpgp=OpenPgpCredential(**more)))

    signers = Signers(fingerprints=frozenset({"A" * 40}))
    assert named(mac_key=MAC_KEY) == named(mac_key=MAC_KEY, signers=signers)
    assert named(signers=signers) != named(signers=Signers())
    assert named(signers=signers) == named(signers=signers, keyring=Keyring("/other"))
    ids = frozenset({"A" * 8})
    assert named(signers=Signers(fingerprints=signers.fingerprints, ids=ids)) == named(
        signers=signers
    )
    assert len(set(named(signers=Signers(ids=ids)) + named(signers=signers))) == 2
    both = terms(openpgp=OpenPgpCredential(mac_key=MAC_KEY))
    assert len(set(found.names(both))) == 2


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "{}", '{"version":2,"secret":"","blocked":[]}',
        '{"version":1,"secret":"00","blocked":[]}',
        '{"version":1,"secret":"' + "0" * 64 + '","blocked":[{"key":"a"}]}',
        '{"version":1,"secret":"' + "0" * 64 + '","blocked":3}', "[" * 100_000,
    ],
)  # fmt: skip
def test_a_damaged_file_is_never_taken_for_no_blocks(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    for read in (blocks, Blocks.noted):
        with pytest.raises(HostError, match="nobody knows which keys are blocked"):
            read(tmp_path)


def test_who_only_looks_writes_nothing(tmp_path: Path) -> None:
    assert Blocks.noted(tmp_path).blocked == {}
    assert Blocks.for_daemon(tmp_path, dry_run=True).blocked == {}
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_down_is_not_blocked(tmp_path: Path) -> None:
    found = blocks(tmp_path)
    shutil.rmtree(tmp_path)
    with pytest.raises(HostError):
        found.block(found.names(terms()), BLOCK)
    assert found.blocked == {}


class Office:
    """A server without a socket, and the switches of its control socket."""

    def __init__(self, folder: Path, configured: Policy) -> None:
        self.blocks = blocks(folder)
        self.configured = configured
        self.house = House(self.blocks.applied(configured))
        house = self.house
        cycles = Cycles.alone(house.reporter, house.clock, Figures(NOW.wall))
        changes = GrantChanges(house.enforcer, cycles, lambda: self.configured, house.clock)
        self.changes = BlockChanges(
            self.blocks,
            changes,
            cycles,
            house.clock,
            policy=lambda: self.configured,
            take_over=self.take_over,
        )

    async def take_over(self) -> None:
        await self.house.gate.take_policy(self.blocks.applied(self.configured))

    async def do(self, what: str, **fields: Any) -> dict[str, Any]:
        return await self.changes.handlers[what](Question(fields, MEMBER, root=False))

    async def keys(self, **fields: Any) -> dict[str, Any]:
        return await self.changes.keys(Question(fields, MEMBER, root=False))


def play(folder: Path, scene: Callable[[Office], Coroutine[Any, Any, None]]) -> Office:
    async def run() -> Office:
        office = Office(folder, policy(terms(), terms(number=2, credential=OTHER)))
        await scene(office)
        return office

    return asyncio.run(run())


def test_nothing_sealed_with_a_blocked_key_is_accepted_and_what_it_opened_ends(
    tmp_path: Path,
) -> None:
    async def scene(office: Office) -> None:
        house = office.house
        await house.take(sealed("192.0.2.7,tcp/22"))
        await house.take(sealed("192.0.2.8,tcp/22", OTHER))
        told = await office.do("block", stanza=1)
        assert told["count"] == 1
        assert house.open == {"192.0.2.8 tcp/22"}
        kept = sealed("192.0.2.7,tcp/22")
        assert await house.take(kept) == ["key-blocked"]
        assert await house.take(sealed("192.0.2.9,tcp/22", OTHER)) == ["granted"]

        assert await office.do("unblock", stanza=1) == {"keys": told["keys"]}
        assert await house.take(kept) == ["replayed"]
        assert await house.take(sealed("192.0.2.7,tcp/22")) == ["granted"]
        said = [each.change for each in house.reporter.events if isinstance(each, Changed)]
        assert [(each.action.value, each.target) for each in said] == [
            ("block", "stanza #1"),
            ("unblock", "stanza #1"),
        ]

    play(tmp_path, scene)


def test_a_packet_that_waits_while_its_key_is_blocked_opens_nothing(tmp_path: Path) -> None:
    async def scene(office: Office) -> None:
        house = office.house
        house.gate.receive([packet(sealed("192.0.2.7,tcp/22"), source="192.0.2.7")])
        settling = asyncio.ensure_future(house.gate.settle())
        await asyncio.sleep(0)
        await office.do("block", stanza=1)
        await settling
        assert house.open == set()

    play(tmp_path, scene)


def test_nobody_is_told_of_a_block_before_what_was_decided_without_it_is_done(
    tmp_path: Path,
) -> None:
    async def scene(office: Office) -> None:
        house, go_on = office.house, asyncio.Event()
        claim = house.store.claim

        async def slowly(keys: Any) -> Any:
            await go_on.wait()
            return await claim(keys)

        house.store.claim = slowly  # type: ignore[method-assign]
        house.gate.receive([packet(sealed("192.0.2.7,tcp/22"), source="192.0.2.7")])
        settling = asyncio.ensure_future(house.gate.settle())
        blocking = asyncio.ensure_future(office.do("block", stanza=1))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not blocking.done()
        go_on.set()
        await asyncio.gather(settling, blocking)
        assert house.open == set()

    play(tmp_path, scene)


def test_who_has_a_blocked_key_does_not_write_our_log(tmp_path: Path) -> None:
    async def scene(office: Office) -> None:
        await office.do("block", stanza=1)
        told = await office.house.take(*(sealed() for _ in range(3 * RARE)))
        assert told == ["key-blocked"] * RARE

    play(tmp_path, scene)


def test_its_grants_end_though_a_reload_gave_its_stanza_another_number(tmp_path: Path) -> None:
    async def scene(office: Office) -> None:
        await office.house.take(sealed("192.0.2.7,tcp/22"))
        await office.house.take(sealed("192.0.2.8,tcp/22", OTHER))
        office.configured = policy(terms(number=1, credential=OTHER), terms(number=2))
        [name] = office.blocks.names(terms())
        assert (await office.do("block", key=name))["count"] == 1
        assert office.house.open == {"192.0.2.8 tcp/22"}

    play(tmp_path, scene)


def test_the_keys_are_listed_and_those_of_no_stanza_too(tmp_path: Path) -> None:
    async def scene(office: Office) -> None:
        await office.do("block", stanza=2)
        told = await office.keys()
        assert [(each["stanza"], each["blocked"]) for each in told["stanzas"]] == [
            (1, False),
            (2, True),
        ]
        assert told["stanzas"][1]["by"] == 1000
        office.configured = replace(office.configured, stanzas=office.configured.stanzas[:1])
        told = await office.keys()
        [lost] = told["blocked_without_stanza"]
        assert lost["was"].startswith("#2")
        assert (await office.do("unblock", key=lost["key"]))["keys"] == [lost["key"]]
        assert KEY.reveal().hex() not in json.dumps(told)

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("what", "fields"),
    [
        ("block", {"stanza": 3}), ("block", {"key": "0" * 12}), ("block", {}),
        ("block", {"stanza": 1, "key": "0" * 12}), ("block", {"stanza": "1"}),
        ("unblock", {"stanza": 1}), ("unblock", {"key": "0" * 12}),
    ],
)  # fmt: skip
def test_what_is_no_key_is_neither_blocked_nor_unblocked(
    tmp_path: Path, what: str, fields: dict[str, Any]
) -> None:
    async def scene(office: Office) -> None:
        with pytest.raises(OperatorError):
            await office.do(what, **fields)

    assert play(tmp_path, scene).blocks.blocked == {}


def test_the_block_is_the_first_thing_that_is_asked_of_an_authentic_packet() -> None:
    late = request(sent_at=0, user="nobody")
    answer = authorise(policy(replace(terms(), blocked=True)), late, NOW)
    assert getattr(answer, "reason", None) is Reason.KEY_BLOCKED


def test_where_connections_cannot_be_cut_a_key_is_not_blocked_by_halves(tmp_path: Path) -> None:
    async def scene(office: Office) -> None:
        office.house.firewall.cut = never  # type: ignore[assignment,method-assign]
        with pytest.raises(HostError, match="here nobody is cut"):
            await office.do("block", stanza=1, cut=True)

    assert play(tmp_path, scene).blocks.blocked == {}
