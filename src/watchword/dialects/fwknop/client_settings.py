"""What one layer of the client's settings says, and how layers are put together.

In here: ``Given``, which is filled from ``[default]``, from a named stanza and
from the command line, and ``merge``.
Not in here: how text becomes a value (client_values), what the whole has to
satisfy (client_verify).

The more specific layer wins, always. Where several variables answer one
question (which key, whose address), they are one field, so that a key of a
general layer cannot stand beside the key of a specific one (client, sections
4, 8.1 and 9).
"""

from __future__ import annotations

from enum import Enum

from watchword.model.crypto import CipherMode, Digest
from watchword.model.undisclosed import Undisclosed, alike
from watchword.record import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

DEFAULT_PORT = 62201
PROTOCOL = "3.0.0"  # what the version field of our packets says


class KeyForm(Enum):
    """How a key is written down. Within one layer the first that is given counts."""

    TEXT = 0
    BASE64 = 1
    FILE = 2


class KeyWord(Undisclosed):
    """A key as it was written, or the file that it stands in."""

    __slots__ = ("form", "text")

    def __init__(self, form: KeyForm, text: str) -> None:
        self.form = form
        self.text = text

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, KeyWord)
            and self.form is other.form
            and alike(_octets(self.text), _octets(other.text))
        )

    def __hash__(self) -> int:
        raise TypeError("a key is not a dictionary key")


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


class RelayForm(Enum):
    """Which option or variable a relay was written with."""

    HTTP = "an HTTP proxy"
    SOCKS = "a SOCKS proxy"


class RelayWord(Undisclosed):
    """A relay as it was written: ``[scheme://][user:password@]host[:port]``.

    Empty for an HTTP proxy: the one that the environment names (perl 1.9).
    """

    __slots__ = ("form", "text")

    def __init__(self, form: RelayForm, text: str) -> None:
        self.form = form
        self.text = text

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, RelayWord)
            and self.form is other.form
            and alike(_octets(self.text), _octets(other.text))
        )

    def __hash__(self) -> int:
        raise TypeError("what may hold a password is not a dictionary key")


_ASKED_ALONE = frozenset({"RESOLVE_URL", "RESOLVE_HTTP_ONLY"})
"""Variables that say whom to ask about our address where there is no list of them."""


class AllowKind(Enum):
    ADDRESS = "address"
    SOURCE = "source"
    """Whoever the packet comes from (0.0.0.0)."""
    RESOLVE = "resolve"
    """The sender's own address as the outside sees it."""
    NAME = "name"
    """Whoever has this name; only the perl client's option says so."""


@record
class Allow:
    """Whom the server is asked to let in."""

    kind: AllowKind
    text: str = ""
    """The address or name as typed; empty for SOURCE and RESOLVE."""


_NOTHING: Mapping[str, str] = {}


@record
class Given:
    """What one layer says; None where it says nothing."""

    server: str | None = None
    """``host``, ``host:port`` or ``[address]:port``, as typed."""
    server_port: int | None = None
    proto: str | None = None
    """Carrier, in lower case."""
    via: str | None = None
    """Carriers to try in this order: ``udp,tcp:443,https``. Wins over ``proto``."""
    source_port: int | None = None
    spoof_source: str | None = None
    """Address that raw packets say they come from; a name where the perl line allows one."""
    relay: RelayWord | None = None
    relay_user: str | None = None
    relay_password: KeyWord | None = None
    """Login of an HTTP proxy where it is not written with its name (perl 1.9)."""
    user_agent: str | None = None
    ca_file: str | None = None
    """Certificates that a web server's is held against; None: the system's."""
    icmp_type: int | None = None
    icmp_code: int | None = None
    icmp_asks: bool | None = None
    """ICMP without a type is an echo request (perl 1.9), not a reply."""
    every_address: bool | None = None
    """Send to each address of the server's name."""
    rand_port: bool | None = None
    access: str | None = None
    allow: Allow | None = None
    seconds: int | None = None
    """Length of the grant that is asked for; 0: none named."""
    user: str | None = None
    time_offset: int | None = None
    """Seconds added to the time stamp; may be negative."""
    digest: Digest | None = None
    mode: CipherMode | None = None
    key: KeyWord | None = None
    mac_key: KeyWord | None = None
    mac_digest: Digest | None = None
    use_hmac: bool | None = None
    nat_access: str | None = None
    nat_local: bool | None = None
    nat_port: int | None = None
    nat_rand_port: bool | None = None
    only_ipv4: bool | None = None
    verbose: int | None = None
    no_save_args: bool | None = None
    elsewhere: Mapping[str, str] = _NOTHING
    """Variables with their values as written: GnuPG (see ``client_gpg``) and address resolution
    (see ``client_whereabouts``)."""


def merge(below: Given, above: Given) -> Given:
    """One layer on top of another: what ``above`` does not say shows through.

    One carrier above takes the place of several below.
    """
    said: dict[str, Any] = {
        name: value
        for name, value in vars(above).items()
        if name != "elsewhere" and value is not None
    }
    if above.proto is not None and above.via is None:
        said["via"] = None
    return replace(below, **said, elsewhere=_over(below.elsewhere, above.elsewhere))


def _over(below: Mapping[str, str], above: Mapping[str, str]) -> dict[str, str]:
    """One layer of variables on top of another; whom to ask is one question (section 7)."""
    hidden: frozenset[str] = frozenset()
    if "RESOLVERS" in above:
        hidden = _ASKED_ALONE
    elif not _ASKED_ALONE.isdisjoint(above):
        hidden = frozenset({"RESOLVERS"})
    return {name: text for name, text in below.items() if name not in hidden} | dict(above)


def combine(default: Given, stanza: Given, typed: Given) -> Given:
    """The three layers of a run. Of the two wishes for verbosity the larger counts.

    Who names a page to ask and no address wants to ask it (section 4, check 4).
    """
    whole = merge(merge(default, stanza), typed)
    filed = merge(default, stanza).verbose or 0
    allow = whole.allow
    if allow is None and "RESOLVE_URL" in whole.elsewhere:
        allow = Allow(AllowKind.RESOLVE)
    return replace(whole, allow=allow, verbose=max(filed, typed.verbose or 0))


def note_key(given: dict[str, Any], name: str, word: KeyWord) -> None:
    """Put a key into a layer under construction, unless a stronger form is there already.

    Of two in the same form the later counts.
    """
    known: KeyWord | None = given.get(name)
    if known is None or word.form.value <= known.form.value:
        given[name] = word


def note_allow(given: dict[str, Any], allow: Allow) -> None:
    """Put an address into a layer under construction; resolving gives way to an address."""
    known: Allow | None = given.get("allow")
    if known is None or allow.kind is not AllowKind.RESOLVE or known.kind is AllowKind.RESOLVE:
        given["allow"] = allow
