"""Why packets are refused, and how far they had come.

In here: the two lists that refusals are made of. They stand apart from the rest
of the outcomes, because whoever only writes packets needs no more than these.
Not in here: refusals as values (outcomes), wording (dialects).
"""

from __future__ import annotations

from enum import Enum, IntEnum


class Stage(IntEnum):
    """How far a packet got. Higher is nearer to an open port."""

    ENVELOPE = 1
    SOURCE = 2
    CIPHER = 3
    EXPIRY = 4
    HMAC = 5
    DECRYPTION = 6
    SIGNATURE = 7
    CONTENT = 8
    REPLAY = 9
    BLOCK = 10
    AGE = 11
    ADDRESS = 12
    USER = 13
    KIND = 14
    PORTS = 15
    COMMAND = 16
    CROWD = 17
    FIREWALL = 18


class Reason(Enum):
    """Why a packet was refused: a word for machines, and the stage it belongs to."""

    LENGTH = ("length", Stage.ENVELOPE)
    ALPHABET = ("alphabet", Stage.ENVELOPE)
    PREFIX = ("prefix", Stage.ENVELOPE)
    NO_STANZA = ("no-stanza-for-source", Stage.SOURCE)
    NO_SUCH_CIPHER = ("no-key-for-that-cipher", Stage.CIPHER)
    STANZA_EXPIRED = ("stanza-expired", Stage.EXPIRY)
    MAC_MISMATCH = ("hmac-mismatch", Stage.HMAC)
    NOT_DECRYPTED = ("not-decrypted", Stage.DECRYPTION)
    GPG_BUSY = ("gpg-busy", Stage.DECRYPTION)
    GPG_FAILED = ("gpg-failed", Stage.DECRYPTION)
    KNOCK_UNREADABLE = ("knock-unreadable", Stage.DECRYPTION)
    UNSIGNED = ("signature-missing", Stage.SIGNATURE)
    BADLY_SIGNED = ("signature-refused", Stage.SIGNATURE)
    UNLISTED_SIGNER = ("signer-not-listed", Stage.SIGNATURE)
    MALFORMED = ("malformed", Stage.CONTENT)
    KNOCK_TOO_LATE = ("knock-too-late", Stage.CONTENT)
    KNOCK_OUT_OF_TIME = ("knock-out-of-time", Stage.CONTENT)
    REPLAYED = ("replayed", Stage.REPLAY)
    BEYOND_MEMORY = ("older-than-memory", Stage.REPLAY)
    STORE_REFUSED = ("replay-store-refused", Stage.REPLAY)
    KEY_BLOCKED = ("key-blocked", Stage.BLOCK)
    TOO_OLD = ("too-old", Stage.AGE)
    FROM_THE_FUTURE = ("from-the-future", Stage.AGE)
    BLACKLISTED = ("blacklisted", Stage.ADDRESS)
    SOURCE_REQUIRED = ("source-address-required", Stage.ADDRESS)
    ADDRESS_NOT_HOST = ("address-not-a-host", Stage.ADDRESS)
    NO_SUCH_FAMILY = ("address-family-not-supported", Stage.ADDRESS)
    WRONG_SYSTEM = ("wrong-operating-system", Stage.ADDRESS)
    ADDRESS_NOT_YOURS = ("address-not-to-be-named", Stage.ADDRESS)
    TOO_MANY_ADDRESSES = ("too-many-addresses", Stage.ADDRESS)
    PREFIX_NOT_OFFERED = ("prefix-not-offered", Stage.ADDRESS)
    SOURCE_PORT_NOT_OFFERED = ("source-port-not-offered", Stage.ADDRESS)
    SOURCE_PORT_REQUIRED = ("source-port-required", Stage.ADDRESS)
    NOT_LED_ON_IN_PART = ("not-led-on-in-part", Stage.ADDRESS)
    WRONG_USER = ("wrong-user", Stage.USER)
    DIGEST_NOT_ALLOWED = ("digest-not-allowed", Stage.KIND)
    NO_FORWARDING = ("forwarding-not-enabled", Stage.KIND)
    NAT_NAMES_NOT_ENABLED = ("nat-names-not-enabled", Stage.KIND)
    NO_COMMANDS = ("commands-not-enabled", Stage.KIND)
    NO_SUCH_ACTION = ("action-not-listed", Stage.KIND)
    COMMAND_FOR_CYCLE = ("command-for-a-cycle", Stage.KIND)
    NO_ACCESS = ("access-not-enabled", Stage.KIND)
    TIME_NOT_PERMITTED = ("time-not-permitted", Stage.KIND)
    PORT_RESTRICTED = ("port-restricted", Stage.PORTS)
    PORT_NOT_OFFERED = ("port-not-offered", Stage.PORTS)
    NAT_TARGET_NOT_ALLOWED = ("nat-target-not-allowed", Stage.PORTS)
    NAT_NAME_NOT_RESOLVED = ("nat-name-not-resolved", Stage.PORTS)
    ONE_SERVICE_ONLY = ("one-service-only", Stage.PORTS)
    PORT_NOT_SECRET = ("port-not-secret", Stage.PORTS)
    KNOCK_LIMIT = ("knock-limit", Stage.PORTS)
    COMMAND_UNREADABLE = ("command-unreadable", Stage.COMMAND)
    ACTION_UNFIT = ("action-arguments-unfit", Stage.COMMAND)
    ADMIT_UNREADABLE = ("admit-unreadable", Stage.COMMAND)
    NOTHING_TO_CLOSE = ("nothing-to-close", Stage.COMMAND)
    COMMAND_NOT_ALLOWED = ("command-not-allowed", Stage.COMMAND)
    COMMAND_UNCHECKED = ("command-not-checked", Stage.COMMAND)
    TOO_MANY_COMMANDS = ("too-many-commands", Stage.COMMAND)
    COMMAND_NOT_STARTED = ("command-not-started", Stage.COMMAND)
    CYCLE_UNRECORDED = ("close-not-recorded", Stage.COMMAND)
    CYCLE_FAILED = ("open-command-failed", Stage.COMMAND)
    ADDRESS_HELD = ("address-held", Stage.CROWD)
    HELD_TOO_LONG = ("address-held-too-long", Stage.CROWD)
    TOO_MANY_IDENTITIES = ("too-many-identities", Stage.CROWD)
    TOO_MANY_GRANTS = ("too-many-grants", Stage.CROWD)
    TOO_MANY_CONNECTIONS = ("too-many-connections", Stage.CROWD)
    PORT_USED_LATELY = ("port-used-lately", Stage.CROWD)
    WAITED_TOO_LONG = ("waited-too-long", Stage.CROWD)
    LED_ELSEWHERE = ("port-leads-elsewhere", Stage.FIREWALL)
    FIREWALL_REFUSED = ("firewall-refused", Stage.FIREWALL)

    def __init__(self, word: str, stage: Stage) -> None:
        self.word = word
        self.stage = stage
