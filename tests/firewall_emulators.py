"""pf, ipf and the firewall of Windows, as far as a server asks. Nothing is filtered.

In here: their rules, in memory, changed by command lines as pfctl(8), ipf(8) and netsh have
them; what they do not have they refuse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from watchword.model.commands import Account
from watchword.ports import Completed

_RULE = re.compile(
    r"pass in quick (?:inet6? )?proto (\S+) from (\S+) to (\S+) port (?:= )?(\S+)"
    r"(?: flags S/SA)? keep state label \"?(\w+)\"?"
)
_IPF_RULE = re.compile(
    r"pass in quick proto (tcp|udp) from ([0-9a-f.:]+)/(?:32|128) "
    r"to (?:any|[0-9a-f.:]+/(?:32|128)) "
    r'port = [0-9]+( flags S)? keep state group [\w-]{1,15} comment "\w+"'
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


class Ipf(Emulator):
    """IP Filter 5, with a rule that asks one group, or none. A file of rules goes in one by one."""

    program = "ipf"
    listings = "ipfstat"

    def __init__(self, group: str = "fwknop", *, told_versions: bool = True) -> None:
        """``told_versions``: rules of IPv6 are taken with -6 only, and listed so."""
        super().__init__()
        head = f"block in quick proto tcp from any to any port = 22 head {group}"
        self.rules = [head, "pass in quick from 203.0.113.66/32 to any"] if group else []
        self.quiet = False
        """It does nothing of what it is told, and says nothing of that."""
        self._told_versions = told_versions

    def run(self, argv: Sequence[str], **more: Any) -> Completed:
        self.program = argv[0].rpartition("/")[2]
        return super().run(argv, **more)

    def carried_out(self, words: list[str], stdin: str) -> str:
        if self.program == "ipfstat":
            return self._listed(words)
        six, words = words[:1] == ["-6"], [each for each in words if each != "-6"]
        if words not in (["-f", "-"], ["-r", "-f", "-"]):
            raise RefusedError(f"usage: ipf [-6AdDEInoPrsvVyzZ]: {' '.join(words)}")
        for line in () if self.quiet else stdin.splitlines():
            self._load(self._normal(line, six), remove=words[0] == "-r")
        return ""

    def _load(self, rule: str, *, remove: bool) -> None:
        if remove is (rule in self.rules):
            (self.rules.remove if remove else self.rules.append)(rule)
        elif remove:
            raise RefusedError("1:ioctl(delete rule): No such process")
        else:
            raise RefusedError("1:ioctl(add/insert rule): File exists")

    def _listed(self, words: list[str]) -> str:
        if words not in (["-i"], ["-6i"], ["-io"], ["-6io"]):
            raise RefusedError(f"Usage: ipfstat [-6aAdfghIilnoRsv]: {' '.join(words)}")
        six = "6" in words[0]
        all_of_them = not self._told_versions and not six
        fitting = [each for each in self.rules if all_of_them or (":" in each) is six]
        return "".join(f"{each}\n" for each in fitting) or "empty list for ipfilter(in)\n"

    def _normal(self, line: str, six: bool) -> str:
        found = _IPF_RULE.fullmatch(line)
        if found is None or (self._told_versions and (":" in found[2]) is not six):
            raise RefusedError('syntax error error at "pass", line 1')
        return line.replace(" flags S ", " flags S/FSRPAU ")


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
