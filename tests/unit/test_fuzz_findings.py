"""What fuzzing has found, and the targets themselves for a moment.

``make fuzz`` prints a finding as a line for the table in here, where it stays.
"""

from __future__ import annotations

from collections import Counter

import pytest

from fuzz import blind, targets
from fuzz.target import Target

FINDINGS = [
    # 400 characters and more are no Rijndael packet, whatever the characters are (code 65, not 47)
    ("libfko-packets", b"\0\1" + b"8" * 200 + b"~" + b"8" * 200),
    # a text that fills its blocks and has no padding is another spelling, though no byte differs
    (
        "libfko-packets",
        b"\0\1"
        b"8PHi08S1ppeC3YvUO8qqxqSfy55EewKmWbe+y2w1y1ST8Au28+ofV1e0R+5SibXaXgJVsZwxquQPKhhV"
        b"Wo16o0JYJmBXAY4iCdvYXfdKMpx5Hygr4HFeyWGNFQMCMR/gB6HqRWM5nn1Q8xevRrWfQqJMtd95sKIvu",
    ),
]
BRIEFLY = 300  # mutated inputs of each target

every_target = pytest.mark.parametrize("target", targets.ALL, ids=lambda target: target.name)


@pytest.mark.parametrize(("name", "octets"), FINDINGS)
def test_what_was_found_once_is_not_found_again(name: str, octets: bytes) -> None:
    target = targets.named(name)
    if missing := target.lacks():
        pytest.skip(f"not installed: {missing}")
    assert target.check(octets)


@every_target
def test_what_is_said_of_every_input_holds_for_the_seeds_and_for_a_few_mutations(
    target: Target,
) -> None:
    if missing := target.lacks():
        pytest.skip(f"not installed: {missing}")
    seen = Counter(target.check(seed) for seed in target.seeds())
    seen += blind.outcomes(target, BRIEFLY, seed=1)
    assert len(seen) > 1, "inputs that all come to the same show nothing"
