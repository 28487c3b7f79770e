"""Reads how a relay is written: ``[scheme://][user[:password]@]host[:port][/]``.

In here: HTTP and SOCKS proxies of options and variables.
Not in here: what is said to one (wire.carriers.relays), which carriers go
through it (client_routes).

Messages never quote the text: it may hold a password.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Final

from watchword.dialects.fwknop.client_settings import RelayForm, RelayWord
from watchword.model.crypto import Secret
from watchword.model.relays import Login, Relay, RelayKind
from watchword.record import record

_WRITTEN: Final = (
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?:(?P<login>[^/]*)@)?"
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]{1,255}))(?::(?P<port>[0-9]{1,5}))?/?"
)
_SCHEMES: Final = {
    RelayForm.HTTP: {"http": RelayKind.HTTP},
    RelayForm.SOCKS: {
        "socks": RelayKind.SOCKS5, "socks5": RelayKind.SOCKS5, "socks5h": RelayKind.SOCKS5,
        "socks4": RelayKind.SOCKS4, "socks4a": RelayKind.SOCKS4,
    },
}  # fmt: skip
_EXPECTED: Final = {
    RelayForm.HTTP: "[http://][user:password@]host[:port]",
    RelayForm.SOCKS: "[socks5://|socks4a://][user:password@]host[:port]",
}


@record
class Written:
    """A relay as far as it was written."""

    kind: RelayKind
    host: str
    port: int | None
    login: Login | None

    def at(self, port: int) -> Relay:
        """The relay; ``port`` counts where none was written."""
        return Relay(self.kind, self.host, self.port or port, self.login)


def checked(word: RelayWord) -> RelayWord:
    """The word itself. Raises ValueError if it cannot be read."""
    written(word)
    return word


def written(word: RelayWord) -> Written:
    """Read a relay. Raises ValueError saying what is expected."""
    expected = _EXPECTED[word.form]
    found = re.fullmatch(_WRITTEN, word.text)
    if found is None:
        raise ValueError(f"{word.form.value} is written {expected}")
    default = "http" if word.form is RelayForm.HTTP else "socks5"
    kind = _SCHEMES[word.form].get((found["scheme"] or default).lower())
    if kind is None:
        raise ValueError(f"{word.form.value} is written {expected}, without another scheme")
    if found["six"]:
        IPv6Address(found["six"])
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 1 <= port <= 65535:
        raise ValueError(f"the port of {word.form.value} is within 1 to 65535")
    login = None if found["login"] is None else _login(found["login"])
    return Written(kind, found["six"] or found["host"], port, login)


def _login(text: str) -> Login:
    from urllib.parse import unquote, unquote_to_bytes  # noqa: PLC0415  (few runs need it)

    user, _, password = text.partition(":")
    return Login(unquote(user), Secret(unquote_to_bytes(password)))
