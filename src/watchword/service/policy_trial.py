"""Tries an operator's policy tests on the policy: the daemon's own rules, and no key.

In here: what becomes of a request that a stanza's key is taken to have sealed, and
where that is not what was expected.
Not in here: the language of the tests (dialects.fwknop.policy_tests), the rules
(model.policy, grant.decide).

A test says nothing about keys, replays or the firewall. Without a time of its own it
is tried at a time at which no stanza has expired: a policy that passed yesterday
starts today.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from watchword.dialects.fwknop import remedies
from watchword.errors import Complaint, OperatorError
from watchword.grant.permits import CommandPermit, Permit, Yes
from watchword.model.crypto import Digest
from watchword.model.moments import Moment
from watchword.model.outcomes import Refusal
from watchword.model.packets import Packet
from watchword.model.policy import Policy, Terms
from watchword.model.policy_tests import PolicyTest
from watchword.model.reasons import Reason
from watchword.model.requests import ReplayKey, Request, Sighting
from watchword.service.explain import authorised, checked

_SOMETIME: Final = 1_700_000_000.0  # Unix seconds, for tests that name no time
_STRANGER: Final = "anybody"  # the name in a packet where neither test nor stanza has one

Fits = Callable[[str, str], bool]
"""Whether a CMD_REGEX matches a command. May raise HostError."""


def prove(policy: Policy, tests: Sequence[PolicyTest], fits: Fits) -> None:
    """Raises OperatorError with every test that the policy does not pass."""
    if failed := list(failures(policy, tests, fits)):
        raise OperatorError.of(failed)


def failures(policy: Policy, tests: Sequence[PolicyTest], fits: Fits) -> Iterator[Complaint]:
    """Every test that the policy does not pass: what was expected, and what came of it."""
    for test in tests:
        if test.stanza is not None and not any(
            each.number == test.stanza for each in policy.stanzas
        ):
            yield Complaint(
                f"policy test: there is no stanza #{test.stanza}, or it is out of use",
                test.place,
                "watchword check lists the stanzas with their numbers",
            )
            continue
        answer, terms = tried(policy, test, fits)
        if not _as_expected(test, answer):
            yield Complaint(
                f"policy test failed: expected {_expected(test)}, got {_got(answer, terms)}",
                test.place,
                _hint(test, answer),
            )


def tried(policy: Policy, test: PolicyTest, fits: Fits) -> tuple[Yes | Refusal, Terms | None]:
    """What comes of a test, and the stanza that said so.

    The first stanza that says yes or, failing that, the refusal that came nearest.
    """
    best: tuple[Refusal, Terms | None] = Refusal(Reason.NO_STANZA), None
    for terms in policy.stanzas:
        if test.stanza not in (None, terms.number):
            continue
        answer = _answer(policy, terms, test, fits)
        if not isinstance(answer, Refusal):
            return answer, terms
        if best[1] is None or answer.reason.stage > best[0].reason.stage:
            best = answer, terms
    return best


def _answer(policy: Policy, terms: Terms, test: PolicyTest, fits: Fits) -> Yes | Refusal:
    if not terms.admits(test.source, test.destination, min(terms.interfaces, default="")):
        return Refusal(Reason.NO_STANZA, (terms.number,))
    if test.at is not None and terms.expired(test.at):
        return Refusal(Reason.STANZA_EXPIRED, (terms.number,))
    now = Moment(_SOMETIME if test.at is None else test.at, 0.0)
    answer = authorised(policy, _request(policy, terms, test, now), now, None)
    return checked(answer, fits) if isinstance(answer, CommandPermit) else answer


def _request(policy: Policy, terms: Terms, test: PolicyTest, now: Moment) -> Request:
    """The packet that the test speaks of, as it is once a key has opened it."""
    user = test.user or min(terms.users, default=_STRANGER)
    digest = Digest.SHA256
    if policy.digests is not None and digest not in policy.digests:
        digest = min(policy.digests)
    local = "" if test.destination is None else str(test.destination)
    packet = Packet(b"", str(test.source), 0, local, 0)
    sighting = Sighting(packet.protocol, packet.peer, 0, local, 0, now.wall)
    return Request(
        stanza=terms.number,
        packet=packet,
        user=user,
        sent_at=int(now.wall) - test.aged,
        version="3.0.0",
        wish=test.wish,
        allow=test.allow,
        seconds=test.seconds,
        key=ReplayKey(bytes(32), bytes(32), sighting),
        digest=digest,
    )


def _as_expected(test: PolicyTest, answer: Yes | Refusal) -> bool:
    if isinstance(answer, Refusal):
        return not test.granted and test.reason in (None, answer.reason)
    lasts = test.lasting is None or (isinstance(answer, Permit) and answer.seconds == test.lasting)
    return test.granted and lasts


def _expected(test: PolicyTest) -> str:
    if not test.granted:
        return "refused" if test.reason is None else f"refused because {test.reason.word}"
    return "granted" if test.lasting is None else f"granted for {test.lasting} seconds"


def _got(answer: Yes | Refusal, terms: Terms | None) -> str:
    by = "" if terms is None else f" (stanza #{terms.number}, {terms.place})"
    if isinstance(answer, Refusal):
        return f"refused because {answer.reason.word}{by}"
    return (
        f"granted for {answer.seconds} seconds{by}"
        if isinstance(answer, Permit)
        else (f"granted{by}")
    )


def _hint(test: PolicyTest, answer: Yes | Refusal) -> str:
    if test.granted and isinstance(answer, Refusal):
        return f"{remedies.advice(answer).remedy}; or change the test"
    return "change the stanza, or the test"
