"""What holds for every history of grants."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from tests.values import NOW, later, policy, request, terms
from watchword.grant.decide import authorise
from watchword.grant.ledger import Ledger
from watchword.grant.lifecycle import TRANSITIONS, State, Turn
from watchword.grant.permits import Permit
from watchword.grant.plan import reconcile
from watchword.model.openings import Hole, Opening, Tag
from watchword.model.services import Proto, Service

holes = st.builds(
    Hole,
    st.sampled_from([ip_address("192.0.2.7"), ip_address("2001:db8::7")]),
    st.builds(Service, st.sampled_from(Proto), st.integers(1, 4)),
)
openings = st.builds(Opening, holes, st.integers(1, 5).map(float))
wishes = st.tuples(
    st.sampled_from(["192.0.2.7", "2001:db8::7"]),
    st.sampled_from(["tcp/22", "tcp/22,udp/53", "udp/53"]),
    st.integers(1, 20),
)
moves = st.lists(
    st.one_of(
        st.tuples(st.just("admit"), wishes),
        st.tuples(st.just("withdraw"), st.integers(0, 30)),
        st.tuples(st.just("move"), st.tuples(st.integers(0, 30), st.integers(1, 20))),
        st.tuples(st.just("wait"), st.integers(1, 10)),
        st.tuples(st.just("settle"), st.none()),
    ),
    max_size=30,
)


def permit(who: str, services: str, seconds: int) -> Permit:
    answer = authorise(policy(terms()), request(allow=who, services=services, seconds=seconds), NOW)
    assert isinstance(answer, Permit)
    return answer


def follow(firewall: dict[Tag, Opening], ledger: Ledger) -> None:
    change = ledger.change()
    for tag in change.remove:
        firewall.pop(tag, None)
    for opening in change.add:
        firewall[opening.tag] = opening
    ledger.settled()


@given(moves)
def test_the_firewall_that_follows_every_change_has_exactly_what_the_grants_need(
    history: list[tuple[str, object]],
) -> None:
    ledger, firewall, now = Ledger(), dict[Tag, Opening](), NOW
    for verb, what in history:
        match verb, what:
            case "admit", (str(who), str(services), int(seconds)):
                ledger.admit(permit(who, services, seconds), now)
            case "withdraw", int(index):
                if grants := list(ledger.grants()):
                    ledger.withdraw(grants[index % len(grants)].id, Turn.REVOKED)
            case "move", (int(index), int(seconds)):
                if grants := list(ledger.grants()):
                    grant = grants[index % len(grants)]
                    ledger.set_end(grant, now.wall + seconds, now.steady + seconds)
            case "wait", int(seconds):
                now = later(seconds, now)
                ledger.expire(now)
            case _:
                follow(firewall, ledger)
    follow(firewall, ledger)

    needed: dict[Hole, float] = {}
    for grant in ledger.grants():
        assert grant.until > now.steady
        for hole in grant.holes:
            needed[hole] = max(needed.get(hole, 0.0), grant.until)
    assert {opening.hole: opening.until for opening in firewall.values()} == needed
    behind = {hole: ledger.behind(hole) for hole in needed}
    assert {hole: grant and grant.shuts for hole, grant in behind.items()} == needed


@given(st.frozensets(openings, max_size=8), st.frozensets(openings, max_size=8))
def test_from_any_state_one_step_reaches_any_other(
    before: frozenset[Opening], after: frozenset[Opening]
) -> None:
    firewall = {opening.tag: opening for opening in before}
    change = reconcile(after, frozenset(firewall))
    for tag in change.remove:
        del firewall[tag]
    firewall.update({opening.tag: opening for opening in change.add})

    assert frozenset(firewall.values()) == after
    assert not reconcile(after, frozenset(firewall))


def test_every_grant_can_end() -> None:
    reach = {State.GONE}
    while more := {a for (a, _), b in TRANSITIONS.items() if b in reach} - reach:
        reach |= more

    assert reach == set(State)
    assert all(state is not State.GONE for state, _ in TRANSITIONS)
