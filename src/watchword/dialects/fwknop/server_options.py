"""The command line of fwknopd.

In here: the options as data, parsing, the usage text.
Not in here: what the options do (service), variables of fwknopd.conf that they
override (translate).

Source: fwknopd server, section 2. Long options may be abbreviated, as there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from enum import Enum
from functools import partial
from typing import Any, Final, NoReturn

from watchword.dialects.fwknop.server_perl_options import translated
from watchword.dialects.fwknop.suggest import did_you_mean
from watchword.errors import OperatorError
from watchword.record import record


class Takes(Enum):
    NOTHING = "store_true"
    TEXT = "store"
    COUNT = "count"


@record
class Option:
    short: str
    """One letter, or empty."""
    long: str
    takes: Takes
    what: str


def _switch(short: str, long: str, what: str) -> Option:
    return Option(short, long, Takes.NOTHING, what)


def _text(short: str, long: str, what: str) -> Option:
    return Option(short, long, Takes.TEXT, what)


OPTIONS: Final = (
    _text("a", "access-file", "read stanzas from this file"),
    _text("", "access-folder", "read stanzas from every .conf file of this folder"),
    _text("c", "config-file", "read settings from this file"),
    _text("O", "override-config", "files (a,b,...) whose settings override the others"),
    _text("C", "packet-limit", "stop after this many packets"),
    _text("d", "digest-file", "fwknop's replay memory, taken over at start"),
    _switch("D", "dump-config", "print the settings in effect and exit"),
    _switch("", "anonymize", "with --dump-config: placeholders for addresses, names, commands"),
    _switch("f", "foreground", "stay in the foreground, log to standard error"),
    _text("i", "interface", "interface to sniff on"),
    _text("l", "locale", "locale of messages"),
    _text("p", "pid-file", "where to keep the process number"),
    _text("P", "pcap-filter", "filter of packets to sniff"),
    _text("", "pcap-file", "read packets from a capture file"),
    _switch("", "pcap-any-direction", "look at packets that this host sends, too"),
    _text("r", "run-dir", "directory of files that need not survive a boot"),
    _switch("K", "kill", "end the running daemon"),
    _switch("R", "restart", "have the running daemon read its files again"),
    _switch("S", "status", "say whether a daemon is running"),
    _switch("t", "test", "judge packets and change nothing"),
    _switch("U", "udp-server", "receive packets on a UDP port"),
    _switch("n", "nfq-capture", "receive packets from a netfilter queue"),
    Option("v", "verbose", Takes.COUNT, "say more; may be repeated"),
    _switch("V", "version", "print the version and exit"),
    _switch("h", "help", "print this text and exit"),
    _switch("", "key-gen", "make keys, print them and exit"),
    _text("", "key-gen-file", "make keys, write them to this file and exit"),
    _text("", "key-len", "bytes of the encryption key to make"),
    _text("", "hmac-key-len", "bytes of the HMAC key to make"),
    _text("", "hmac-digest-type", "digest that the HMAC key is made for"),
    _switch("", "syslog-enable", "in the foreground, log to syslog as well"),
    _switch("", "fw-list", "list what this daemon has in the firewall and exit"),
    _switch("", "fw-list-all", "list the whole firewall and exit"),
    _text("", "fw-del-ip", "end the grants of this address and exit"),
    _switch("", "fw-flush", "take everything of ours out of the firewall and exit"),
    _switch("", "fw-withdraw", "take out what only a running daemon ends on time, and exit"),
    _switch("", "rotate-digest-cache", "begin a new replay memory, keep the old as <file>-old"),
    _text("", "export-digest-cache", "write the replay memory to this file, for fwknop, and exit"),
    _switch("", "os", "say which systems the firewall's log tells of, and exit"),
    _text("", "fw-log", "log to look for systems in; or IPT_SYSLOG_FILE"),
    _switch("", "exit-parse-config", "check the configuration and exit"),
    _switch("", "exit-parse-digest-cache", "check the replay memory and exit"),
    _switch("", "dump-serv-err-codes", "list error numbers and exit"),
    _text("", "gpg-home-dir", "default for GPG_HOME_DIR of stanzas"),
    _text("", "gpg-exe", "default for GPG_EXE of stanzas"),
    _text("", "sudo-exe", "path of sudo"),
    _switch("", "no-ipt-check-support", "accepted, without effect"),
    _switch("", "no-firewd-check-support", "accepted, without effect"),
    _switch("A", "afl-fuzzing", "not available in this program"),
    _text("", "afl-pkt-file", "not available in this program"),
    _text("", "fault-injection-tag", "not available in this program"),
)


USUAL_FILE: Final = "/etc/fwknop/fwknopd.conf"
"""Where settings are read from if no file is named."""


@record
class ServerOptions:
    """What the command line says; an option that is not given is None, False, 0 or empty."""

    config_file: str = USUAL_FILE
    override_config: tuple[str, ...] = ()
    """In the order in which they are read; the later wins."""
    access_file: str | None = None
    access_folder: str | None = None
    packet_limit: int = 0
    """0: no limit."""
    digest_file: str | None = None
    dump_config: bool = False
    anonymize: bool = False
    foreground: bool = False
    interface: str | None = None
    locale: str | None = None
    pid_file: str | None = None
    pcap_filter: str | None = None
    pcap_file: str | None = None
    pcap_any_direction: bool = False
    run_dir: str | None = None
    kill: bool = False
    restart: bool = False
    status: bool = False
    test: bool = False
    udp_server: bool = False
    nfq_capture: bool = False
    verbose: int = 0
    version: bool = False
    help: bool = False
    key_gen: bool = False
    key_gen_file: str | None = None
    key_len: int = 0
    """0: the default length."""
    hmac_key_len: int = 0
    hmac_digest_type: str | None = None
    syslog_enable: bool = False
    fw_list: bool = False
    fw_list_all: bool = False
    fw_del_ip: str | None = None
    fw_flush: bool = False
    fw_withdraw: bool = False
    rotate_digest_cache: bool = False
    export_digest_cache: str | None = None
    os: bool = False
    fw_log: str | None = None
    exit_parse_config: bool = False
    exit_parse_digest_cache: bool = False
    dump_serv_err_codes: bool = False
    gpg_home_dir: str | None = None
    gpg_exe: str | None = None
    sudo_exe: str | None = None
    no_ipt_check_support: bool = False
    no_firewd_check_support: bool = False
    afl_fuzzing: bool = False
    afl_pkt_file: str | None = None
    fault_injection_tag: str | None = None


class UsageError(OperatorError):
    """The command line makes no sense; the usage text is what helps. Exit status 1."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint="fwknopd --help lists the options")


