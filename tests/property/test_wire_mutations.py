"""Very many mutated plaintexts behind valid keys, and every changed byte behind a valid HMAC.

In here: what somebody without the keys can make of a packet (nothing), and what
somebody with them can make the server do (what the text says, and no more).
The statements themselves are those of ``fuzz.targets``; MUTATIONS in the
environment says how many inputs are made, ``make fuzz`` asks for 300,000.
"""

from __future__ import annotations

import os
from random import Random

import pytest

from fuzz import blind
from fuzz.targets import grants, plaintexts

COUNT = int(os.environ.get("MUTATIONS", "20000"))


@pytest.mark.timeout(0 if COUNT > 20_000 else 120)
def test_mutated_plaintexts_behind_a_valid_hmac_never_crash_and_are_granted_what_they_say() -> None:
    seen = blind.outcomes(grants.TARGET, COUNT, seed=17)
    assert seen.total() == COUNT
    assert seen["refused"] > COUNT // 2
    assert seen["permitted"] > COUNT // 100
    for reason in ("wrong-user", "too-old", "from-the-future", "port-not-offered"):
        assert seen[f"not permitted: {reason}"]


@pytest.mark.timeout(0 if COUNT > 20_000 else 120)
def test_mutated_plaintexts_whose_digest_is_not_repaired_are_never_permitted() -> None:
    source = Random(18)
    scramble = blind.Scrambler(source)
    seeds = [seed for seed in grants.seeds() if grants.check(seed) == "permitted"]
    assert len(seeds) > 100
    for _ in range(COUNT // 4):
        stanza, octets = (seed := source.choice(seeds))[:1], seed[1:]
        genuine = plaintexts.text_of(octets)
        mutated = scramble(genuine, 400)
        outcome = grants.check(stanza + bytes([plaintexts.AS_IT_IS]) + mutated)
        assert (outcome == "permitted") == (mutated == genuine)
