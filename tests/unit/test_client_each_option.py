"""Each option of fwknop 2.6 and of our own: what it sets, what it saves, how it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from watchword.dialects.fwknop.client_option_table import GROUPS, OPTIONS, Family
from watchword.dialects.fwknop.client_options import CommandLine, parse
from watchword.dialects.fwknop.client_settings import (
    Allow,
    AllowKind,
    KeyForm,
    KeyWord,
    RelayForm,
    RelayWord,
)
from watchword.dialects.fwknop.client_words import UsageError
from watchword.dialects.fwknop.rcfile_read import VARIABLES, read
from watchword.dialects.fwknop.rcfile_write import ORDER, variables
from watchword.errors import OperatorError
from watchword.model.crypto import CipherMode, Digest
from watchword.record import replace

RESOLVE = Allow(AllowKind.RESOLVE)
GPG = {"USE_GPG": "Y"}
HMAC = {"use_hmac": True}
EFFECTS: dict[str, tuple[str | None, dict[str, Any], dict[str, str]]] = {
    # option: a value, what it sets (of CommandLine with "line.", else of Given), and the
    # variables that --save-rc-stanza writes for it
    "access": ("tcp/22", {"access": "tcp/22"}, {"ACCESS": "tcp/22"}),
    "allow-ip": (
        "192.0.2.1",
        {"allow": Allow(AllowKind.ADDRESS, "192.0.2.1")},
        {"ALLOW_IP": "192.0.2.1"},
    ),
    "source-ip": (None, {"allow": Allow(AllowKind.SOURCE)}, {"ALLOW_IP": "source"}),
    "resolve-ip-https": (None, {"allow": RESOLVE}, {"RESOLVE_IP_HTTPS": "Y"}),
    "resolve-ip-http": (None, {"allow": RESOLVE}, {"RESOLVE_IP_HTTPS": "Y"}),
    "resolve-http-only": (
        None,
        {"allow": RESOLVE, "elsewhere": {"RESOLVE_HTTP_ONLY": "Y"}},
        {"RESOLVE_IP_HTTPS": "Y", "RESOLVE_HTTP_ONLY": "Y"},
    ),
    "resolve-url": (
        "https://a/ip",
        {"allow": RESOLVE, "elsewhere": {"RESOLVE_URL": "https://a/ip"}},
        {"RESOLVE_IP_HTTPS": "Y", "RESOLVE_URL": "https://a/ip"},
    ),
    "resolvers": (
        "stun:a",
        {"allow": RESOLVE, "elsewhere": {"RESOLVERS": "stun:a"}},
        {"RESOLVE_IP_HTTPS": "Y", "RESOLVERS": "stun:a"},
    ),
    "resolve-agree": (
        None,
        {"allow": RESOLVE, "elsewhere": {"RESOLVE_AGREE": "Y"}},
        {"RESOLVE_IP_HTTPS": "Y", "RESOLVE_AGREE": "Y"},
    ),
    "destination": ("gate:99", {"server": "gate:99"}, {"SPA_SERVER": "gate:99"}),
    "named-config": ("work", {"line.named": "work"}, {}),
    "fw-timeout": ("60", {"seconds": 60}, {"FW_TIMEOUT": "60"}),
    "server-cmd": ("id -a", {"line.command": "id -a"}, {}),
    "spoof-user": ("mbr", {"user": "mbr"}, {"SPOOF_USER": "mbr"}),
    "nat-access": ("10.0.0.5:80", {"nat_access": "10.0.0.5:80"}, {"NAT_ACCESS": "10.0.0.5:80"}),
    "nat-local": (None, {"nat_local": True}, {"NAT_LOCAL": "Y"}),
    "nat-port": ("4000", {"nat_port": 4000}, {"NAT_PORT": "4000"}),
    "nat-rand-port": (None, {"nat_rand_port": True}, {"NAT_RAND_PORT": "Y"}),
    "packet-version": ("1.9", {"line.packet_version": "1.9"}, {}),
    "time-offset-plus": ("2days", {"time_offset": 172800}, {"TIME_OFFSET": "2880m"}),
    "time-offset-minus": ("5m", {"time_offset": -300}, {"TIME_OFFSET": "-300"}),
    "server-port": ("99", {"server_port": 99}, {"SPA_SERVER_PORT": "99"}),
    "server-proto": ("UDPraw", {"proto": "udpraw"}, {"SPA_SERVER_PROTO": "udpraw"}),
    "via": ("udp,tcp:443", {"via": "udp,tcp:443"}, {"VIA": "udp,tcp:443"}),
    "ipv4": (None, {"line.family": Family.FOUR}, {}),
    "ipv6": (None, {"line.family": Family.SIX}, {}),
    "server-resolve-ipv4": (None, {"only_ipv4": True}, {"SERVER_RESOLVE_IPV4": "Y"}),
    "source-port": ("1234", {"source_port": 1234}, {"SPA_SOURCE_PORT": "1234"}),
    "rand-port": (None, {"rand_port": True}, {"RAND_PORT": "Y"}),
    "spoof-source": (
        "192.0.2.9",
        {"spoof_source": "192.0.2.9"},
        {"SPOOF_SOURCE_IP": "192.0.2.9"},
    ),
    "spoof-src": ("192.0.2.9", {"spoof_source": "192.0.2.9"}, {"SPOOF_SOURCE_IP": "192.0.2.9"}),
    "all-addresses": (None, {"every_address": True}, {"ALL_ADDRESSES": "Y"}),
    "http-proxy": (
        "p:3128",
        {"relay": RelayWord(RelayForm.HTTP, "p:3128"), "proto": "http"},
        {"HTTP_PROXY": "p:3128", "SPA_SERVER_PROTO": "http"},
    ),
    "socks": (
        "socks5://p:1080",
        {"relay": RelayWord(RelayForm.SOCKS, "socks5://p:1080")},
        {"SOCKS_PROXY": "socks5://p:1080"},
    ),
    "ca-file": ("/ca", {"ca_file": "/ca"}, {"CA_FILE": "/ca"}),
    "icmp-type": ("8", {"icmp_type": 8}, {"ICMP_TYPE": "8"}),
    "icmp-code": ("3", {"icmp_code": 3}, {"ICMP_CODE": "3"}),
    "user-agent": ("X", {"user_agent": "X"}, {"HTTP_USER_AGENT": "X"}),
    "use-wget-user-agent": (
        None,
        {"elsewhere": {"USE_WGET_USER_AGENT": "Y"}},
        {"USE_WGET_USER_AGENT": "Y"},
    ),
    "wget-cmd": ("/wget", {"elsewhere": {"WGET_CMD": "/wget"}}, {"WGET_CMD": "/wget"}),
    "use-hmac": (None, HMAC, {"USE_HMAC": "Y"}),
    "hmac-digest-type": (
        "Sha512",
        {**HMAC, "mac_digest": Digest.SHA512},
        {"USE_HMAC": "Y", "HMAC_DIGEST_TYPE": "SHA512"},
    ),
    "digest-type": ("md5", {"digest": Digest.MD5}, {"DIGEST_TYPE": "MD5"}),
    "encryption-mode": ("ctr", {"mode": CipherMode.CTR}, {"ENCRYPTION_MODE": "CTR"}),
    "get-key": ("/k", {"key": KeyWord(KeyForm.FILE, "/k")}, {"KEY_FILE": "/k"}),
    "get-hmac-key": (
        "/k",
        {**HMAC, "mac_key": KeyWord(KeyForm.FILE, "/k")},
        {"USE_HMAC": "Y", "HMAC_KEY_FILE": "/k"},
    ),
    "stdin": (None, {"line.descriptor": 0}, {}),
    "fd": ("3", {"line.descriptor": 3}, {}),
    "key-rijndael": ("word", {"key": KeyWord(KeyForm.TEXT, "word")}, {"KEY": "word"}),
    "key-base64-rijndael": (
        "d29yZA==",
        {"key": KeyWord(KeyForm.BASE64, "d29yZA==")},
        {"KEY_BASE64": "d29yZA=="},
    ),
    "key-hmac": (
        "word",
        {**HMAC, "mac_key": KeyWord(KeyForm.TEXT, "word")},
        {"USE_HMAC": "Y", "HMAC_KEY": "word"},
    ),
    "key-base64-hmac": (
        "d29yZA==",
        {**HMAC, "mac_key": KeyWord(KeyForm.BASE64, "d29yZA==")},
        {"USE_HMAC": "Y", "HMAC_KEY_BASE64": "d29yZA=="},
    ),
    "key-gen": (None, {"line.key_gen": True}, {}),
    "key-gen-file": ("/k", {"line.key_gen": True, "line.key_gen_file": "/k"}, {}),
    "key-len": ("16", {"line.key_length": 16}, {}),
    "hmac-key-len": ("16", {**HMAC, "line.mac_key_length": 16}, {"USE_HMAC": "Y"}),
    "gpg-encryption": (None, {"elsewhere": GPG}, GPG),
    "gpg-recipient-key": (
        "K",
        {"elsewhere": {**GPG, "GPG_RECIPIENT": "K"}},
        {**GPG, "GPG_RECIPIENT": "K"},
    ),
    "gpg-signer-key": (
        "K",
        {"elsewhere": {**GPG, "GPG_SIGNER": "K"}},
        {**GPG, "GPG_SIGNER": "K"},
    ),
    "gpg-home-dir": (
        "/h",
        {"elsewhere": {**GPG, "GPG_HOMEDIR": "/h"}},
        {**GPG, "GPG_HOMEDIR": "/h"},
    ),
    "gpg-exe": ("/g", {"elsewhere": {**GPG, "GPG_EXE": "/g"}}, {**GPG, "GPG_EXE": "/g"}),
    "gpg-agent": (
        None,
        {"elsewhere": {**GPG, "USE_GPG_AGENT": "Y"}},
        {**GPG, "USE_GPG_AGENT": "Y"},
    ),
    "gpg-no-signing-pw": (
        None,
        {"elsewhere": {**GPG, "GPG_NO_SIGNING_PW": "Y"}},
        {**GPG, "GPG_NO_SIGNING_PW": "Y"},
    ),
    "rc-file": ("/rc", {"line.rc_file": "/rc"}, {}),
    "no-rc-file": (None, {"line.no_rc_file": True}, {}),
    "no-home-dir": (None, {"line.no_home_dir": True}, {}),
    "save-rc-stanza": (None, {"line.save_stanza": True}, {}),
    "force-stanza": (None, {"line.force_stanza": True}, {}),
    "stanza-list": (None, {"line.stanza_list": True}, {}),
    "last-cmd": (None, {"line.last": True}, {}),
    "show-last": (None, {"line.show_last": True}, {}),
    "save-args-file": ("/a", {"line.args_file": "/a"}, {}),
    "no-save-args": (None, {"no_save_args": True}, {"NO_SAVE_ARGS": "Y"}),
    "save-packet": ("/p", {"line.packet_file": "/p"}, {}),
    "save-packet-append": (None, {"line.append": True}, {}),
    "test": (None, {"line.test": True}, {}),
    "verbose": (None, {"line.verbose": 1, "verbose": 1}, {"VERBOSE": "Y"}),
    "version": (None, {"line.version": True}, {}),
    "help": (None, {"line.help": True}, {}),
}
REFUSED = {"fault-injection-tag"}
"""Options that only say that they are not available."""
SHORT = {each.long: each.short for each in OPTIONS}


def after(effects: dict[str, Any]) -> CommandLine:
    """What a command line says where these fields, and no others, were set."""
    plain = parse([])
    line = {name.removeprefix("line."): v for name, v in effects.items() if name[:5] == "line."}
    given = {name: value for name, value in effects.items() if name[:5] != "line."}
    return replace(plain, given=replace(plain.given, **given), **line)


def written(option: str, *, short: bool = False) -> list[str]:
    value = EFFECTS[option][0]
    name = f"-{SHORT[option]}" if short else f"--{option}"
    return [name] if value is None else [name, value]


def test_the_table_of_this_file_has_every_option() -> None:
    assert EFFECTS.keys() | REFUSED == {each.long for each in OPTIONS}


@pytest.mark.parametrize("option", EFFECTS)
def test_each_option_sets_what_it_says_and_nothing_else(option: str) -> None:
    line = after(EFFECTS[option][1])
    assert parse(written(option)) == line
    assert line != parse([])
    if SHORT[option]:
        assert parse(written(option, short=True)) == line


@pytest.mark.parametrize("option", EFFECTS)
def test_each_option_is_saved_in_its_variables_and_read_back_as_it_was(option: str) -> None:
    _, _, saved = EFFECTS[option]
    given = parse(written(option)).given
    assert variables(given) == saved
    text = "".join(f"{name} {value}\n" for name, value in saved.items())
    [section] = read(f"[x]\n{text}", "rc", "x")
    assert section is not None
    again = section.given
    noise = {name: "Y" for name in ("RESOLVE_IP_HTTPS",) if name in again.elsewhere}
    assert replace(again, elsewhere={**again.elsewhere}) == replace(
        given, elsewhere={**given.elsewhere, **noise}
    )


@pytest.mark.requirement("9.29", partial=True)
@pytest.mark.parametrize("text", ["1", "65536", "65536m", "65536h", "65536d", "2days", "1093h"])
@pytest.mark.parametrize("option", ["--time-offset-plus", "--time-offset-minus"])
def test_every_offset_that_can_be_given_can_be_saved(option: str, text: str) -> None:
    given = parse([option, text]).given
    [section] = read(f"[x]\nTIME_OFFSET {variables(given)['TIME_OFFSET']}\n", "rc", "x")
    assert section is not None
    assert section.given == given


def test_every_variable_that_is_saved_is_one_that_is_read() -> None:
    assert set(ORDER) <= VARIABLES.keys()


@pytest.mark.parametrize("option", [o for o in EFFECTS if EFFECTS[o][0] is not None])
def test_an_option_with_a_value_needs_one(option: str) -> None:
    with pytest.raises(UsageError, match=f"option '--{option}' requires an argument"):
        parse([f"--{option}"])


@pytest.mark.parametrize("option", [o for o in EFFECTS if EFFECTS[o][0] is None])
def test_a_switch_takes_no_value(option: str) -> None:
    with pytest.raises(UsageError, match=f"option '--{option}' doesn't allow an argument"):
        parse([f"--{option}=x"])


def test_what_only_test_builds_have_is_refused_as_in_fwknop() -> None:
    with pytest.raises(OperatorError, match="not compiled with fault injection support"):
        parse(["--fault-injection-tag", "x"])


def test_every_option_has_one_line_that_says_what_it_is_for() -> None:
    for group in GROUPS:
        for option in group.options:
            assert 8 <= len(option.what) <= 72, option
            assert "not supported yet" not in option.what