def parse(argv: Sequence[str]) -> ServerOptions:
    """Read a command line, the program's name left out.

    Raises UsageError for unknown or ambiguous options, OperatorError for
    values that cannot be. ``--help`` and ``--version`` come back as fields.
    """
    words = translated(argv, [option.long for option in OPTIONS])
    given, rest = _parser().parse_known_args(words)
    if rest:
        near = did_you_mean(rest[0].partition("=")[0], [f"--{each.long}" for each in OPTIONS])
        hint = near or "fwknopd --help lists the options"
        raise UsageError(f"unknown option or argument {rest[0]!r}", hint=hint)
    said: dict[str, Any] = {name: value for name, value in vars(given).items() if value is not None}
    for name in ("key_len", "hmac_key_len"):
        if name in said:
            said[name] = _length(name, said[name])
    if "packet_limit" in said:
        said["packet_limit"] = _limit(said["packet_limit"])
    if "override_config" in said:
        files = said["override_config"].split(",")
        said["override_config"] = tuple(each.strip() for each in files if each.strip())
    options = ServerOptions(**said)
    _verify(options)
    return options


def usage() -> str:
    """The text of ``--help``, with a newline at the end."""
    lines = ["Usage: fwknopd [options]", ""]
    for option in OPTIONS:
        short = f"-{option.short}," if option.short else "   "
        argument = " <value>" if option.takes is Takes.TEXT else ""
        lines.append(f" {short} --{option.long + argument:<28} {option.what}")
    return "\n".join(lines) + "\n"


def _parser() -> _Parser:
    formatter = partial(argparse.HelpFormatter, width=80)  # else each option asks the terminal
    parser = _Parser(prog="fwknopd", add_help=False, allow_abbrev=True, formatter_class=formatter)
    for option in OPTIONS:
        names = [f"-{option.short}"] if option.short else []
        parser.add_argument(*names, f"--{option.long}", action=option.takes.value, default=None)
    return parser


def _verify(options: ServerOptions) -> None:
    if [options.dump_config, options.kill, options.restart, options.status].count(True) > 1:
        raise OperatorError(
            "The -D, -K, -R, and -S options are mutually exclusive.  Pick only one."
        )
    if options.afl_fuzzing or options.afl_pkt_file:
        raise OperatorError("[*] fwknopd not compiled with AFL fuzzing support")
    if options.fault_injection_tag:
        raise OperatorError("[*] fwknopd not compiled with libfiu support")


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise OperatorError(f"[*] invalid -C packet count limit '{text}'")
    return int(text)


def _length(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and int(text) > 0):
        raise OperatorError(f"--{name.replace('_', '-')} {text!r} is no number of bytes")
    return int(text)
