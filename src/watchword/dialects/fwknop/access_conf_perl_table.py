"""What of access.conf only fwknop 1.9 knew, and how its lines are told from those of 2.6.

In here: data, the sign of a stanza of 1.9, and its spellings of a line (``ENABLE_CMD_EXEC;``,
``KEY:value;``).
Not in here: what they mean (access_conf_perl).

Source: access.conf, 11; legacy port knocking, 7.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from watchword.dialects.fwknop.lines import Entry

FLAGS: Final = frozenset({
    "ENABLE_CMD_EXEC", "DISABLE_FW_ACCESS", "PERMIT_CLIENT_PORTS", "PERMIT_CLIENT_TIMEOUT",
    "ENABLE_FORWARD_ACCESS", "ENABLE_OUTPUT_ACCESS", "ENABLE_EXTERNAL_CMDS",
    "REQUIRE_SOURCE_ADDRESS", "GPG_NO_OPTIONS", "GPG_USE_OPTIONS", "GPG_NO_REQUIRE_PREFIX",
    "PCAP", "FILE_PCAP", "ULOG_PCAP", "ENCRYPT_SEQUENCE",
})  # fmt: skip
"""On if there is a ``y`` in the value, or no value."""

TEXTS: Final = frozenset({
    "KEY", "GPG_DECRYPT_PW", "CMD_REGEX", "EXTERNAL_CMD_OPEN", "EXTERNAL_CMD_CLOSE",
})  # fmt: skip
"""Go on to the last semicolon of their line."""

LATER: Final = frozenset({
    "KEY_BASE64", "HMAC_KEY", "HMAC_KEY_BASE64", "HMAC_DIGEST_TYPE", "ENCRYPTION_MODE",
})  # fmt: skip
"""About sealing, and only 2.x has them: a stanza with one of them is for clients of 2.x."""

KNOCKING: Final = ("SHARED_SEQUENCE", "ENCRYPT_SEQUENCE")

_GPG: Final = "gpg runs with its own options, and takes none from a file"
IDLE: Final = {
    "GPG_AGENT_INFO": "gpg finds its agent by GPG_HOME_DIR",
    "GPG_NO_OPTIONS": _GPG,
    "GPG_USE_OPTIONS": _GPG,
    "GPG_NO_REQUIRE_PREFIX": "packets have to be as clients send them, without the prefix",
    "GPG_PREFIX": "the prefix of OpenPGP packets is that of clients, hQ",
    "SHADOW_FILE": "no password of this host is asked for",
    "FILE_PCAP": "AUTH_MODE and PCAP_PKT_FILE of the server's file say where packets come from",
    "ULOG_PCAP": "AUTH_MODE and PCAP_PKT_FILE of the server's file say where packets come from",
}
"""What counts instead, where a line that is on changes nothing."""

_GLUED = re.compile(r"([A-Z_0-9]+):(?=[^\s;])")


def is_sign(source: Entry) -> bool:
    """Whether a stanza's first line is one of 1.9: ``SOURCE: ANY;``."""
    return source.name.endswith(":") and bool(source.line)


def spelled_out(entry: Entry, source: Entry | None) -> Entry:
    """A line as 2.6 would have it, where it is spelled as only 1.9 allows.

    ``source`` is the first line of the stanza; None: there is none yet.
    """
    if not entry.line:
        return entry
    if (glued := _GLUED.match(entry.line)) is not None:
        line = f"{glued[0]} {entry.line[glued.end() :]}"
        value = line.partition(";")[0].removeprefix(glued[0]).strip()
        return replace(entry, name=glued[0], value=value, line=line)
    bare = not entry.value and entry.name.removesuffix(":") in FLAGS
    if bare and source is not None and is_sign(source):
        return replace(entry, value="Y")
    return entry
