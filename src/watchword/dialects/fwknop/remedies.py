"""Why a packet was refused, for the person who wants it let in.

In here: a sentence and a remedy for each reason, in the words of fwknop's files
and options.
Not in here: finding the reason (service.explain), log lines (voice).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from watchword.model.outcomes import Refusal
from watchword.model.reasons import Reason


class Advice(NamedTuple):
    sentence: str
    """What is the matter. ``{detail}`` and ``{expected}`` stand for the refusal's own."""
    remedy: str
    """What to do about it, on which side."""


_ADVICE: Final = {
    Reason.LENGTH: Advice(
        "its length is not that of an SPA packet (140 to 1500 bytes)",
        "look at what was sent: it was cut, or it is not from an SPA client",
    ),
    Reason.ALPHABET: Advice(
        "it holds bytes that an SPA packet never has, or is not in its one canonical spelling",
        "look at what was sent: it was changed on the way, or it is not from an SPA client",
    ),
    Reason.PREFIX: Advice(
        "it begins with the prefix that clients cut off before sending",
        "send the packet as the client made it; an older packet in other clothes is not accepted",
    ),
    Reason.NO_STANZA: Advice(
        "no stanza's SOURCE, DESTINATION and RESTRICT_INTF fit where it came from and was sent to",
        "widen SOURCE or DESTINATION in access.conf, or knock from an address that is listed",
    ),
    Reason.NO_SUCH_CIPHER: Advice(
        "the stanza has no key for packets of that kind, encryption type {detail}",
        "have the client use the kind of key that the stanza has, or give it one of that kind",
    ),
    Reason.STANZA_EXPIRED: Advice(
        "the stanza's ACCESS_EXPIRE has passed",
        "set a later ACCESS_EXPIRE in access.conf and reload",
    ),
    Reason.MAC_MISMATCH: Advice(
        "its HMAC does not match this stanza's HMAC key",
        "compare HMAC_KEY_BASE64 and HMAC_DIGEST_TYPE in access.conf with those in ~/.fwknoprc, "
        "and see that the client uses --use-hmac",
    ),
    Reason.NOT_DECRYPTED: Advice(
        "this stanza's key does not decrypt it",
        "compare KEY_BASE64 (or KEY) and ENCRYPTION_MODE in access.conf with those of the client",
    ),
    Reason.GPG_BUSY: Advice(
        "more OpenPGP packets are waiting than gpg can open in time",
        "give the stanza an HMAC_KEY_BASE64, so that strangers cannot make gpg work; knock again",
    ),
    Reason.GPG_FAILED: Advice(
        "gpg could not be used: {detail}",
        "look at GPG_HOME_DIR, GPG_EXE and GPG_DECRYPT_PW of the stanza; knock again",
    ),
    Reason.UNSIGNED: Advice(
        "it is not signed, and the stanza asks for a signature",
        "sign it (fwknop --gpg-signer-key), or allow unsigned packets with GPG_DISABLE_SIG Y",
    ),
    Reason.BADLY_SIGNED: Advice(
        "its signature does not count: {detail}",
        "import the client's public key into GPG_HOME_DIR and sign or trust it there",
    ),
    Reason.UNLISTED_SIGNER: Advice(
        "it is signed by {detail}, who is not in the stanza's list of signers",
        "add the key to GPG_FINGERPRINT_ID (or GPG_REMOTE_ID) in access.conf, or sign with another",
    ),
    Reason.MALFORMED: Advice(
        "it was sealed with the right key, and its content breaks the format: {detail}",
        "update the client; a packet of ours never looks like this",
    ),
    Reason.REPLAYED: Advice(
        "it was seen before, and a packet counts once",
        "have the client make a new packet; if it did, somebody is sending an old one again",
    ),
    Reason.BEYOND_MEMORY: Advice(
        "its time stamp is older than what the server remembers, so it may have been seen before",
        "have the client make a new packet; if it did, set its clock (NTP)",
    ),
    Reason.STORE_REFUSED: Advice(
        "the replay store could not be written to, and without it nothing is accepted",
        "free space in, or repair, the directory that STATE_DIR names; the log says what failed",
    ),
    Reason.KEY_BLOCKED: Advice(
        "it was sealed with a key that somebody has blocked",
        "give the caller a new key; or watchword unblock, if the old one is in good hands",
    ),
    Reason.TOO_OLD: Advice(
        "its time stamp is {detail} seconds old, and MAX_SPA_PACKET_AGE is {expected}",
        "set the clocks of both machines (NTP), or use --time-offset-plus on the client",
    ),
    Reason.FROM_THE_FUTURE: Advice(
        "its time stamp lies {detail} seconds ahead, and MAX_SPA_PACKET_AGE is {expected}",
        "set the clocks of both machines (NTP), or use --time-offset-minus on the client",
    ),
    Reason.BLACKLISTED: Advice(
        "nothing is done for {detail}, which is in BLACKLIST of fwknopd.conf",
        "knock from, and for, another address, or take it out of BLACKLIST and reload",
    ),
    Reason.SOURCE_REQUIRED: Advice(
        "it asks for the address it came from (-s), and the stanza has REQUIRE_SOURCE_ADDRESS Y",
        "name the address: fwknop -a ADDRESS",
    ),
    Reason.ADDRESS_NOT_HOST: Advice(
        "the address that is to be let in cannot be one caller's: {detail}",
        "name the caller's own address with -a",
    ),
    Reason.NO_SUCH_FAMILY: Advice(
        "the firewall here cannot open for {detail}",
        "knock for an address of the other family, or see FIREWALL_ATTACH and NFT_JUMP_FROM",
    ),
    Reason.WRONG_SYSTEM: Advice(
        "its packets look like those of {detail}, and the stanza wants {expected}",
        "knock from such a system, or change REQUIRE_OS; that is a weak hint, and no proof",
    ),
    Reason.KNOCK_UNREADABLE: Advice(
        "what was knocked is no message under the stanza's KEY: {detail}",
        "give both sides the same key and offset, and see that no hit is lost on the way",
    ),
    Reason.KNOCK_TOO_LATE: Advice(
        "the last hit did not follow the first within KNOCK_INTERVAL",
        "knock faster (--time-delay 0), or raise KNOCK_INTERVAL",
    ),
    Reason.KNOCK_OUT_OF_TIME: Advice(
        "a hit came too early or too late after the one before: {detail}",
        "knock with another --time-delay, or change MIN_TIME_DIFF and MAX_TIME_DIFF",
    ),
    Reason.KNOCK_LIMIT: Advice(
        "its sender was let in {detail} times, which is KNOCK_LIMIT",
        "raise it; the count begins anew when the server is started",
    ),
    Reason.WRONG_USER: Advice(
        "its user name is {detail}, which is not in the stanza's REQUIRE_USERNAME",
        "send as that user (SPOOF_USER in ~/.fwknoprc), or change REQUIRE_USERNAME",
    ),
    Reason.DIGEST_NOT_ALLOWED: Advice(
        "its inner digest is {detail}, which DIGEST_TYPE in fwknopd.conf leaves out",
        "have the client use another one (fwknop -m), or add it to DIGEST_TYPE and reload",
    ),
    Reason.NO_FORWARDING: Advice(
        "it asks for NAT, which is not enabled here",
        "set ENABLE_IPT_FORWARDING Y (-N) or ENABLE_IPT_LOCAL_NAT Y (--nat-local) in fwknopd.conf "
        "and reload, or ask for a port of this host",
    ),
    Reason.NAT_NAMES_NOT_ENABLED: Advice(
        "it asks for NAT to a host by its name ({detail}), and ENABLE_NAT_DNS is N",
        "name the address: fwknop -N ADDRESS:PORT",
    ),
    Reason.NAT_NAME_NOT_RESOLVED: Advice(
        "it asks for NAT to {detail}, and this host cannot find out an address for that name",
        "name the address: fwknop -N ADDRESS:PORT; or see that names can be looked up here",
    ),
    Reason.NAT_TARGET_NOT_ALLOWED: Advice(
        "it asks for NAT to {detail}, which the stanza does not allow",
        "add it to NAT_TARGETS in the stanza and reload",
    ),
    Reason.ONE_SERVICE_ONLY: Advice(
        "it asks for several services ({detail}), and a secret port leads to one",
        "knock for each of them on its own",
    ),
    Reason.PORT_NOT_SECRET: Advice(
        "it asks to be led on from {detail}, which is none of the stanza's SECRET_PORTS",
        "knock without --nat-port, or widen SECRET_PORTS (fwknop --nat-rand-port: 10000-65534)",
    ),
    Reason.PORT_USED_LATELY: Advice(
        "that secret port was used for the same address a moment ago: {detail}",
        "knock again: each packet has another port",
    ),
    Reason.ADDRESS_HELD: Advice(
        "somebody else holds that address: {detail}",
        "knock again when it is free, or see EXCLUSIVE_LEASE in the stanza",
    ),
    Reason.HELD_TOO_LONG: Advice(
        "nobody may hold an address for ever: {detail}",
        "wait until then, or see MAX_LEASE_TIME in the stanza",
    ),
    Reason.WAITED_TOO_LONG: Advice(
        "it waited for an address that somebody else holds: {detail}",
        "knock again, or see EXCLUSIVE_LEASE in the stanza",
    ),
    Reason.TOO_MANY_IDENTITIES: Advice(
        "too many have grants for that address: {detail}",
        "wait until one of them ends, or raise MAX_IDENTITIES_PER_ADDRESS in the stanza",
    ),
    Reason.TOO_MANY_GRANTS: Advice(
        "there are too many grants for that address: {detail}",
        "wait until one of them ends, or raise MAX_GRANTS_PER_ADDRESS in the stanza",
    ),
    Reason.TOO_MANY_CONNECTIONS: Advice(
        "too many connections to that service are outstanding for that address: {detail}",
        "wait until grants end; there is room for 64 connections of one address to one service",
    ),
    Reason.LED_ELSEWHERE: Advice(
        "that port leads the caller's address elsewhere already: {detail}",
        "wait until that is over, or ask for another port (fwknop --nat-rand-port)",
    ),
    Reason.NO_COMMANDS: Advice(
        "it asks to run a command, which the stanza does not allow",
        "set ENABLE_CMD_EXEC Y in the stanza and reload, or ask for a port with -A",
    ),
    Reason.NO_SUCH_ACTION: Advice(
        "it asks for an action that the stanza's ACTIONS do not list",
        "watchword check lists them; add the action to ACTIONS in the stanza and reload",
    ),
    Reason.ACTION_UNFIT: Advice(
        "the arguments of the action do not fit: {detail}",
        "send them as ACTION_ARGUMENT in the file of ACTIONS_FILE describes them",
    ),
    Reason.ADDRESS_NOT_YOURS: Advice(
        "it names an address that its stanza lets nobody name: {detail}",
        "add the address to NAMED_ADDRESSES, or knock from it",
    ),
    Reason.TOO_MANY_ADDRESSES: Advice(
        "it names more addresses than its stanza lets a packet name: {detail}",
        "raise MORE_ADDRESSES, or send a packet for each",
    ),
    Reason.PREFIX_NOT_OFFERED: Advice(
        "it asks for a prefix that its stanza does not let in: {detail}",
        "add its length to PREFIXES_IPV4 or PREFIXES_IPV6, or ask for an address",
    ),
    Reason.SOURCE_PORT_NOT_OFFERED: Advice(
        "it asks for a grant to one source port, and its stanza offers none: {detail}",
        "add BIND_SOURCE_PORT offered to the stanza, or leave BIND_SOURCE_PORT out of the client's",
    ),
    Reason.SOURCE_PORT_REQUIRED: Advice(
        "it asks for the whole of an address, and its stanza only binds to source ports: {detail}",
        "use watchword connect --bind, or set BIND_SOURCE_PORT to offered",
    ),
    Reason.NOT_LED_ON_IN_PART: Advice(
        "it asks to be led on from a part of an address, or from several: {detail}",
        "ask for the one without the other",
    ),
    Reason.ADMIT_UNREADABLE: Advice(
        "what follows the word admit is not what it may be: {detail}",
        "write admit tcp/22 port 40123, with prefix, also and for, as in access.conf(5)",
    ),
    Reason.NOTHING_TO_CLOSE: Advice(
        "it asks to close a grant of its sender's, and there is none that it fits",
        "use the key, the user and the address that opened, and name all ports of a grant, or none",
    ),
    Reason.COMMAND_FOR_CYCLE: Advice(
        "it asks to run a command, and the stanza has a command cycle, which takes ports only",
        "ask for a port with -A, or give ENABLE_CMD_EXEC a stanza and a key of its own",
    ),
    Reason.CYCLE_UNRECORDED: Advice(
        "the command that closes could not be recorded, so nothing was opened: {detail}",
        "free space in, or repair, the directory that STATE_DIR names; knock again",
    ),
    Reason.CYCLE_FAILED: Advice(
        "CMD_CYCLE_OPEN failed: {detail}",
        "run the command of the log by hand; with ipset, add -exist for callers who come again",
    ),
    Reason.NO_ACCESS: Advice(
        "it asks for a port, and the stanza opens none (DISABLE_FW_ACCESS Y)",
        "send a command, or take DISABLE_FW_ACCESS out of the stanza",
    ),
    Reason.TIME_NOT_PERMITTED: Advice(
        "it asks for {detail} seconds, and the stanza, which is one of fwknop 1.9, takes no times",
        "knock without -f (--fw-timeout), or write PERMIT_CLIENT_TIMEOUT Y into the stanza",
    ),
    Reason.COMMAND_UNREADABLE: Advice(
        "the command cannot be split into words: {detail}",
        "close every quote; there is no shell, unless the stanza says CMD_SHELL Y",
    ),
    Reason.COMMAND_NOT_ALLOWED: Advice(
        "the stanza's CMD_REGEX does not match the whole of the command",
        "send a command that it matches, or change CMD_REGEX in access.conf and reload",
    ),
    Reason.COMMAND_UNCHECKED: Advice(
        "the stanza's CMD_REGEX could not be held against the command: {detail}",
        "write it without repetitions inside repetitions, and see whether Python can be started",
    ),
    Reason.TOO_MANY_COMMANDS: Advice(
        "{detail} commands were running or waiting, and there may be no more",
        "send it again later, or raise MAX_COMMANDS in fwknopd.conf",
    ),
    Reason.COMMAND_NOT_STARTED: Advice(
        "the command could not be started: {detail}",
        "give the program's full path, and see whether the stanza's user may run it",
    ),
    Reason.PORT_RESTRICTED: Advice(
        "it asks for {detail}, which RESTRICT_PORTS keeps closed",
        "ask for other ports, or change RESTRICT_PORTS in access.conf",
    ),
    Reason.PORT_NOT_OFFERED: Advice(
        "it asks for {detail}, which is not in the stanza's OPEN_PORTS",
        "ask for ports that are listed, or add to OPEN_PORTS in access.conf and reload",
    ),
    Reason.FIREWALL_REFUSED: Advice(
        "the firewall did not take the change, so nothing was opened",
        "the log says what the kernel answered; send a new packet when it is mended",
    ),
}

IN_REQUEST: Final = Advice(
    "it is an HTTP request with a packet inside, and this fwknopd does not look into such requests",
    "write ENABLE_SPA_OVER_HTTP Y, and ALLOW_ANY_USER_AGENT Y if its User-Agent is not Fwknop; "
    "or send it by itself: fwknop -P udp",
)
"""For an envelope that was refused because it is a request."""


def advice(refusal: Refusal) -> Advice:
    """The sentence, with its detail in place, and the remedy."""
    sentence, remedy = _ADVICE[refusal.reason]
    before, mark, after = sentence.partition("{expected}")
    parts = [each.replace("{detail}", refusal.detail) for each in (before, after)]
    return Advice((refusal.expected if mark else "").join(parts), remedy)
