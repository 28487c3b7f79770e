"""Finds the stanza of an rc file that speaks of a host.

In here: by the stanza's name, and by the server and the ports that it names.
Not in here: what a stanza says (rcfile_read), what is asked for (client_ports).
"""

from __future__ import annotations

from collections.abc import Sequence

from watchword.dialects.fwknop import rcfile
from watchword.dialects.fwknop.client_values import server


def stanzas_for(text: str, host: str, port: int | None = None) -> Sequence[str]:
    """The stanzas that a host may mean; more than one if the file does not decide it.

    The one that is named so; else those whose server it is, and of these those that name
    the TCP port, or else those that leave the ports open. Letter case does not count.
    """
    stanzas = _stanzas(text)
    for each in stanzas:
        if rcfile.same(each.name, host):
            return [each.name]
    serving = [each for each in stanzas if each.host and each.host == _plain(host)]
    asking = [each for each in serving if f"tcp/{port}" in each.access.split(",")]
    silent = [each for each in serving if not each.access]
    return [each.name for each in (port and (asking or silent)) or serving]


def names(text: str) -> Sequence[str]:
    """Everything that ``stanzas_for`` would find something for."""
    stanzas = _stanzas(text)
    return [*(each.name for each in stanzas), *(each.host for each in stanzas if each.host)]


class _Stanza:
    __slots__ = ("access", "host", "name")

    def __init__(self, name: str) -> None:
        self.name = name  # as first written
        self.host = ""
        self.access = ""


def _stanzas(text: str) -> Sequence[_Stanza]:
    found: dict[str, _Stanza] = {}
    for line in rcfile.lines(text):
        if not line.section or rcfile.same(line.section, rcfile.DEFAULT):
            continue
        stanza = found.setdefault(line.section.lower(), _Stanza(line.section))
        if line.name == "SPA_SERVER":
            stanza.host = _host(line.value)
        elif line.name == "ACCESS":
            stanza.access = line.value
    return list(found.values())


def _host(text: str) -> str:
    try:
        return _plain(server(text).host)
    except ValueError:  # told when the stanza is used
        return ""


def _plain(host: str) -> str:
    """A full name may end with a dot."""
    return host.lower().removesuffix(".")
