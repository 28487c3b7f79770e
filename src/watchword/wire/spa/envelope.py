"""The outside of a packet: what can be said about it without any key (wire format, 6.4, 9, 13.2).

In here: the checks that every payload has to pass before a key is tried, and
the constant prefix that is not sent.
Not in here: HTTP around a packet, the MAC (mac), what is inside (rijndael, fields).
"""

from __future__ import annotations

from typing import Final

from watchword.model.reasons import Reason
from watchword.wire.spa.base64text import ALPHABET
from watchword.wire.spa.lengths import LONGEST, RIJNDAEL_BELOW, SHORTEST
from watchword.wire.spa.mac import GPG_PREFIX, PREFIX

FIRST_CHARACTERS: Final = b"89+/"
"""What a Rijndael packet may begin with: the last bits of the prefix, then salt."""
OPENPGP_FIRST_CHARACTERS: Final = b"EFGHIJKLMNOPQRSTUVWX"
"""The same for OpenPGP: the length of the session key's packet, 256 to 1535 bytes."""
RIJNDAEL_LONGEST: Final = RIJNDAEL_BELOW - 1 - len(PREFIX) + 86
"""Characters of the longest payload that is not OpenPGP: prefix off, the longest MAC on."""

_GPG_PREFIX_FROM: Final = 401


def flaw(payload: bytes) -> Reason | None:
    """Why a payload cannot be an SPA packet; None if it can. Never raises.

    The answer is LENGTH, PREFIX (a prefix that senders cut off is still
    there) or ALPHABET. Runs for every packet of every stranger.
    """
    size = len(payload)
    if size < SHORTEST or size > LONGEST:
        return Reason.LENGTH
    if payload.startswith(PREFIX):
        return Reason.PREFIX
    if size >= _GPG_PREFIX_FROM and payload.startswith(GPG_PREFIX):
        return Reason.PREFIX
    if payload.translate(None, ALPHABET):
        return Reason.ALPHABET
    return None
