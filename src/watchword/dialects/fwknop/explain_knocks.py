"""What a stanza that is knocked at amounts to, in words.

In here: what has to be knocked, and how. Not in here: what it opens (explain_words).
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.model.old_knocks import PORTS, Encrypted, KnockTerms


def words(knock: KnockTerms) -> Iterator[str]:
    if isinstance(knock, Encrypted):
        last = knock.offset + PORTS - 1
        yield f"in an encrypted sequence at ports {knock.offset} to {last}, each of them once"
    else:
        yield (
            f"in a shared sequence of {len(knock.sequence)} hits, which WHOEVER WATCHES IT CAN "
            "REPEAT"
        )
        if knock.longer_than is not None:
            yield f"each hit more than {knock.longer_than:g} seconds after the one before"
        if knock.shorter_than is not None:
            yield f"each hit less than {knock.shorter_than:g} seconds after the one before"
    yield f"the last hit within {knock.interval:g} seconds from the first"
    if knock.limit is not None:
        yield f"at most {knock.limit} times for each address"
    if knock.system is not None:
        yield f"with the looks of {knock.system}, which anybody can have"
