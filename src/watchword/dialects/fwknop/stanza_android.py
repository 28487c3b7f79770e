"""Keys as the Android client Fwknop2 takes them out of a QR code.

In here: that text, and reading it and what ``fwknop --key-gen`` prints.
Not in here: our own form, which holds a whole stanza (stanza_uri).

    KEY_BASE64:... HMAC_KEY_BASE64:...

One blank between the two and nothing after them: that client keeps a blank at the
end as a part of the key, and ends at a line feed. Everything else it has to be told
by hand. docs/phones.md says how this is known.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final

from watchword.dialects.fwknop.client_settings import Given, KeyForm, KeyWord
from watchword.dialects.fwknop.client_values import base64_key
from watchword.errors import OperatorError

LONGEST: Final = 1024
"""Characters of what is read; two keys of 128 bytes have some 400."""
_KEYS: Final = re.compile(
    r"\s*KEY_BASE64:\s*([A-Za-z0-9+/=]+)(?:\s+HMAC_KEY_BASE64:\s*([A-Za-z0-9+/=]+))?\s*"
)


def write(key: bytes, mac_key: bytes | None) -> str:
    """The text for a QR code."""
    text = f"KEY_BASE64:{_base64(key)}"
    return text if mac_key is None else f"{text} HMAC_KEY_BASE64:{_base64(mac_key)}"


def _base64(key: bytes) -> str:
    return b64encode(key).decode("ascii")


def looks_like_keys(text: str) -> bool:
    """Whether this is meant to be such a text, right or wrong."""
    return text.lstrip().startswith("KEY_BASE64:")


def read(text: str) -> Given:
    """The keys in it. Raises OperatorError."""
    found = _KEYS.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        raise OperatorError(
            "these are no keys", hint="write KEY_BASE64:... HMAC_KEY_BASE64:..., in base64"
        )
    try:
        words = [
            each and KeyWord(KeyForm.BASE64, base64_key(each, what))
            for each, what in ((found[1], "Rijndael"), (found[2], "HMAC"))
        ]
    except ValueError as error:
        raise OperatorError(str(error)) from None
    key, mac_key = words
    return Given(key=key or None, mac_key=mac_key or None, use_hmac=True if mac_key else None)
