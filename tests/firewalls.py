"""Writes the table of docs/firewalls.md: which backend can do what, and where that was seen.

``make firewalls-page`` is this. It goes by what the last runs of the contract's tests left
(tests.plugins.firewalls). Exit status: 0 written, 1 a backend was not seen whole, or does not
keep the contract.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tests.plugins.firewalls import FOUND_IN
from watchword.model.openings import Feature

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "firewalls.md"
BEGIN: Final = "<!-- table: begin, written by make firewalls-page -->"
END: Final = "<!-- table: end -->"
COLUMNS: Final = (
    "nftables guard", "nftables jump", "nftables mark", "nftables sets", "iptables", "ipset",
    "firewalld", "ipfw", "pf", "ipf", "netsh", "aws",
)  # fmt: skip
ROWS: Final = {
    Feature.IPV4: "IPv4",
    Feature.IPV6: "IPv6",
    Feature.DESTINATION: "one of this host's addresses only (`ENABLE_DESTINATION_RULE`)",
    Feature.SELF_EXPIRY: "ends on time though the server is dead",
    Feature.CUT: "ends live connections (`watchword revoke --cut`)",
    Feature.SLIPPED: "cuts off who slipped in while others changed rules (`HIDDEN_SERVICES`)",
    Feature.LOCAL_NAT: "leads a port on to another of this host (`ENABLE_IPT_LOCAL_NAT`)",
    Feature.FORWARD: "leads a port on to another host (`ENABLE_IPT_FORWARDING`)",
    Feature.FORWARD_ALL: "leads everything on (`FORWARD_ALL`)",
    Feature.SOURCE_NAT: "has callers seen as another (`ENABLE_IPT_SNAT`, `FORCE_SNAT`)",
    Feature.OUTPUT: "lets answers out past a chain that drops them (`ENABLE_IPT_OUTPUT`, "
    "`ENABLE_OUTPUT_ACCESS`)",
    Feature.SOURCE_PORT: "lets in one source port of a caller (`BIND_SOURCE_PORT`)",
    Feature.PREFIX: "lets in a whole prefix (`PREFIXES_IPV4`, `PREFIXES_IPV6`)",
    Feature.FIRST: "of a prefix only the first that connects (`FIRST_CONNECTS_ONLY`)",
    Feature.COUNT: "lets in a number of connections (`COUNT_CONNECTIONS`)",
    Feature.AT_ONCE: "a number at once of one address (`MAX_CONNECTIONS_PER_ADDRESS`)",
    Feature.KERNEL_DOORS: "follows the knocks of doors (`Kernel = yes`)",
}

Found = Mapping[str, Mapping[str, Any]]


def table(found: Found) -> Iterator[str]:
    """The lines, of what was found, by test class. Raises KeyError: a column was not seen."""
    by_column: dict[str, list[Mapping[str, Any]]] = {each: [] for each in COLUMNS}
    for each in found.values():
        by_column[each["column"]].append(each)
    unseen = [name for name, each in by_column.items() if not each]
    if unseen:
        raise KeyError(", ".join(unseen))
    yield "| " + " | ".join(["", *(f"`{name}`" for name in COLUMNS)]) + " |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for feature, words in ROWS.items():
        able = [any(feature in each["features"] for each in by_column[name]) for name in COLUMNS]
        yield f"| {words} | " + " | ".join("yes" if each else "no" for each in able) + " |"
    kept = ["yes" if all(each["passed"] for each in by_column[n]) else "**no**" for n in COLUMNS]
    yield "| keeps the contract of all backends | " + " | ".join(kept) + " |"
    seen = [", ".join(sorted({each["seen on"] for each in by_column[name]})) for name in COLUMNS]
    yield "| that was seen on | " + " | ".join(seen) + " |"


def written(page: str, lines: Iterator[str]) -> str:
    """The page with this table. Raises ValueError: it has no place for one."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"no place for the table in {PAGE.name}")
    return "\n".join([before + BEGIN, *lines, END + after])


def main() -> int:
    path = Path(ROOT, *FOUND_IN)
    found = json.loads(path.read_text("utf-8")) if path.exists() else {}
    try:
        text = written(PAGE.read_text("utf-8"), table(found))
    except KeyError as missing:
        print(
            f"not seen whole: {missing.args[0]}; run tests/system/test_*_contract.py as root, and "
            "tests/unit/test_ipfw.py, test_pf.py, test_ipf.py, test_netsh.py and test_aws.py"
        )
        return 1
    PAGE.write_text(text, "utf-8")
    return 0 if all(each["passed"] for each in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
