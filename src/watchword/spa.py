"""Single packet authorization as a library: seal a request into a packet, and open it again.

Compatible with fwknop's protocol 3.0.0 (the role that libfko plays there).
Needs nothing but ``cryptography``, does no I/O, and is the same on every
system. What is exported here is stable.

    >>> import secrets, time
    >>> from ipaddress import IPv4Address
    >>> from watchword import spa

Both sides have the same two keys, of 32 random bytes each or so:

    >>> credential = spa.Credential(
    ...     key=spa.Secret(secrets.token_bytes(32)),
    ...     mac_key=spa.Secret(secrets.token_bytes(32)),
    ... )

The client says what it wants. It draws a random value and a salt for every
packet, and says what time it is:

    >>> message = spa.access(
    ...     IPv4Address("192.0.2.7"), [spa.Service.parse("tcp/22")],
    ...     user="alice", now=time.time(), random=secrets.token_bytes,
    ... )
    >>> payload = spa.seal(message, credential, salt=secrets.token_bytes(8))
    >>> len(payload)
    204

The server opens it. Whatever does not fit raises SpaError, which carries
libfko's number and our reason:

    >>> opened = spa.unseal(payload, spa.Lock(credential))
    >>> opened.message == message
    True
    >>> allow, services = spa.parse_access(opened.message.text)
    >>> str(allow), [str(service) for service in services]
    ('192.0.2.7', ['tcp/22'])
    >>> try:
    ...     spa.unseal(payload[:-1] + b"!", spa.Lock(credential))
    ... except spa.SpaError as error:
    ...     print(error.code.label, error.reason.word)
    FKO_ERROR_INVALID_DATA_HMAC_COMPAREFAIL hmac-mismatch

A packet that opens is authentic, not new: whoever listens can send it again.
Remember ``packet_digest(payload)`` and ``plaintext_digest(opened.plaintext)``,
refuse what carries either of them again, and refuse what ``sent_at`` says is
old or from the future. Without an HMAC key a packet is not even authentic.

A server that is asked by strangers calls ``flaw(payload)`` first, then
``Bunch(locks).first_fit(payload)``, and ``open`` of the lock that fits.

Reading is strict: one packet has one spelling. ``LenientLock`` admits what
libfko admits, ``seal_as_perl`` writes for servers of the perl line, and
``inspect`` says what there is to say about any bytes.

With GnuPG there is a step in between, which is yours: ``compose`` gives what
gpg is to sign and encrypt, ``enclose`` makes a packet of the message that comes
out; ``OpenPgpLock`` verifies the HMAC, gives the ``message`` that gpg is to
decrypt, and ``read`` looks at signatures and text.

Packets travel in datagrams, in HTTP requests, in TCP streams and in raw IP
packets. ``http_request`` and ``http_extract`` write and read the second,
``Collector`` collects the third, ``udp_packet`` and its like write the last.
"""

from __future__ import annotations

from watchword.model.addresses import Address
from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.model.openpgp import (
    Decrypted,
    Keyring,
    OpenPgpCredential,
    Signature,
    SignatureState,
    Signers,
)
from watchword.model.reasons import Reason
from watchword.model.services import Proto, Service
from watchword.wire.carriers.headers import Ends, Ports, icmp_packet, tcp_packet, udp_packet
from watchword.wire.carriers.http import Carried
from watchword.wire.carriers.http import extract as http_extract
from watchword.wire.carriers.http import request as http_request
from watchword.wire.carriers.stream import Collector, Progress
from watchword.wire.spa.building import (
    VERSION,
    RandomBytes,
    access,
    command,
    local_nat_access,
    nat_access,
)
from watchword.wire.spa.checks import BadAddressError
from watchword.wire.spa.composing import compose
from watchword.wire.spa.digests import packet_digest, plaintext_digest
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.grammar import (
    ANY_SOURCE,
    parse_access,
    parse_allow,
    parse_command,
    parse_nat,
)
from watchword.wire.spa.inspecting import Encryption, Inside, Inspection, Layout, inspect
from watchword.wire.spa.leniency import LenientLock, LenientOpenPgpLock
from watchword.wire.spa.message import Message, MessageType
from watchword.wire.spa.opening import Bunch, Lock, Opened, flaw, unseal
from watchword.wire.spa.openpgp import OpenPgpLock, UnlistedSignerError, enclose
from watchword.wire.spa.perl19 import PERL_VERSION, seal_as_perl
from watchword.wire.spa.sealing import seal

__all__ = [
    "ANY_SOURCE",
    "PERL_VERSION",
    "VERSION",
    "Address",
    "BadAddressError",
    "Bunch",
    "Carried",
    "CipherMode",
    "Code",
    "Collector",
    "Credential",
    "Decrypted",
    "Digest",
    "Encryption",
    "Ends",
    "Inside",
    "Inspection",
    "Keyring",
    "Layout",
    "LenientLock",
    "LenientOpenPgpLock",
    "Lock",
    "Message",
    "MessageType",
    "OpenPgpCredential",
    "OpenPgpLock",
    "Opened",
    "Ports",
    "Progress",
    "Proto",
    "RandomBytes",
    "Reason",
    "Secret",
    "Service",
    "Signature",
    "SignatureState",
    "Signers",
    "SpaError",
    "UnlistedSignerError",
    "access",
    "command",
    "compose",
    "enclose",
    "flaw",
    "http_extract",
    "http_request",
    "icmp_packet",
    "inspect",
    "local_nat_access",
    "nat_access",
    "packet_digest",
    "parse_access",
    "parse_allow",
    "parse_command",
    "parse_nat",
    "plaintext_digest",
    "seal",
    "seal_as_perl",
    "tcp_packet",
    "udp_packet",
    "unseal",
]
