"""The message that a run asks for: from settings to the fields of a packet.

In here: the kind of message, its text, the NAT text, the user name, and what
the library would say of a field that cannot be (client, sections 3, 5 and 6).
Not in here: conflicts between options (client_verify), keys (client_keys),
the bytes of a packet (wire.spa).

Time and random values are arguments.
"""

from __future__ import annotations

from watchword.dialects.fwknop import client_values as values
from watchword.dialects.fwknop.client_nat import nat_text, outer_access, perl_nat
from watchword.dialects.fwknop.client_settings import PROTOCOL, Allow, AllowKind, Given
from watchword.errors import OperatorError
from watchword.model.crypto import Digest
from watchword.record import record, replace
from watchword.wire.spa import errors
from watchword.wire.spa.checks import BadAddressError, check_access
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.message import Message, MessageType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NO_USER = "NO_USER"
_ANYBODY = "0.0.0.0"  # noqa: S104  (no socket: "the address the packet comes from")


@record
class Person:
    """Where a user name is looked for when none is chosen."""

    environment: Mapping[str, str]
    login: str
    """Name of the effective user; empty if it has none."""


@record
class Draw:
    """The random values of one packet."""

    nonce: str
    """Sixteen decimal digits."""
    nat_port: int
    """10000 to 65534; independent of the nonce, which the packet gives away."""


@record
class Wanted:
    """A message, and what the user is to be told about it."""

    message: Message
    random_nat_port: int | None = None
    """The port that was drawn, if one was."""


@record
class Style:
    """Which client's packet is made."""

    version: str = PROTOCOL
    perl: bool = False
    """Whether NAT is asked for as perl servers read it, and a timeout of 0 is kept."""
    server_auth: str | None = None


_STYLE = Style()


@record
class Own:
    """Where the caller connects from, as far as the packet says so."""

    port: int = 0
    """The grant is to be for connections from this port; 0: from any."""
    also: tuple[str, ...] = ()
    """More addresses of his."""


ANYWHERE = Own()


def random_port(digits: str) -> int:
    """A port from 10000 to 65534, out of random decimal digits (section 6)."""
    return 10000 + int(digits) % 55535


def wanted(
    settings: Given,
    command: str | None,
    person: Person,
    now: float,
    draw: Draw,
    *,
    style: Style = _STYLE,
    own: Own = ANYWHERE,
) -> Wanted:
    """The message of this run, not yet checked against the library's rules.

    Args:
        settings: All layers combined, verified.
        command: What -C says.
        now: Unix seconds; the time offset is added.

    Raises OperatorError: what is asked for contradicts itself.
    """
    seconds = settings.seconds or 0
    message = Message(
        random=draw.nonce,
        user=user_name(settings, person),
        sent_at=int(now) + (settings.time_offset or 0),
        version=style.version,
        type=MessageType.COMMAND,
        text="",
        seconds=seconds,
        digest=settings.digest or Digest.SHA256,
        server_auth=style.server_auth,
    )
    if command is not None:
        return Wanted(_command(message, settings, command))
    found = _access(message, settings, draw, style)
    if own == ANYWHERE and "ASK_PREFIX" not in settings.elsewhere:
        return found
    return Wanted(_admitted(message, settings, own))


def _admitted(message: Message, settings: Given, own: Own) -> Message:
    """A command message, because no access message has a place for what is asked."""
    from watchword.dialects.fwknop import client_admit  # noqa: PLC0415  (few runs need it)

    said = client_admit.message(settings, settings.access or "", own.port, own.also)
    return replace(message, seconds=0, text=f"{allow_text(settings.allow)},{said}")


def _command(message: Message, settings: Given, command: str) -> Message:
    if settings.nat_access or settings.nat_local or settings.nat_rand_port:
        raise OperatorError(
            "A command cannot be combined with NAT options.",
            hint="send one packet with -C and another one with -A and -N",
        )
    return replace(message, text=f"{allow_text(settings.allow)},{command}")


def _access(message: Message, settings: Given, draw: Draw, style: Style) -> Wanted:
    if not settings.access:
        raise OperatorError(
            "Must use --access to specify what to open.",
            hint="for example -A tcp/22, or ACCESS tcp/22 in the rc file",
        )
    _check_access(f"{allow_text(settings.allow)},{settings.access}")
    drawn = draw.nat_port if settings.nat_rand_port else None
    nat = nat_text(settings, settings.access)
    access = outer_access(settings.access, drawn or settings.nat_port or 0, nat)
    type_ = MessageType.ACCESS
    if settings.nat_local:
        type_ = MessageType.LOCAL_NAT_ACCESS
    elif nat is not None:
        type_ = MessageType.NAT_ACCESS
    timed = message.seconds
    if style.perl:
        timed = settings.seconds is not None
        if nat is not None:
            access, nat = perl_nat(settings.access, access, nat)
    text = f"{allow_text(settings.allow)},{access}"
    type_ = type_.for_seconds(timed)
    return Wanted(replace(message, type=type_, text=text, nat=nat), drawn)


def _check_access(text: str) -> None:
    """Before anything is made of the list, so that the first thing wrong is what is said."""
    try:
        check_access(text)
    except BadAddressError as error:
        wrong = SpaError(errors.Code.INVALID_ALLOW_IP, str(error))
        raise library_complaint(wrong) from None
    except ValueError as error:
        wrong = SpaError(errors.Code.INVALID_SPA_ACCESS_MSG, str(error))
        raise library_complaint(wrong) from None


def library_complaint(error: SpaError) -> OperatorError:
    """The line that the original prints when its library refuses a field."""
    from watchword.dialects.fwknop.client_refused import complaint  # noqa: PLC0415  (mistakes)

    return complaint(error)


def allow_text(allow: Allow | None) -> str:
    """Whom to let in, as the packet says it; empty where nobody was named (test mode only)."""
    if allow is None:
        return ""
    if allow.kind is AllowKind.NAME:
        raise ValueError("a name has to be looked up before it is sent")
    return allow.text if allow.kind is AllowKind.ADDRESS else _ANYBODY


def user_name(settings: Given, person: Person) -> str:
    """The user field: what was chosen, else the first of section 3's list that exists."""
    if settings.user:
        return settings.user[: values.MAX_USER]
    environment = person.environment
    found = (
        environment.get("SPOOF_USER")
        or environment.get("LOGNAME")
        or person.login
        or environment.get("USER")
        or NO_USER
    )
    return found[: values.MAX_ANY_USER]
