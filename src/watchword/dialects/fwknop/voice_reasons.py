"""The log line of each reason for which a packet is refused.

In here: the line, in the words of fwknopd 2.6.10 where it has one, and of 2.6.11 where that
has others.
Not in here: which lines are told of a packet, and how many (voice_packets).

Source: fwknopd server, section 11.
"""

from __future__ import annotations

from typing import Final

from watchword.dialects.fwknop.voice_words import Line, Priority
from watchword.model.outcomes import Refusal
from watchword.model.packets import Packet
from watchword.model.reasons import Reason
from watchword.wire.spa.envelope import RIJNDAEL_LONGEST
from watchword.wire.spa.errors import Code
from watchword.wire.spa.grammar import NO_HOST

_ENTRY: Final = 300  # characters of a command
USER: Final = 64  # characters of a user name; the format has no more
_E, _W, _I = Priority.ERR, Priority.WARNING, Priority.INFO

# ``{at}`` is ``[ip] (stanza #n)``, ``{n}`` is ``(stanza #n)``.
_LINES: Final = {
    Reason.NO_SUCH_CIPHER: (
        _E,
        "{at} No stanza encryption mode match for encryption type: {detail:.1}.",
    ),
    Reason.STANZA_EXPIRED: (_I, "{at} Access stanza has expired"),
    Reason.MAC_MISMATCH: (_W, "{at} Error creating fko context{when}: {text}"),
    Reason.NOT_DECRYPTED: (_W, "{at} Error creating fko context: {text}"),
    Reason.MALFORMED: (_W, "{at} Error creating fko context: {text}"),
    Reason.GPG_BUSY: (_W, "{at} Too many GPG packets are waiting, this one was dropped."),
    Reason.GPG_FAILED: (_E, "{at} Error creating fko context: {detail}"),
    Reason.KNOCK_UNREADABLE: (_W, "{at} No knock of this stanza's key: {detail}."),
    Reason.KNOCK_TOO_LATE: (_W, "{at} The knock was not complete within KNOCK_INTERVAL."),
    Reason.KNOCK_OUT_OF_TIME: (_W, "{at} {detail}"),
    Reason.KNOCK_LIMIT: (_W, "{at} The sender has had all of KNOCK_LIMIT, which is {detail}."),
    Reason.WRONG_SYSTEM: (_W, "{at} The knock is from another system than {expected}."),
    Reason.UNSIGNED: (_W, "{at} Error creating fko context: {text}"),
    Reason.BADLY_SIGNED: (_W, "{at} Error creating fko context: {text}"),
    Reason.UNLISTED_SIGNER: (_W, "{at} Incoming SPA packet signed by{signer} list."),
    Reason.BEYOND_MEMORY: (_W, "{at} The packet is older than what is remembered of packets."),
    Reason.STORE_REFUSED: (_W, "{at} Could not add digest to replay cache"),
    Reason.KEY_BLOCKED: (_W, "{at} The key is blocked (watchword unblock)."),
    Reason.TOO_OLD: (_W, "{at} SPA data time difference is too great ({detail} seconds)."),
    Reason.FROM_THE_FUTURE: (_W, "{at} SPA data time difference is too great ({detail} seconds)."),
    Reason.BLACKLISTED: (_W, "{at} allow IP: {detail} SPA packet from {ip} is blacklisted"),
    Reason.SOURCE_REQUIRED: (_W, "{at} Got 0.0.0.0 when valid source IP was required."),
    Reason.ADDRESS_NOT_HOST: (
        _W,
        "{at} Invalid source IP in SPA message, ignoring SPA packet: {detail}",
    ),
    Reason.NO_SUCH_FAMILY: (_W, "{at} The firewall here cannot open for {detail}."),
    Reason.ADDRESS_NOT_YOURS: (_W, "{at} An address that may not be named here, by {detail}."),
    Reason.TOO_MANY_ADDRESSES: (_W, "{at} Too many addresses, by {detail}."),
    Reason.PREFIX_NOT_OFFERED: (_W, "{at} A prefix that is not offered, by {detail}."),
    Reason.SOURCE_PORT_NOT_OFFERED: (
        _W,
        "{at} A source port, which the stanza does not offer, by {detail}.",
    ),
    Reason.SOURCE_PORT_REQUIRED: (
        _W,
        "{at} No source port, which the stanza requires, by {detail}.",
    ),
    Reason.NOT_LED_ON_IN_PART: (
        _W,
        "{at} Who is led on comes from one whole address; asked for by {detail}.",
    ),
    Reason.WRONG_USER: (
        _W,
        "{at} Username in SPA data ({user}) does not match required username: {expected}",
    ),
    Reason.DIGEST_NOT_ALLOWED: (_W, "{at} The digest {detail} is not one of DIGEST_TYPE."),
    Reason.NO_FORWARDING: (
        _W,
        "{n} SPA packet from {ip} requested NAT access, but is not enabled/supported",
    ),
    Reason.NAT_NAMES_NOT_ENABLED: (
        _W,
        "Received Hostname in NAT SPA message, but hostname is disabled.",
    ),
    Reason.NAT_NAME_NOT_RESOLVED: (_W, "Unable to resolve Hostname in NAT SPA message"),
    Reason.NAT_TARGET_NOT_ALLOWED: (
        _W,
        "{at} SPA packet requested NAT access to {detail}, which the stanza does not allow.",
    ),
    Reason.ONE_SERVICE_ONLY: (_W, "{at} A secret port leads to one service, not to {detail}."),
    Reason.PORT_NOT_SECRET: (_W, "{at} The port {detail} is none of the stanza's SECRET_PORTS."),
    Reason.PORT_USED_LATELY: (_W, "{at} That secret port was used a moment ago: {detail}."),
    Reason.ADDRESS_HELD: (_W, "{at} The address is held: {detail}."),
    Reason.HELD_TOO_LONG: (_W, "{at} The address was held too long: {detail}."),
    Reason.WAITED_TOO_LONG: (_W, "{at} The address did not become free: {detail}."),
    Reason.TOO_MANY_IDENTITIES: (_W, "{at} Too many share the address: {detail}."),
    Reason.TOO_MANY_GRANTS: (_W, "{at} Too many grants for the address: {detail}."),
    Reason.TOO_MANY_CONNECTIONS: (_W, "{at} Too many connections for the address: {detail}."),
    Reason.LED_ELSEWHERE: (
        _W,
        "{at} The port leads that address elsewhere already: {detail}.",
    ),
    Reason.NO_COMMANDS: (
        _W,
        "{at} SPA Command messages are not allowed in the current configuration.",
    ),
    Reason.NO_SUCH_ACTION: (_W, "{at} The command names no action of the stanza's ACTIONS."),
    Reason.ACTION_UNFIT: (_W, "{at} The arguments of the action do not fit: {detail}."),
    Reason.ADMIT_UNREADABLE: (_W, "{at} What is to be admitted cannot be read: {detail}."),
    Reason.NOTHING_TO_CLOSE: (_W, "{at} There is no grant of this caller's to be closed."),
    Reason.COMMAND_FOR_CYCLE: (_E, "{at} Could not build CMD_CYCLE_OPEN command."),
    Reason.CYCLE_UNRECORDED: (
        _E,
        "{at} CMD_CYCLE_OPEN command is not run, because its end cannot be recorded: {detail}",
    ),
    Reason.CYCLE_FAILED: (_E, "{at} CMD_CYCLE_OPEN command failed, nothing is granted: {detail}"),
    Reason.NO_ACCESS: (_W, "{at} The stanza opens nothing (DISABLE_FW_ACCESS)."),
    Reason.TIME_NOT_PERMITTED: (
        _W,
        "{at} The packet asks for {detail} seconds, but PERMIT_CLIENT_TIMEOUT is not enabled.",
    ),
    Reason.COMMAND_UNREADABLE: (_W, "{at} The command cannot be split into words: {detail}."),
    Reason.COMMAND_NOT_ALLOWED: (_W, "{at} Received a command, but CMD_REGEX did not match."),
    Reason.COMMAND_UNCHECKED: (
        _E,
        "{at} Received a command that CMD_REGEX could not be held against: {detail}.",
    ),
    Reason.TOO_MANY_COMMANDS: (
        _W,
        "{at} No command is run: {detail} others run or wait already.",
    ),
    Reason.PORT_RESTRICTED: (
        _W,
        "{at} One or more requested protocol/ports was denied per access.conf.",
    ),
    Reason.PORT_NOT_OFFERED: (
        _W,
        "{at} One or more requested protocol/ports was denied per access.conf.",
    ),
    Reason.COMMAND_NOT_STARTED: (_E, "{at} The command could not be started: {detail}"),
    Reason.FIREWALL_REFUSED: (_E, "{at} The firewall refused the change: nothing was opened."),
}


