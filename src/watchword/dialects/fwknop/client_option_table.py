"""The options of fwknop as a table (client, section 2).

In here: every option with its value and what it is for, under the headings of the usage text.
Not in here: what it does to the settings (client_notes), parsing (client_options).
"""

from __future__ import annotations

from enum import Enum

from watchword.dialects.fwknop import client_notes as note
from watchword.dialects.fwknop import client_values as values
from watchword.dialects.fwknop.client_notes import Note
from watchword.dialects.fwknop.client_settings import KeyForm
from watchword.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


class Family(Enum):
    """Which addresses of a server's name may be used."""

    ANY = "any"
    FOUR = "IPv4"
    SIX = "IPv6"


@record
class Option:
    short: str
    """One letter, or empty."""
    long: str
    placeholder: str
    """What stands for its value in the usage text; empty: it takes none."""
    what: str
    note: Note
    """Puts it into the fields of CommandLine and those of Given; raises ValueError."""

    @property
    def optional(self) -> bool:
        """Whether the value may be left out."""
        return self.placeholder.startswith("[")


@record
class Group:
    """Options that the usage text shows under one heading."""

    heading: str
    options: tuple[Option, ...]


def _descriptor(text: str) -> int:
    return values.number(text, 0, 2**31 - 1)


def _key_length(text: str) -> int:
    return values.length(text, "key")


