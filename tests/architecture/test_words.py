"""Other people's keywords stay in the room that translates them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

WRITERS = {"dialects", "conformance", "simulation"}
"""The last two write files for the programs that they start, and may not ask dialects how."""
SRC = Path(__file__).parents[2] / "src" / "watchword"
KEYWORD = re.compile(
    r"^(?:OPEN_PORTS|RESTRICT_PORTS|KEY_BASE64|HMAC_KEY_BASE64|FW_ACCESS_TIMEOUT|"
    r"REQUIRE_USERNAME|UDPSERV_PORT|ENABLE_UDP_SERVER|SPA_SERVER|ALLOW_IP|PCAP_FILTER)$"
)


def strings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_keywords_of_configuration_files_appear_where_they_are_written_and_read_only() -> None:
    strays = [
        f"{path.relative_to(SRC)}: {text}"
        for path in SRC.rglob("*.py")
        if not WRITERS & set(path.parts)
        for text in strings(path)
        if KEYWORD.match(text)
    ]
    assert strays == []
