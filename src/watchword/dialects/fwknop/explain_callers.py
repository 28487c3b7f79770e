"""For whom a stanza's grants are, in words.

Not in here: everything else of a stanza (explain_words).
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.model.callers import Binding, CallerTerms


def words(terms: CallerTerms) -> Iterator[str]:
    """One sentence for each thing that is not as with fwknop."""
    if terms.binding is Binding.OFFERED:
        yield "its callers may bind a grant to their source port (BIND_SOURCE_PORT offered)"
    elif terms.binding is Binding.REQUIRED:
        yield "each grant is for one source port of its caller (BIND_SOURCE_PORT required)"
    if terms.prefixes:
        lengths = ", ".join(f"IPv{version} /{bits}" for version, bits in terms.prefixes)
        yield f"its callers may have a prefix let in: {lengths} (PREFIXES_IPV4, PREFIXES_IPV6)"
        if terms.widen:
            yield "who asks for none gets the longest of them (WIDEN_TO_PREFIX)"
        if terms.first:
            yield "of a prefix, the first address that connects is let in (FIRST_CONNECTS_ONLY)"
    if terms.and_source:
        yield "who names an address is let in from where he knocks, too (GRANT_ALSO_SOURCE)"
    if terms.more:
        yield f"a packet may name {terms.more} more addresses (MORE_ADDRESSES)"
    if terms.only is not None:
        listed = ", ".join(map(str, terms.only)) or "none"
        yield f"the addresses that may be named: {listed}, and one's own (NAMED_ADDRESSES)"
