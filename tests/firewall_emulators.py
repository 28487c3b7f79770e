"""pf and the firewall of Windows as they behave, as far as a server asks. Nothing is filtered.

In here: their rules, in memory, changed by command lines as pfctl(8) and netsh have them; what
they do not have they refuse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from watchword.model.commands import Account
from watchword.ports import Completed

_RULE = re.compile(
    r"pass in quick (?:inet6? )?proto (\S+) from (\S+) to (\S+) port (?:= )?(\S+)"
    r"(?: flags S/SA)? keep state label \"?(\w+)\"?"
)
_NAMES = {"22": "ssh", "80": "http"}
_PROTOS = {"6": "tcp", "17": "udp"}


_OF_WINDOWS = """
Regelname:                            Kernnetzwerk - DHCP (eingehend)
----------------------------------------------------------------------
Aktiviert:                            Ja
"""


class RefusedError(Exception):
    """What a firewall says no to."""


class Emulator:
    """A ProgramRunner with one firewall behind it."""

    program = ""
    listings = ""
    """What is in a command that only asks."""

    def __init__(self) -> None:
        self.transcript: list[str] = []
        self.trouble: Callable[[str], None] = lambda _: None
        """Called with each command before it is carried out; may raise."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = 10.0,
        account: Account | None = None,
    ) -> Completed:
        said = "".join(f"\n{each}" for each in stdin.decode().splitlines())
        self.transcript.append(" ".join([self.program, *argv[1:]]) + said)
        try:
            self.trouble(self.transcript[-1])
            text = self.carried_out(list(argv[1:]), stdin.decode())
        except RefusedError as error:
            return Completed(1, f"{error}\n".encode(), b"")
        return Completed(0, text.encode(), b"")

    def told(self) -> list[str]:
        """What changed something, or was to, since it was last asked."""
        found = [each for each in self.transcript if self.listings not in each]
        self.transcript.clear()
        return found

    def carried_out(self, words: list[str], stdin: str) -> str:
        raise NotImplementedError


class Pf(Emulator):
    """With a policy that asks one anchor, or none."""

    program = "pfctl"
    listings = " -s "

    def __init__(self, anchor: str = "fwknop", *, names: bool = False) -> None:
        """``names``: ports are listed by their names, as FreeBSD does it."""
        super().__init__()
        self.anchors = [anchor] if anchor else []
        self.rules: list[str] = []
        self._names = names

    def carried_out(self, words: list[str], stdin: str) -> str:
        match words:
            case ["-s", "Anchor"]:
                return "".join(f"  {each}\n" for each in self.anchors)
            case ["-s", "rules"]:
                return "".join(f'anchor "{each}" all\n' for each in self.anchors)
            case ["-a", anchor, *what] if anchor in self.anchors:
                return self._anchored(what, stdin)
        raise RefusedError(f"pfctl: {' '.join(words)}")

    def _anchored(self, what: list[str], stdin: str) -> str:
        match what:
            case ["-s", "rules"]:
                return "".join(f"{each}\n" for each in self.rules)
            case ["-f", "-"]:
                self.rules = [self._normal(each) for each in stdin.splitlines()]
            case ["-F", "all"]:
                self.rules = []
            case _:
                raise RefusedError(f"pfctl: {' '.join(what)}")
        return ""

    def _normal(self, line: str) -> str:
        if line.startswith("block "):
            return line
        found = _RULE.fullmatch(line)
        if found is None:
            raise RefusedError("stdin:1: syntax error\npfctl: Syntax error in config file")
        proto, who, to, port, label = found.groups()
        name = _PROTOS.get(proto, proto)
        shown = _NAMES.get(port, port) if self._names else port
        family = "inet6" if ":" in who else "inet"
        flags = " flags S/SA" if name == "tcp" else ""
        return (
            f"pass in quick {family} proto {name} from {who} to {to} port = {shown}{flags} "
            f'keep state label "{label}"'
        )


class Netsh(Emulator):
    """On a Windows that speaks German: nothing of what it says is looked for."""

    program = "netsh"
    listings = " show "

    def __init__(self) -> None:
        super().__init__()
        self.rules: dict[str, dict[str, str]] = {}

    def carried_out(self, words: list[str], stdin: str) -> str:
        match words:
            case ["advfirewall", "show", "currentprofile"]:
                return "Profileinstellungen für öffentlich:\n"
            case ["advfirewall", "firewall", "show", "rule", "name=all", "dir=in"]:
                return _OF_WINDOWS + "".join(map(self._shown, self.rules))
            case ["advfirewall", "firewall", "add", "rule", *given]:
                fields = dict(each.split("=", 1) for each in given)
                if fields.keys() != {
                    "name", "dir", "action", "protocol", "localip", "localport", "remoteip",
                }:  # fmt: skip
                    raise RefusedError("Ein angegebener Wert ist ungültig.")
                if fields["name"] in self.rules:
                    raise AssertionError("Windows takes a second rule of that name: there are two")
                self.rules[fields["name"]] = fields
                return "OK.\n"
            case ["advfirewall", "firewall", "delete", "rule", name]:
                if self.rules.pop(name.removeprefix("name="), None) is None:
                    raise RefusedError("Es stimmen keine Regeln mit den Kriterien überein.")
                return "1 Regel(n) wurden gelöscht.\n"
        raise RefusedError(f"Der folgende Befehl wurde nicht gefunden: {' '.join(words)}")

    def _shown(self, name: str) -> str:
        fields = self.rules[name]
        return (
            f"\nRegelname:                            {name}\n{'-' * 70}\n"
            f"Aktiviert:                            Ja\n"
            f"RemoteIP:                             {fields['remoteip']}/32\n"
            f"Lokaler Port:                         {fields['localport']}\n"
        )
