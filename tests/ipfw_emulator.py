"""ipfw as it behaves on FreeBSD, as far as a server asks: sets, numbers, dynamic rules, listings.

In here: the rules, in memory or in a file when run as a program:
``python ipfw_emulator.py STATE ARGUMENTS``. What it is not told in a form that ipfw(8) has, it
refuses. Nothing of it filters anything.
"""

from __future__ import annotations

import fcntl
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from watchword.model.commands import Account
from watchword.ports import Completed

_PROTOS = {"6": "tcp", "17": "udp"}
_USAGE = 64


class RefusedError(Exception):
    """What ipfw says no to."""


class Ipfw:
    """A ProgramRunner with one ipfw behind it."""

    def __init__(self) -> None:
        self.rules: list[tuple[int, int, str]] = []
        """Number, set and body as it is listed, in the order of numbers."""
        self.disabled: set[int] = set()
        self.dynamic: dict[int, int] = {}
        """Dynamic rules by the number of theirs."""
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
        self.transcript.append(" ".join(["ipfw", *argv[1:]]))
        try:
            self.trouble(self.transcript[-1])
            text = self._carried_out(list(argv[1:]))
        except RefusedError as error:
            return Completed(_USAGE, b"", f"ipfw: {error}\n".encode())
        return Completed(0, text.encode(), b"")

    def told(self) -> list[str]:
        """What changed something, or was to, since it was last asked; listings are left out."""
        found = [each for each in self.transcript if not each.endswith("list")]
        self.transcript.clear()
        return found

    def bodies(self, number: int) -> list[str]:
        """Of a set, with the rules' numbers."""
        return [f"{each} {body}" for each, of, body in self.rules if of == number]

    def _carried_out(self, words: list[str]) -> str:
        switches = set()
        while words and words[0].startswith("-"):
            switches.add(words.pop(0))
        match words:
            case ["list"]:
                return self._listing(switches, None)
            case ["set", number, "list"]:
                return self._listing(switches, int(number))
            case ["set", "disable" | "enable" as how, number]:
                (self.disabled.add if how == "disable" else self.disabled.discard)(int(number))
            case ["set", "move", "rule", number, "to", there]:
                self._move(int(number), int(there))
            case ["set", number, "delete", rule]:
                self._delete(lambda each: each[:2] == (int(rule), int(number)))
            case ["delete", "set", number]:
                self._delete(lambda each: each[1] == int(number))
            case ["add", number, "set", of, *body] if body:
                self._add(int(number), int(of), self._parsed(body))
            case _:
                raise RefusedError(f"bad command `{' '.join(words)}'")
        return ""

    def _listing(self, switches: set[str], of: int | None) -> str:
        return "".join(f"{line}\n" for line in self._lines(switches, of))

    def _lines(self, switches: set[str], of: int | None) -> Iterator[str]:
        for number, own, body in self.rules:
            off = own in self.disabled
            if of not in (None, own) or (off and "-S" not in switches and "-d" not in switches):
                continue
            name = f" set {own}" if "-S" in switches else ""
            mark = "# DISABLED " if off and "-S" in switches else ""
            yield f"{mark}{number:05d}{name} {body}"
        if "-d" in switches and self.dynamic:
            yield f"## Dynamic rules ({len(self.dynamic)} 136):"
            for number, count in self.dynamic.items():
                for _ in range(count):
                    yield (
                        f"{number:05d} 3 180 (295s) STATE tcp 192.0.2.7 53812 <-> 10.0.0.1 22 "
                        ":default"
                    )

    def _move(self, number: int, there: int) -> None:
        if not any(each[0] == number for each in self.rules):
            raise RefusedError(f"rule {number}: setsockopt(IP_FW_XMOVE): Invalid argument")
        self.rules = [(at, there if at == number else of, body) for at, of, body in self.rules]

    def _delete(self, wanted: Callable[[tuple[int, int, str]], bool]) -> None:
        going = [each for each in self.rules if wanted(each)]
        self.rules = [each for each in self.rules if not wanted(each)]
        for number, _, _ in going:
            self.dynamic.pop(number, None)

    def _add(self, number: int, of: int, body: str) -> None:
        if not 0 < number < 65535 or not 0 <= of <= 31:
            raise RefusedError(f"rule {number} of set {of}")
        at = len(self.rules)
        while at and self.rules[at - 1][0] > number:
            at -= 1
        self.rules.insert(at, (number, of, body))

    def _parsed(self, body: list[str]) -> str:
        if body == ["check-state"]:
            return "check-state :default"
        text, slashes, comment = " ".join(body).partition(" // ")
        match text.split(" "):
            case ["pass" | "allow", proto, "from", who, "to", to, "dst-port", port, *options]:
                udp = proto in ("17", "udp")
                if not port.isdecimal() or (udp and "setup" in options):
                    raise RefusedError("a rule that never matches")
                if (":" in who) != (":" in to or to == "me6"):
                    raise RefusedError("addresses of two families")
                state = " ".join(options).replace("keep-state", "keep-state :default")
                name = _PROTOS.get(proto, proto)
                rule = f"allow {name} from {who} to {to} dst-port {port} {state}".rstrip()
                return f"{rule} // {comment}" if slashes else rule
        return text


def main(argv: Sequence[str]) -> int:
    """``argv``: the file of its state, and arguments for ipfw."""
    path = Path(argv[0])
    with path.with_suffix(".lock").open("w") as lock:  # as the kernel has one for its rules
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _answer(path, argv[1:])


def _answer(path: Path, words: Sequence[str]) -> int:
    ipfw = Ipfw()
    if path.exists():
        kept = json.loads(path.read_text("utf-8"))
        ipfw.rules = [(number, of, body) for number, of, body in kept["rules"]]
        ipfw.disabled = set(kept["disabled"])
    done = ipfw.run(["ipfw", *words])
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps({"rules": ipfw.rules, "disabled": list(ipfw.disabled)}), "utf-8")
    beside.replace(path)
    sys.stdout.write(done.stdout.decode())
    sys.stderr.write(done.stderr.decode())
    return done.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
