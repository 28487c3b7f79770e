"""fwknopd's files in memory: what tests write, load, and are told."""

from __future__ import annotations

from collections.abc import Sequence

from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.server_options import parse
from watchword.dialects.fwknop.translate import Configuration, load
from watchword.errors import Complaint, OperatorError

KEY = "jnj2fAYu4eR/Npp+LmElj4Tzw6ph9PHmb98vxCGb9+o="
HMAC_KEY = (
    "OBoveH9PuOUcA2fc1g4xD5LoeRi1ZbZIYcShCWAvS0sXfeeTE+MT18K/iYFt3zmiqMpAxs79o748dJ65FhOwaQ=="
)
KEYS = f"KEY_BASE64 {KEY}\nHMAC_KEY_BASE64 {HMAC_KEY}\n"
QUIET = "REQUIRE_SOURCE_ADDRESS Y\nOPEN_PORTS tcp/22\n"
STANZA = f"SOURCE ANY\n{KEYS}{QUIET}"
"""Nothing is wrong with it, and there is nothing to remark on."""
CONFIG = "ENABLE_UDP_SERVER Y\n"
GNUPG = {"/root/.gnupg/pubring.kbx": "", "/usr/bin/gpg": ""}
"""The key ring and the program that GPG lines fall back on."""
SIGNER = "C56B378F97133C9521A14E44F0D6D7409B545508"
GPG = f"GPG_ALLOW_NO_PW Y\nGPG_FINGERPRINT_ID {SIGNER}\n"
SEED_001 = """\
PCAP_INTF                   ens37;
ENABLE_UDP_SERVER           Y;
UDPSERV_PORT                62201;
PCAP_FILTER                 udp port 62201;
ENABLE_SPA_PACKET_AGING     Y;
MAX_SPA_PACKET_AGE          60;
ENABLE_SPA_OVER_HTTP        N;
ENABLE_DESTINATION_RULE     N;
FLUSH_FIREWD_AT_INIT        Y;
FLUSH_FIREWD_AT_EXIT        Y;
ENABLE_FIREWD_FORWARDING    Y;
ENABLE_FIREWD_LOCAL_NAT     N;
ENABLE_FIREWD_OUTPUT        N;
FIREWD_INPUT_ACCESS         ACCEPT, filter, INPUT, 1, FWKNOP_INPUT, 1;
FIREWD_FORWARD_ACCESS       ACCEPT, filter, FORWARD, 1, FWKNOP_FORWARD, 1;
ENABLE_FIREWD_COMMENT_CHECK N;
FIREWALL_EXE                /usr/bin/firewall-cmd;
"""
"""The fwknopd.conf of seed 001, as its writer had it."""


def configure(config: str = "", access: str = STANZA, *argv: str, **others: str) -> Configuration:
    """Load; ``config`` is added to a file that is sound. ``others`` are more files, ``_`` is a dot.

    Raises OperatorError.
    """
    texts = {"fwknopd.conf": CONFIG + config, "access.conf": access}
    texts |= GNUPG
    texts |= {name.replace("_", "."): text for name, text in others.items()}
    options = parse(["-c", "fwknopd.conf", "-a", "access.conf", *argv])
    return load(Sources.of(texts), options)


def complaints(
    config: str = "", access: str = STANZA, *argv: str, **others: str
) -> Sequence[Complaint]:
    """Everything that is said about these files, fatal or not."""
    try:
        return configure(config, access, *argv, **others).complaints
    except OperatorError as error:
        return error.complaints


def fatal(config: str = "", access: str = STANZA, *argv: str, **others: str) -> list[str]:
    """The fatal complaints as ``file:line: message (hint)``; empty if it loads."""
    return [str(each) for each in complaints(config, access, *argv, **others) if each.fatal]


def remarks(config: str = "", access: str = STANZA, *argv: str, **others: str) -> list[str]:
    """The other complaints. Raises OperatorError if it does not load."""
    return [str(each) for each in configure(config, access, *argv, **others).complaints]


def stanza(lines: str) -> str:
    """A sound stanza with these lines at its end; the added ones begin at line 6."""
    return STANZA + lines