GROUPS: Final[tuple[Group, ...]] = (
    Group("What to ask for, and of whom", (
        Option("A", "access", "<list>", "ports to open, for example tcp/22,udp/53",
               note.given("access")),
        Option("a", "allow-ip", "<address>",
               "who is to be let in (IPv4; IPv6 by our own server only)", note.address),
        Option("s", "source-ip", "", "let in the address that the packet comes from", note.source),
        Option("R", "resolve-ip-https", "", "find out our own outer address, let in that",
               note.resolve()),
        Option("", "resolve-ip-http", "", "the same as -R", note.resolve()),
        Option("", "resolve-http-only", "", "-R without TLS",
               note.resolve("RESOLVE_HTTP_ONLY")),
        Option("", "resolve-url", "<url>", "-R by asking this web page",
               note.resolve("RESOLVE_URL", None)),
        Option("", "resolvers", "<list>",
               "-R by asking these: URLs, stun:HOST, dns:NAME@SERVER",
               note.resolve("RESOLVERS", None)),
        Option("", "resolve-agree", "", "-R, and two of those who are asked have to agree",
               note.resolve("RESOLVE_AGREE")),
        Option("D", "destination", "<host[:port]>", "the server", note.given("server")),
        Option("n", "named-config", "<name>", "use this section of the rc file",
               note.text("named")),
        Option("f", "fw-timeout", "<seconds>", "how long the server is asked to open",
               note.given("seconds", values.seconds)),
        Option("C", "server-cmd", "<command>", "command that the server is asked to run",
               note.text("command")),
        Option("U", "spoof-user", "<name>", "user name to send", note.user),
        Option("N", "nat-access", "<host[:port]>", "have the server forward to this inner host",
               note.given("nat_access")),
        Option("", "nat-local", "", "have the server forward to itself", note.switch("nat_local")),
        Option("", "nat-port", "<port>", "outer port of a forwarded service",
               note.given("nat_port", values.port)),
        Option("", "nat-rand-port", "", "the same, chosen at random and printed",
               note.switch("nat_rand_port")),
        Option("", "packet-version", "<1.9|2.6>", "which fwknop's packet to send (2.6)",
               note.text("packet_version", values.packet_version)),
        Option("", "time-offset-plus", "<time>",
               "add 30, 60sec, 5min, 2hours or 1day to the time sent", note.plus),
        Option("", "time-offset-minus", "<time>", "subtract it", note.minus),
    )),
    Group("How the packet travels", (
        Option("p", "server-port", "<port>", "port of the server (62201; http 80, https 443)",
               note.given("server_port", values.port)),
        Option("P", "server-proto", "<name>",
               "udp, tcp, http, https, udpraw, tcpraw or icmp (udp)",
               note.given("proto", values.transport)),
        Option("", "via", "<list>", "try these in order until one is confirmed: udp,tcp:443,https",
               note.given("via", values.via)),
        Option("4", "ipv4", "", "use only IPv4 addresses of the server",
               note.flag("family", Family.FOUR)),
        Option("6", "ipv6", "", "use only IPv6 addresses of the server",
               note.flag("family", Family.SIX)),
        Option("", "server-resolve-ipv4", "", "the same as -4", note.switch("only_ipv4")),
        Option("S", "source-port", "<port>", "port to send from",
               note.given("source_port", values.port)),
        Option("r", "rand-port", "", "send to a random port", note.switch("rand_port")),
        Option("Q", "spoof-source", "<address>", "with udpraw, tcpraw or icmp: say to be this",
               note.given("spoof_source", values.spoof)),
        Option("", "spoof-src", "<address>", "the same as -Q",
               note.given("spoof_source", values.spoof)),
        Option("", "all-addresses", "", "send to every address of the server's name",
               note.switch("every_address")),
        Option("H", "http-proxy", "<proxy>", "send by HTTP through [user:password@]host[:port]",
               note.http_proxy),
        Option("", "socks", "<proxy>",
               "send through [socks5://|socks4a://][user:password@]host[:port]",
               note.given("relay", values.socks)),
        Option("", "ca-file", "<file>", "certificates that an HTTPS server's is held against",
               note.given("ca_file")),
        Option("", "icmp-type", "<number>", "type of an ICMP packet, 0 to 255 (echo reply)",
               note.icmp("type")),
        Option("", "icmp-code", "<number>", "code of an ICMP packet, 0 to 255 (0)",
               note.icmp("code")),
        Option("u", "user-agent", "<text>", "what an HTTP request calls itself",
               note.given("user_agent", values.agent)),
        Option("", "use-wget-user-agent", "", "with -R: do not call ourselves Fwknop",
               note.elsewhere("USE_WGET_USER_AGENT")),
        Option("w", "wget-cmd", "<file>", "with -R: have this program ask pages over HTTPS",
               note.kept("WGET_CMD")),
    )),
    Group("Keys and cryptography", (
        Option("", "use-hmac", "", "authenticate the packet with an HMAC",
               note.switch("use_hmac")),
        Option("", "hmac-digest-type", "<digest>", "digest of the HMAC (sha256)", note.mac_digest),
        Option("m", "digest-type", "<digest>", "digest inside the packet (sha256)",
               note.given("digest", values.digest)),
        Option("M", "encryption-mode", "<mode>", "CBC, CTR, CFB, OFB, ECB or legacy (CBC)",
               note.given("mode", values.mode)),
        Option("G", "get-key", "<file>", "file with the encryption key",
               note.key("key", KeyForm.FILE)),
        Option("", "get-hmac-key", "<file>", "file with the HMAC key",
               note.key("mac_key", KeyForm.FILE)),
        Option("", "stdin", "", "read keys from standard input, one on a line",
               note.flag("descriptor", 0)),
        Option("", "fd", "<number>", "read keys from this descriptor, one on a line",
               note.text("descriptor", _descriptor)),
        Option("", "key-rijndael", "<text>", "encryption key; other users can see it",
               note.key("key", KeyForm.TEXT)),
        Option("", "key-base64-rijndael", "<base64>", "encryption key in base64",
               note.key("key", KeyForm.BASE64)),
        Option("", "key-hmac", "<text>", "HMAC key; other users can see it",
               note.key("mac_key", KeyForm.TEXT)),
        Option("", "key-base64-hmac", "<base64>", "HMAC key in base64",
               note.key("mac_key", KeyForm.BASE64)),
        Option("k", "key-gen", "", "make keys, print or save them, and exit",
               note.flag("key_gen")),
        Option("K", "key-gen-file", "<file>", "make keys, write them to this file, and exit",
               note.text("key_gen_file", key_gen=True)),
        Option("", "key-len", "<bytes>", "length of the encryption key to make (32)",
               note.text("key_length", _key_length)),
        Option("", "hmac-key-len", "<bytes>", "length of the HMAC key to make", note.mac_length),
    )),
    Group("GnuPG (each of these implies -g)", (
        Option("g", "gpg-encryption", "", "sign with your key, encrypt to the server's",
               note.elsewhere("USE_GPG")),
        Option("", "gpg-recipient-key", "<key>", "the server's key: an id or a fingerprint",
               note.elsewhere("GPG_RECIPIENT", gpg=True, typed=True)),
        Option("", "gpg-signer-key", "<key>", "your own key",
               note.elsewhere("GPG_SIGNER", gpg=True, typed=True)),
        Option("", "gpg-home-dir", "<folder>", "where the keys are",
               note.elsewhere("GPG_HOMEDIR", gpg=True, typed=True)),
        Option("", "gpg-exe", "<file>", "the program gpg (/usr/bin/gpg)",
               note.elsewhere("GPG_EXE", gpg=True, typed=True)),
        Option("", "gpg-agent", "", "have the agent ask for the passphrase",
               note.elsewhere("USE_GPG_AGENT", gpg=True)),
        Option("", "gpg-no-signing-pw", "", "the key has no passphrase",
               note.elsewhere("GPG_NO_SIGNING_PW", gpg=True)),
    )),
    Group("Files", (
        Option("", "rc-file", "<file>", "rc file (~/.fwknoprc)", note.text("rc_file")),
        Option("", "no-rc-file", "", "use no rc file", note.flag("no_rc_file")),
        Option("", "no-home-dir", "", "never look into the home directory",
               note.flag("no_home_dir")),
        Option("", "save-rc-stanza", "",
               "save the options in the section -n, or in that of the server",
               note.flag("save_stanza")),
        Option("", "force-stanza", "", "with --save-rc-stanza: ask nothing, keep nothing",
               note.flag("force_stanza")),
        Option("", "stanza-list", "", "list the sections of the rc file and exit",
               note.flag("stanza_list")),
        Option("l", "last-cmd", "", "run once more with the options of the last run",
               note.flag("last")),
        Option("", "show-last", "", "print the options of the last run and exit",
               note.flag("show_last")),
        Option("E", "save-args-file", "<file>", "where options are kept (~/.fwknop.run)",
               note.text("args_file")),
        Option("", "no-save-args", "", "do not keep the options", note.switch("no_save_args")),
        Option("B", "save-packet", "<file>", "write the packet to this file",
               note.text("packet_file")),
        Option("b", "save-packet-append", "", "append to that file", note.flag("append")),
    )),
    Group("Other", (
        Option("T", "test", "", "make the packet, show it, do not send it", note.flag("test")),
        Option("v", "verbose", "", "say more; may be repeated", note.more),
        Option("V", "version", "", "print the version and exit", note.flag("version")),
        Option("h", "help", "", "print this text and exit", note.flag("help")),
        Option("", "fault-injection-tag", "<tag>", "not available in this program",
               note.no_faults),
    )),
)  # fmt: skip

OPTIONS: Final = tuple(option for group in GROUPS for option in group.options)