def line(refusal: Refusal, packet: Packet, name: str) -> Line:
    """What a stanza's refusal says; ``name`` is ``(stanza #1)`` or several of them."""
    priority, text = _LINES[refusal.reason]
    return priority, text.format(
        at=f"[{packet.peer}] {name}",
        n=name,
        ip=packet.peer,
        detail=refusal.detail,
        user=refusal.detail[:USER],
        expected=refusal.expected,
        text=_library_text(refusal),
        when=_when(packet),
        signer=_signer(refusal),
    )


def newer_wording(refusal: Refusal, name: str) -> Line | None:
    """What fwknopd 2.6.11 says where 2.6.10 has other words; None: they are the same."""
    if refusal.reason is Reason.MAC_MISMATCH:
        return _I, f"{name} Non-corresponding HMAC for this stanza"
    return None


def before(refusal: Refusal, command: str) -> Line | None:
    """What fwknopd says before the line of a reason. ``command``: what the packet asks to run."""
    if refusal.reason is not Reason.COMMAND_FOR_CYCLE or not command:
        return None
    entry = command.partition(",")[0][:_ENTRY]
    wrong = "Invalid protocol in" if "/" in entry else "Parse error on"
    return _E, f"[*] {wrong} access port entry: {entry}"


def besides(refusal: Refusal, packet: Packet, name: str) -> Line | None:
    """What fwknopd says after the line of a reason, or of what its library takes for good."""
    if refusal.reason in (Reason.UNSIGNED, Reason.BADLY_SIGNED):
        return _W, f"[{packet.peer}] {name} - GPG ERROR: {_library_text(refusal)}"
    if refusal.reason is Reason.MALFORMED and NO_HOST in refusal.detail:
        return _W, "Invalid Hostname in NAT SPA message"
    return None


def _signer(refusal: Refusal) -> str:
    """The middle of the original's two sentences about lists of signers."""
    if refusal.expected == "id":
        return f" ID: {refusal.detail[-8:]}, but that ID is not in the GPG_REMOTE_ID"
    return f": {refusal.detail}, but that fingerprint is not in the GPG_FINGERPRINT_ID"


def _when(packet: Packet) -> str:
    """fwknopd has other words for OpenPGP packets, which are told by their length."""
    return " (before decryption)" if len(packet.payload) > RIJNDAEL_LONGEST else ""


def _library_text(refusal: Refusal) -> str:
    if refusal.reason is Reason.MAC_MISMATCH:
        return Code.INVALID_DATA_HMAC_COMPAREFAIL.text
    return refusal.detail or Code.DECRYPTION_FAILURE.text
