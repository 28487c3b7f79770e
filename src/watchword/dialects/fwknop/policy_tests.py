"""Reads the file of policy tests: one request on each line, and what has to come of it.

In here: the words of such a line, and what is wrong with it.
Not in here: trying them on a policy (service.policy_trial), how lines end (lines).

The language is ours (docs/policy-tests.md); it is a file of its own, since a misspelt
test has to be an error, and a misspelt comment is none.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Final

from watchword.dialects.fwknop.access_conf_lists import UnfitError, service_list
from watchword.dialects.fwknop.lines import Entry, entries, shown, shown_file, unreadable
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.suggest import nearest
from watchword.errors import HostError, OperatorError, Place
from watchword.model.addresses import Address, canonical
from watchword.model.policy_tests import PolicyTest
from watchword.model.reasons import Reason
from watchword.model.requests import AccessWish, CommandWish

MOST: Final = 1000  # tests; each is tried on every stanza before each start and reload
GRANTED, REFUSED = "granted", "refused"
OF_POLICY: Final = (
    Reason.NO_STANZA, Reason.STANZA_EXPIRED, Reason.TOO_OLD, Reason.FROM_THE_FUTURE,
    Reason.SOURCE_REQUIRED, Reason.ADDRESS_NOT_HOST, Reason.NO_SUCH_FAMILY, Reason.WRONG_USER,
    Reason.NO_COMMANDS, Reason.NO_SUCH_ACTION, Reason.COMMAND_FOR_CYCLE, Reason.NO_ACCESS,
    Reason.PORT_RESTRICTED, Reason.PORT_NOT_OFFERED, Reason.COMMAND_UNREADABLE,
    Reason.ACTION_UNFIT, Reason.COMMAND_NOT_ALLOWED,
)  # fmt: skip
"""Reasons that lie in the policy, and not in a key, in the past, or in this machine."""
_REASONS: Final = {each.word: each for each in OF_POLICY}
_EXAMPLE: Final = "write, for example: granted tcp/22 from 192.0.2.7 user alice"
_LONGEST: Final = 8388608  # seconds, as everywhere in access.conf


def read(source: Callable[[str], str], file: str, complaints: Complaints) -> Iterator[PolicyTest]:
    """Yield the tests of a file; what is no test is a fatal complaint.

    ``source`` gives a file's text, and raises OperatorError or HostError.
    """
    complaints.opened(file)
    try:
        text = source(file)
    except (OperatorError, HostError) as error:
        complaints.refuse(
            f"[*] Policy tests: '{shown_file(file)}' cannot be read.",
            Place(file, 0),
            shown_file(str(error)),
        )
        return
    if (wrong := unreadable(text, file)) is not None:
        complaints.add(wrong)
        return
    for count, entry in enumerate(entries(text, file)):
        if count >= MOST:
            complaints.refuse(f"there are more than {MOST} policy tests", entry.place, "drop some")
            return
        try:
            yield _test(entry)
        except UnfitError as unfit:
            complaints.refuse(shown(unfit.message), entry.place, unfit.hint)


def _test(entry: Entry) -> PolicyTest:
    verdict = entry.name.lower()
    if verdict not in (GRANTED, REFUSED):
        raise UnfitError(f"'{entry.name}' is neither {GRANTED} nor {REFUSED}", _EXAMPLE)
    try:
        words = shlex.split(entry.value)
    except ValueError as error:
        message = f"the line cannot be split into words: {error}"
        raise UnfitError(message, "a ; ends the line, also between quotes") from None
    if words and "/" in words[0]:
        words.insert(0, "services")
    said = _values(words)
    return _settled(verdict == GRANTED, said, entry.place)


def _values(words: list[str]) -> dict[str, Any]:
    """What follows each keyword, read."""
    said: dict[str, Any] = {}
    for at in range(0, len(words), 2):
        keyword = words[at].lower()
        if keyword not in _KEYWORDS:
            meant = nearest(keyword, _KEYWORDS)
            known = ", ".join(each for each in _KEYWORDS if each != "services")
            hint = f"did you mean {meant}?" if meant else f"after the ports: {known}"
            raise UnfitError(f"'{words[at]}' is no word of a policy test", hint)
        if at + 1 == len(words):
            raise UnfitError(f"nothing follows '{keyword}'", _EXAMPLE)
        if keyword in said:
            raise UnfitError(f"'{keyword}' is said twice", "write two tests")
        said[keyword] = _KEYWORDS[keyword](words[at + 1])
    return said


def _settled(granted: bool, said: dict[str, Any], place: Place) -> PolicyTest:
    if "from" not in said:
        raise UnfitError("where does the packet come from?", "say so: from ADDRESS")
    if ("services" in said) == ("command" in said):
        raise UnfitError("what is asked for?", "name ports (tcp/22,udp/53), or command 'WORDS'")
    if granted and "because" in said:
        raise UnfitError("nothing is granted 'because'", "because REASON belongs to refused")
    if not granted and "lasting" in said:
        raise UnfitError("what is refused does not last", "lasting SECONDS belongs to granted")
    wish = said.get("services") or said["command"]
    allow = said.get("for", said["from"])
    return PolicyTest(
        place,
        granted,
        said["from"],
        wish,
        reason=said.get("because"),
        lasting=said.get("lasting"),
        stanza=said.get("stanza"),
        user=said.get("user"),
        allow=None if allow == "source" else allow,
        destination=said.get("to"),
        seconds=said.get("seconds", 0),
        aged=said.get("aged", 0),
        at=said.get("at"),
    )


def _services(text: str) -> AccessWish:
    found = service_list(text)
    if not found:
        raise UnfitError(f"'{text}' names no port", _EXAMPLE)
    return AccessWish(found)


def _address(text: str) -> Address:
    try:
        return canonical(str(ip_address(text)))
    except ValueError:
        raise UnfitError(f"'{text}' is no address", "write one address, not a network") from None


def _whom(text: str) -> Address | str:
    return "source" if text.lower() == "source" else _address(text)


def _reason(text: str) -> Reason:
    if text not in _REASONS:
        meant = nearest(text, _REASONS)
        hint = f"did you mean {meant}?" if meant else f"one of: {', '.join(_REASONS)}"
        raise UnfitError(f"'{text}' is no reason that lies in the policy", hint)
    return _REASONS[text]


def _number(low: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        digits = text.removeprefix("-")
        if digits.isascii() and digits.isdecimal() and len(digits) <= len(str(_LONGEST)):
            found = int(text)
            if low <= found <= _LONGEST:
                return found
        raise UnfitError(f"'{text}' is no number from {low} to {_LONGEST}", "write such a number")

    return number


def _time(text: str) -> float:
    """An instant; without a zone it is meant in this host's own, as ACCESS_EXPIRE is."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise UnfitError(f"'{text}' is no time", "write one such as 2031-01-31T12:00") from None


_KEYWORDS: Final[dict[str, Callable[[str], Any]]] = {
    "services": _services,
    "command": CommandWish,
    "from": _address,
    "for": _whom,
    "to": _address,
    "stanza": lambda text: _number(1)(text.removeprefix("#")),
    "user": str,
    "seconds": _number(1),
    "aged": _number(-_LONGEST),
    "at": _time,
    "lasting": _number(1),
    "because": _reason,
}
