"""Every parameter of access.conf: which there are, and what is missing behind some.

In here: data.
Not in here: reading (access_conf), meaning (access_conf_stanza).

Source: access.conf, sections 4, 5 and 11.
"""

from __future__ import annotations

from typing import Final

INCLUDES: Final = frozenset({"%include", "%include_folder", "%include_keys"})

SECRETS: Final = frozenset({"KEY", "KEY_BASE64", "HMAC_KEY", "HMAC_KEY_BASE64", "GPG_DECRYPT_PW"})

FLAGS: Final = frozenset({
    "REQUIRE_SOURCE_ADDRESS", "REQUIRE_SOURCE", "ENABLE_CMD_EXEC", "ENABLE_CMD_SUDO_EXEC",
    "CMD_SHELL", "CMD_CYCLE_RENEW", "ENABLE_OWNER_CLOSE", "KEEP_WHILE_CONNECTED",
    "WIDEN_TO_PREFIX", "FIRST_CONNECTS_ONLY", "GRANT_ALSO_SOURCE", "PROVE",
    "COUNT_CONNECTIONS",
    "ENABLE_EXTERNAL_CMDS", "DISABLE_FW_ACCESS", "ENABLE_OUTPUT_ACCESS",
    "ENABLE_FORWARD_ACCESS", "FORCE_MASQUERADE", "FORWARD_ALL", "DISABLE_DNAT", "GPG_ALLOW_NO_PW",
    "GPG_REQUIRE_SIG", "GPG_DISABLE_SIG", "GPG_IGNORE_SIG_VERIFY_ERROR",
})  # fmt: skip

IN_KEY_FILES: Final = frozenset({
    "KEY", "KEY_BASE64", "HMAC_KEY", "HMAC_KEY_BASE64", "GPG_DECRYPT_ID", "GPG_DECRYPT_PW",
    "GPG_ALLOW_NO_PW", "GPG_REQUIRE_SIG", "GPG_DISABLE_SIG", "GPG_IGNORE_SIG_VERIFY_ERROR",
    "GPG_REMOTE_ID", "GPG_FINGERPRINT_ID",
})  # fmt: skip

RESTRICTIONS: Final = frozenset({
    "SOURCE", "DESTINATION", "OPEN_PORTS", "RESTRICT_PORTS", "REQUIRE_USERNAME",
    "REQUIRE_SOURCE_ADDRESS", "REQUIRE_SOURCE", "ACCESS_EXPIRE", "ACCESS_EXPIRE_EPOCH",
    "FW_ACCESS_TIMEOUT", "MAX_FW_TIMEOUT", "MAX_KEEP_TIME", "HMAC_KEY", "HMAC_KEY_BASE64",
    "HMAC_DIGEST_TYPE",
    "GPG_REMOTE_ID", "GPG_FINGERPRINT_ID", "GPG_REQUIRE_SIG", "DISABLE_FW_ACCESS",
    "PERMIT_CLIENT_PORTS", "PERMIT_CLIENT_TIMEOUT", "SHARED_SEQUENCE", "ENCRYPT_SEQUENCE",
    "KNOCK_INTERVAL", "KNOCK_LIMIT", "MIN_TIME_DIFF", "MAX_TIME_DIFF", "REQUIRE_OS",
    "REQUIRE_OS_REGEX",
    "CMD_CYCLE_OPEN", "CMD_CYCLE_CLOSE", "CMD_CYCLE_TIMER",
    "EXTERNAL_CMD_OPEN", "EXTERNAL_CMD_CLOSE",
    "CMD_EXEC_USER", "CMD_EXEC_GROUP", "CMD_SUDO_EXEC_USER", "CMD_SUDO_EXEC_GROUP", "CMD_REGEX",
    "RESTRICT_INTF", "BIND_SOURCE_PORT", "FIRST_CONNECTS_ONLY", "NAMED_ADDRESSES",
    "COUNT_CONNECTIONS", "MAX_CONNECTIONS", "DOOR_TIMEOUT", "SECRET_PORTS", "EXCLUSIVE_LEASE",
    "MAX_LEASE_TIME", "MAX_IDENTITIES_PER_ADDRESS", "MAX_GRANTS_PER_ADDRESS",
    "INTERNAL_NET_ACCESS", "NAT_TARGETS", "ENABLE_FORWARD_ACCESS", "FORCE_NAT", "FORCE_SNAT",
})  # fmt: skip
"""Without them a stanza lets in more than with them: a misspelt one may not be ignored."""

_PERL: Final = "this comes from fwknop 1.9, and leaving it out would allow more: remove the line"

_OF_KNOCKS: Final = (
    "packets do not tell of the system that sent them, only knocks do: leaving it out would allow "
    "more: remove the line"
)
REFUSED: Final = {
    "REQUIRE_AUTH_METHOD": _PERL,
    "REQUIRE_OS": _OF_KNOCKS,
    "REQUIRE_OS_REGEX": _OF_KNOCKS,
}
"""Asks for a feature that is missing: the daemon refuses to start and says this. Flags: if on."""

OF_KNOCKS: Final = frozenset({"REQUIRE_OS", "REQUIRE_OS_REGEX"})
"""Of these, what stanzas that are knocked at have all the same."""

IDLE: Final = frozenset({
    "CMD_CYCLE_PORTS", "DISABLE_DNAT", "GPG_HOME_DIR", "GPG_EXE",
    "GPG_PATH", "PERMIT_CLIENT_PORTS", "PERMIT_CLIENT_TIMEOUT",
    "SHADOW_FILE", "GPG_AGENT_INFO", "GPG_NO_OPTIONS", "GPG_USE_OPTIONS",
    "GPG_NO_REQUIRE_PREFIX", "GPG_PREFIX", "EXTERNAL_CMD_ALARM", "PORT_OFFSET", "KNOCK_INTERVAL",
    "KNOCK_LIMIT", "MIN_TIME_DIFF", "MAX_TIME_DIFF", "DATA_COLLECT_MODE",
    "SHARED_SEQUENCE", "ENCRYPT_SEQUENCE", "PCAP", "FILE_PCAP", "ULOG_PCAP",
})  # fmt: skip
"""Change nothing on their own."""

ALIASES: Final = {
    "REQUIRE_SOURCE": "REQUIRE_SOURCE_ADDRESS",
    "MAX_ACCESS_TIMEOUT": "FW_ACCESS_TIMEOUT",
}

KNOWN: Final = (
    RESTRICTIONS | SECRETS | FLAGS | IN_KEY_FILES | INCLUDES | REFUSED.keys() | IDLE
    | ALIASES.keys()
    | {"ENCRYPTION_MODE", "ACTIONS", "PREFIXES_IPV4", "PREFIXES_IPV6", "MORE_ADDRESSES"}
)  # fmt: skip


def asks_for_missing(name: str, value: str) -> bool:
    """Whether a line needs a feature that is not there: flags only where they are on."""
    if name not in REFUSED:
        return False
    return name not in FLAGS or value[:1] in ("y", "Y")
