"""What the ledger counts of an address is what its grants come to, after any history."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from tests.values import NOW, later, policy, request, terms
from watchword.grant.decide import authorise
from watchword.grant.ledger import Ledger
from watchword.grant.lifecycle import Turn
from watchword.grant.neighbours import SHOWN, Trait
from watchword.grant.permits import Permit
from watchword.model.openings import Caller, Extent, Grant, Lease
from watchword.model.sharing import SharingTerms

ADDRESSES = [ip_address(each) for each in ("192.0.2.7", "192.0.2.8", "2001:db8::7")]
IDENTITIES = ("a", "b", "c")
TRAITS = (*Trait, *Lease)


def granted(who: int, also: int, user: str, identity: str, kind: str, seconds: int) -> Permit:
    lease = Lease(kind) if kind in list(Lease) else None
    sharing = SharingTerms(lease=lease, connections=1 if kind == "counted" else None)
    asked = request(user=user, allow=str(ADDRESSES[who]), seconds=seconds)
    permit = authorise(policy(terms(sharing=sharing)), asked, NOW)
    assert isinstance(permit, Permit)
    more = () if also == who else (Caller(ADDRESSES[also]),)
    part = Extent(port=40000) if kind == "part" else None
    return replace(permit, identity=identity, also=more, extent=part)


wishes = st.builds(
    granted,
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from(["alice", "bob", "u" * SHOWN + "1", "u" * SHOWN + "2"]),
    st.sampled_from(IDENTITIES),
    st.sampled_from(["", "part", "counted", *Lease]),
    st.integers(1, 20),
)
moves = st.lists(st.one_of(wishes, st.integers(0, 30), st.booleans()), max_size=25)


def has(grant: Grant, trait: Trait | Lease) -> bool:
    if trait is Trait.PART:
        return grant.extent is not None
    return trait in (Trait.ANY, grant.lease) or (trait is Trait.COUNTED and bool(grant.tickets))


def check(ledger: Ledger) -> None:
    for who in ADDRESSES:
        there = [g for g in ledger.grants() if who in {each.who for each in g.callers}]
        found = ledger.at(who)
        assert sorted(found.names()) == sorted(each.id for each in there)
        assert found.number == len(there)
        assert set(found.users) == {each.user[:SHOWN] for each in there}
        for own in IDENTITIES:
            assert found.others(own) == len({each.identity for each in there} - {own})
            for trait in TRAITS:
                mine = {g.id for g in there if g.identity == own and has(g, trait)}
                his = [g.id for g in there if g.identity != own and has(g, trait)]
                assert set(found.own(trait, own)) == mine
                another = found.another(trait, own)
                assert another in his if his else another is None


@given(moves)
def test_what_is_counted_of_an_address_is_what_its_grants_come_to(
    history: list[Permit | int | bool],
) -> None:
    ledger, now = Ledger(), NOW
    for move in history:
        if isinstance(move, Permit):
            ledger.admit(move, now)
        elif isinstance(move, bool):
            now = later(5, now)
            ledger.expire(now)
        elif grants := list(ledger.grants()):
            ledger.withdraw(grants[move % len(grants)].id, Turn.REVOKED)
        check(ledger)
