"""Takes out of texts what tells one installation from another: addresses, names, commands.

In here: what is found in any text, what has to be learnt from a configuration, and the
placeholders: the same for the same word, so that a reader can still follow who is who.
Not in here: which texts (service.tool.support_bundle, service.daemon.server_questions).

It is for showing to people who help, and no protection of a secret: keys are in none of these
texts in the first place. What nobody learnt and no pattern finds stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Final, Protocol

_PLAIN: Final = frozenset({"ANY", "NONE", "ROOT", "YES", "NO", "Y", "N", "ALL", "NOBODY", "0"})
"""Values that tell nobody from anybody."""
_BY_NAME: Final[Mapping[str, str]] = {
    "REQUIRE_USERNAME": "user",
    "CMD_EXEC_USER": "user",
    "CMD_EXEC_GROUP": "user",
    "CMD_SUDO_EXEC_USER": "user",
    "CMD_SUDO_EXEC_GROUP": "user",
    "HOSTNAME": "host",
    "CONTROL_GROUP": "user",
    "GPG_DECRYPT_ID": "key",
    "GPG_REMOTE_ID": "key",
    "GPG_FINGERPRINT_ID": "key",
    "CMD_CYCLE_OPEN": "command",
    "CMD_CYCLE_CLOSE": "command",
    "EXTERNAL_CMD_OPEN": "command",
    "EXTERNAL_CMD_CLOSE": "command",
    "CMD_REGEX": "command",
    "PCAP_FILTER": "filter",
}
_WHOLE: Final = frozenset({"command", "filter"})
_MAIL: Final = re.compile(r"[A-Za-z0-9._%+=-]+@[A-Za-z0-9][A-Za-z0-9.-]*")
_URL: Final = re.compile(r"https?://[^\s,'\"]+")
_MAC: Final = re.compile(r"\b[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}\b")
_IPV4: Final = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\d)")
_IPV6: Final = re.compile(r"(?<![\w:.])(?=[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:)[0-9A-Fa-f:.]+(?![\w:])")


class Configured(Protocol):
    """The part of a configuration that has names in it."""

    @property
    def values(self) -> Mapping[str, str | None]: ...
    @property
    def stanzas(self) -> Sequence[Mapping[str, str]]: ...


class Anonymous:
    """Placeholders for one set of texts."""

    def __init__(self) -> None:
        self._placeholders: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._learnt: list[str] = []

    def learn(self, kind: str, word: str) -> None:
        """From now on a word, or a whole text, is replaced wherever it stands."""
        if len(word) > 1 and word.upper() not in _PLAIN and word not in self._placeholders:
            self._placeholder(kind, word)
            self._learnt.append(word)
            self._learnt.sort(key=len, reverse=True)

    def learn_from(self, configuration: Configured) -> None:
        """Every name that a configuration has."""
        for values in (configuration.values, *configuration.stanzas):
            for name, value in values.items():
                for kind, word in _words(name, value or ""):
                    self.learn(kind, word)

    def text(self, text: str) -> str:
        """The text with placeholders."""
        for word in self._learnt:
            if word in text:
                text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", self._placeholders[word], text)
        text = _URL.sub(lambda found: self._placeholder("url", found[0]), text)
        text = _MAIL.sub(lambda found: self._placeholder("mail", found[0]), text)
        text = _MAC.sub(lambda found: self._placeholder("mac", found[0].lower()), text)
        text = _IPV4.sub(lambda found: self._address(found[0]), text)
        return _IPV6.sub(lambda found: self._address(found[0]), text)

    def _address(self, text: str) -> str:
        try:
            found = ip_address(text)
        except ValueError:
            return text
        if found.is_unspecified or found.is_loopback or text == "255.255.255.255":
            return text
        return self._placeholder(f"ipv{found.version}", str(found))

    def _placeholder(self, kind: str, word: str) -> str:
        if word not in self._placeholders:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._placeholders[word] = f"{kind}-{self._counts[kind]}"
        return self._placeholders[word]


def _words(name: str, value: str) -> Iterator[tuple[str, str]]:
    kind = _BY_NAME.get(name)
    if kind is None or not value or value.startswith("<"):
        return
    if kind == "filter":
        hosts = re.findall(r"\bhost\s+([A-Za-z][\w.-]*)", value)
        yield from (("host", each) for each in hosts)
    elif kind in _WHOLE:
        yield kind, value
    else:
        yield from ((kind, each) for each in re.split(r"[\s,]+", value) if each)
